//! What closes have brought and cost.

use astrape_channel::Open;
use astrape_onchain::{Resolution, Role, Spender, Sums, Tracked};
use astrape_primitives::{Sat, Side};
use bitcoin::ScriptBuf;

/// What the transaction that closed a channel has cost us by itself, once it is in a block: whoever opened a channel pays for its
/// commitments and its close.
pub(crate) fn closing_cost(resolution: &Resolution, open: &Open) -> Sat {
    let Some(close) = &resolution.close else { return Sat::ZERO };
    let outputs: Sat = close.tx.output.iter().map(|output| Sat::from(output.value)).sum();
    let fee = open.funding.terms.capacity.saturating_sub(outputs);
    match close.spender {
        _ if open.params.opener == Side::Remote => Sat::ZERO,
        Spender::Cooperative => fee,
        Spender::Ours { .. } | Spender::Theirs { .. } => {
            // The peer has none where it has nothing in the commitment: that is a part of the fee then.
            let is_anchor = |sat: &Sat| Some(*sat) == open.params.format.anchor();
            let values = close.tx.output.iter().map(|output| Sat::from(output.value));
            let anchors: Sat = values.filter(is_anchor).take(2).sum();
            let taken = |tracked: &&Tracked| {
                matches!(tracked.role, Role::Anchor { .. }) && tracked.spent.is_some_and(|spent| spent.by_us)
            };
            let ours: Sat = resolution.outputs.values().filter(taken).map(Tracked::value).sum();
            fee.saturating_add(anchors).saturating_sub(ours)
        }
        Spender::Revoked { .. } | Spender::Future { .. } | Spender::Unknown => Sat::ZERO,
    }
}

/// What a close has brought and cost so far.
pub(crate) fn sums(resolution: &Resolution, open: &Open) -> Sums {
    let sums = resolution.sums();
    // The closing transaction pays to our wallet by itself, or to an output that is followed.
    let is_followed = |script: &ScriptBuf| *script == open.plain_close_script();
    let paid_out = match (&resolution.close, &open.shutdown.local) {
        (Some(close), Some(script)) if close.spender == Spender::Cooperative && !is_followed(script) => {
            close.tx.output.iter().filter(|o| o.script_pubkey == *script).map(|o| Sat::from(o.value)).sum()
        }
        _ => Sat::ZERO,
    };
    Sums { returned: sums.returned.saturating_add(paid_out), ..sums }
}
