//! Address descriptors of `node_announcement`.

use crate::generate::{Gen, message, prefixed};
use crate::{encode, hex};
use astrape_wire::codec::{Field, read_whole};
use astrape_wire::{Address, Addresses, DecodeError, Hostname, Message, ValueError};
use std::net::SocketAddr;

fn ip(text: &str) -> Address {
    text.parse::<SocketAddr>().unwrap().into()
}

fn dns(name: &str, port: u16) -> Address {
    Address::Hostname(Hostname::new(name).unwrap(), port)
}

fn read(descriptors: &str) -> Result<Addresses, ValueError> {
    read_whole(&prefixed(hex(descriptors)))
}

fn list(descriptors: &str) -> Vec<Address> {
    read(descriptors).unwrap().iter().collect()
}

const V4: &str = "01 cb007107 2607";
const V6: &str = "02 20010db8000000000000000000000001 2607";
const TOR2: &str = "03 00112233445566778899 2607";
const DNS: &str = "05 0b 6578616d706c652e636f6d 2607";

#[test]
fn every_known_type_is_read() {
    let onion = "04".to_owned() + &"00".repeat(35) + "2607";
    let all = format!("{V4} {V6} {onion} {DNS}");
    let expected = [
        ip("203.0.113.7:9735"),
        ip("[2001:db8::1]:9735"),
        Address::TorV3([0; 35], 9735),
        dns("example.com", 9735),
    ];
    assert_eq!(list(&all), expected);
    assert_eq!(expected.iter().flat_map(Address::to_descriptor).collect::<Vec<_>>(), hex(&all));
    for address in expected {
        assert_eq!(Address::from_descriptor(&address.to_descriptor()), Some(address));
    }
}

// BOLT 7.the-node_announcement-message.29
#[test]
fn an_unknown_type_ends_the_list() {
    assert_eq!(list(&format!("{V4} c8 ffff {V6}")), [ip("203.0.113.7:9735")]);
}

// BOLT 7.the-node_announcement-message.38
#[test]
fn tor_v2_is_skipped() {
    assert_eq!(list(&format!("{V4} {TOR2} {DNS}")), [ip("203.0.113.7:9735"), dns("example.com", 9735)]);
}

// BOLT 7.the-node_announcement-message.32
#[test]
fn a_port_of_zero_is_skipped() {
    assert_eq!(list(&format!("01 cb007107 0000 {V6}")), [ip("[2001:db8::1]:9735")]);
}

// BOLT 7.the-node_announcement-message.1
#[test]
fn a_name_with_anything_but_plain_ascii_is_skipped() {
    for name in ["c3a4", "610a", "2f", "", "41 20", "3c"] {
        let name = hex(name);
        let descriptor = [vec![5, u8::try_from(name.len()).unwrap()], name, vec![0x26, 0x07]].concat();
        let addresses: Addresses = read_whole(&prefixed(descriptor)).unwrap();
        assert_eq!(addresses.iter().count(), 0);
    }
    assert_eq!(Hostname::new("zürich.example"), None);
    assert_eq!(Hostname::new(&"a".repeat(256)), None);
}

#[test]
fn a_known_type_that_is_cut_is_refused() {
    for (descriptors, kind) in [(V4, 1), (V6, 2), (TOR2, 3), (DNS, 5)] {
        let bytes = hex(descriptors);
        for len in 1..bytes.len() {
            let cut = read_whole::<Addresses>(&prefixed(bytes[..len].to_vec()));
            assert_eq!(cut, Err(ValueError::TruncatedAddress(kind)));
        }
    }
    assert_eq!(read("04 00"), Err(ValueError::TruncatedAddress(4)));
}

// BOLT 7.the-node_announcement-message.10
// BOLT 7.the-node_announcement-message.11
// BOLT 7.the-node_announcement-message.14
// BOLT 7.the-node_announcement-message.19
#[test]
fn our_own_list_is_in_order_without_port_zero_and_with_one_name() {
    let ours = Addresses::new(&[
        dns("example.com", 9735),
        ip("[2001:db8::1]:9735"),
        dns("other.example", 9735),
        ip("203.0.113.8:0"),
        ip("203.0.113.7:9735"),
        ip("203.0.113.7:9735"),
    ]);
    let mut bytes = Vec::new();
    ours.write(&mut bytes);
    assert_eq!(bytes, prefixed(hex(&format!("{V4} {V6} {DNS}"))));
}

#[test]
fn several_names_are_noticed_even_when_one_is_no_name() {
    assert!(!read(&format!("{V4} {DNS}")).unwrap().has_several_hostnames());
    assert!(read(&format!("{DNS} {DNS}")).unwrap().has_several_hostnames());
    assert!(read(&format!("{DNS} 05 00 2607")).unwrap().has_several_hostnames());
}

#[test]
fn addresses_are_shown_as_people_write_them() {
    assert_eq!(ip("203.0.113.7:9735").to_string(), "203.0.113.7:9735");
    assert_eq!(ip("[2001:db8::1]:9735").to_string(), "[2001:db8::1]:9735");
    assert_eq!(dns("example.com", 1).to_string(), "example.com:1");
    // RFC 4648: "foobarfooba" repeated gives known digits at the start.
    let mut onion = [0; 35];
    onion[..5].copy_from_slice(b"fooba");
    let text = Address::TorV3(onion, 9735).to_string();
    assert!(text.starts_with("mzxw6ytb"), "{text}");
    assert_eq!(text.len(), "mzxw6ytb".len() * 7 + ".onion:9735".len());
}

#[test]
fn an_announcement_with_a_cut_address_is_refused_by_name() {
    let bytes = encode(&message(257, &mut Gen::minimal(1)));
    let bytes = [&bytes[..bytes.len() - 2], &hex("0003 01 cb00")].concat();
    let problem = ValueError::TruncatedAddress(1);
    let expected = DecodeError::Field { message: "node_announcement", field: "addresses", problem };
    assert_eq!(Message::decode(&bytes), Err(expected));
}
