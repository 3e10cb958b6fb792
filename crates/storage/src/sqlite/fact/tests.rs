use super::*;

fn entry(fact: Fact) -> Entry {
    Entry { number: 3, at: Timestamp(4), fact }
}

#[test]
fn a_fact_that_the_first_version_knew_has_the_checksum_of_the_first_version() {
    let (payment_hash, preimage, amount) = (PaymentHash([1; 32]), PaymentPreimage([2; 32]), Msat(5));
    let (keysend, custom_records, rebalance) = (false, BTreeMap::new(), false);
    let fact = Fact::PaymentReceived {
        payment_hash,
        preimage,
        amount,
        keysend,
        custom_records,
        rebalance,
        description: String::new(),
        bolt11: String::new(),
    };
    let values = values(&entry(fact));
    let first = checksum::of_values("ledger", &values[..FIRST_WIDTH]);
    assert_eq!(values.last(), Some(&Value::Blob(first.to_vec())));
}

#[test]
fn what_the_newer_columns_hold_is_part_of_the_checksum() {
    let took = |took_ms: u64| {
        let fact = Fact::Forwarded {
            payment_hash: PaymentHash([1; 32]),
            incoming: ChannelKeysId([2; 32]),
            outgoing: ChannelKeysId([3; 32]),
            amount_in: Msat(2),
            amount_out: Msat(1),
            took_ms,
        };
        values(&entry(fact)).pop()
    };
    assert_ne!(took(1), took(2));
}

#[test]
fn a_failed_forward_of_the_first_version_is_read() {
    let row = Row {
        number: 3,
        at: 4,
        topic: FORWARD.to_owned(),
        kind: "forward_failed".to_owned(),
        payment_hash: Some([1; 32]),
        channel: Some([2; 32]),
        amount_msat: Some(9),
        detail: Some("why".to_owned()),
        ..Row::default()
    };
    let fact = Fact::ForwardFailed {
        payment_hash: PaymentHash([1; 32]),
        incoming: ChannelKeysId([2; 32]),
        outgoing: None,
        amount_in: Msat(9),
        amount_out: Msat(0),
        took_ms: 0,
        by_us: true,
        reason: "why".to_owned(),
    };
    assert_eq!(row.entry(), Some(entry(fact)));
}

#[test]
fn a_payment_in_a_circle_is_told_from_others_and_what_was_written_before_is_none() {
    let (payment_hash, preimage, amount) = (PaymentHash([1; 32]), PaymentPreimage([2; 32]), Msat(5));
    let mut own = [2; 33];
    own[1..].copy_from_slice(&bitcoin::secp256k1::constants::GENERATOR_X);
    let destination = NodeId::from_bytes(own).expect("the generator is a point");
    for (rebalance, kinds) in [
        (false, ["payment_sent", "payment_failed", "payment_received"]),
        (true, ["rebalance_sent", "rebalance_failed", "rebalance_received"]),
    ] {
        let facts = [
            Fact::PaymentSent { payment_hash, preimage, amount, fee: Msat(1), destination, rebalance },
            Fact::PaymentFailed { payment_hash, amount, destination, reason: "why".to_owned(), rebalance },
            Fact::PaymentReceived {
                payment_hash,
                preimage,
                amount,
                keysend: false,
                custom_records: BTreeMap::new(),
                rebalance,
                description: "two teas".to_owned(),
                bolt11: "lnbcrt1x".to_owned(),
            },
        ];
        for (fact, kind) in facts.into_iter().zip(kinds) {
            let row = Row::of(&entry(fact.clone()));
            assert_eq!((row.topic.as_str(), row.kind.as_str()), (PAYMENT, kind));
            assert_eq!(row.entry(), Some(entry(fact)));
        }
    }
}
