//! Forwarders that do not do what they are told. What their node reads in an onion is changed before it takes it in, and what
//! it answers is changed before it goes out; between, it is a node like any other.

use super::Role;
use crate::event::Event;
use crate::user::Errand;
use crate::violation::Violation;
use crate::world::World;
use astrape_node::{Command, Fact, Journal as _, PeerMessage};
use astrape_onion::failure::code::INVALID_ONION_HMAC;
use astrape_onion::{FinalPayload, ForwardPayload, Hop, PaymentData, PeelFailure, Peeled};
use astrape_payment::OpenInvoice;
use astrape_primitives::{CltvDelta, Msat, PaymentHash, PaymentSecret, ShortChannelId};
use astrape_wire::{Message, UpdateAddHtlc, UpdateFailHtlc};
use rand::{Rng as _, RngCore as _};
use std::sync::Arc;

/// One in so many nodes is not honest, the first two excepted.
const ONE_HOSTILE_IN: u32 = 4;

/// Hostile nodes that wait for a payment to hold it.
const TRAPS_OF_A_PAYMENT: usize = 4;

/// What the holder of a payment asks for, in blocks: it has more to give back in time than its peer left it.
const TRAP_DELTA: CltvDelta = CltvDelta(30);

/// A payment that a hostile node holds, if it comes by.
#[derive(Clone, Debug)]
pub(crate) struct Trap {
    pub(crate) node: usize,
    payment_hash: PaymentHash,
    secret: PaymentSecret,
}

/// Gives each node its role.
pub(super) fn cast(world: &mut World) {
    for node in 2..world.machines.len() {
        if world.rng.gen_ratio(1, ONE_HOSTILE_IN) {
            let role = Role::CAST[world.rng.gen_range(0..Role::CAST.len())];
            world.web.roles.insert(node, role);
        }
    }
    let liars: Vec<usize> = with_role(world, Role::Invents);
    world.web.ghosts = liars.windows(2).map(|pair| (pair[0], pair[1])).collect();
}

fn with_role(world: &World, role: Role) -> Vec<usize> {
    world.web.roles.iter().filter(|(_, r)| **r == role).map(|(node, _)| *node).collect()
}

/// Some hostile nodes prepare to hold a payment.
pub(super) fn set_traps(world: &mut World, deal: usize) {
    let mut holders = with_role(world, Role::Holds);
    let payment_hash = world.users.deals[deal].payment_hash;
    for _ in 0..TRAPS_OF_A_PAYMENT.min(holders.len()) {
        let node = holders.swap_remove(world.rng.gen_range(0..holders.len()));
        let secret = PaymentSecret(world.draw());
        world.web.by_trap.insert((node, payment_hash), world.web.traps.len());
        world.web.traps.push(Trap { node, payment_hash, secret });
        world.go(Errand::Trap(world.web.traps.len() - 1));
    }
}

impl World {
    /// A hostile node would hold a payment of this hash: to its own node it looks like one for itself.
    pub(crate) fn set_trap(&mut self, trap: usize) -> Result<(), Violation> {
        let Trap { node, payment_hash, secret } = self.web.traps[trap];
        let invoice = OpenInvoice {
            payment_hash,
            preimage: None,
            hold: true,
            canceled: false,
            payment_secret: secret,
            amount: None,
            metadata: None,
            expires_at: self.now.plus(3_600_000),
            min_final_cltv_expiry_delta: TRAP_DELTA,
            created_at: self.now,
            description: String::new(),
            bolt11: String::new(),
        };
        self.command(
            node,
            Errand::Trap(trap),
            Command::AddInvoice { invoice: Box::new(invoice), earlier: None },
        )
    }

    /// It gives back what it holds.
    pub(crate) fn free(&mut self, trap: usize) -> Result<(), Violation> {
        let Trap { node, payment_hash, .. } = self.web.traps[trap];
        let earlier = self.machines[node].disk.last_payment_fact(&payment_hash).ok().flatten();
        let command = Command::CancelInvoice { payment_hash, earlier };
        self.command(node, Errand::Free(trap), command)
    }

    /// Whether a fact is of a payment that a hostile node holds: it is no payee, whatever its node believes.
    pub(crate) fn is_of_a_trap(&mut self, node: usize, fact: &Fact) -> bool {
        let (Fact::InvoiceHeld { payment_hash, .. } | Fact::InvoiceCanceled { payment_hash, .. }) = fact
        else {
            return false;
        };
        let Some(trap) = self.web.by_trap.get(&(node, *payment_hash)).copied() else { return false };
        if matches!(fact, Fact::InvoiceHeld { .. }) {
            self.totals.web.held += 1;
            // One in three never gives it back by itself.
            if !self.rng.gen_ratio(1, 3) {
                let after = self.rng.gen_range(1_000..100_000);
                self.queue.push(self.now.plus(after), Event::User(Errand::Free(trap)));
            }
        }
        true
    }

