//! BOLT 3 "Commitment Transaction Construction", step by step.

use astrape_primitives::{CltvExpiry, CommitmentNumber, HtlcId, Msat, Sat};
use bitcoin::transaction::Version;
use bitcoin::{OutPoint, ScriptBuf, Transaction, TxIn, TxOut, Witness};

use super::{BuildError, Commitment, CommitmentOutput, MAX_COMMITTED_HTLCS};
use crate::htlc::HtlcTransaction;
use crate::keys::CommitmentKeys;
use crate::numbering;
use crate::scripts::{self, HtlcScripts};
use crate::terms::{CommitmentContent, CommittedHtlc, FundingTerms, HtlcDirection};
use crate::trim;

/// What an output is for.
enum Purpose {
    ToLocal,
    ToRemote,
    LocalAnchor,
    RemoteAnchor,
    Htlc { htlc: CommittedHtlc, direction: HtlcDirection, witness_script: ScriptBuf },
}

/// An output before its place is known.
struct Planned {
    value: Sat,
    script: ScriptBuf,
    purpose: Purpose,
}

impl Planned {
    /// Third key of the order: `cltv_expiry`. The id comes last, so that twins keep one order on this node.
    fn tie_break(&self) -> (CltvExpiry, HtlcId) {
        match &self.purpose {
            Purpose::Htlc { htlc, .. } => (htlc.cltv_expiry, htlc.id),
            _ => (CltvExpiry(0), HtlcId(0)),
        }
    }
}

/// Amounts of the two main outputs after fee and anchors.
struct Split {
    to_local: Sat,
    to_remote: Sat,
    base_fee: Sat,
    unpaid: Sat,
}

pub(super) fn build(
    terms: &FundingTerms,
    content: &CommitmentContent,
    keys: &CommitmentKeys,
) -> Result<Commitment, BuildError> {
    check(terms, content)?;
    let (kept, trimmed) = trim_htlcs(terms, content);
    let split = split(terms, content, kept.len());
    let delayed = scripts::delayed_witness_script(
        &keys.revocation,
        terms.party(content.owner).to_self_delay,
        &keys.delayed,
    )
    .to_p2wsh();
    let mut outputs = plan_htlcs(terms, keys, &kept);
    plan_main(terms, content, keys, &split, &delayed, &mut outputs);
    outputs.sort_by(|a, b| (a.value, &a.script, a.tie_break()).cmp(&(b.value, &b.script, b.tie_break())));
    let paid: Sat = outputs.iter().map(|planned| planned.value).sum();
    if paid > terms.capacity {
        return Err(BuildError::OpenerCannotPay { missing: split.unpaid });
    }
    if outputs.is_empty() {
        return Err(BuildError::NoOutputs);
    }
    Ok(assemble(terms, content, keys, outputs, trimmed, &split, &delayed))
}

/// What no fee can mend.
pub(super) fn check(terms: &FundingTerms, content: &CommitmentContent) -> Result<(), BuildError> {
    if content.number > CommitmentNumber::MAX {
        return Err(BuildError::NumberTooLarge(content.number));
    }
    if content.htlcs.len() > MAX_COMMITTED_HTLCS {
        return Err(BuildError::TooManyHtlcs(content.htlcs.len()));
    }
    if let Some(htlc) = content.htlcs.iter().find(|h| h.cltv_expiry.0 >= CltvExpiry::FIRST_TIME) {
        return Err(BuildError::ExpiryNotHeight { id: htlc.id, expiry: htlc.cltv_expiry });
    }
    let balances = [content.local_balance, content.remote_balance];
    let sum: Msat = balances.into_iter().chain(content.htlcs.iter().map(|h| h.amount)).sum();
    let capacity = terms.capacity.to_msat();
    if sum != capacity {
        return Err(BuildError::MoneyNotConserved { sum, capacity });
    }
    Ok(())
}

type Kept = Vec<(CommittedHtlc, HtlcDirection)>;

fn trim_htlcs(terms: &FundingTerms, content: &CommitmentContent) -> (Kept, Vec<CommittedHtlc>) {
    let dust_limit = terms.party(content.owner).dust_limit;
    let (mut kept, mut trimmed) = (Vec::with_capacity(content.htlcs.len()), Vec::new());
    for htlc in &content.htlcs {
        let direction = htlc.direction(content.owner);
        if trim::is_trimmed(terms.format, direction, htlc.amount, dust_limit, content.feerate) {
            trimmed.push(*htlc);
        } else {
            kept.push((*htlc, direction));
        }
    }
    (kept, trimmed)
}

