//! Amounts, times, states and ids in words.

use astrape_api::v1::{ChannelState, CoinState, PaymentState};
use astrape_primitives::{Msat, Sat};

/// Satoshi, with their unit.
#[must_use]
pub fn sat(sat: u64) -> String {
    Sat(sat).to_string()
}

/// Satoshi for a column that names the unit above.
#[must_use]
pub fn bare_sat(sat: u64) -> String {
    bare(sat.saturating_mul(1_000))
}

/// Millisatoshi for a column that names satoshi above.
#[must_use]
pub fn bare(msat: u64) -> String {
    Msat(msat).to_string().trim_end_matches(" sat").to_owned()
}

/// Millisatoshi as satoshi, with a fraction where there is one.
#[must_use]
pub fn msat(msat: u64) -> String {
    Msat(msat).to_string()
}

/// Digits of an id in tables: two of 10,000 channels share them once in 80 million nodes.
pub const SHORT_DIGITS: usize = 12;

/// The beginning of an id: enough to know it again, and to name a channel.
#[must_use]
pub fn short(id: &str) -> String {
    match id.char_indices().nth(SHORT_DIGITS) {
        Some((cut, _)) => format!("{}…", &id[..cut]),
        None => id.to_owned(),
    }
}

/// The name of a channel: its short channel id whole, any other id by its beginning.
#[must_use]
pub fn channel_name(name: &str) -> String {
    if name.contains('x') { name.to_owned() } else { short(name) }
}

/// An output by the beginning of its transaction's id.
#[must_use]
pub fn short_outpoint(outpoint: &str) -> String {
    match outpoint.split_once(':') {
        Some((txid, vout)) => format!("{}:{vout}", short(txid)),
        None => outpoint.to_owned(),
    }
}

/// One and many: `1 channel`, `2 channels`.
#[must_use]
pub fn count(number: u32, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// What is said of a page behind the last.
#[must_use]
pub fn no_more(things: &str) -> String {
    format!("There are no more {things}.\n")
}

/// About how long so many seconds are.
#[must_use]
pub fn about(secs: u64) -> String {
    let rounded = |unit: u64| u32::try_from((secs + unit / 2) / unit).unwrap_or(u32::MAX);
    match secs {
        0..5_400 => format!("about {}", count(rounded(60), "minute")),
        5_400..129_600 => format!("about {}", count(rounded(3_600), "hour")),
        _ => format!("about {}", count(rounded(86_400), "day")),
    }
}

/// A time in UTC, to the second. `secs` since 1970.
#[must_use]
pub fn time(secs: u64) -> String {
    let (days, rest) = (secs / 86_400, secs % 86_400);
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", rest / 3_600, rest / 60 % 60, rest % 60)
}

/// The same to the minute, for tables.
#[must_use]
pub fn minute(secs: u64) -> String {
    let text = time(secs);
    text.rsplit_once(':').map_or(text.clone(), |(minute, _)| minute.to_owned())
}

/// The day of a time, in UTC.
#[must_use]
pub fn day(secs: u64) -> String {
    let (year, month, day) = date(secs / 86_400);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The day so many days after 1970-01-01, in the Gregorian calendar.
fn date(days: u64) -> (u64, u64, u64) {
    // Years begin in March here, so that the leap day is the last day of its year; 400 of them are an era.
    const ERA: u64 = 146_097;
    let days = days.saturating_add(719_468);
    let (era, of_era) = (days / ERA, days % ERA);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let calendar_month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(calendar_month <= 2), calendar_month, day)
}

/// What can be done with a coin.
#[must_use]
pub fn coin_state(state: CoinState) -> &'static str {
    match state {
        CoinState::Unspecified => "unknown",
        CoinState::Confirmed => "confirmed",
        CoinState::Unconfirmed => "unconfirmed",
        CoinState::Immature => "immature reward",
        CoinState::Reserved => "reserved",
    }
}

/// How far a channel is.
#[must_use]
pub fn channel_state(state: ChannelState) -> &'static str {
    match state {
        ChannelState::Unspecified => "unknown",
        ChannelState::Opening => "opening",
        ChannelState::AwaitingConfirmations => "awaiting confirmations",
        ChannelState::AwaitingPeer => "awaiting the peer",
        ChannelState::Ready => "ready",
        ChannelState::ShuttingDown => "shutting down",
        ChannelState::Closing => "closing",
        ChannelState::ForceClosing => "force-closing",
        ChannelState::Closed => "closed",
    }
}

/// How a payment stands.
#[must_use]
pub fn payment_state(state: PaymentState) -> &'static str {
    match state {
        PaymentState::Unspecified => "unknown",
        PaymentState::Pending => "under way",
        PaymentState::Succeeded => "succeeded",
        PaymentState::Failed => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_told_in_satoshi() {
        assert_eq!(msat(1_234_567), "1,234.567 sat");
        assert_eq!(msat(1_000), "1 sat");
        assert_eq!(msat(5), "0.005 sat");
        assert_eq!(sat(2_100_000_000_000_000), "2,100,000,000,000,000 sat");
    }

    #[test]
    fn a_time_is_told_in_the_unit_that_fits() {
        for (secs, text) in [
            (0, "about 0 minutes"),
            (60, "about 1 minute"),
            (5_399, "about 90 minutes"),
            (86_400, "about 24 hours"),
            (144 * 600 * 14, "about 14 days"),
        ] {
            assert_eq!(about(secs), text);
        }
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (secs, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_231_006_505, "2009-01-03 18:15:05"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(time(secs), text);
        }
        assert!(!time(u64::MAX).is_empty());
    }

    #[test]
    fn a_long_id_is_cut() {
        assert_eq!(short(&"ab".repeat(32)), "abababababab…");
        assert_eq!(short("1x2x3"), "1x2x3");
    }
}
