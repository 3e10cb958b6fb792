//! What of the BOLTs is not built yet, and why: the one list. A requirement in it counts in the total of its BOLT, and not in
//! the share of what is built. What gets built leaves the list in the same commit.

/// Requirements that are not built: a whole section, one of its numbers, or some (`section.7-11`); with the reason.
const LATER: &[(&str, &str)] = &[
    ("1.the-peer_storage-and-peer_storage_retrieval-messages.3-10", PEER_STORAGE),
    ("1.the-error-and-warning-messages.3-4", DUAL_FUNDING),
    ("2.the-tx_add_input-message", INTERACTIVE),
    ("2.the-tx_add_output-message", INTERACTIVE),
    ("2.the-tx_remove_input-and-tx_remove_output-messages", INTERACTIVE),
    ("2.the-tx_complete-message", INTERACTIVE),
    ("2.the-tx_signatures-message", INTERACTIVE),
    ("2.the-tx_init_rbf-message", INTERACTIVE),
    ("2.the-tx_ack_rbf-message", INTERACTIVE),
    ("2.the-tx_abort-message", INTERACTIVE),
    ("2.the-open_channel2-message", DUAL_FUNDING),
    ("2.the-accept_channel2-message", DUAL_FUNDING),
    ("2.the-commitment_signed-message", DUAL_FUNDING),
    ("2.sharing-funding-signatures-tx_signatures", DUAL_FUNDING),
    ("2.fee-bumping-tx_init_rbf-and-tx_ack_rbf", DUAL_FUNDING),
    ("2.stfu", QUIESCENCE),
    ("2.the-splice_init-message", SPLICING),
    ("2.the-splice_ack-message", SPLICING),
    ("2.the-splice_locked-message", SPLICING),
    ("2.batching-channel-messages", SPLICING),
    ("2.closing-negotiation-closing_complete-and-closing_sig", SIMPLE_CLOSE),
    ("2.closing-initiation-shutdown.5", SPLICING),
    ("2.adding-an-htlc-update_add_htlc.13", SPLICING),
    ("2.adding-an-htlc-update_add_htlc.26", SPLICING),
    ("2.adding-an-htlc-update_add_htlc.12", BLINDED),
    ("2.adding-an-htlc-update_add_htlc.22", BLINDED),
    ("2.committing-updates-so-far-commitment_signed.7-11", SPLICING),
    ("2.committing-updates-so-far-commitment_signed.15-22", SPLICING),
    ("2.updating-fees-update_fee.7", SPLICING),
    ("2.updating-fees-update_fee.14", SPLICING),
    ("2.message-retransmission.16-18", INTERACTIVE),
    ("2.message-retransmission.20-25", SPLICING),
    ("2.message-retransmission.40-44", INTERACTIVE),
    ("2.message-retransmission.45-46", SPLICING),
    ("2.the-accept_channel-message.1", ZEROCONF),
    ("3.closing-transaction", SIMPLE_CLOSE),
    ("4.payload-format.1-16", BLINDED),
    ("4.payload-format.26-47", BLINDED),
    ("4.route-blinding", BLINDED),
    ("4.the-onion_message-message", ONION_MESSAGES),
];

const DUAL_FUNDING: &str = "option_dual_fund is not offered: channel establishment v2 comes later";
const INTERACTIVE: &str = "interactive transactions come with dual funding and splicing";
const QUIESCENCE: &str = "option_quiesce is not offered: it comes with splicing";
const SPLICING: &str = "option_splice is not offered: splicing comes later";
const SIMPLE_CLOSE: &str = "option_simple_close is not offered: the legacy negotiation is built";
const BLINDED: &str = "option_route_blinding is not offered: blinded paths come later";
const ONION_MESSAGES: &str = "option_onion_messages is not offered: onion messages come later";
const ZEROCONF: &str = "option_zeroconf is not offered: a channel waits for its funding";
const PEER_STORAGE: &str = "option_provide_storage is not offered: peer storage comes later";

/// Why a requirement is not built; none when it is.
pub(super) fn reason(id: &str) -> Option<&'static str> {
    LATER.iter().find(|(pattern, _)| matches(pattern, id)).map(|(_, reason)| *reason)
}

/// All that is in the list, for whoever checks it.
#[cfg(test)]
pub(super) fn patterns() -> impl Iterator<Item = &'static str> {
    LATER.iter().map(|(pattern, _)| *pattern)
}

pub(super) fn matches(pattern: &str, id: &str) -> bool {
    let Some((section, number)) = id.rsplit_once('.') else { return false };
    if pattern == section || pattern == id {
        return true;
    }
    let range = pattern.rsplit_once('.').and_then(|(of, range)| Some((of, range.split_once('-')?)));
    let Some((of, (first, last))) = range else { return false };
    let (Ok(first), Ok(last), Ok(number)) = (first.parse::<u32>(), last.parse(), number.parse()) else {
        return false;
    };
    of == section && (first..=last).contains(&number)
}
