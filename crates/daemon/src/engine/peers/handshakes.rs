//! Handshakes of others that are under way, and which of them gives way when there are too many. Whoever reaches the port
//! can begin one and say nothing more: so nobody waits for those of others, and who is silent goes before who has spoken.

use crate::engine::signal::Signal;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Handshakes of others that may be under way: each holds a socket and some hundred bytes until its deadline.
pub(crate) const MAX_HANDSHAKES: usize = 128;

/// Of which so many may come from one [`Source`]: more than a household of nodes begins at a time.
pub(crate) const MAX_PER_SOURCE: usize = 16;

/// Whom a connection comes from, as far as its address tells: what one party has at least counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    /// The machine itself: a proxy, an onion service, and so anybody.
    Local,
    V4([u8; 4]),
    /// A /64, of which one machine has all addresses.
    V6([u8; 8]),
}

impl Source {
    fn of(address: IpAddr) -> Self {
        // A socket for both versions tells IPv4 as a part of IPv6.
        match address.to_canonical() {
            local if local.is_loopback() => Self::Local,
            IpAddr::V4(ip) => Self::V4(ip.octets()),
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, g, h, ..] = ip.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }

    fn most(self) -> usize {
        if self == Self::Local { MAX_HANDSHAKES } else { MAX_PER_SOURCE }
    }
}

/// The handshakes that are under way.
pub(crate) struct Handshakes {
    state: Mutex<State>,
    /// A place is free only once its socket is closed.
    places: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    next: u64,
    /// In the order in which they began.
    under_way: BTreeMap<u64, UnderWay>,
}

struct UnderWay {
    source: Source,
    /// Whether its first act has come, and fits.
    has_spoken: bool,
    gives_way: Signal,
}

/// The place of one handshake, for as long as it is kept.
pub(crate) struct Ticket {
    all: Arc<Handshakes>,
    id: u64,
    gives_way: Signal,
    place: Option<OwnedSemaphorePermit>,
}

impl Handshakes {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), places: Arc::new(Semaphore::new(MAX_HANDSHAKES)) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a handshake with somebody at an address: another one gives way where there is none, and ends at once.
    pub(crate) async fn begin(self: &Arc<Self>, address: IpAddr) -> Ticket {
        let (id, gives_way) = self.lock().enter(Source::of(address));
        let mut ticket = Ticket { all: Arc::clone(self), id, gives_way, place: None };
        ticket.place = Arc::clone(&self.places).acquire_owned().await.ok();
        ticket
    }
}

impl State {
    fn enter(&mut self, source: Source) -> (u64, Signal) {
        if self.of(source) >= source.most() {
            self.give_way(|other| other == source);
        } else if self.under_way.len() >= MAX_HANDSHAKES {
            self.give_way(|_| true);
        }
        let (id, gives_way) = (self.next, Signal::new());
        self.next += 1;
        self.under_way.insert(id, UnderWay { source, has_spoken: false, gives_way: gives_way.clone() });
        (id, gives_way)
    }

    fn of(&self, source: Source) -> usize {
        self.under_way.values().filter(|other| other.source == source).count()
    }

    /// Ends one: a silent one before all others, then one of the source that has most of them, then the oldest.
    fn give_way(&mut self, may: impl Fn(Source) -> bool) {
        let candidates = self.under_way.iter().filter(|(_, one)| may(one.source));
        let chosen = candidates.min_by_key(|(id, one)| (one.has_spoken, Reverse(self.of(one.source)), **id));
        let chosen = chosen.map(|(id, _)| *id);
        if let Some(ended) = chosen.and_then(|id| self.under_way.remove(&id)) {
            ended.gives_way.raise();
        }
    }
}

impl Ticket {
    /// Its first act has come, and fits.
    pub(crate) fn has_spoken(&self) {
        if let Some(own) = self.all.lock().under_way.get_mut(&self.id) {
            own.has_spoken = true;
        }
    }

