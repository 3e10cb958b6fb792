//! The fee of the closing transaction: `closing_signed`, both ways (BOLT 2 "Legacy Closing Negotiation").
//!
//! With `fee_range` on both sides it takes at most three messages: the opener proposes, the other picks a fee in the
//! overlap, the opener signs that. Without, the two halve the distance.

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

/// The most that we pay when we opened, as a multiple of what our estimate says: peers' estimates differ.
const MAX_CLOSING_FEE_FACTOR: u64 = 3;

/// Where the negotiation stands. Begins anew with each connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiation {
    /// What we accept, as we said.
    range: FeeRange,
    /// The fee that we proposed last.
    sent: Sat,
    /// The fee that the peer proposed last.
    received: Option<Sat>,
    /// Whether a fee was agreed on.
    agreed: bool,
}

enum Decision {
    Agree,
    Propose(Sat),
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
        let none = bitcoin::ScriptBuf::new();
        let weight = closing_weight(
            self.shutdown.local.as_ref().unwrap_or(&none),
            self.shutdown.remote.as_ref().unwrap_or(&none),
        );
        (fee >= view.lowest_feerate.fee(weight)).then(|| {
            format!("the closing transaction that both sides signed pays {fee} and is on its way: it needs no delay")
        })
    }

    /// The fees that we accept, and the one that we would choose. The opener pays, and can pay no more than it has.
    fn closing_fees(&self, estimate: FeeratePerKw) -> (FeeRange, Sat) {
        let none = bitcoin::ScriptBuf::new();
        let scripts = (self.shutdown.local.as_ref(), self.shutdown.remote.as_ref());
        let weight = closing_weight(scripts.0.unwrap_or(&none), scripts.1.unwrap_or(&none));
        let most = self.balances.of(self.params.opener).to_sat_floor();
        let min = MIN_CLOSING_FEERATE.fee(weight).min(most);
        let choice = estimate.fee(weight);
        let max = match self.params.opener {
            Side::Local => Sat(choice.0.saturating_mul(MAX_CLOSING_FEE_FACTOR)).min(most).max(min),
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
        if !ready {
            return;
        }
        let (range, fee) = self.open.closing_fees(self.view.feerate);
        // When the fee leaves no output there is nothing to agree on, and the channel can only go on chain.
        if let Ok(tx) = self.open.closing_transaction(fee) {
            self.say_closing_signed(fee, range, &tx);
            self.negotiation(Negotiation { range, sent: fee, received: None, agreed: false });
        }
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
            None => self.range_in_answer_to(message)?,
        };
        let sent = up.negotiation.as_ref().map(|n| n.sent);
        match decide(
            &Proposed { ours: range, choice, message, negotiation: up.negotiation.as_ref() },
            &self.open,
        )? {
            Decision::Agree => {
                if sent != Some(fee) {
                    // The very one that the peer signed: of it alone we know that it will do.
                    self.say_closing_signed(fee, range, &tx);
                }
                self.negotiation(Negotiation { range, sent: fee, received: Some(fee), agreed: true });
                self.agree(fee, tx, message.signature);
            }
            Decision::Propose(next) => {
                let proposed = self.open.closing_transaction(next)?;
                self.say_closing_signed(next, range, &proposed);
                self.negotiation(Negotiation { range, sent: next, received: Some(fee), agreed: false });
            }
        }
        Ok(self.finish())
    }

    /// Our range when the peer speaks first: only the other side's opener may.
    fn range_in_answer_to(&self, message: &ClosingSigned) -> Result<(FeeRange, Sat), Fault> {
        if self.open.params.opener == Side::Local {
            return Err(Fault::Unexpected {
                message: "closing_signed",
                phase: "waiting to propose the first fee",
            });
        }
        let (mut range, choice) = self.open.closing_fees(self.view.feerate);
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

/// A fee of the peer, beside what we know.
struct Proposed<'a> {
    ours: FeeRange,
    choice: Sat,
    message: &'a ClosingSigned,
    negotiation: Option<&'a Negotiation>,
}

/// The requirements of the receiver of `closing_signed`.
fn decide(proposed: &Proposed<'_>, open: &Open) -> Result<Decision, Fault> {
    let (fee, sent) = (proposed.message.fee_satoshis, proposed.negotiation.map(|n| n.sent));
    let Some(theirs) = proposed.message.fee_range else {
        return decide_without_range(proposed);
    };
    let min = proposed.ours.min_fee_satoshis.max(theirs.min_fee_satoshis);
    let max = proposed.ours.max_fee_satoshis.min(theirs.max_fee_satoshis);
    if min > max {
        return Err(Fault::ClosingFeesApart {
            min: theirs.min_fee_satoshis,
            max: theirs.max_fee_satoshis,
            our_min: proposed.ours.min_fee_satoshis,
            our_max: proposed.ours.max_fee_satoshis,
        });
    }
    let in_overlap = min <= fee && fee <= max;
    match (open.params.opener, sent) {
        (Side::Local, _) if in_overlap => Ok(Decision::Agree),
        (Side::Local, _) => Err(Fault::ClosingFee(format!("{fee} is not between {min} and {max}"))),
        (Side::Remote, Some(sent)) if sent == fee => Ok(Decision::Agree),
        (Side::Remote, Some(sent)) => {
            Err(Fault::ClosingFee(format!("{fee} is not the {sent} that we picked")))
        }
        (Side::Remote, None) if in_overlap => Ok(Decision::Agree),
        (Side::Remote, None) => Ok(Decision::Propose(proposed.choice.clamp(min, max))),
    }
}

/// The older way: a fee that we accept ends it, any other must come nearer, and is answered by the middle.
fn decide_without_range(proposed: &Proposed<'_>) -> Result<Decision, Fault> {
    let fee = proposed.message.fee_satoshis;
    let (least, most) = (proposed.ours.min_fee_satoshis, proposed.ours.max_fee_satoshis);
    if least <= fee && fee <= most {
        return Ok(Decision::Agree);
    }
    let Some(negotiation) = proposed.negotiation else {
        return Ok(Decision::Propose(proposed.choice));
    };
    let sent = negotiation.sent;
    let between = |a: Sat, b: Sat| fee > a.min(b) && fee < a.max(b);
    if negotiation.received.is_some_and(|received| fee != sent && !between(sent, received)) {
        return Err(Fault::ClosingFeeNotBetween { fee });
    }
    let (low, high) =
        (Sat(fee.min(sent).0.saturating_add(1)).max(least), Sat(fee.max(sent).0.saturating_sub(1)).min(most));
    if low > high {
        return Err(Fault::ClosingFeeNotBetween { fee });
    }
    Ok(Decision::Propose(Sat(low.0 + (high.0 - low.0) / 2)))
}
