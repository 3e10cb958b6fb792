//! A hostile peer on the socket: the acts of the handshake, then frames and messages, cut into pieces, tampered with, late.

use crate::SECP;
use crate::bytes::Bytes;
use crate::tally;
use astrape_node::config::default_features;
use astrape_primitives::{Network, NodeId, Timestamp};
use astrape_transport::frame::MAX_BUFFERED;
use astrape_transport::handshake::MAX_ACT;
use astrape_transport::{
    Action, Decryptor, Encryptor, Handshake, HandshakeError, LocalInit, Progress, Secured, Session,
};
use astrape_wire::{Message, Pong};
use bitcoin::secp256k1::ecdh::SharedSecret;
use bitcoin::secp256k1::{PublicKey, SecretKey};

/// When every connection begins.
const START: Timestamp = Timestamp::from_secs(1_800_000_000);

/// Most messages that one input may say: beyond two rotations of a key nothing is new.
const MAX_MESSAGES: usize = 1_200;

/// One end with its keys.
struct End {
    secret: SecretKey,
    ephemeral: [u8; 32],
}

impl End {
    fn new(number: u8) -> Self {
        let secret = SecretKey::from_slice(&[number; 32]).expect("a small number");
        Self { secret, ephemeral: [number + 1; 32] }
    }

    fn node_id(&self) -> NodeId {
        NodeId::from_key(&PublicKey::from_secret_key(&SECP, &self.secret))
    }

    fn ecdh(&self, point: &PublicKey) -> [u8; 32] {
        SharedSecret::new(point, &self.secret).secret_bytes()
    }
}

/// Plays a connection: no panic, no more held than the bounds say, nothing said before `init` came, silence after the end.
///
/// # Panics
/// When it is not so.
pub fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let secured = handshake(&mut bytes);
    tally::count("handshakes", secured.is_some());
    if let Some((ours, theirs)) = secured {
        Connection::new(ours, theirs).play(&mut bytes);
    }
    tally::input_is_over();
}

/// The handshake, with each act of the peer changed as the bytes say; `None` when it fails.
fn handshake(bytes: &mut Bytes<'_>) -> Option<(Secured, Secured)> {
    let (us, peer) = (End::new(0x11), End::new(0x21));
    let how = bytes.byte();
    let tampered = how & 2 != 0;
    if how & 1 == 0 {
        let mut ours = Handshake::respond(us.node_id(), us.ephemeral, START);
        let (mut theirs, act_one) =
            Handshake::initiate(peer.node_id(), us.node_id(), peer.ephemeral, START).ok()?;
        let Progress::Reply(act_two) = feed(&mut ours, &us, &act_one, tampered, bytes)? else { return None };
        let (_, Progress::Initiated(act_three, theirs)) =
            theirs.receive(&act_two, START, &|point| peer.ecdh(point)).expect("our act is right")
        else {
            unreachable!("act two completes an initiator");
        };
        let Progress::Responded(ours) = feed(&mut ours, &us, &act_three, tampered, bytes)? else {
            return None;
        };
        assert_eq!(ours.remote, peer.node_id(), "who proved its key is who we say");
        Some((ours, theirs))
    } else {
        let (mut ours, act_one) =
            Handshake::initiate(us.node_id(), peer.node_id(), us.ephemeral, START).expect("a key");
        let mut theirs = Handshake::respond(peer.node_id(), peer.ephemeral, START);
        let (_, Progress::Reply(act_two)) =
            theirs.receive(&act_one, START, &|point| peer.ecdh(point)).expect("our act is right")
        else {
            unreachable!("act one is answered");
        };
        let Progress::Initiated(act_three, ours) = feed(&mut ours, &us, &act_two, tampered, bytes)? else {
            return None;
        };
        let (_, Progress::Responded(theirs)) =
            theirs.receive(&act_three, START, &|point| peer.ecdh(point)).expect("our act is right")
        else {
            unreachable!("act three completes a responder");
        };
        Some((ours, theirs))
    }
}

/// Gives an act of the peer to our side, in two pieces; a byte of it is changed, or it comes late, as the bytes say.
fn feed(
    ours: &mut Handshake,
    us: &End,
    act: &[u8],
    tampered: bool,
    bytes: &mut Bytes<'_>,
) -> Option<Progress> {
    let (mut act, mut now) = (act.to_vec(), START);
    if tampered {
        let at = usize::from(bytes.byte()) % act.len();
        act[at] ^= bytes.byte();
        now = START.plus(u64::from(bytes.byte()) * 100);
    }
    let cut = usize::from(bytes.byte()) % act.len();
    assert_eq!(ours.wanted(), act.len(), "it waits for this act");
    for (at, piece) in [&act[..cut], &act[cut..]].into_iter().enumerate() {
        assert!(ours.wanted() <= MAX_ACT);
        match ours.receive(piece, now, &|point| us.ecdh(point)) {
            Ok((taken, progress)) => {
                assert_eq!(taken, piece.len());
                if at == 1 {
                    return Some(progress);
                }
                assert!(matches!(progress, Progress::NeedMore));
            }
            Err(HandshakeError::Timeout { .. }) => return None,
            Err(_) => {
                let after = ours.receive(&act, START, &|point| us.ecdh(point));
                assert!(matches!(after, Err(HandshakeError::Over)), "a failed handshake is over");
                return None;
            }
        }
    }
    None
}

/// What the peer does next.
enum Deed {
    Say,
    SayAgain,
    Tamper,
    Raw,
    Wait,
    Probe,
}

