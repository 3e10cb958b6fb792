//! What is left to one who has nothing but the words.

use crate::kit::{FORMATS, us, wallet_script};
use astrape_onchain::stray::{self, MAX_INPUTS, MIN_DEPTH, Stray};
use astrape_primitives::{ChannelKeysId, FeeratePerKw, Sat, Timestamp};
use astrape_regtest::RegtestChain;
use astrape_transactions::{Keychain, Signer as _};

const FEERATE: FeeratePerKw = FeeratePerKw(1_000);

/// Keys of channels that are named by a number.
fn keys(n: u16) -> ChannelKeysId {
    let mut id = [0; 32];
    id[..2].copy_from_slice(&n.to_be_bytes());
    ChannelKeysId(id)
}

/// A chain in which a peer has paid these amounts out, by the key of channel 7 in the one format and the other by turns, and what is
/// found in it.
fn paid_out(chain: &mut RegtestChain, amounts: &[u64]) -> Vec<Stray> {
    let payment = us().channel_keys(&keys(7)).basepoints.payment;
    let known = stray::scripts([(keys(7), payment)]);
    let script = |n: usize| FORMATS[n % 2].to_remote_script(&payment);
    let fund = |(n, sat): (usize, &u64)| {
        let (script, value) = (script(n), Sat(*sat));
        let outpoint = chain.fund(&script, value).expect("the faucet has as much");
        Stray { outpoint, value, key: known[&script].clone(), script, confirmations: MIN_DEPTH }
    };
    let found = amounts.iter().enumerate().map(fund).collect();
    chain.mine(1, &RegtestChain::faucet_script());
    found
}

#[test]
fn what_peers_paid_out_in_either_format_comes_home_with_nothing_but_the_seed() {
    let mut chain = RegtestChain::with_faucet(Timestamp::from_secs(1_700_000_000));
    let mut strays = paid_out(&mut chain, &[500_000, 70_000, 9_000]);
    strays[2].confirmations = MIN_DEPTH - 1;
    let home = wallet_script(Keychain::External, 3);
    let sweeps = stray::sweeps(&strays, FEERATE, || home.clone());
    let [sweep] = &sweeps[..] else { panic!("one is enough") };
    assert_eq!(sweep.request.tx.input.len(), 2, "one is too young");
    assert_eq!(sweep.amount.0 + sweep.fee.0, 570_000);
    // Whoever has the same seed and knows nothing of the channel signs it.
    let tx = us().sign_claim(&sweep.request).expect("its own");
    let weight = tx.weight().to_wu();
    let least = FEERATE.fee(weight);
    assert!(sweep.fee >= least && sweep.fee.0 <= least.0 + 10, "{} for {least}", sweep.fee);
    let txid = chain.submit(tx).expect("the network takes it");
    chain.mine(1, &RegtestChain::faucet_script());
    assert_eq!(chain.confirmations(&txid), 1);
}

#[test]
fn all_payment_keys_of_a_seed_have_scripts_of_their_own() {
    let signer = us();
    let payment = |n| (keys(n), signer.channel_keys(&keys(n)).basepoints.payment);
    let known = stray::scripts((0..1_024).map(payment));
    assert_eq!(known.len(), 2 * 1_024);
    // Any channel has one of these keys.
    let of_channel = |byte| signer.channel_keys(&ChannelKeysId([byte; 32])).basepoints.payment;
    for byte in 0..50 {
        for format in FORMATS {
            assert!(known.contains_key(&format.to_remote_script(&of_channel(byte))));
        }
    }
}

#[test]
fn what_costs_more_than_it_brings_stays_and_many_make_several_transactions() {
    let mut chain = RegtestChain::with_faucet(Timestamp::from_secs(1_700_000_000));
    let found = paid_out(&mut chain, &[400, 400, 900, 900]);
    let home = wallet_script(Keychain::External, 3);
    let swept = |strays: &[Stray], feerate| stray::sweeps(strays, FeeratePerKw(feerate), || home.clone());
    assert_eq!(swept(&found, 1_500)[0].request.tx.input.len(), 2);
    assert!(swept(&found, 10_000).is_empty(), "each costs more than it brings");
    assert!(swept(&found, 2_000).is_empty(), "nothing but dust would be left");
    let many = vec![found[2].clone(); 2 * MAX_INPUTS + 1];
    let sizes: Vec<usize> = swept(&many, 253).iter().map(|sweep| sweep.request.tx.input.len()).collect();
    assert_eq!(sizes, [MAX_INPUTS, MAX_INPUTS, 1]);
}