    /// Returns once it has to give way to another one.
    pub(crate) async fn gives_way(&self) {
        self.gives_way.raised().await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.all.lock().under_way.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn v4(a: u8, b: u8) -> IpAddr {
        IpAddr::from([203, 0, a, b])
    }

    const LOCAL: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

    /// As many as there may be, one after the other.
    async fn begun(all: &Arc<Handshakes>, count: usize, from: impl Fn(u8) -> IpAddr) -> Vec<Ticket> {
        let mut tickets = Vec::new();
        for n in 0..u8::try_from(count).expect("few") {
            tickets.push(all.begin(from(n)).await);
        }
        tickets
    }

    fn have_to_go(tickets: &[Ticket]) -> Vec<usize> {
        tickets.iter().enumerate().filter(|(_, one)| one.gives_way.is_raised()).map(|(at, _)| at).collect()
    }

    /// One more; whoever has to go for it goes.
    async fn one_more(all: &Arc<Handshakes>, from: IpAddr, others: &mut Vec<Ticket>) -> (Ticket, Vec<usize>) {
        let waiting = tokio::spawn({
            let all = Arc::clone(all);
            async move { all.begin(from).await }
        });
        let limit = tokio::time::timeout(Duration::from_secs(10), async {
            while !waiting.is_finished() && have_to_go(others).is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        limit.await.expect("somebody goes, or nobody has to");
        let gone = have_to_go(others);
        others.retain(|one| !one.gives_way.is_raised());
        (waiting.await.expect("no panic"), gone)
    }

    #[tokio::test]
    async fn the_oldest_silent_one_gives_way_and_who_has_spoken_stays() {
        let all = Handshakes::new();
        let mut old = begun(&all, MAX_HANDSHAKES, |_| LOCAL).await;
        assert_eq!(have_to_go(&old), Vec::<usize>::new(), "all have room");
        old[..3].iter().for_each(Ticket::has_spoken);
        let (newer, gone) = one_more(&all, LOCAL, &mut old).await;
        assert_eq!(gone, [3]);
        // All have spoken: the oldest has had the most time.
        old.iter().chain([&newer]).for_each(Ticket::has_spoken);
        let (_newest, gone) = one_more(&all, v4(1, 1), &mut old).await;
        assert_eq!(gone, [0]);
        assert_eq!(all.lock().under_way.len(), MAX_HANDSHAKES);
    }

    #[tokio::test]
    async fn one_source_takes_its_places_from_itself_alone() {
        let all = Handshakes::new();
        let honest = all.begin(v4(1, 1)).await;
        let mut many = begun(&all, MAX_PER_SOURCE, |_| v4(2, 2)).await;
        for _ in 0..3 {
            let (further, gone) = one_more(&all, v4(2, 2), &mut many).await;
            assert_eq!(gone, [0]);
            many.push(further);
        }
        assert!(!honest.gives_way.is_raised());
        assert_eq!(all.lock().under_way.len(), 1 + MAX_PER_SOURCE);
    }

    #[tokio::test]
    async fn of_many_sources_the_one_with_the_most_gives_way_first() {
        let all = Handshakes::new();
        let honest = all.begin(v4(1, 1)).await;
        let mut many = begun(&all, MAX_HANDSHAKES - 1, |n| v4(2, n / 10)).await;
        let (_newer, gone) = one_more(&all, v4(3, 3), &mut many).await;
        assert_eq!(gone, [0]);
        assert!(!honest.gives_way.is_raised(), "its source has one alone");
    }

    #[tokio::test]
    async fn a_place_is_taken_until_its_handshake_has_ended() {
        let all = Handshakes::new();
        let mut old = begun(&all, MAX_HANDSHAKES, |_| LOCAL).await;
        let soon = Duration::from_millis(50);
        assert!(tokio::time::timeout(soon, all.begin(LOCAL)).await.is_err(), "who has to go is still there");
        assert_eq!(have_to_go(&old), [0]);
        old.remove(0);
        drop(all.begin(LOCAL).await);
        assert_eq!(all.lock().under_way.len(), MAX_HANDSHAKES - 1, "who did not wait is forgotten");
    }

    #[test]
    fn a_source_is_an_address_of_ipv4_or_a_network_of_ipv6() {
        let of = |text: &str| Source::of(text.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("203.0.113.1"), of("203.0.113.2"));
        assert_eq!(of("::ffff:203.0.113.1"), of("203.0.113.1"));
        for local in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(of(local), Source::Local, "{local}");
        }
    }
}
