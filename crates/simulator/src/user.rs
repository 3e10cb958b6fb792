//! The users of the nodes: they open, pay and close, and ask again when the node died before it answered.

mod errand;

use crate::event::Event;
use crate::machine::Taken;
use crate::violation::Violation;
use crate::world::World;
use astrape_invoice::Invoice;
use astrape_node::{Command, CommandId, Input, Refusal, Reply};
use astrape_primitives::{ChannelId, ChannelKeysId, Msat, PaymentHash, PaymentPreimage, PaymentSecret, Sat};
use rand::{Rng as _, RngCore as _};
use std::collections::{BTreeMap, BTreeSet};

/// How long a user waits before trying again at a node that is down.
const PATIENCE_MILLIS: u64 = 150;

/// How often a user puts a payment off.
const MAX_WAITS: u32 = 10;

/// What a user set out to do, by its place in the list of such things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    Invoice(usize),
    Pay(usize),
    /// The payee settles what is held, or gives it back.
    Decide(usize),
    /// A node asks another base fee.
    Policy(usize, Msat),
    Open(usize),
    Close(usize),
    /// A hostile node prepares to hold what it should pass on.
    Trap(usize),
    /// It gives back what it holds.
    Free(usize),
}

/// What is wrong with a payment from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing.
    None,
    /// The payee knows no such invoice.
    Unknown,
    /// The payee's invoice has expired before its text says so.
    Expired,
    /// The invoice says less than the forwarding node asks.
    FeeTooLow,
    /// The payer grants no fee.
    NoFeeGranted,
    /// The invoice names no way to the payee.
    NoRoute,
    /// Nothing: the invoice names no way, and the network tells of one.
    ByGossip,
    /// Nothing, but that the payee holds the payment before it is settled.
    Held,
    /// The payee holds the payment and gives it back.
    GivenBack,
    /// The payee holds the payment and forgets about it.
    Forgotten,
}

impl Flaw {
    /// Whether the payee holds the payment.
    pub(crate) fn is_held(self) -> bool {
        matches!(self, Flaw::Held | Flaw::GivenBack | Flaw::Forgotten)
    }
}

/// A payment between two users.
#[derive(Clone, Debug)]
pub(crate) struct Deal {
    pub(crate) payer: usize,
    pub(crate) payee: usize,
    pub(crate) amount: Msat,
    pub(crate) flaw: Flaw,
    pub(crate) preimage: PaymentPreimage,
    pub(crate) payment_hash: PaymentHash,
    secret: PaymentSecret,
    invoice: Option<Invoice>,
    /// How often it was put off because a node had no channel to use.
    waited: u32,
    /// How often the payer's node was asked.
    pub(crate) tries: u32,
    pub(crate) refused: bool,
    /// As the ledgers have it: what arrived and what it cost.
    pub(crate) sent: Option<(Msat, Msat)>,
    pub(crate) failed: u32,
    pub(crate) received: Option<Msat>,
    /// What forwarding nodes say they have kept.
    pub(crate) forwarded: Msat,
}

impl Deal {
    /// One of which nothing has happened yet.
    fn new(
        (payer, payee): (usize, usize),
        amount: Msat,
        flaw: Flaw,
        preimage: PaymentPreimage,
        secret: PaymentSecret,
    ) -> Self {
        Self {
            payer,
            payee,
            amount,
            flaw,
            preimage,
            payment_hash: preimage.payment_hash(),
            secret,
            invoice: None,
            waited: 0,
            tries: 0,
            refused: false,
            sent: None,
            failed: 0,
            received: None,
            forwarded: Msat::ZERO,
        }
    }

    /// The most that its way may cost.
    pub(crate) fn max_fee(&self) -> Option<Msat> {
        (self.flaw == Flaw::NoFeeGranted).then_some(Msat::ZERO)
    }

    /// Whether it has ended for the payer.
    pub(crate) fn is_over(&self) -> bool {
        self.refused || self.sent.is_some() || self.failed > 0
    }
}

/// A channel that a user wants.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) funding: Sat,
    pub(crate) push: Msat,
    pub(crate) keys: Option<ChannelKeysId>,
    pub(crate) refused: bool,
}

/// A channel that a user wants no more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unwanted {
    pub(crate) node: usize,
    pub(crate) keys: ChannelKeysId,
}

/// All users.
#[derive(Clone, Debug, Default)]
pub(crate) struct Users {
    pub(crate) deals: Vec<Deal>,
    pub(crate) by_hash: BTreeMap<PaymentHash, usize>,
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) unwanted: Vec<Unwanted>,
    /// Channels that somebody asked to close.
    pub(crate) asked_to_close: BTreeSet<ChannelId>,
    commands: BTreeMap<u64, (usize, Errand)>,
    next_command: u64,
}

impl World {
    /// A payment begins: the payee makes an invoice, and the payer pays it.
    pub(crate) fn pay(&mut self, payer: usize, payee: usize, amount: Msat, flaw: Flaw) -> usize {
        let preimage = PaymentPreimage(self.draw());
        let payment_hash = preimage.payment_hash();
        let secret = PaymentSecret(self.draw());
        let deal = self.users.deals.len();
        self.users.by_hash.insert(payment_hash, deal);
        self.users.deals.push(Deal::new((payer, payee), amount, flaw, preimage, secret));
        self.trace
            .say(|| format!("{} payment {deal}: {payer} pays {amount} to {payee}, {flaw:?}", self.now.0));
        self.go(Errand::Invoice(deal));
        deal
    }

