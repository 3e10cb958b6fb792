//! What the node owns.

use super::table::{list, table, wrapped};
use super::words::{bare, bare_sat, channel_state, coin_state, msat, sat, short, short_outpoint};
use astrape_api::v1::{
    BumpFeeResponse, GetBalanceResponse, ListFundsResponse, RecoverResponse, WithdrawResponse,
};
use astrape_primitives::FeeratePerKw;

/// What the node owns, summed up.
#[must_use]
pub fn balance(balance: &GetBalanceResponse) -> String {
    let mut rows = vec![
        ("on chain", sat(balance.confirmed_sat)),
        ("in channels", msat(balance.channels_local_msat)),
        ("can receive (at most)", msat(balance.channels_remote_msat)),
    ];
    let more = [
        ("unconfirmed", balance.unconfirmed_sat.saturating_mul(1000)),
        ("immature rewards", balance.immature_sat.saturating_mul(1000)),
        ("to keep for closes", balance.reserve_sat.saturating_mul(1000)),
        ("reserved", balance.reserved_sat.saturating_mul(1000)),
        ("in flight", balance.in_flight_msat),
        ("in closing channels", balance.closing_msat),
    ];
    rows.extend(
        more.into_iter().filter(|(_, amount)| *amount > 0).map(|(name, amount)| (name, msat(amount))),
    );
    let warning =
        reserve_warning(balance.reserve_missing_sat).map_or_else(String::new, |text| wrapped(&text, 0));
    let reading = balance.wallet_reading.as_ref().map_or_else(String::new, |reading| {
        let text = format!(
            "Warning: the on-chain wallet has read block {} of {}: coins in the blocks above are not counted yet.",
            reading.read_height, reading.tip_height
        );
        wrapped(&text, 0)
    });
    list(&rows) + &warning + &reading
}

/// What to say when coins are missing for closing channels in time.
#[must_use]
pub fn reserve_warning(missing_sat: u64) -> Option<String> {
    missing_reserve(missing_sat).map(|missing| format!("Warning: {missing}."))
}

/// The same as an alarm.
#[must_use]
pub fn missing_reserve(missing_sat: u64) -> Option<String> {
    (missing_sat > 0).then(|| {
        format!(
            "{} are missing on chain to close all channels in time when fees are high: send them to an address of `astrape \
             newaddr`",
            sat(missing_sat)
        )
    })
}

/// What the node owns, piece by piece.
#[must_use]
pub fn funds(funds: &ListFundsResponse) -> String {
    if funds.coins.is_empty() && funds.channels.is_empty() {
        return "No funds yet: send coins to an address of `astrape newaddr`.\n".to_owned();
    }
    let mut text = String::new();
    if !funds.coins.is_empty() {
        let rows = funds.coins.iter().map(|coin| {
            vec![
                bare_sat(coin.amount_sat),
                coin_state(coin.state()).to_owned(),
                coin.confirmations.to_string(),
                short_outpoint(&coin.outpoint),
            ]
        });
        text.push_str(&table(&["amount (sat)", "state", "confirmations", "coin"], &[0, 2], rows.collect()));
    }
    if !funds.channels.is_empty() {
        let rows = funds.channels.iter().map(|channel| {
            vec![
                bare(channel.local_msat),
                bare_sat(channel.capacity_sat),
                channel_state(channel.state()).to_owned(),
                short(&channel.channel_id),
                short(&channel.peer),
            ]
        });
        let gap = if text.is_empty() { "" } else { "\n" };
        let headings = ["ours (sat)", "of (sat)", "state", "channel", "peer"];
        text = format!("{text}{gap}{}", table(&headings, &[0, 1], rows.collect()));
    }
    text
}

/// A withdrawal that is on its way.
#[must_use]
pub fn withdrawn(done: &WithdrawResponse) -> String {
    let warning = done.warning.as_ref().map_or_else(String::new, |text| wrapped(text, 0));
    list(&[
        ("transaction", done.txid.clone()),
        ("pays out", sat(done.amount_sat)),
        ("costs", sat(done.fee_sat)),
    ]) + &warning
}

/// What peers have paid out of channels that are forgotten.
#[must_use]
pub fn recovered(done: &RecoverResponse) -> String {
    if done.outputs.is_empty() {
        return wrapped(
            "Nothing is there for the keys of this seed. What is yours in a channel that this node has forgotten appears when its peer \
             closes it: be reachable for it at the address that it knows, or connect to it, and ask again when it has.",
            0,
        );
    }
    let rows = done.outputs.iter().map(|output| {
        let way = match &output.txid {
            Some(txid) => format!("comes in {}", short(txid)),
            None if output.confirmations < astrape_onchain::stray::MIN_DEPTH => {
                "is not deep enough yet".to_owned()
            }
            None => "stays".to_owned(),
        };
        let depth = output.confirmations.to_string();
        vec![bare_sat(output.amount_sat), depth, way, short_outpoint(&output.outpoint)]
    });
    let mut text = table(&["amount (sat)", "confirmations", "which", "output"], &[0, 1], rows.collect());
    for sweep in &done.sweeps {
        text.push('\n');
        text.push_str(&list(&[
            ("transaction", sweep.txid.clone()),
            ("brings", sat(sweep.amount_sat)),
            ("costs", sat(sweep.fee_sat)),
        ]));
        if let Some(refused) = &sweep.refused {
            let words = format!(
                "The network has not taken it: {refused}. Ask again, with a higher feerate if that is why."
            );
            text.push_str(&wrapped(&words, 0));
        }
    }
    text
}

/// A transaction that pays for another.
#[must_use]
pub fn bumped(done: &BumpFeeResponse) -> String {
    let warning = done.warning.as_ref().map_or_else(String::new, |text| wrapped(text, 0));
    list(&[
        ("transaction", done.txid.clone()),
        ("is paid for by", done.child_txid.clone()),
        ("which costs", sat(done.fee_sat)),
        ("they pay", FeeratePerKw(done.feerate_perkw).for_people()),
    ]) + &warning
}
