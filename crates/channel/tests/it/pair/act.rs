//! What a node does with a step of its channel: keep, sign, say, answer.

use super::{Pair, p2wpkh, transaction};
use astrape_channel::announcement::{announcement_signatures, signed_part};
use astrape_channel::output::revoke_and_ack;
use astrape_channel::{Channel, Command, Event, Fault, OnionSource, Outgoing, Output, Signing};
use astrape_primitives::Sat;
use astrape_transactions::Signer;
use astrape_wire::Message;
use bitcoin::secp256k1::{PublicKey, SecretKey};
use bitcoin::{OutPoint, TxOut};
use std::sync::Arc;

impl Pair {
    /// Hands an event to one end. On a fault nothing has changed.
    pub(crate) fn handle(&mut self, who: usize, event: Event) -> Result<(), Fault> {
        let channel = self.nodes[who].channel.clone().expect("there is a channel");
        let transition = channel.handle(event, &self.view(who))?;
        self.install(who, transition.next, transition.outputs);
        Ok(())
    }

    pub(crate) fn command(&mut self, who: usize, command: Command) {
        self.handle(who, Event::Command(command)).expect("a command is no fault of the peer");
    }

    /// What a node does with a step: keep, sign, say, answer.
    pub(crate) fn install(&mut self, who: usize, next: Channel, outputs: Vec<Output>) {
        self.nodes[who].channel = Some(next);
        self.check(who);
        for output in outputs {
            self.nodes[who].seen.push(output.clone());
            match output {
                Output::Send(outgoing) => {
                    self.nodes[who].seen.pop();
                    self.say(who, outgoing);
                }
                Output::FundingNeeded { script, amount, .. } => {
                    let change = TxOut { value: Sat(7777).into(), script_pubkey: p2wpkh(9) };
                    let funding = TxOut { value: amount.into(), script_pubkey: script };
                    let tx = transaction(42, vec![change, funding]);
                    let outpoint = OutPoint { txid: tx.compute_txid(), vout: 1 };
                    self.command(who, Command::Fund { tx: Arc::new(tx), outpoint });
                }
                Output::Fulfilled { payment_hash, preimage, .. } => {
                    assert_eq!(self.nodes[who].fulfilled.insert(payment_hash, preimage), None, "told once");
                }
                Output::Failed { payment_hash, resolution, .. } => {
                    assert!(
                        !self.nodes[who].fulfilled.contains_key(&payment_hash),
                        "what was paid never fails"
                    );
                    assert_eq!(self.nodes[who].failed.insert(payment_hash, resolution), None, "told once");
                }
                Output::NotOffered { payment_hash, refusal, .. } => {
                    self.nodes[who].not_offered.insert(payment_hash, refusal);
                }
                Output::CheckSecret(check) => {
                    let point = self.nodes[who].signer.point(&check.keys, check.number);
                    let shown = SecretKey::from_slice(&check.secret).ok();
                    let genuine = shown.is_some_and(|s| PublicKey::from_secret_key(&self.secp, &s) == point);
                    self.handle(who, Event::SecretChecked { genuine }).expect("no fault");
                }
                Output::ShutdownScriptNeeded => {
                    let script = self.nodes[who].shutdown_script.clone();
                    self.command(who, Command::Shutdown { script });
                }
                Output::BroadcastCommitment(request) => {
                    let signed = self.nodes[who].signer.sign_local_commitment(&request);
                    assert!(signed.is_ok(), "our newest commitment is never revoked");
                }
                Output::Forgotten { .. } => self.nodes[who].channel = None,
                _ => {}
            }
        }
    }

    /// Signs what is to be said and puts it on the wire, as its bytes.
    fn say(&mut self, who: usize, outgoing: Outgoing) {
        let signer = &self.nodes[who].signer;
        let message = match outgoing {
            Outgoing::Plain(message) => message,
            Outgoing::Add { channel_id, id, amount, payment_hash, cltv_expiry, onion } => {
                let OnionSource::Packet(packet) = onion else {
                    panic!("tests hand in packets");
                };
                Message::UpdateAddHtlc(astrape_wire::UpdateAddHtlc {
                    channel_id,
                    id,
                    amount_msat: amount,
                    payment_hash,
                    cltv_expiry,
                    onion_routing_packet: packet,
                    path_key: None,
                })
            }
            Outgoing::Sign(signing) => {
                let (signature, htlcs) = match &signing {
                    Signing::ClosingSigned { request, .. } => {
                        (signer.sign_closing(request).expect("a consistent closing transaction"), Vec::new())
                    }
                    Signing::FundingCreated { request, .. }
                    | Signing::FundingSigned { request, .. }
                    | Signing::CommitmentSigned { request, .. } => {
                        signer.sign_remote_commitment(request).expect("one content for each number")
                    }
                };
                signing.complete(signature, htlcs)
            }
            Outgoing::Revoke { channel_id, request, next_per_commitment_point } => {
                let (secret, point) =
                    signer.reveal(&request).expect("in order, and never one that was broadcast");
                let number = request.content.number.plus(2);
                self.handle(who, Event::Point { number, point }).expect("no fault");
                revoke_and_ack(channel_id, secret, next_per_commitment_point)
            }
            Outgoing::AnnouncementSignatures { channel_id, keys, announcement } => {
                let signed = signer.sign_channel_announcement(&keys, &signed_part(&announcement));
                announcement_signatures(channel_id, &announcement, signed.expect("it is ours"))
            }
        };
        let node = &mut self.nodes[who];
        node.said.push(message.name());
        node.outbox.push_back(message);
    }
}
