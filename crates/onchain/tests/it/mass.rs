//! Everybody closes at once: channels with HTLCs both ways go on chain in the same block, and blocks are full.
//!
//! `ASTRAPE_MASS_CLOSE=1000 cargo test --release -p astrape-onchain --test it mass -- --nocapture` is the full size, and tells
//! what it took.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "time and memory are what is measured"
)]

use crate::kit::{Court, Htlcs, first_blocks, htlc};
use astrape_onchain::{Event, Role};
use astrape_primitives::{FeeratePerKw, Feerates, Height, HtlcId, Sat, Side};
use astrape_regtest::{RegtestChain, Weather};
use astrape_transactions::{CommitmentFormat, CommittedHtlc};
use std::time::{Duration, Instant};

/// Channels, where nothing else is asked for.
const CHANNELS: usize = 12;

/// HTLCs of a channel: half of them ours, and the preimages of the others are known.
const HTLCS: u64 = 10;

/// Channels whose fundings and coins share a block.
const CHANNELS_A_BLOCK: usize = 10;

/// Weight that blocks have left for each channel: a commitment, its child and what claims its HTLCs weigh about thirty times
/// as much.
const ROOM: u64 = 400;

/// Less would have no room for the largest package of one channel.
const LEAST_ROOM: u64 = 12_000;

struct Mass {
    chain: RegtestChain,
    courts: Vec<Court>,
    /// What the resolutions themselves took, without signers and chain.
    busiest: Duration,
}

impl Mass {
    fn new(channels: usize) -> (Self, u32) {
        let mut chain = first_blocks();
        let blocks = u32::try_from(channels.div_ceil(CHANNELS_A_BLOCK)).expect("few");
        let expiry = chain.tip().height.0 + blocks + 60;
        let htlcs = (0..HTLCS).map(|id| {
            let side = if id % 2 == 0 { Side::Local } else { Side::Remote };
            htlc(side, id, 40_000 + 1_000 * id, u8::try_from(id + 1).expect("small"), expiry)
        });
        let htlcs: Vec<CommittedHtlc> = htlcs.collect();
        let mut courts = Vec::new();
        let nowhere = first_blocks();
        for number in 0..channels {
            let mut court = Court::on(chain, CommitmentFormat::Anchors, Htlcs::everywhere(htlcs.clone()));
            court.promise_coins(3, 60_000);
            chain = std::mem::replace(&mut court.chain, nowhere.clone());
            for id in 0..HTLCS {
                court.upstream(id, expiry + 80);
            }
            courts.push(court);
            if number % CHANNELS_A_BLOCK == CHANNELS_A_BLOCK - 1 || number + 1 == channels {
                chain.mine(1, &RegtestChain::faucet_script());
            }
        }
        (Self { chain, courts, busiest: Duration::ZERO }, expiry)
    }

    /// Each of them, on the one chain.
    fn each(&mut self, act: impl Fn(&mut Court)) {
        for court in &mut self.courts {
            std::mem::swap(&mut court.chain, &mut self.chain);
            act(court);
            std::mem::swap(&mut court.chain, &mut self.chain);
        }
    }

    fn block(&mut self, price: u32) {
        let price = FeeratePerKw(price);
        // What miners set aside for the coinbase comes on top.
        let block_weight = (ROOM * self.courts.len() as u64).max(LEAST_ROOM) + 4_000;
        let full = Weather { block_weight, ..Weather::full_at(price) };
        self.chain.forecast([full]);
        self.chain.mine(1, &RegtestChain::faucet_script());
        let began = Instant::now();
        self.each(|court| {
            court.feerates = Feerates::new(FeeratePerKw(price.0 / 2), [price; 4]);
            drop(court.look_at_the_tip());
            if court.resolution.close.is_none() {
                drop(court.event(Event::GoOnChain));
            }
        });
        self.busiest = self.busiest.max(began.elapsed());
    }
}

/// HTLC outputs of a court, with the block by which each had to be ours and that in which it was.
fn htlcs_of(court: &Court) -> Vec<(HtlcId, Height, Option<Height>)> {
    let of_commitment = court.resolution.outputs.values().filter(|t| matches!(t.role, Role::OurHtlc { .. }));
    let told = of_commitment.map(|t| {
        let by_us = t.spent.filter(|spent| spent.by_us).map(|spent| spent.height);
        (t.htlc().expect("an HTLC").id, t.deadline().expect("it has one"), by_us)
    });
    told.collect()
}

fn most_memory_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or_default()
}

// attack 33
// attack 46
#[test]
fn all_that_is_above_dust_is_ours_by_its_deadline_when_all_channels_close_at_once_into_full_blocks() {
    let channels = std::env::var("ASTRAPE_MASS_CLOSE").ok().and_then(|n| n.parse().ok()).unwrap_or(CHANNELS);
    let began = Instant::now();
    let (mut mass, expiry) = Mass::new(channels);
    let set_up = (began.elapsed(), most_memory_kb());
    let start = mass.chain.tip().height;
    mass.each(|court| {
        for id in (0..HTLCS).filter(|id| id % 2 == 1) {
            let byte = u8::try_from(id + 1).expect("small");
            court.know((Side::Remote, HtlcId(id)), byte);
        }
        drop(court.event(Event::GoOnChain));
    });
    // Dear at first, dearer for a while, and then as it was.
    let mut blocks = 0_u32;
    while mass.chain.tip().height.0 < expiry + 80 {
        mass.block(if (10..30).contains(&blocks) { 6_000 } else { 2_500 });
        blocks += 1;
        let is_done = |court: &Court| {
            let htlcs = htlcs_of(court);
            !htlcs.is_empty() && htlcs.iter().all(|(_, _, taken)| taken.is_some())
        };
        if mass.courts.iter().all(is_done) {
            break;
        }
    }
    let all: Vec<_> = mass.courts.iter().map(htlcs_of).collect();
    for (channel, htlcs) in all.iter().enumerate() {
        assert_eq!(htlcs.len() as u64, HTLCS, "channel {channel} is on chain");
        for (id, deadline, taken) in htlcs {
            assert!(
                taken.is_some_and(|at| at <= *deadline),
                "channel {channel}, HTLC {id}: {taken:?} of {deadline}"
            );
        }
    }
    let last = |side: u64| {
        let of_side = all.iter().flatten().filter(|(id, ..)| id.0 % 2 == side);
        of_side.filter_map(|(_, _, taken)| *taken).max().map_or(0, |height| height.0 - start.0)
    };
    let fees: Sat =
        mass.courts.iter().flat_map(|court| court.resolution.claims.values()).map(|c| c.fee).sum();
    println!(
        "{channels} channels with {HTLCS} HTLCs each: those with a preimage taken after {} blocks (deadline {}), the others \
         after {} (deadline {}); fees {fees}; the busiest block took {:?} with signing and broadcasting; {:?} in all, {:?} of it \
         to set up; {} MB of memory, {} before the close",
        last(1),
        expiry - start.0,
        last(0),
        expiry + 68 - start.0,
        mass.busiest,
        began.elapsed(),
        set_up.0,
        most_memory_kb() / 1_000,
        set_up.1 / 1_000,
    );
}
