//! BOLT 10: a seed answers, a client asks, and what is hostile is refused.

use crate::kit::node;
use astrape_primitives::{Features, NodeId};
use astrape_routing::bootstrap::dns::{self, Data, DnsFault, Kind, MAX_RECORDS, Record};
use astrape_routing::bootstrap::seed::{Listed, MAX_REPLY, Seed, TTL};
use astrape_routing::bootstrap::strangers::{is_public, strangers};
use astrape_routing::bootstrap::{MAX_FOUND, answer, found, label_of_node, node_of_label, query, question};
use astrape_routing::graph::NodeInfo;
use astrape_wire::{Address, Hostname};
use std::collections::BTreeSet;

const ROOT: &str = "seed.example.com";

fn v4(last: u8, port: u16) -> Address {
    Address::Ipv4([192, 0, 2, last].into(), port)
}

fn v6(last: u16, port: u16) -> Address {
    Address::Ipv6([0x2001, 0xdb8, 0, 0, 0, 0, 0, last].into(), port)
}

fn listed(n: u16, addresses: &[Address]) -> Listed {
    Listed { node_id: node(n), addresses: addresses.to_vec() }
}

/// Nodes of all kinds.
fn network() -> Vec<Listed> {
    vec![
        listed(1, &[v4(1, 9735)]),
        listed(2, &[v6(2, 9735)]),
        listed(3, &[v4(3, 9000)]),
        listed(4, &[v4(4, 9735), v6(4, 9735), v4(44, 9001)]),
        listed(5, &[Address::TorV3([7; 35], 9735)]),
    ]
}

fn asked(name: &str, kind: Kind, nodes: &[Listed], entropy: u8) -> Vec<Record> {
    let query = dns::query(7, name, kind).expect("a name");
    let reply = Seed::new(ROOT).answer(&query, nodes, [entropy; 32]).expect("a query to this seed");
    assert!(reply.len() <= MAX_REPLY);
    dns::answer(&reply, 7, name, kind).expect("a good answer")
}

fn ask(conditions: &str, kind: Kind) -> Vec<Record> {
    asked(&format!("{conditions}{ROOT}"), kind, &network(), 1)
}

/// The nodes that `SRV` records name.
fn nodes(records: &[Record]) -> BTreeSet<NodeId> {
    found(records).into_iter().map(|found| found.node_id).collect()
}

fn ids(all: &[u16]) -> BTreeSet<NodeId> {
    all.iter().map(|n| node(*n)).collect()
}

fn answers(records: &[Record], kind: Kind) -> usize {
    let is_answer = |record: &&Record| {
        matches!(
            (kind, &record.data),
            (Kind::A, Data::A(_)) | (Kind::Aaaa, Data::Aaaa(_)) | (Kind::Srv, Data::Srv { .. })
        )
    };
    records.iter().filter(is_answer).count()
}

// BOLT 10.query-semantics.1
// BOLT 10.query-semantics.2
// BOLT 10.query-semantics.3
// BOLT 10.reply-construction.4
#[test]
fn of_another_realm_there_is_nobody() {
    assert_eq!(nodes(&ask("", Kind::Srv)), nodes(&ask("r0.", Kind::Srv)));
    assert!(!ask("r0.", Kind::Srv).is_empty());
    assert!(ask("r1.", Kind::Srv).is_empty());
}

// BOLT 10.query-semantics.4
// BOLT 10.query-semantics.5
// BOLT 10.query-semantics.6
// BOLT 10.query-semantics.8
#[test]
fn types_of_addresses_are_chosen_by_their_bits() {
    assert_eq!(nodes(&ask("a2.", Kind::Srv)), ids(&[1, 3, 4]));
    assert_eq!(nodes(&ask("a4.", Kind::Srv)), ids(&[2, 4]));
    assert_eq!(nodes(&ask("a6.", Kind::Srv)), ids(&[1, 2, 3, 4]));
    assert_eq!(nodes(&ask("", Kind::Srv)), ids(&[1, 2, 3, 4]), "both by default");
}

// BOLT 10.query-semantics.9
// BOLT 10.query-semantics.10
// BOLT 10.query-semantics.11
// BOLT 10.query-semantics.12
// BOLT 10.query-semantics.24
#[test]
fn of_one_node_all_its_addresses_are_told() {
    let label = format!("{}.", label_of_node(&node(4)));
    let records = ask(&label, Kind::Srv);
    assert_eq!(nodes(&records), ids(&[4]));
    assert_eq!(answers(&records, Kind::Srv), 3);
    let v4: Vec<Record> = ask(&label, Kind::A);
    assert_eq!(v4.iter().filter(|record| matches!(record.data, Data::A(_))).count(), 2);
    assert_eq!(answers(&ask(&label, Kind::Aaaa), Kind::Aaaa), 1);
    assert!(ask(&format!("{}.", label_of_node(&node(9))), Kind::Srv).is_empty());
}

