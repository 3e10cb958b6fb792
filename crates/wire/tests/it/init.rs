//! BOLT 1, Appendix C: the extension of `init`; and its records.

use crate::{decode, encode, hex};
use astrape_primitives::{Feature, Features, Network};
use astrape_wire::{Address, DecodeError, Init, Message, TlvError, ValueError};

fn empty() -> Init {
    Init { globalfeatures: Features::empty(), features: Features::empty(), networks: None, remote_addr: None }
}

#[test]
fn an_init_without_extension_or_with_odd_records_is_read() {
    assert_eq!(decode(&hex("001000000000")), Message::Init(empty()));
    assert_eq!(decode(&hex("001000000000c9012acb0104")), Message::Init(empty()));
}

// BOLT 1.lightning-message-format.14
#[test]
fn an_init_with_an_invalid_extension_is_refused() {
    let refused = |text: &str| match Message::decode(&hex(text)) {
        Err(DecodeError::Extension { message: "init", problem }) => problem,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(refused("00100000000001"), TlvError::TruncatedLength(1));
    assert_eq!(refused("001000000000ca012a"), TlvError::UnknownEven(0xca));
    let twice = TlvError::NotIncreasing { previous: 0xc9, record: 0xc9 };
    assert_eq!(refused("001000000000c90101c90102"), twice);
}

// BOLT 1.the-init-message.5
#[test]
fn features_are_written_in_as_few_bytes_as_they_need() {
    let features = Features::empty().with_required(Feature::StaticRemotekey);
    let bytes = encode(&Message::Init(Init { features, ..empty() }));
    assert_eq!(bytes, hex("0010 0000 0002 1000"));
    assert_eq!(decode(&hex("0010 0000 0003 001000")), decode(&bytes), "padding means nothing");
}

#[test]
fn networks_and_remote_addr_are_read() {
    let address: Address = Address::from(std::net::SocketAddr::from(([203, 0, 113, 7], 9735)));
    let init = Init {
        networks: Some(vec![Network::Bitcoin.chain_hash(), Network::Signet.chain_hash()]),
        remote_addr: Some(address.to_descriptor()),
        ..empty()
    };
    let bytes = encode(&Message::Init(init.clone()));
    assert_eq!(bytes[6..8], [1, 64]);
    assert_eq!(bytes[72..], hex("03 07 01 cb007107 2607"));
    assert_eq!(decode(&bytes), Message::Init(init.clone()));
    assert_eq!(Address::from_descriptor(&init.remote_addr.unwrap()), Some(address));
}

#[test]
fn networks_that_are_no_whole_number_of_hashes_are_refused() {
    let bytes = [hex("001000000000 01 21"), vec![0; 33]].concat();
    let problem = ValueError::Truncated;
    let expected = DecodeError::Field { message: "init", field: "networks", problem };
    assert_eq!(Message::decode(&bytes), Err(expected));
}
