//! Onions over routes of every length.

use crate::support::{HASH, ecdh_with, node_key, peel_as, recipe};
use astrape_onion::{BuildError, ForwardPayload, Hop, MAX_HOPS, encode_forward, peel};
use astrape_primitives::{CltvExpiry, Msat, PaymentHash, ShortChannelId};
use proptest::prelude::*;

/// The smallest payload of a forwarding node: all numbers zero.
fn smallest() -> ForwardPayload {
    ForwardPayload {
        short_channel_id: ShortChannelId(0),
        amt_to_forward: Msat(0),
        outgoing_cltv_value: CltvExpiry(0),
    }
}

/// A forwarding payload followed by an odd record that nobody knows, which makes it `extra` bytes longer.
fn padded(payload: &ForwardPayload, extra: usize) -> Vec<u8> {
    let mut out = encode_forward(payload);
    if extra >= 2 {
        out.push(11);
        let rest = extra - 2;
        if rest < 0xfd {
            out.push(u8::try_from(rest).unwrap());
        } else {
            out.push(0xfd);
            out.extend(u16::try_from(rest).unwrap().to_be_bytes());
        }
        out.resize(out.len() + rest, 0xaa);
    }
    out
}

#[test]
fn the_longest_route_that_the_bolt_reckons_with_can_be_built() {
    let fits = vec![vec![1; 15]; MAX_HOPS];
    assert!(recipe(fits).build().is_ok());
    let too_large = vec![vec![1; 16]; MAX_HOPS];
    assert_eq!(recipe(too_large).build(), Err(BuildError::TooLarge { needed: 27 * 49 }));
    assert_eq!(recipe(vec![vec![1; 2]; MAX_HOPS + 1]).build(), Err(BuildError::TooManyHops { hops: 28 }));
}

#[test]
fn a_route_of_the_most_hops_that_real_payloads_allow_is_peeled_to_its_end() {
    let payload = encode_forward(&smallest());
    let hops = u8::try_from(1300 / (1 + payload.len() + 32)).unwrap();
    assert_eq!(hops, 27, "as the BOLT says");
    let mut packet = recipe(vec![payload; usize::from(hops)]).build().expect("it fits");
    for i in 0..hops - 1 {
        let Hop::Forward { payload, next } = peel_as(i, &packet).hop else { panic!("hop {i} forwards") };
        assert_eq!(payload, smallest());
        packet = next;
    }
    assert!(matches!(peel_as(hops - 1, &packet).hop, Hop::Final { .. }));
}

#[test]
fn what_is_no_route_is_not_built() {
    assert_eq!(recipe(vec![]).build(), Err(BuildError::NoHops));
    assert_eq!(recipe(vec![vec![1; 2], vec![1]]).build(), Err(BuildError::EmptyPayload { hop: 1 }));
    for session_key in [[0; 32], [0xff; 32]] {
        let mut recipe = recipe(vec![vec![1; 2]]);
        recipe.session_key = session_key;
        assert_eq!(recipe.build(), Err(BuildError::SessionKey));
        assert!(recipe.shared_secrets().is_empty());
    }
}

#[test]
fn one_payload_may_fill_the_whole_onion() {
    let all = vec![1; 1300 - 3 - 32];
    assert!(recipe(vec![all.clone()]).build().is_ok());
    assert_eq!(recipe(vec![[all, vec![1]].concat()]).build(), Err(BuildError::TooLarge { needed: 1301 }));
}

// BOLT 4.onion-decryption.6
// BOLT 2.adding-an-htlc-update_add_htlc.23
#[test]
fn an_onion_is_bound_to_its_payment_hash() {
    let packet = recipe(vec![encode_forward(&smallest())]).build().expect("it fits");
    assert!(peel(&packet, &HASH, ecdh_with(node_key(0))).is_ok());
    assert!(peel(&packet, &PaymentHash([0x43; 32]), ecdh_with(node_key(0))).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_hop_reads_its_own_payload_and_shares_the_origins_secret(
        wishes in prop::collection::vec((any::<u64>(), any::<u32>(), any::<u64>(), 0usize..500), 1..=27),
        session_key in any::<[u8; 32]>(),
    ) {
        // As many hops as fit; the last one always does.
        let mut room = 1300;
        let mut payloads = vec![];
        for (amount, expiry, channel, extra) in wishes {
            let payload = ForwardPayload {
                short_channel_id: ShortChannelId(channel),
                amt_to_forward: Msat(amount),
                outgoing_cltv_value: CltvExpiry(expiry),
            };
            let bytes = padded(&payload, extra);
            let frame = bytes.len() + 35;
            if frame <= room {
                room -= frame;
                payloads.push((payload, bytes));
            }
        }
        let mut recipe = recipe(payloads.iter().map(|(_, bytes)| bytes.clone()).collect());
        recipe.session_key = session_key;
        let mut packet = recipe.build().expect("the payloads fit");
        let secrets = recipe.shared_secrets();
        for (i, (expected, _)) in payloads.iter().enumerate() {
            let peeled = peel_as(u8::try_from(i).unwrap(), &packet);
            prop_assert_eq!(peeled.shared_secret, secrets[i]);
            match peeled.hop {
                Hop::Forward { payload, next } => {
                    prop_assert!(i + 1 < payloads.len());
                    prop_assert_eq!(payload, *expected);
                    packet = next;
                }
                Hop::Final { payload } => {
                    prop_assert_eq!(i + 1, payloads.len());
                    prop_assert_eq!(payload.amt_to_forward, expected.amt_to_forward);
                }
            }
        }
    }
}
