//! The whole of it as a driver uses it: two ends, two streams of bytes, from the first act to a message of the node.

use crate::support::{End, START, initiator, local, responder};
use astrape_primitives::{ChannelId, Timestamp};
use astrape_transport::{Action, Decryptor, Encryptor, Handshake, Progress, Secured, Session};
use astrape_wire::{Message, Warning};

/// One end of a connection: what a driver's two tasks hold.
struct Peer {
    encryptor: Encryptor,
    decryptor: Decryptor,
    session: Session,
    delivered: Vec<Message>,
    is_up: bool,
}

impl Peer {
    /// Begins the session of a secured connection; its `init` goes to `out`.
    fn new(secured: Secured, out: &mut Vec<u8>) -> Self {
        let Secured { mut encryptor, decryptor, .. } = secured;
        let (session, init) = Session::start(local(), None, [3; 32], START);
        encryptor.seal(&init.encode().expect("short"), out).expect("short");
        Self { encryptor, decryptor, session, delivered: Vec::new(), is_up: false }
    }

    fn act(&mut self, action: Action, out: &mut Vec<u8>) {
        match action {
            Action::Send(message) => {
                let bytes = message.encode().expect("short");
                self.encryptor.seal(&bytes, out).expect("short");
            }
            Action::Up(_) => self.is_up = true,
            Action::Deliver(message) => self.delivered.push(message),
            Action::Disconnect { reason, .. } => panic!("{reason}"),
        }
    }

    /// Takes what came, and puts what is answered into `out`.
    fn hear(&mut self, mut bytes: &[u8], now: Timestamp, out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            bytes = &bytes[self.decryptor.push(bytes)..];
            while let Some(message) = self.decryptor.next_message().expect("nobody changes the stream") {
                if let Some(action) = self.session.receive(message, now) {
                    self.act(action, out);
                }
            }
        }
    }
}

/// Feeds what a handshake wants from the front of a stream, which is shortened.
fn feed(handshake: &mut Handshake, end: End, stream: &mut Vec<u8>) -> Progress {
    let (taken, progress) = handshake.receive(stream, START, &|p| end.ecdh(p)).expect("the acts are right");
    stream.drain(..taken);
    progress
}

#[test]
fn two_nodes_meet_exchange_init_ping_and_talk() {
    let (i, r) = (initiator(), responder());
    let (mut to_responder, mut to_initiator) = (Vec::new(), Vec::new());
    let (mut dialling, act_one) =
        Handshake::initiate(i.node_id(), r.node_id(), i.ephemeral, START).expect("a private key");
    let mut listening = Handshake::respond(r.node_id(), r.ephemeral, START);
    to_responder.extend(act_one);

    let Progress::Reply(act_two) = feed(&mut listening, r, &mut to_responder) else { panic!("act two") };
    to_initiator.extend(act_two);
    let Progress::Initiated(act_three, secured) = feed(&mut dialling, i, &mut to_initiator) else {
        panic!("act three")
    };
    // Act Three and `init` leave in one piece.
    to_responder.extend(act_three);
    let mut ours = Peer::new(secured, &mut to_responder);
    let Progress::Responded(secured) = feed(&mut listening, r, &mut to_responder) else { panic!("the end") };
    let mut theirs = Peer::new(secured, &mut to_initiator);

    let mut answers = Vec::new();
    theirs.hear(&to_responder, START, &mut answers);
    ours.hear(&to_initiator, START, &mut answers);
    assert!(ours.is_up && theirs.is_up && answers.is_empty());

    // A minute later one pings, the other answers, and a message goes along.
    let later = ours.session.wake_at().expect("a ping is to come");
    let (mut there, mut back, mut nothing) = (Vec::new(), Vec::new(), Vec::new());
    let ping = ours.session.tick(later).expect("the ping is due");
    ours.act(ping, &mut there);
    let warning = Message::Warning(Warning { channel_id: ChannelId::ALL, data: b"hello".to_vec() });
    ours.act(Action::Send(warning.clone()), &mut there);
    theirs.hear(&there, later, &mut back);
    assert_eq!(theirs.delivered, [warning]);
    ours.hear(&back, later, &mut nothing);
    assert!(nothing.is_empty() && ours.delivered.is_empty());
    assert!(ours.session.wake_at().is_some_and(|at| at > later), "the pong came");
}
