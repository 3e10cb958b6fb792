//! What users ask of their nodes.

use super::{Errand, Flaw, Unwanted, Wanted};
use crate::violation::Violation;
use crate::world::World;
use astrape_invoice::{Description, InvoiceDraft, RouteHint};
use astrape_node::command::{OpenChannelCommand, PayCommand, PolicyChange};
use astrape_node::{Command, Journal as _};
use astrape_payment::OpenInvoice;
use astrape_primitives::{ChannelKeysId, Feature, Msat, Network, Timestamp};
use astrape_transactions::CommitmentFormat;
use astrape_transactions::signing::Signer as _;
use bitcoin::ScriptBuf;
use bitcoin::secp256k1::PublicKey;

/// Blocks for which payments are held at most.
const HOLD_BLOCKS: u16 = 6;

impl World {
    pub(super) fn make_invoice(&mut self, number: usize) -> Result<(), Violation> {
        let deal = self.users.deals[number].clone();
        let Some(process) = self.process(deal.payee) else { return Ok(()) };
        let hints = match deal.flaw {
            Flaw::NoRoute | Flaw::ByGossip => Vec::new(),
            Flaw::FeeTooLow => process.node.route_hints(Some(deal.amount)).into_iter().map(cheaper).collect(),
            _ => process.node.route_hints(Some(deal.amount)),
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

    pub(super) fn pay_invoice(&mut self, number: usize) -> Result<(), Violation> {
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
    pub(super) fn decide(&mut self, number: usize) -> Result<(), Violation> {
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

    pub(super) fn set_policy(&mut self, node: usize, fee_base: Msat) -> Result<(), Violation> {
        let change = PolicyChange { fee_base: Some(fee_base), ..PolicyChange::default() };
        let command = Command::SetPolicy { channel: None, change };
        self.command(node, Errand::Policy(node, fee_base), command)
    }

    pub(super) fn open_channel(&mut self, number: usize) -> Result<(), Violation> {
        let wanted = self.users.wanted[number].clone();
        if wanted.keys.is_some_and(|keys| self.was_opened(wanted.from, &keys)) {
            return Ok(());
        }
        let fresh = self.draw();
        let machine = &mut self.machines[wanted.from];
        let keys = machine.fresh_keys(fresh);
        let change_script = machine.wallet.internal(machine.next_address);
        machine.next_address += 1;
        let upfront_shutdown_script =
            self.script_of_an_opening(&wanted, fresh, &keys.keys.basepoints.payment);
        let command = OpenChannelCommand {
            peer: self.machines[wanted.to].node_id,
            funding: wanted.funding,
            push: wanted.push,
            announce: false,
            format: None,
            feerate: Some(self.feerate),
            change_script,
            upfront_shutdown_script,
            keys,
            // The worlds are to have wallets that hold too little, too.
            spend_reserve: true,
            accept_high_fee: true,
        };
        self.users.wanted[number].keys = Some(ChannelKeysId(fresh));
        self.command(wanted.from, Errand::Open(number), Command::OpenChannel(Box::new(command)))
    }

    /// The script that an opener binds itself to, in every other channel. A keeper names the one by which commitments of its peer
    /// pay it, where there are no anchors.
    fn script_of_an_opening(
        &mut self,
        wanted: &Wanted,
        fresh: [u8; 32],
        payment: &PublicKey,
    ) -> Option<ScriptBuf> {
        let (binds_itself, is_chosen) = (fresh[0] & 1 == 0, fresh[1] & 1 == 0);
        let has_anchors = self.machines[wanted.from].config.channel.anchors;
        if binds_itself && is_chosen && !has_anchors && self.court.keeper == Some(wanted.from) {
            return Some(CommitmentFormat::StaticRemotekey.to_remote_script(payment));
        }
        let knows_later_versions =
            |node: usize| self.machines[node].config.features.supports(Feature::ShutdownAnysegwit);
        let may_be_ours = knows_later_versions(wanted.from) && knows_later_versions(wanted.to);
        (binds_itself && may_be_ours).then(|| self.fresh_script(wanted.from))
    }

    /// Whether the channel exists, or did.
    fn was_opened(&self, node: usize, keys: &ChannelKeysId) -> bool {
        self.process(node).is_some_and(|p| p.node.channel(keys).is_some())
            || crate::check::closes::was_opened(&self.machines[node], keys)
    }

    /// An address of the node's wallet that was not handed out before.
    pub(crate) fn fresh_script(&mut self, node: usize) -> ScriptBuf {
        let machine = &mut self.machines[node];
        machine.next_address += 1;
        machine.wallet.external(machine.next_address)
    }

    pub(super) fn close_channel(&mut self, number: usize) -> Result<(), Violation> {
        let Unwanted { node, keys } = self.users.unwanted[number];
        let Some(process) = self.process(node) else { return Ok(()) };
        let bound =
            process.node.channel(&keys).and_then(|c| c.open()?.params.local.upfront_shutdown_script.clone());
        let plain = process.node.script_for_plain_peer(&keys);
        let script = bound.or(plain).unwrap_or_else(|| self.fresh_script(node));
        self.command(node, Errand::Close(number), Command::CloseChannel { channel: keys, script })
    }
}

/// A way that costs nothing, as an outdated invoice may say.
fn cheaper(way: Vec<RouteHint>) -> Vec<RouteHint> {
    let free = |hint| RouteHint { fee_base_msat: 0, fee_proportional_millionths: 0, ..hint };
    way.into_iter().map(free).collect()
}
