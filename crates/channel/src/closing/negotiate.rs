//! The fee of the closing transaction: `closing_signed`, both ways (BOLT 2 "Legacy Closing Negotiation").
//!
//! With `fee_range` on both sides it takes at most three messages: the opener proposes, the other picks a fee in the
//! overlap, the opener signs that. Without, the two halve the distance.

use super::decide::{Decision, Proposed, decide};
use crate::channel::{How, Link, Open, Shutdown, Up};
use crate::fault::Fault;
use crate::open::Work;
use crate::output::{Outgoing, Output, Signing, Story, Transition};
use crate::policy::View;
use astrape_primitives::{FeeratePerKw, Sat, Side};
use astrape_transactions::closing::closing_weight;
use astrape_transactions::weights::dust_threshold;
use astrape_transactions::{ClosingContent, ClosingRequest, ClosingTransaction};
use astrape_wire::{ClosingSigned, FeeRange};
use bitcoin::Transaction;
use bitcoin::secp256k1::ecdsa::Signature;

/// Least feerate of a closing transaction: 1 satoshi per virtual byte, the least that nodes relay. Not
/// [`FeeratePerKw::FLOOR`], since peers reckon with smaller signatures than we do.
const MIN_CLOSING_FEERATE: FeeratePerKw = FeeratePerKw(250);

/// The most that we offer at first when we opened, of what our estimate says: some peers take all that is offered. A little more than the
/// estimate, since they reckon with other sizes of signatures.
const FIRST_CLOSING_FEE_PERCENT: u64 = 110;

/// The most that we offer once that was not enough for the peer: estimates differ.
const LAST_CLOSING_FEE_PERCENT: u64 = 300;

/// Where the negotiation stands. Begins anew with each connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiation {
    /// What we accept, as we said.
    range: FeeRange,
    /// The fee that we proposed last.
    pub(super) sent: Sat,
    /// The fee that the peer proposed last.
    pub(super) received: Option<Sat>,
    /// Whether a fee was agreed on.
    agreed: bool,
}

impl Open {
    /// Whether the two commitments are equal, empty of HTLCs, and nothing is under way: what `closing_signed` waits for.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.htlcs.is_empty()
            && self.waiting.is_empty()
            && self.remote.unrevoked.is_none()
            && self.fees.changes().len() == 1
    }

    /// Whether a `shutdown` was said and no HTLC is left: there is nothing to update any more.
    pub(crate) fn is_over_but_for_its_closing(&self) -> bool {
        self.shutdown != Shutdown::default() && self.htlcs.is_empty()
    }

    /// What a closing transaction with this fee pays.
    fn closing_content(&self, fee: Sat) -> Result<ClosingContent, Fault> {
        let (Some(local_script), Some(remote_script)) = (&self.shutdown.local, &self.shutdown.remote) else {
            return Err(Fault::Unexpected { message: "closing_signed", phase: "not shutting down" });
        };
        Ok(ClosingContent {
            local_script: local_script.clone(),
            remote_script: remote_script.clone(),
            local_balance: self.balances.local,
            remote_balance: self.balances.remote,
            fee,
        })
    }

    /// The closing transaction that we propose with this fee.
    fn closing_transaction(&self, fee: Sat) -> Result<ClosingTransaction, Fault> {
        ClosingTransaction::build(&self.funding.terms, &self.closing_content(fee)?)
            .map_err(|e| Fault::ClosingFee(e.to_string()))
    }

    /// Why our commitment should not take the place of a closing transaction that both have signed: it needs no delay. `None` where
    /// it pays less than blocks have asked for in a day: no child of ours can help it, and our commitment is as good as ever.
    pub(crate) fn refuses_to_replace(&self, tx: &Transaction, view: &View<'_>) -> Option<String> {
        let paid_out: Sat = tx.output.iter().map(|output| Sat::from(output.value)).sum();
        let fee = self.funding.terms.capacity.saturating_sub(paid_out);
        (fee >= view.lowest_feerate.fee(weight_of(tx))).then(|| {
            format!("the closing transaction that both sides signed pays {fee} and is on its way: it needs no delay")
        })
    }

    /// The fees that we accept, and the one that we would choose. The opener pays, and can pay no more than it has.
    fn closing_fees(&self, estimate: FeeratePerKw) -> (FeeRange, Sat) {
        let percent =
            if self.shutdown.fees_apart { LAST_CLOSING_FEE_PERCENT } else { FIRST_CLOSING_FEE_PERCENT };
        self.closing_fees_up_to(percent, estimate)
    }

    /// The most that we accept in the end.
    fn most_closing_fee(&self, estimate: FeeratePerKw) -> Sat {
        self.closing_fees_up_to(LAST_CLOSING_FEE_PERCENT, estimate).0.max_fee_satoshis
    }

    /// Weight of the closing transaction that we propose: what is dust has no output. The opener's may become so by the fee; then it
    /// pays a little more than it would have to.
    fn closing_weight(&self) -> u64 {
        let terms = &self.funding.terms;
        let limit = terms.local.dust_limit.max(terms.remote.dust_limit);
        let is_paid = |side| self.balances.of(side).to_sat_floor() >= limit;
        let (local, remote) = (self.shutdown.local.as_ref(), self.shutdown.remote.as_ref());
        closing_weight(
            local
                .filter(|_| is_paid(Side::Local))
                .into_iter()
                .chain(remote.filter(|_| is_paid(Side::Remote))),
        )
    }

    /// With so many percent of the estimate at most, where it is we who pay.
    fn closing_fees_up_to(&self, percent: u64, estimate: FeeratePerKw) -> (FeeRange, Sat) {
        let weight = self.closing_weight();
        let most = self.balances.of(self.params.opener).to_sat_floor();
        let min = MIN_CLOSING_FEERATE.fee(weight).min(most);
        let choice = estimate.fee(weight);
        let max = match self.params.opener {
            Side::Local => Sat(choice.0.saturating_mul(percent).div_ceil(100)).min(most).max(min),
            Side::Remote => most,
        };
        (FeeRange { min_fee_satoshis: min, max_fee_satoshis: max }, choice.clamp(min, max))
    }
}