fn many(count: u16) -> Vec<Listed> {
    (1..=count).map(|n| listed(n, &[v4(u8::try_from(n % 250).unwrap(), 9735)])).collect()
}

// BOLT 10.query-semantics.13
// BOLT 10.query-semantics.14
#[test]
fn no_more_records_come_than_were_asked_for() {
    let nodes = many(60);
    for (conditions, most) in [("n3.", 3), ("n0.", 0), ("", 25)] {
        let name = format!("{conditions}{ROOT}");
        assert_eq!(answers(&asked(&name, Kind::A, &nodes, 1), Kind::A), most, "{conditions}");
    }
    let two = vec![listed(1, &[v4(1, 9735), v4(2, 9735), v6(1, 9735)])];
    assert_eq!(answers(&asked(&format!("n2.{ROOT}"), Kind::Srv, &two, 1), Kind::Srv), 2);
}

// BOLT 10.query-semantics.15
// BOLT 10.query-semantics.16
// BOLT 10.query-semantics.17
// BOLT 10.query-semantics.18
#[test]
fn of_two_values_the_one_further_left_counts() {
    let nodes = many(60);
    let count = |name: &str| answers(&asked(&format!("{name}{ROOT}"), Kind::A, &nodes, 1), Kind::A);
    assert_eq!(count("n5.r0.a2.n10."), 5);
    assert_eq!(count("n10.r0.a2.n5."), 10);
    assert_eq!(count("r0.n7.r1."), 7);
    assert_eq!(count("r1.n7.r0."), 0);
}

// BOLT 10.query-semantics.21
#[test]
fn addresses_alone_are_of_the_default_port() {
    let of = |kind| {
        let places = ask("", kind).into_iter().filter_map(|record| match record.data {
            Data::A(ip) => Some(ip.to_string()),
            Data::Aaaa(ip) => Some(ip.to_string()),
            Data::Srv { .. } => None,
        });
        places.collect::<BTreeSet<_>>()
    };
    assert_eq!(of(Kind::A), BTreeSet::from(["192.0.2.1".to_owned(), "192.0.2.4".to_owned()]));
    assert_eq!(of(Kind::Aaaa), BTreeSet::from(["2001:db8::2".to_owned(), "2001:db8::4".to_owned()]));
}

// BOLT 10.query-semantics.23
// BOLT 10.policies.3
#[test]
fn who_is_named_is_drawn_anew_and_everybody_is() {
    let nodes = many(40);
    for name in [format!("n5.{ROOT}"), ROOT.to_owned()] {
        let mut seen = BTreeSet::new();
        let mut draws = BTreeSet::new();
        for entropy in 0..100 {
            let records = asked(&name, Kind::A, &nodes, entropy);
            let drawn: Vec<String> = records.iter().map(|record| format!("{:?}", record.data)).collect();
            seen.extend(drawn.iter().cloned());
            draws.insert(drawn);
        }
        assert_eq!(seen.len(), 40, "nobody is left out");
        assert!(draws.len() > 90, "no two answers are alike");
    }
    let alias = asked(&format!("_nodes._tcp.{ROOT}"), Kind::Srv, &network(), 1);
    assert_eq!(nodes_of(&alias), ids(&[1, 2, 3, 4]));
}

fn nodes_of(records: &[Record]) -> BTreeSet<NodeId> {
    nodes(records)
}

// BOLT 10.policies.1
#[test]
fn an_answer_may_be_believed_for_a_minute_at_least() {
    assert!(ask("", Kind::Srv).iter().chain(&ask("", Kind::A)).all(|record| record.ttl >= 60));
    assert_eq!(TTL, 60);
}

#[test]
fn what_is_no_query_to_this_seed_is_not_answered() {
    let seed = Seed::new(ROOT);
    let ask = |name: &str| seed.answer(&dns::query(1, name, Kind::Srv).expect("a name"), &network(), [1; 32]);
    assert!(ask("seed.example.org").is_none());
    assert!(ask(&format!("rx.{ROOT}")).is_none());
    assert!(ask(&format!("lnnotanode.{ROOT}")).is_none());
    assert!(seed.answer(&[0; 5], &network(), [1; 32]).is_none());
    let reply = ask(ROOT).expect("an answer");
    assert!(seed.answer(&reply, &network(), [1; 32]).is_none(), "an answer is no query");
}