    /// What a node takes in of what it is told.
    pub(crate) fn twisted(&mut self, node: usize, message: PeerMessage) -> PeerMessage {
        let Some(role) = self.web.role(node) else { return message };
        let PeerMessage::UpdateAddHtlc { message, onion, seen } = message else { return message };
        let onion = match &*onion {
            Ok(Peeled { hop: Hop::Forward { .. }, .. }) => self.twist(node, role, &message, onion),
            _ => onion,
        };
        PeerMessage::UpdateAddHtlc { message, onion, seen }
    }

    fn twist(
        &mut self,
        node: usize,
        role: Role,
        message: &UpdateAddHtlc,
        onion: Arc<Result<Peeled, PeelFailure>>,
    ) -> Arc<Result<Peeled, PeelFailure>> {
        let Ok(Peeled { shared_secret, hop: Hop::Forward { payload, next } }) = &*onion else { return onion };
        let hop = match role {
            Role::Refuses => {
                self.totals.web.refused += 1;
                let sha256_of_onion = self.draw();
                let failure = PeelFailure::Malformed { failure_code: INVALID_ONION_HMAC, sha256_of_onion };
                return Arc::new(Err(failure));
            }
            Role::Diverts => {
                let short_channel_id = self.another_channel(node, payload.short_channel_id);
                Hop::Forward { payload: ForwardPayload { short_channel_id, ..*payload }, next: next.clone() }
            }
            Role::Shrinks => {
                let less = payload.amt_to_forward.0 - payload.amt_to_forward.0.div_ceil(10);
                let payload = ForwardPayload { amt_to_forward: Msat(less), ..*payload };
                Hop::Forward { payload, next: next.clone() }
            }
            Role::Holds => match self.web.by_trap.get(&(node, message.payment_hash)) {
                Some(trap) => Hop::Final { payload: for_itself(message, self.web.traps[*trap].secret) },
                None => return onion,
            },
            Role::Cheap | Role::Hasty | Role::Invents | Role::Spoils | Role::Strips => return onion,
        };
        self.totals.web.twisted += 1;
        Arc::new(Ok(Peeled { shared_secret: *shared_secret, hop }))
    }

    /// A channel of a node other than the one that it was told.
    fn another_channel(&mut self, node: usize, told: ShortChannelId) -> ShortChannelId {
        let channels = self.process(node).into_iter().flat_map(|process| process.node.channels());
        let aliases = channels.filter_map(|(_, channel)| channel.open()).map(|open| open.params.local_alias);
        let others: Vec<ShortChannelId> = aliases.filter(|alias| *alias != told).collect();
        if others.is_empty() { told } else { others[self.rng.gen_range(0..others.len())] }
    }

    /// What a node sends of what it says.
    pub(crate) fn spoilt(&mut self, node: usize, message: Message) -> Message {
        let role = self.web.role(node);
        let (Some(Role::Spoils | Role::Strips), Message::UpdateFailHtlc(failure)) = (role, &message) else {
            return message;
        };
        self.totals.web.spoilt += 1;
        let mut reason = failure.reason.clone();
        if role == Some(Role::Spoils) {
            let at = self.rng.gen_range(0..reason.len().max(1));
            match self.rng.gen_range(0..3) {
                0 => reason.iter_mut().skip(at).for_each(|byte| *byte ^= 0x55),
                1 => reason.truncate(at),
                _ => self.rng.fill_bytes(&mut reason),
            }
        }
        let stripped = role == Some(Role::Strips) || self.rng.gen_bool(0.5);
        let attribution_data = failure.attribution_data.clone().filter(|_| !stripped);
        Message::UpdateFailHtlc(UpdateFailHtlc { reason, attribution_data, ..failure.clone() })
    }
}

/// What the onion of a payment for the holder itself would say.
fn for_itself(message: &UpdateAddHtlc, payment_secret: PaymentSecret) -> FinalPayload {
    FinalPayload {
        amt_to_forward: message.amount_msat,
        outgoing_cltv_value: message.cltv_expiry,
        payment_data: Some(PaymentData { payment_secret, total_msat: message.amount_msat }),
        payment_metadata: None,
        keysend_preimage: None,
        custom_records: Default::default(),
    }
}