impl Work<'_> {
    /// The opener proposes first, once both have said `shutdown` on this connection and nothing is under way.
    pub(crate) fn open_negotiation(&mut self) {
        let Link::Up(up) = &self.link else {
            return;
        };
        let ready = up.shutdown_received
            && up.negotiation.is_none()
            && up.adds.is_empty()
            && up.feerate.is_none()
            && self.open.params.opener == Side::Local
            && self.open.shutdown.local.is_some()
            && self.open.is_at_rest();
        if ready {
            self.propose_closing_fee(Sat::ZERO);
        }
    }

    /// Proposes what we would choose; more where the peer takes no less than `least`.
    fn propose_closing_fee(&mut self, least: Sat) {
        let (range, fee) = self.open.closing_fees(self.view.feerate);
        let fee = fee.max(least.min(range.max_fee_satoshis));
        // When the fee leaves no output there is nothing to agree on, and the channel can only go on chain.
        if let Ok(tx) = self.open.closing_transaction(fee) {
            self.say_closing_signed(fee, range, &tx);
            self.negotiation(Negotiation { range, sent: fee, received: None, agreed: false });
        }
    }

    /// The peer warns. While we wait for its `closing_signed`, our range is what it does not like.
    pub(crate) fn warned(mut self) -> Transition {
        let waits = matches!(&self.link, Link::Up(Up { negotiation: Some(n), .. }) if !n.agreed);
        if waits && self.may_offer_more() {
            self.open.shutdown.fees_apart = true;
            self.propose_closing_fee(Sat::ZERO);
        }
        self.finish()
    }

    /// Whether we have not offered yet all that we would pay.
    fn may_offer_more(&self) -> bool {
        self.open.params.opener == Side::Local && !self.open.shutdown.fees_apart
    }

    fn negotiation(&mut self, negotiation: Negotiation) {
        if let Link::Up(up) = &mut self.link {
            up.negotiation = Some(negotiation);
        }
    }

    fn say_closing_signed(&mut self, fee: Sat, fee_range: FeeRange, tx: &ClosingTransaction) {
        let request = self.closing_request(tx.tx().clone());
        let channel_id = self.open.params.channel_id;
        let signing = Signing::ClosingSigned { request: Box::new(request), channel_id, fee, fee_range };
        self.outputs.push(Output::Send(Outgoing::Sign(signing)));
    }

    fn closing_request(&self, tx: Transaction) -> ClosingRequest {
        ClosingRequest { keys: self.open.params.keys, terms: self.open.funding.terms.clone(), tx }
    }

    /// The peer proposes a fee, or agrees to ours.
    pub(crate) fn closing_signed(mut self, message: &ClosingSigned) -> Result<Transition, Fault> {
        let up: Up = self.up("closing_signed")?.clone();
        if up.negotiation.as_ref().is_some_and(|n| n.agreed) {
            // Its copy of what was agreed on.
            return Ok(self.finish());
        }
        if !self.open.is_at_rest() || !up.adds.is_empty() || up.feerate.is_some() {
            return Err(Fault::Unexpected {
                message: "closing_signed",
                phase: "HTLCs or updates are pending",
            });
        }
        let fee = message.fee_satoshis;
        let tx = self.signed_variant(fee, &message.signature)?;
        let (range, choice) = match &up.negotiation {
            Some(n) => (n.range, n.sent),
            None => self.range_in_answer_to(message, &tx)?,
        };
        let sent = up.negotiation.as_ref().map(|n| n.sent);
        let most = self.open.most_closing_fee(self.view.feerate).max(range.max_fee_satoshis);
        let proposed = Proposed { ours: range, most, choice, message, negotiation: up.negotiation.as_ref() };
        match decide(&proposed, &self.open) {
            Err(Fault::ClosingFeesApart { min, our_max, .. })
                if min > our_max && min <= most && self.may_offer_more() =>
            {
                self.open.shutdown.fees_apart = true;
                self.propose_closing_fee(min);
            }
            Err(fault) => return Err(fault),
            Ok(Decision::Agree) => {
                if sent != Some(fee) {
                    // The very one that the peer signed: of it alone we know that it will do.
                    self.say_closing_signed(fee, range, &tx);
                }
                self.negotiation(Negotiation { range, sent: fee, received: Some(fee), agreed: true });
                self.agree(fee, tx, message.signature);
            }
            Ok(Decision::Propose(next)) => {
                let proposed = self.open.closing_transaction(next)?;
                self.say_closing_signed(next, range, &proposed);
                self.negotiation(Negotiation { range, sent: next, received: Some(fee), agreed: false });
            }
        }
        Ok(self.finish())
    }

    /// Our range when the peer speaks first: only the other side's opener may. It pays, so it may pay as little as is relayed for
    /// the outputs that it has signed.
    fn range_in_answer_to(
        &self,
        message: &ClosingSigned,
        signed: &ClosingTransaction,
    ) -> Result<(FeeRange, Sat), Fault> {
        if self.open.params.opener == Side::Local {
            return Err(Fault::Unexpected {
                message: "closing_signed",
                phase: "waiting to propose the first fee",
            });
        }
        let (mut range, choice) = self.open.closing_fees(self.view.feerate);
        range.min_fee_satoshis = range.min_fee_satoshis.min(MIN_CLOSING_FEERATE.fee(weight_of(signed.tx())));
        if let Some(theirs) = message.fee_range {
            range.max_fee_satoshis = range.max_fee_satoshis.max(theirs.max_fee_satoshis);
        }
        Ok((range, choice))
    }

    /// The variant that the peer has signed.
    fn signed_variant(&self, fee: Sat, signature: &Signature) -> Result<ClosingTransaction, Fault> {
        let content = self.open.closing_content(fee)?;
        let variants = ClosingTransaction::variants_of(&self.open.funding.terms, &content, Side::Remote)
            .map_err(|e| Fault::ClosingFee(e.to_string()))?;
        let variant = variants
            .into_iter()
            .find(|tx| tx.verify(self.view.secp, Side::Remote, signature))
            .ok_or(Fault::Signature("closing_signed".into()))?;
        let dust = variant.tx().output.iter().find(|o| Sat::from(o.value) < dust_threshold(&o.script_pubkey));
        match dust {
            Some(output) => {
                Err(Fault::ClosingFee(format!("an output of {} sat would be dust", output.value.to_sat())))
            }
            None => Ok(variant),
        }
    }

    /// Both have signed.
    fn agree(&mut self, fee: Sat, tx: ClosingTransaction, remote_signature: Signature) {
        let txid = tx.txid();
        let request = self.closing_request(tx.tx().clone());
        let known =
            matches!(&self.how, Some(How::Cooperative { request: earlier, .. }) if earlier.tx == request.tx);
        if !known {
            self.outputs.push(Output::Story(Story::ClosingAgreed { txid, fee }));
        }
        self.outputs.push(Output::BroadcastClosing { request: request.clone(), remote_signature, txid });
        self.how = Some(How::Cooperative { request: Box::new(request), remote_signature });
    }
}

/// Weight of a closing transaction when it is signed.
fn weight_of(tx: &Transaction) -> u64 {
    closing_weight(tx.output.iter().map(|output| &output.script_pubkey))
}