#[test]
fn a_client_finds_nodes_and_where_they_listen() {
    let name = question(ROOT);
    assert!(name.starts_with("r0.a6.n") && name.ends_with(ROOT));
    let asked = query(9, ROOT).expect("a name");
    let reply = Seed::new(ROOT).answer(&asked, &network(), [1; 32]).expect("an answer");
    let found = answer(&reply, 9, ROOT).expect("good");
    let places: BTreeSet<String> = found.iter().map(|found| found.address.clone()).collect();
    assert_eq!(found.len(), 4);
    assert!(places.contains("192.0.2.1:9735") && places.contains("192.0.2.3:9000"), "{places:?}");
    assert!(places.contains("[2001:db8::2]:9735"));
}

// BOLT 10.query-semantics.25
#[test]
fn a_client_takes_what_is_of_use_and_leaves_the_rest() {
    let srv =
        |target: String, port: u16| Record { name: question(ROOT), ttl: 1, data: Data::Srv { port, target } };
    let good = format!("{}.{ROOT}", label_of_node(&node(1)));
    let mut records = vec![
        srv(good.clone(), 0),
        srv("ln1nonsense.example.com".into(), 9735),
        srv("www.example.com".into(), 9735),
        srv(String::new(), 9735),
        srv(good.clone(), 1234),
        srv(good.clone(), 4321),
        Record { name: ROOT.into(), ttl: 0, data: Data::A([192, 0, 2, 9].into()) },
    ];
    let one = found(&records);
    assert_eq!(one.len(), 1);
    assert_eq!((one[0].node_id, one[0].address.as_str()), (node(1), format!("{good}:1234").as_str()));
    // More than were asked for.
    records.extend((10..100).map(|n| srv(format!("{}.{ROOT}", label_of_node(&node(n))), 9735)));
    assert_eq!(found(&records).len(), MAX_FOUND);
}

#[test]
fn node_ids_are_written_as_the_examples_of_bolt_10() {
    let example = "ln1qwktpe6jxltmpphyl578eax6fcjc2m807qalr76a5gfmx7k9qqfjwy4mctz";
    let node_id = node_of_label(example).expect("it is one");
    assert_eq!(label_of_node(&node_id), example);
    assert_eq!(node_of_label("lnbc1qwktpe6jxltmpphyl578eax6fcjc2m807qalr76a5gfmx7k9qqfjwy4mctz"), None);
    assert_eq!(node_of_label(&example[..example.len() - 1]), None);
}

/// A good answer with one record of a kind.
fn good() -> (String, Vec<u8>) {
    let name = question(ROOT);
    let target = format!("{}.{ROOT}", label_of_node(&node(1)));
    let records = [
        Record { name: name.clone(), ttl: 60, data: Data::Srv { port: 9735, target: target.clone() } },
        Record { name: target, ttl: 60, data: Data::A([192, 0, 2, 1].into()) },
    ];
    let bytes = dns::reply(5, &name, Kind::Srv, &records, MAX_REPLY).expect("a name");
    (name, bytes)
}

// attack 68
#[test]
fn an_answer_of_another_question_another_type_or_with_an_error_is_refused() {
    let (name, bytes) = good();
    assert_eq!(dns::answer(&bytes, 5, &name, Kind::Srv).map(|records| records.len()), Ok(2));
    assert_eq!(dns::answer(&bytes, 6, &name, Kind::Srv), Err(DnsFault::OtherQuestion));
    assert_eq!(dns::answer(&bytes, 5, ROOT, Kind::Srv), Err(DnsFault::OtherQuestion));
    assert_eq!(dns::answer(&bytes, 5, &name, Kind::A), Err(DnsFault::OtherQuestion));
    let with = |at: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        dns::answer(&bytes, 5, &name, Kind::Srv)
    };
    assert_eq!(with(3, 3), Err(DnsFault::Refused(3)));
    assert_eq!(with(2, 0x86), Err(DnsFault::Truncated));
    assert_eq!(with(2, 0x04), Err(DnsFault::OtherQuestion));
    assert_eq!(with(7, 255).err(), Some(DnsFault::Cut), "more records than there are");
    assert_eq!(with(6, 255), Err(DnsFault::TooMany));
    assert_eq!(MAX_RECORDS, 256);
}

// attack 68
#[test]
fn a_record_of_the_asked_type_with_the_content_of_another_is_refused() {
    // A record that calls itself SRV and has the four bytes of an address: the type is no promise.
    let name = "x.example";
    let mut bytes = dns::query(5, name, Kind::Srv).expect("a name");
    (bytes[2], bytes[7]) = (0x80, 1);
    bytes.extend([0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
    assert_eq!(dns::answer(&bytes, 5, name, Kind::Srv), Err(DnsFault::Cut));
    let mut address = dns::query(5, name, Kind::A).expect("a name");
    (address[2], address[7]) = (0x80, 1);
    address.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 5, 192, 0, 2, 1, 9]);
    assert_eq!(dns::answer(&address, 5, name, Kind::A), Err(DnsFault::Cut));
    // Of a type that nobody asked for: it is passed over.
    let mut other = dns::query(5, name, Kind::Srv).expect("a name");
    (other[2], other[7]) = (0x80, 1);
    other.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, 2, 1, 65]);
    assert_eq!(dns::answer(&other, 5, name, Kind::Srv), Ok(vec![]));
}

