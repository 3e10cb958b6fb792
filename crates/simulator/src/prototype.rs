//! What all worlds of a size begin with, made once a process: signers, their addresses, and a chain with coins for each of them.

use crate::wallet::Wallet;
use astrape_primitives::{Height, Network, Sat, Timestamp};
use astrape_regtest::RegtestChain;
use astrape_signer::{InProcessSigner, Seed};
use std::sync::{Arc, OnceLock};

/// The sizes that are made: a world has the smallest into which its nodes fit. The first are those of a line.
const SIZES: [usize; 3] = [4, 24, 200];

/// Coins that each node begins with.
const COINS: usize = 8;

/// What each of them is worth.
const COIN: Sat = Sat(3_000_000);

/// When every world begins.
pub(crate) const GENESIS: Timestamp = Timestamp(1_750_000_000_000);

/// The beginning of all worlds.
pub(crate) struct Prototype {
    pub(crate) signers: Vec<InProcessSigner>,
    pub(crate) wallets: Vec<Arc<Wallet>>,
    pub(crate) chain: RegtestChain,
    /// The first block that has coins of ours.
    pub(crate) from: Height,
}

/// The prototype of this process for worlds that are a line.
pub(crate) fn prototype() -> &'static Prototype {
    prototype_of(SIZES[0])
}

/// The prototype of this process for worlds of so many nodes.
///
/// # Panics
/// With more than the largest size.
pub(crate) fn prototype_of(nodes: usize) -> &'static Prototype {
    static PROTOTYPES: [OnceLock<Prototype>; SIZES.len()] = [const { OnceLock::new() }; SIZES.len()];
    let size = SIZES.iter().position(|size| nodes <= *size).expect("no world has more nodes");
    PROTOTYPES[size].get_or_init(|| make(SIZES[size]))
}

fn make(nodes: usize) -> Prototype {
    let seed = |node: usize| Seed::from_entropy([u8::try_from(node + 1).expect("a world has few nodes"); 32]);
    let signers: Vec<_> = (0..nodes).map(|n| InProcessSigner::new(&seed(n), Network::Regtest)).collect();
    let wallets: Vec<_> = signers.iter().map(|signer| Arc::new(Wallet::new(signer))).collect();
    let mut chain = RegtestChain::with_faucet(GENESIS);
    let from = chain.tip().height;
    for wallet in &wallets {
        for coin in 0..COINS {
            chain.fund(&wallet.external(coin), COIN).expect("the faucet has fifteen thousand bitcoin");
        }
        chain.mine(1, &RegtestChain::faucet_script());
    }
    chain.mine(1, &RegtestChain::faucet_script());
    Prototype { signers, wallets, chain, from }
}