    /// Somebody else pays what was asked of another.
    pub(crate) fn pay_again(&mut self, deal: usize, payer: usize) {
        let Deal { payee, amount, flaw, preimage, payment_hash, secret, .. } = self.users.deals[deal];
        let number = self.users.deals.len();
        self.checks.preimages.shared.insert(payment_hash);
        self.users.deals.push(Deal::new((payer, payee), amount, flaw, preimage, secret));
        self.trace.say(|| format!("{} payment {number}: {payer} pays the same to {payee}", self.now.0));
        self.go(Errand::Invoice(number));
    }

    /// A channel is wanted.
    pub(crate) fn open(&mut self, from: usize, to: usize, funding: Sat, push: Msat) -> usize {
        self.users.wanted.push(Wanted { from, to, funding, push, keys: None, refused: false });
        let wanted = self.users.wanted.len() - 1;
        self.go(Errand::Open(wanted));
        wanted
    }

    /// A channel is wanted no more.
    pub(crate) fn close(&mut self, node: usize, keys: ChannelKeysId) {
        let id = self.process(node).and_then(|p| p.node.channel(&keys)).map(|c| c.channel_id());
        self.users.asked_to_close.extend(id);
        self.users.unwanted.push(Unwanted { node, keys });
        self.go(Errand::Close(self.users.unwanted.len() - 1));
    }

    /// A channel is closed, and no user had asked for it.
    pub(crate) fn close_by_nobody(&mut self, node: usize, keys: ChannelKeysId) {
        self.users.unwanted.push(Unwanted { node, keys });
        self.go(Errand::Close(self.users.unwanted.len() - 1));
    }

    pub(crate) fn go(&mut self, errand: Errand) {
        let after = self.rng.gen_range(1..=10);
        self.queue.push(self.now.plus(after), Event::User(errand));
    }

    pub(crate) fn draw(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// A user does what it set out to do, when the node runs.
    pub(crate) fn run_errand(&mut self, errand: Errand) -> Result<(), Violation> {
        let node = match errand {
            Errand::Invoice(deal) | Errand::Decide(deal) => self.users.deals[deal].payee,
            Errand::Pay(deal) => self.users.deals[deal].payer,
            Errand::Policy(node, _) => node,
            Errand::Open(wanted) => self.users.wanted[wanted].from,
            Errand::Close(unwanted) => self.users.unwanted[unwanted].node,
            Errand::Trap(trap) | Errand::Free(trap) => self.web.traps[trap].node,
        };
        if self.court.gone.contains(&node) {
            return Ok(());
        }
        if self.process(node).is_none() || self.is_put_off(node, errand) {
            self.queue.push(self.now.plus(PATIENCE_MILLIS), Event::User(errand));
            return Ok(());
        }
        match errand {
            Errand::Invoice(deal) => self.make_invoice(deal),
            Errand::Pay(deal) => self.pay_invoice(deal),
            Errand::Decide(deal) => self.decide(deal),
            Errand::Policy(node, fee_base) => self.set_policy(node, fee_base),
            Errand::Open(wanted) => self.open_channel(wanted),
            Errand::Close(unwanted) => self.close_channel(unwanted),
            Errand::Trap(trap) => self.set_trap(trap),
            Errand::Free(trap) => self.free(trap),
        }
    }

    /// Whether it is wiser to wait: the node has no channel that is ready and up, and may soon have one.
    fn is_put_off(&mut self, node: usize, errand: Errand) -> bool {
        let (Errand::Invoice(deal) | Errand::Pay(deal)) = errand else {
            return false;
        };
        let usable = self.process(node).is_some_and(|p| p.node.channels().any(|(_, c)| c.is_usable()));
        let deal = &mut self.users.deals[deal];
        deal.waited += 1;
        !usable && deal.waited < MAX_WAITS
    }

    pub(crate) fn command(&mut self, node: usize, errand: Errand, command: Command) -> Result<(), Violation> {
        let id = self.users.next_command;
        self.users.next_command += 1;
        self.users.commands.insert(id, (node, errand));
        self.step(node, Input::Command { id: CommandId(id), command }, Taken::Other)
    }

    /// The users of a process that died ask again later.
    pub(crate) fn users_of_a_dead_process(&mut self, node: usize) {
        let lost: Vec<u64> =
            self.users.commands.iter().filter(|(_, (n, _))| *n == node).map(|(id, _)| *id).collect();
        for (_, errand) in lost.iter().filter_map(|id| self.users.commands.remove(id)) {
            self.queue.push(self.now.plus(PATIENCE_MILLIS), Event::User(errand));
        }
    }

    /// The node answers its user.
    pub(crate) fn replied(&mut self, node: usize, command: CommandId, reply: Result<Reply, Refusal>) {
        self.trace.say(|| format!("{} node {node} answers: {reply:?}", self.now.0));
        let Some((_, errand)) = self.users.commands.remove(&command.0) else {
            return;
        };
        match (errand, reply) {
            (Errand::Invoice(deal), Ok(_) | Err(Refusal::HashUsed(_))) => self.go(Errand::Pay(deal)),
            (Errand::Invoice(deal), Err(_)) => self.users.deals[deal].refused = true,
            (Errand::Pay(_), Ok(_) | Err(Refusal::PaymentUnderWay(_))) => {}
            (Errand::Pay(deal), Err(_)) => {
                self.totals.payments_refused += 1;
                self.users.deals[deal].refused = true;
            }
            (Errand::Open(wanted), Err(_)) => self.users.wanted[wanted].refused = true,
            (
                Errand::Open(_)
                | Errand::Close(_)
                | Errand::Decide(_)
                | Errand::Policy(..)
                | Errand::Trap(_)
                | Errand::Free(_),
                _,
            ) => {}
        }
    }
}
