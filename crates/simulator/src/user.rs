//! The users of the nodes: they open, pay and close, and ask again when the node died before it answered.

use crate::event::Event;
use crate::machine::Taken;
use crate::violation::Violation;
use crate::world::World;
use astrape_invoice::{Description, Invoice, InvoiceDraft, RouteHint};
use astrape_node::command::{OpenChannelCommand, PayCommand, PolicyChange};
use astrape_node::{Command, CommandId, Input, Journal as _, Refusal, Reply};
use astrape_payment::OpenInvoice;
use astrape_primitives::{
    ChannelId, ChannelKeysId, Msat, Network, PaymentHash, PaymentPreimage, PaymentSecret, Sat, Timestamp,
};
use astrape_transactions::signing::Signer as _;
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

/// Blocks for which payments are held at most.
const HOLD_BLOCKS: u16 = 6;

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

    fn make_invoice(&mut self, number: usize) -> Result<(), Violation> {
        let deal = self.users.deals[number].clone();
        let Some(process) = self.process(deal.payee) else { return Ok(()) };
        let hints = match deal.flaw {
            Flaw::NoRoute | Flaw::ByGossip => Vec::new(),
            Flaw::FeeTooLow => process.node.route_hints().into_iter().map(cheaper).collect(),
            _ => process.node.route_hints(),
        };
        let machine = &self.machines[deal.payee];
        let draft = InvoiceDraft {
            amount: Some(deal.amount),
            route_hints: hints,
            min_final_cltv_expiry_delta: match deal.flaw.is_held() {
                true => machine.config.payment.hold_cltv_expiry_delta(HOLD_BLOCKS),
                false => machine.config.payment.min_final_cltv_expiry_delta,
            },
            ..InvoiceDraft::new(
                Network::Regtest,
                machine.node_id,
                self.now.secs(),
                deal.payment_hash,
                deal.secret,
                Description::Text(String::new()),
            )
        };
        let unsigned = draft.to_unsigned().expect("a draft of ours can be written");
        let signature = machine.signer.sign_message(unsigned.signing_digest());
        let invoice = unsigned.finish(&signature).expect("it was signed by the payee");
        let expires_at = match deal.flaw {
            Flaw::Expired => Timestamp(self.now.0.saturating_sub(1)),
            _ => Timestamp::from_secs(invoice.expires_at()),
        };
        let open = OpenInvoice {
            payment_hash: deal.payment_hash,
            preimage: (!deal.flaw.is_held()).then_some(deal.preimage),
            hold: deal.flaw.is_held(),
            canceled: false,
            payment_secret: deal.secret,
            amount: Some(deal.amount),
            metadata: None,
            expires_at,
            min_final_cltv_expiry_delta: draft.min_final_cltv_expiry_delta,
            created_at: self.now,
            description: String::new(),
            bolt11: invoice.to_string(),
        };
        self.users.deals[number].invoice = Some(invoice);
        if deal.flaw == Flaw::Unknown {
            self.go(Errand::Pay(number));
            return Ok(());
        }
        // Asked again after the node died, it may have been paid already.
        let earlier = self.machines[deal.payee].disk.last_payment_fact(&deal.payment_hash).ok().flatten();
        let command = Command::AddInvoice { invoice: Box::new(open), earlier };
        self.command(deal.payee, Errand::Invoice(number), command)
    }

    fn pay_invoice(&mut self, number: usize) -> Result<(), Violation> {
        let deal = &mut self.users.deals[number];
        let Some(invoice) = deal.invoice.clone() else { return Ok(()) };
        deal.tries += 1;
        let (payer, hash, max_fee) = (deal.payer, deal.payment_hash, deal.max_fee());
        // Longer than nothing happens: a question that was lost is asked again.
        let retry_secs = (deal.flaw == Flaw::ByGossip).then_some(600);
        let earlier = self.machines[payer].disk.last_payment_fact(&hash).ok().flatten();
        let command = PayCommand { max_fee, retry_secs, earlier, ..PayCommand::new(invoice) };
        self.command(payer, Errand::Pay(number), Command::Pay(Box::new(command)))
    }

    /// All of a payment is held: its payee decides what becomes of it.
    fn decide(&mut self, number: usize) -> Result<(), Violation> {
        let deal = &self.users.deals[number];
        let (payee, payment_hash, preimage) = (deal.payee, deal.payment_hash, Some(deal.preimage));
        let earlier = self.machines[payee].disk.last_payment_fact(&payment_hash).ok().flatten();
        let command = match deal.flaw {
            Flaw::Held => Command::SettleInvoice { payment_hash, preimage, earlier },
            Flaw::GivenBack => Command::CancelInvoice { payment_hash, earlier },
            _ => return Ok(()),
        };
        self.command(payee, Errand::Decide(number), command)
    }

    /// A node is to ask another base fee over all of its channels.
    pub(crate) fn ask(&mut self, node: usize, fee_base: Msat) {
        self.go(Errand::Policy(node, fee_base));
    }

    /// Whether all channels of a node ask that base fee.
    pub(crate) fn asks(&self, node: usize, fee_base: Msat) -> bool {
        let process = self.process(node);
        process.is_some_and(|p| p.node.channels().all(|(keys, _)| p.node.policy(&keys).fee_base == fee_base))
    }

    fn set_policy(&mut self, node: usize, fee_base: Msat) -> Result<(), Violation> {
        let change = PolicyChange { fee_base: Some(fee_base), ..PolicyChange::default() };
        let command = Command::SetPolicy { channel: None, change };
        self.command(node, Errand::Policy(node, fee_base), command)
    }

    fn open_channel(&mut self, number: usize) -> Result<(), Violation> {
        let wanted = self.users.wanted[number].clone();
        if wanted.keys.is_some_and(|keys| self.was_opened(wanted.from, &keys)) {
            return Ok(());
        }
        let fresh = self.draw();
        let machine = &mut self.machines[wanted.from];
        let keys = machine.fresh_keys(fresh);
        let change_script = machine.wallet.internal(machine.next_address);
        machine.next_address += 1;
        let upfront = fresh[0] & 1 == 0;
        let command = OpenChannelCommand {
            peer: self.machines[wanted.to].node_id,
            funding: wanted.funding,
            push: wanted.push,
            announce: false,
            feerate: None,
            change_script,
            upfront_shutdown_script: upfront.then(|| self.fresh_script(wanted.from)),
            keys,
        };
        self.users.wanted[number].keys = Some(ChannelKeysId(fresh));
        self.command(wanted.from, Errand::Open(number), Command::OpenChannel(Box::new(command)))
    }

    /// Whether the channel exists, or did.
    fn was_opened(&self, node: usize, keys: &ChannelKeysId) -> bool {
        self.process(node).is_some_and(|p| p.node.channel(keys).is_some())
            || crate::check::closes::was_opened(&self.machines[node], keys)
    }

    /// An address of the node's wallet that was not handed out before.
    pub(crate) fn fresh_script(&mut self, node: usize) -> bitcoin::ScriptBuf {
        let machine = &mut self.machines[node];
        machine.next_address += 1;
        machine.wallet.external(machine.next_address)
    }

    fn close_channel(&mut self, number: usize) -> Result<(), Violation> {
        let Unwanted { node, keys } = self.users.unwanted[number];
        let Some(process) = self.process(node) else { return Ok(()) };
        let bound =
            process.node.channel(&keys).and_then(|c| c.open()?.params.local.upfront_shutdown_script.clone());
        let script = bound.unwrap_or_else(|| self.fresh_script(node));
        self.command(node, Errand::Close(number), Command::CloseChannel { channel: keys, script })
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

/// A way that costs nothing, as an outdated invoice may say.
fn cheaper(way: Vec<RouteHint>) -> Vec<RouteHint> {
    let free = |hint| RouteHint { fee_base_msat: 0, fee_proportional_millionths: 0, ..hint };
    way.into_iter().map(free).collect()
}
