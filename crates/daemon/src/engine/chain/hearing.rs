//! Since when the chain source says nothing of fees or of its mempool. A node goes on without, so nobody would notice: what is known of
//! fees grows old, and preimages that show in the mempool are not seen before a block has them.

use astrape_primitives::{Network, Timestamp};

/// How long estimates of fees may fail to come before an alarm is raised.
const FEES_ALARM_MILLIS: u64 = 30 * 60 * 1_000;

/// How old the last estimate may be for coins to be spent by it.
const MAX_FEES_AGE_MILLIS: u64 = 2 * 60 * 60 * 1_000;

/// How long the mempool may not be looked at before an alarm is raised: longer than a bitcoind that is busy takes.
const MEMPOOL_ALARM_MILLIS: u64 = 5 * 60 * 1_000;

/// What fails, since when, and why.
#[derive(Clone, Debug)]
struct Silence {
    since: Timestamp,
    reason: String,
}

/// What was heard of the source.
#[derive(Clone, Debug)]
pub(crate) struct Hearing {
    /// When fees were told last; the start if they never were.
    fees_at: Timestamp,
    is_guessed: bool,
    fees: Option<String>,
    mempool: Option<Silence>,
}

impl Hearing {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { fees_at: now, is_guessed: false, fees: None, mempool: None }
    }

    /// Fees were told; guessed where the source has no estimates.
    pub(super) fn fees(&mut self, now: Timestamp, is_guessed: bool) {
        (self.fees_at, self.is_guessed, self.fees) = (now, is_guessed, None);
    }

    /// They were asked for in vain; whether that is news.
    pub(super) fn no_fees(&mut self, reason: String) -> bool {
        self.fees.replace(reason).is_none()
    }

    /// The mempool was looked at.
    pub(super) fn mempool(&mut self) {
        self.mempool = None;
    }

    /// It could not be; whether that is news.
    pub(super) fn no_mempool(&mut self, now: Timestamp, reason: String) -> bool {
        let since = self.mempool.as_ref().map_or(now, |silence| silence.since.min(now));
        self.mempool.replace(Silence { since, reason }).is_none()
    }

    /// For how many minutes no fees were told, where that is so long that none should be paid by them.
    pub(crate) fn fees_too_old(&self, now: Timestamp) -> Option<u64> {
        let age = now.since(self.fees_at);
        (age >= MAX_FEES_AGE_MILLIS).then_some(age / 60_000)
    }

    /// What an operator should know.
    pub(crate) fn alarms(&self, now: Timestamp, network: Network) -> Vec<String> {
        let mut alarms = Vec::new();
        let silent = now.since(self.fees_at);
        if silent >= FEES_ALARM_MILLIS {
            let why = self.fees.as_deref().unwrap_or("it was not asked");
            alarms.push(format!(
                "bitcoind has told no feerate for {} minutes ({why}): fees may be too low for the claims of closes, or too high. If it runs, \
                 its rpcwhitelist must allow estimatesmartfee and getmempoolinfo",
                silent / 60_000
            ));
        } else if self.is_guessed && network == Network::Bitcoin {
            alarms.push(
                "bitcoind has no estimates of fees (it has not run for long, or takes no transactions of others: -blocksonly), and a fixed \
                 feerate stands in: choose one for what you send (--feerate) until it has some"
                    .to_owned(),
            );
        }
        let mempool =
            self.mempool.as_ref().filter(|silence| now.since(silence.since) >= MEMPOOL_ALARM_MILLIS);
        alarms.extend(mempool.map(|silence| {
            format!(
                "bitcoind does not say what its mempool has ({}): what peers do on chain is seen only once it is in a block. Its rpcwhitelist must \
                 allow gettxspendingprevout and getrawtransaction",
                silence.reason
            )
        }));
        alarms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_000_000);

    fn told(hearing: &Hearing, after_millis: u64, network: Network) -> String {
        hearing.alarms(START.plus(after_millis), network).join("; ")
    }

    #[test]
    fn fees_that_do_not_come_are_told_of_after_half_an_hour_and_not_paid_by_after_two() {
        let mut hearing = Hearing::new(START);
        assert!(hearing.no_fees("forbidden".to_owned()), "the first time it is news");
        assert!(!hearing.no_fees("forbidden".to_owned()));
        assert_eq!(told(&hearing, FEES_ALARM_MILLIS - 1, Network::Bitcoin), "");
        let alarm = told(&hearing, FEES_ALARM_MILLIS, Network::Regtest);
        assert!(
            alarm.contains("for 30 minutes (forbidden)") && alarm.contains("estimatesmartfee"),
            "{alarm}"
        );
        assert_eq!(hearing.fees_too_old(START.plus(MAX_FEES_AGE_MILLIS - 1)), None);
        assert_eq!(hearing.fees_too_old(START.plus(MAX_FEES_AGE_MILLIS)), Some(120));
        hearing.fees(START.plus(MAX_FEES_AGE_MILLIS), false);
        assert_eq!(told(&hearing, MAX_FEES_AGE_MILLIS + 1, Network::Bitcoin), "");
        assert_eq!(hearing.fees_too_old(START.plus(MAX_FEES_AGE_MILLIS + 1)), None);
    }

    #[test]
    fn guessed_fees_are_an_alarm_where_money_is_real() {
        let mut hearing = Hearing::new(START);
        hearing.fees(START, true);
        assert!(told(&hearing, 1, Network::Bitcoin).contains("--feerate"));
        assert_eq!(told(&hearing, 1, Network::Regtest), "");
        hearing.fees(START, false);
        assert_eq!(told(&hearing, 1, Network::Bitcoin), "");
    }

    #[test]
    fn a_mempool_that_cannot_be_looked_at_is_told_of_once_that_lasts() {
        let mut hearing = Hearing::new(START);
        hearing.fees(START.plus(MEMPOOL_ALARM_MILLIS), false);
        assert!(hearing.no_mempool(START, "forbidden".to_owned()));
        assert!(!hearing.no_mempool(START.plus(5_000), "forbidden".to_owned()));
        assert_eq!(told(&hearing, MEMPOOL_ALARM_MILLIS - 1, Network::Bitcoin), "");
        let alarm = told(&hearing, MEMPOOL_ALARM_MILLIS, Network::Bitcoin);
        assert!(alarm.contains("forbidden") && alarm.contains("gettxspendingprevout"), "{alarm}");
        hearing.mempool();
        assert_eq!(told(&hearing, MEMPOOL_ALARM_MILLIS, Network::Bitcoin), "");
    }
}