/// Takes the base fee and the anchors from the opener, as far as its balance goes.
fn split(terms: &FundingTerms, content: &CommitmentContent, untrimmed: usize) -> Split {
    let base_fee = trim::commitment_fee(terms.format, content.feerate, untrimmed);
    let owed = base_fee.saturating_add(terms.format.anchors_cost());
    let amount = |side| {
        let balance = content.balance(side).to_sat_floor();
        if side == terms.opener { balance.saturating_sub(owed) } else { balance }
    };
    Split {
        to_local: amount(content.owner),
        to_remote: amount(content.owner.other()),
        base_fee,
        unpaid: owed.saturating_sub(content.balance(terms.opener).to_sat_floor()),
    }
}

fn plan_htlcs(terms: &FundingTerms, keys: &CommitmentKeys, kept: &Kept) -> Vec<Planned> {
    let scripts = HtlcScripts::new(terms.format, keys);
    let mut outputs = Vec::with_capacity(kept.len() + 4);
    outputs.extend(kept.iter().map(|(htlc, direction)| {
        let witness_script = match direction {
            HtlcDirection::Offered => scripts.offered(&htlc.payment_hash),
            HtlcDirection::Received => scripts.received(&htlc.payment_hash, htlc.cltv_expiry),
        };
        Planned {
            value: htlc.amount.to_sat_floor(),
            script: witness_script.to_p2wsh(),
            purpose: Purpose::Htlc { htlc: *htlc, direction: *direction, witness_script },
        }
    }));
    outputs
}

/// `to_local`, `to_remote` and the anchors.
fn plan_main(
    terms: &FundingTerms,
    content: &CommitmentContent,
    keys: &CommitmentKeys,
    split: &Split,
    delayed: &ScriptBuf,
    outputs: &mut Vec<Planned>,
) {
    let owner = content.owner;
    let dust_limit = terms.party(owner).dust_limit;
    let has_htlcs = !outputs.is_empty();
    let (has_local, has_remote) = (split.to_local >= dust_limit, split.to_remote >= dust_limit);
    if has_local {
        outputs.push(Planned { value: split.to_local, script: delayed.clone(), purpose: Purpose::ToLocal });
    }
    if has_remote {
        let script = terms.format.to_remote_script(&keys.counterparty_payment);
        outputs.push(Planned { value: split.to_remote, script, purpose: Purpose::ToRemote });
    }
    let Some(value) = terms.format.anchor() else { return };
    for (side, present, purpose) in
        [(owner, has_local, Purpose::LocalAnchor), (owner.other(), has_remote, Purpose::RemoteAnchor)]
    {
        if present || has_htlcs {
            let script = scripts::anchor_witness_script(&terms.party(side).basepoints.funding).to_p2wsh();
            outputs.push(Planned { value, script, purpose });
        }
    }
}

fn assemble(
    terms: &FundingTerms,
    content: &CommitmentContent,
    keys: &CommitmentKeys,
    outputs: Vec<Planned>,
    trimmed: Vec<CommittedHtlc>,
    split: &Split,
    delayed: &ScriptBuf,
) -> Commitment {
    let (lock_time, sequence) = numbering::obscured(terms, content.number);
    let input = TxIn {
        previous_output: terms.outpoint,
        script_sig: ScriptBuf::new(),
        sequence,
        witness: Witness::new(),
    };
    let (mut output, mut purposes) = (Vec::with_capacity(outputs.len()), Vec::with_capacity(outputs.len()));
    for planned in outputs {
        output.push(TxOut { value: planned.value.into(), script_pubkey: planned.script });
        purposes.push((planned.value, planned.purpose));
    }
    let tx = Transaction { version: Version::TWO, lock_time, input: vec![input], output };
    let txid = tx.compute_txid();
    let mut commitment = Commitment {
        terms: *terms,
        owner: content.owner,
        number: content.number,
        keys: *keys,
        tx,
        txid,
        to_local: None,
        to_remote: None,
        to_local_anchor: None,
        to_remote_anchor: None,
        htlcs: Vec::with_capacity(purposes.len()),
        trimmed,
        base_fee: split.base_fee,
        unpaid: split.unpaid,
    };
    for (index, (value, purpose)) in (0u32..).zip(purposes) {
        let place = Some(CommitmentOutput { index, value });
        match purpose {
            Purpose::ToLocal => commitment.to_local = place,
            Purpose::ToRemote => commitment.to_remote = place,
            Purpose::LocalAnchor => commitment.to_local_anchor = place,
            Purpose::RemoteAnchor => commitment.to_remote_anchor = place,
            Purpose::Htlc { htlc, direction, witness_script } => {
                let outpoint = OutPoint { txid, vout: index };
                commitment.htlcs.push(HtlcTransaction::new(
                    terms.format,
                    content.feerate,
                    htlc,
                    direction,
                    witness_script,
                    outpoint,
                    delayed.clone(),
                ));
            }
        }
    }
    commitment
}
