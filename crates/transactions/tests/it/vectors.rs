//! Appendices C and F: whole signed transactions, byte for byte.

use astrape_primitives::{Msat, PaymentPreimage, Sat, Side};
use astrape_transactions::{CommitmentFormat, CommittedHtlc, HtlcDirection, numbering};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::secp256k1::ecdsa::Signature;

use crate::channel::{Channel, htlc};

/// HTLCs 0 to 6 of the appendix, with the byte that their preimages consist of.
fn table() -> [(CommittedHtlc, u8); 7] {
    let (local, remote) = (Side::Local, Side::Remote);
    [
        (htlc(remote, 0, 1_000_000, 500, 0), 0),
        (htlc(remote, 1, 2_000_000, 501, 1), 1),
        (htlc(local, 2, 2_000_000, 502, 2), 2),
        (htlc(local, 3, 3_000_000, 503, 3), 3),
        (htlc(remote, 4, 4_000_000, 504, 4), 4),
        (htlc(local, 5, 5_000_000, 506, 5), 5),
        (htlc(local, 6, 5_000_001, 505, 5), 5),
    ]
}

#[derive(Default)]
struct Case {
    name: String,
    format: String,
    numbers: [u64; 4],
    htlcs: Vec<usize>,
    tx: String,
    remote: String,
    fee: Option<(u64, u64)>,
    second_stage: Vec<(String, String)>,
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in include_str!("../vectors/commitments.txt").lines().filter(|line| !line.starts_with('#')) {
        let (kind, rest) = line.split_once(' ').expect("a kind");
        let words: Vec<&str> = rest.split(' ').collect();
        if kind == "case" {
            let numbers = [1, 2, 3, 4].map(|n| words[n].parse().expect("a number"));
            let htlcs = words[5].split(',').filter_map(|n| n.parse().ok()).collect();
            let (format, name) = (words[0].to_owned(), words[6..].join(" "));
            cases.push(Case { name, format, numbers, htlcs, ..Case::default() });
            continue;
        }
        let case = cases.last_mut().expect("a case comes first");
        match kind {
            "tx" => case.tx = rest.to_owned(),
            "remote" => case.remote = rest.to_owned(),
            "fee" => case.fee = Some((words[0].parse().expect("fee"), words[1].parse().expect("fee"))),
            _ => case.second_stage.push((words[0].to_owned(), words[1].to_owned())),
        }
    }
    assert_eq!(cases.len(), 25);
    cases
}

fn check(case: &Case) {
    let format = match case.format.as_str() {
        "anchors" => CommitmentFormat::Anchors,
        _ => CommitmentFormat::StaticRemotekey,
    };
    let [local, remote, dust, feerate] = case.numbers;
    let channel = Channel::new(format, Sat(dust));
    let table = table();
    let htlcs = case.htlcs.iter().map(|n| table[*n].0).collect();
    let content = channel.content(u32::try_from(feerate).expect("u32"), Msat(remote), htlcs);
    assert_eq!(content.local_balance, Msat(local), "{}", case.name);
    let commitment = channel.build(&content);
    let (signature, htlc_signatures) = channel.counterparty_signatures(&commitment);
    let der = |text: &str| text.parse::<Signature>().expect("DER");
    assert_eq!(signature, der(&case.remote), "{}", case.name);
    let own = channel.secp.sign_ecdsa(&commitment.sighash(), &channel.local.funding);
    assert_eq!(serialize_hex(&commitment.signed(&own, &signature)), case.tx, "{}", case.name);
    assert_eq!(commitment.verify(&channel.secp, &signature, &htlc_signatures), Ok(()), "{}", case.name);
    assert_eq!(numbering::commitment_number(&channel.terms, commitment.tx()), Some(content.number));
    if let Some((base, actual)) = case.fee {
        assert_eq!((commitment.base_fee(), commitment.fee()), (Sat(base), Sat(actual)), "{}", case.name);
    }

    let key = channel.htlc_key(Side::Local, &channel.point);
    assert_eq!(commitment.htlcs().len(), case.second_stage.len(), "{}", case.name);
    for ((htlc, theirs), (expected, tx)) in
        commitment.htlcs().iter().zip(&htlc_signatures).zip(&case.second_stage)
    {
        assert_eq!(*theirs, der(expected), "{}", case.name);
        let ours = channel.secp.sign_ecdsa(&htlc.owner_sighash(), &key);
        let id = usize::try_from(htlc.htlc().id.0).expect("small");
        let preimage = PaymentPreimage([table[id].1; 32]);
        let preimage = (htlc.direction() == HtlcDirection::Received).then_some(&preimage);
        assert_eq!(serialize_hex(&htlc.signed(&ours, theirs, preimage)), *tx, "{}", case.name);
    }
}

// BOLT 3.trimmed-outputs.1
// BOLT 3.trimmed-outputs.2
// BOLT 3.trimmed-outputs.3
// BOLT 3.trimmed-outputs.5
// BOLT 3.trimmed-outputs.6
// BOLT 3.trimmed-outputs.7
// BOLT 3.trimmed-outputs.8
// BOLT 3.trimmed-outputs.9
// BOLT 3.fee-calculation.2
// BOLT 3.fee-calculation.4
// BOLT 3.fee-calculation.5
// BOLT 3.fee-calculation.6
// BOLT 3.fee-calculation.7
#[test]
fn static_remotekey_commitments_are_those_of_appendix_c() {
    cases().iter().filter(|case| case.format == "static_remotekey").for_each(check);
}

// BOLT 3.trimmed-outputs.1
// BOLT 3.trimmed-outputs.5
// BOLT 3.fee-calculation.1
// BOLT 3.fee-calculation.3
// BOLT 3.fee-calculation.5
#[test]
fn anchor_commitments_are_those_of_appendix_f() {
    cases().iter().filter(|case| case.format == "anchors").for_each(check);
}