impl Deed {
    fn read(bytes: &mut Bytes<'_>) -> Self {
        match bytes.below(6) {
            0 => Deed::Say,
            1 => Deed::SayAgain,
            2 => Deed::Tamper,
            3 => Deed::Raw,
            4 => Deed::Wait,
            _ => Deed::Probe,
        }
    }
}

/// A connection after the handshake, both ends.
struct Connection {
    session: Session,
    /// Our directions.
    encryptor: Encryptor,
    decryptor: Decryptor,
    /// The peer's.
    sealing: Encryptor,
    opening: Decryptor,
    now: Timestamp,
    is_up: bool,
    /// The session has ended the connection: it stays silent whatever comes.
    is_over: bool,
    /// The stream is broken: its driver closes it, and asks nothing more.
    is_broken: bool,
    said: usize,
    last: Vec<u8>,
}

impl Connection {
    fn new(ours: Secured, theirs: Secured) -> Self {
        let local = LocalInit::new(default_features(), Network::Regtest).expect("BOLT 9 allows it");
        let (session, init) = Session::start(local, None, [7; 32], START);
        let mut connection = Self {
            session,
            encryptor: ours.encryptor,
            decryptor: ours.decryptor,
            sealing: theirs.encryptor,
            opening: theirs.decryptor,
            now: START,
            is_up: false,
            is_over: false,
            is_broken: false,
            said: 0,
            last: Vec::new(),
        };
        connection.reaches_the_peer(&init);
        connection
    }

    fn play(mut self, bytes: &mut Bytes<'_>) {
        while !bytes.is_empty() && !self.is_broken && self.said < MAX_MESSAGES {
            match Deed::read(bytes) {
                Deed::Say => {
                    self.last = bytes.piece().to_vec();
                    let frame = self.frame();
                    self.arrives(&frame, bytes.byte());
                }
                Deed::SayAgain => {
                    for _ in 0..bytes.byte() {
                        let frame = self.frame();
                        self.arrives(&frame, 0);
                    }
                }
                Deed::Tamper => {
                    let mut frame = self.frame();
                    let at = usize::from(bytes.number()) % frame.len();
                    frame[at] ^= bytes.byte();
                    self.arrives(&frame, bytes.byte());
                }
                Deed::Raw => {
                    let raw = bytes.piece();
                    self.arrives(raw, bytes.byte());
                }
                Deed::Wait => {
                    self.now = self.now.plus(u64::from(bytes.number()) * 4);
                    let action = self.session.tick(self.now);
                    self.act(action);
                }
                Deed::Probe => {
                    let action = self.session.probe(self.now);
                    self.act(action);
                }
            }
        }
    }

    fn frame(&mut self) -> Vec<u8> {
        let mut frame = Vec::new();
        self.sealing.seal(&self.last, &mut frame).expect("a piece is no longer than a message");
        frame
    }

    /// Bytes come from the socket, in pieces of this length; 0 stands for all at once.
    fn arrives(&mut self, bytes: &[u8], piece: u8) {
        let length = if piece == 0 { bytes.len().max(1) } else { piece.into() };
        for mut piece in bytes.chunks(length) {
            while !piece.is_empty() && !self.is_broken {
                let taken = self.decryptor.push(piece);
                assert!(self.decryptor.buffered() <= MAX_BUFFERED, "one peer fills one buffer");
                piece = &piece[taken..];
                self.read_all();
            }
        }
        self.said += 1;
    }

    fn read_all(&mut self) {
        loop {
            let message = match self.decryptor.next_message() {
                Ok(Some(message)) => message.to_vec(),
                Ok(None) => return,
                Err(_) => {
                    assert!(self.decryptor.next_message().is_err(), "a broken stream stays broken");
                    self.is_broken = true;
                    return;
                }
            };
            let before = self.session.is_up();
            let action = self.session.receive(&message, self.now);
            let pongs = matches!(&action, Some(Action::Send(Message::Pong(_))));
            assert!(before || !pongs, "nothing is answered before init");
            self.act(action);
        }
    }

    fn act(&mut self, action: Option<Action>) {
        let Some(action) = action else { return };
        assert!(!self.is_over, "a session that is over does nothing: {action:?}");
        match action {
            Action::Up(_) => {
                assert!(!self.is_up, "a connection comes up once");
                self.is_up = true;
                tally::count("sessions up", true);
            }
            Action::Send(message) => {
                assert!(self.is_up, "nothing is sent before the peer's init: {message:?}");
                self.reaches_the_peer(&message);
            }
            Action::Deliver(message) => {
                assert!(self.is_up, "nothing reaches the node before the peer's init");
                tally::count("delivered", true);
                assert!(!matches!(message, Message::Init(_) | Message::Ping(_) | Message::Pong(Pong { .. })));
            }
            Action::Disconnect { warning, .. } => {
                if let Some(warning) = warning {
                    self.reaches_the_peer(&warning);
                }
                tally::count("disconnections", true);
                self.is_over = true;
                assert!(!self.session.is_up() && self.session.wake_at().is_none());
            }
        }
    }

    /// What we say is a message that the peer can read.
    fn reaches_the_peer(&mut self, message: &Message) {
        let bytes = message.encode().expect("what we say fits");
        let mut frame = Vec::new();
        self.encryptor.seal(&bytes, &mut frame).expect("what we say fits a frame");
        let mut rest = &frame[..];
        while !rest.is_empty() {
            let taken = self.opening.push(rest);
            rest = &rest[taken..];
        }
        let read = self.opening.next_message().expect("our frames are whole");
        assert_eq!(read, Some(&bytes[..]));
    }
}