// attack 68
#[test]
fn names_that_go_in_circles_or_never_end_are_refused() {
    let name = "x.example";
    let with_name = |tail: &[u8]| {
        let mut bytes = dns::query(5, name, Kind::Srv).expect("a name");
        (bytes[2], bytes[7]) = (0x80, 1);
        bytes.extend(tail);
        dns::answer(&bytes, 5, name, Kind::Srv)
    };
    let here = u8::try_from(dns::query(5, name, Kind::Srv).expect("a name").len()).expect("short");
    let rest = [0, 33, 0, 1, 0, 0, 0, 60, 0, 7, 0, 0, 0, 0, 1, 1, 0];
    let named = |name: &[u8]| with_name(&[name, &rest].concat());
    assert!(named(&[0xc0, 12]).is_ok());
    for circle in [&[0xc0, here][..], &[0xc0, here + 2], &[1, b'a', 0xc0, here], &[0xc0, 0], &[0xff, 0xff]] {
        assert_eq!(named(circle), Err(DnsFault::Name), "{circle:?}");
    }
    assert_eq!(named(&[0x40, 1]), Err(DnsFault::Name), "a length of no kind");
    assert_eq!(named(&[2, b'a', 0x0a, 0]), Err(DnsFault::Name), "a control character");
    let long = [vec![63; 1], vec![b'a'; 63]].concat().repeat(5);
    assert_eq!(named(&[&long[..], &[0]].concat()), Err(DnsFault::Name));
}

fn info(addresses: &[Address]) -> NodeInfo {
    NodeInfo {
        timestamp: 1,
        features: Features::empty(),
        color: [0; 3],
        alias: [0; 32],
        addresses: addresses.to_vec(),
        stored: None,
    }
}

#[test]
fn strangers_are_drawn_anew_by_a_bound_and_everybody_is() {
    let nodes: Vec<_> = (1..=40_u8).map(|n| (node(n.into()), info(&[v4(n, 9735)]))).collect();
    let drawn = |entropy| {
        let nodes = nodes.iter().map(|(id, info)| (*id, Some(info)));
        strangers(nodes, 5, [entropy; 32], |_| true)
    };
    assert_eq!(drawn(1).len(), 5);
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
    let all: BTreeSet<NodeId> = (0..=255).flat_map(drawn).map(|found| found.node_id).collect();
    assert_eq!(all.len(), nodes.len());
    let one = drawn(3).remove(0);
    let n = (1..=40).find(|n| node(*n) == one.node_id).expect("it is one of them");
    assert_eq!(one.address, format!("192.0.2.{n}:9735"));
}

#[test]
fn strangers_are_called_by_number_and_only_where_one_may() {
    let name = Address::Hostname(Hostname::new("node.example.com").expect("a name"), 9735);
    let onion = Address::TorV3([7; 35], 9735);
    let infos = [info(&[name, onion]), info(&[v4(2, 1), v4(3, 2)]), info(&[v6(9, 3)]), info(&[v4(2, 4)])];
    let nodes = (1..).zip(&infos).map(|(n, info)| (node(n), Some(info)));
    let silent = [(node(9), None)];
    let may = |ip: std::net::IpAddr| ip.to_string() != "192.0.2.2";
    let found: BTreeSet<String> =
        strangers(nodes.chain(silent), 9, [1; 32], may).into_iter().map(|found| found.address).collect();
    assert_eq!(found, ["192.0.2.3:2".to_owned(), "[2001:db8::9]:3".to_owned()].into());
}

#[test]
fn nobody_is_sought_in_the_machine_itself_or_the_network_at_home() {
    for text in ["8.8.8.8", "100.128.0.1", "172.32.0.1", "2a01:4f8::1", "2001:4860:4860::8888"] {
        assert!(is_public(text.parse().expect("an address")), "{text}");
    }
    for text in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.1.1",
        "192.0.2.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "2001:db8::1",
    ] {
        assert!(!is_public(text.parse().expect("an address")), "{text}");
    }
}

// attack 68
#[test]
fn damaged_answers_never_panic() {
    let (name, bytes) = good();
    for cut in 0..bytes.len() {
        assert!(dns::answer(&bytes[..cut], 5, &name, Kind::Srv).is_err());
    }
    for at in 0..bytes.len() {
        for value in [0, 1, 12, 63, 64, 0xc0, 0xff, bytes[at] ^ 0x80, bytes[at].wrapping_add(1)] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            drop(dns::answer(&damaged, 5, &name, Kind::Srv).map(|records| found(&records)));
            drop(dns::read_query(&damaged));
        }
    }
}
