//! BOLT 1, Appendix B: TLV streams in the namespaces `n1` and `n2`.

use crate::hex;
use astrape_primitives::ShortChannelId;
use astrape_wire::codec::{Reader, read_whole};
use astrape_wire::tlv::{TlvRecord, TlvStream, TlvWriter, decode_tu32, decode_tu64};
use astrape_wire::{TlvError, ValueError};
use bitcoin::secp256k1::PublicKey;
use proptest::prelude::*;

/// Why a stream is refused.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    Stream(TlvError),
    Value(ValueError),
}

/// The appendix's namespace `n1`.
#[derive(Debug, Default, PartialEq, Eq)]
struct N1 {
    tlv1: Option<u64>,
    tlv2: Option<ShortChannelId>,
    tlv3: Option<(PublicKey, u64, u64)>,
    tlv4: Option<u16>,
}

impl N1 {
    fn read(bytes: &[u8]) -> Result<Self, Refused> {
        let mut n1 = N1::default();
        for record in TlvStream::new(bytes, |number| [1, 2, 3, 254].contains(&number)) {
            let record = record.map_err(Refused::Stream)?;
            n1.fill(&record).map_err(Refused::Value)?;
        }
        Ok(n1)
    }

    fn fill(&mut self, record: &TlvRecord<'_>) -> Result<(), ValueError> {
        match record.number {
            1 => self.tlv1 = Some(decode_tu64(record.value)?),
            2 => self.tlv2 = Some(read_whole(record.value)?),
            3 => {
                let mut reader = Reader::new(record.value);
                self.tlv3 = Some((reader.read()?, reader.read()?, reader.read()?));
                if !reader.is_empty() {
                    return Err(ValueError::TooLong(reader.remaining()));
                }
            }
            254 => self.tlv4 = Some(read_whole(record.value)?),
            _ => {}
        }
        Ok(())
    }
}

/// The appendix's namespace `n2`.
fn read_n2(bytes: &[u8]) -> Result<(Option<u64>, Option<u32>), Refused> {
    let mut n2 = (None, None);
    for record in TlvStream::new(bytes, |number| [0, 11].contains(&number)) {
        let record = record.map_err(Refused::Stream)?;
        match record.number {
            0 => n2.0 = Some(decode_tu64(record.value).map_err(Refused::Value)?),
            11 => n2.1 = Some(decode_tu32(record.value).map_err(Refused::Value)?),
            _ => {}
        }
    }
    Ok(n2)
}

const NODE_ID: &str = "023da092f6980e58d2c037173180e9a465476026ee50f96695963e8efe436f54eb";

/// Streams that no namespace accepts, with the reason.
fn invalid_everywhere() -> Vec<(Vec<u8>, TlvError)> {
    let cut_value = [hex("0f fd0201"), vec![0; 0x100]].concat();
    vec![
        (hex("fd"), TlvError::TruncatedType),
        (hex("fd01"), TlvError::TruncatedType),
        (hex("fd0001 00"), TlvError::TypeNotMinimal),
        (hex("fd0101"), TlvError::TruncatedLength(0x101)),
        (hex("0f fd"), TlvError::TruncatedLength(15)),
        (hex("0f fd26"), TlvError::TruncatedLength(15)),
        (hex("0f fd2602"), TlvError::TruncatedValue { record: 15, length: 0x2602, left: 0 }),
        (hex("0f fd0001 00"), TlvError::LengthNotMinimal(15)),
        (cut_value, TlvError::TruncatedValue { record: 15, length: 0x201, left: 0x100 }),
        (hex("12 00"), TlvError::UnknownEven(0x12)),
        (hex("fd0102 00"), TlvError::UnknownEven(0x102)),
        (hex("fe01000002 00"), TlvError::UnknownEven(0x0100_0002)),
        (hex("ff0100000000000002 00"), TlvError::UnknownEven(0x0100_0000_0000_0002)),
    ]
}

// BOLT 1.type-length-value-format.8
// BOLT 1.type-length-value-format.10
// BOLT 1.type-length-value-format.14
#[test]
fn what_is_invalid_in_any_namespace_is_refused() {
    for (bytes, reason) in invalid_everywhere() {
        assert_eq!(N1::read(&bytes), Err(Refused::Stream(reason)));
        assert_eq!(read_n2(&bytes), Err(Refused::Stream(reason)));
    }
    assert_eq!(N1::read(&hex("00 00")), Err(Refused::Stream(TlvError::UnknownEven(0))));
}

// BOLT 1.type-length-value-format.12
// BOLT 1.type-length-value-format.13
#[test]
fn a_known_record_of_the_wrong_length_or_form_is_refused() {
    let n1 = |text: &str| match N1::read(&hex(text)) {
        Err(Refused::Value(reason)) => reason,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(n1("01 09 ffffffffffffffffff"), ValueError::TooLong(1));
    for text in [
        "01 01 00",
        "01 02 0001",
        "01 03 000100",
        "01 04 00010000",
        "01 05 0001000000",
        "01 06 000100000000",
        "01 07 00010000000000",
        "01 08 0001000000000000",
    ] {
        assert_eq!(n1(text), ValueError::NotMinimal, "{text}");
    }
    assert_eq!(n1("02 07 01010101010101"), ValueError::Truncated);
    assert_eq!(n1("02 09 010101010101010101"), ValueError::TooLong(1));
    assert_eq!(n1(&format!("03 21 {NODE_ID}")), ValueError::Truncated);
    assert_eq!(n1(&format!("03 29 {NODE_ID} 0000000000000001")), ValueError::Truncated);
    assert_eq!(n1(&format!("03 30 {NODE_ID} 000000000000000100000000000001")), ValueError::Truncated);
    let no_point = NODE_ID.replacen("02", "04", 1);
    assert_eq!(n1(&format!("03 31 {no_point} 00000000000000010000000000000002")), ValueError::InvalidPoint);
    assert_eq!(n1(&format!("03 32 {NODE_ID} 0000000000000001000000000000000001")), ValueError::TooLong(1));
    assert_eq!(n1("fd00fe 00"), ValueError::Truncated);
    assert_eq!(n1("fd00fe 01 01"), ValueError::Truncated);
    assert_eq!(n1("fd00fe 03 010101"), ValueError::TooLong(1));
}

// BOLT 1.type-length-value-format.7
// BOLT 1.type-length-value-format.15
#[test]
fn unknown_odd_records_are_ignored() {
    for text in ["", "21 00", "fd0201 00", "fd00fd 00", "fd00ff 00", "fe02000001 00", "ff0200000000000001 00"]
    {
        assert_eq!(N1::read(&hex(text)), Ok(N1::default()), "{text}");
        assert_eq!(read_n2(&hex(text)), Ok((None, None)), "{text}");
    }
}

// BOLT 1.type-length-value-format.11
#[test]
fn known_records_are_read() {
    for (text, amount) in [
        ("01 00", 0),
        ("01 01 01", 1),
        ("01 02 0100", 256),
        ("01 03 010000", 65_536),
        ("01 04 01000000", 16_777_216),
        ("01 05 0100000000", 4_294_967_296),
        ("01 06 010000000000", 1_099_511_627_776),
        ("01 07 01000000000000", 281_474_976_710_656),
        ("01 08 0100000000000000", 72_057_594_037_927_936),
    ] {
        assert_eq!(N1::read(&hex(text)), Ok(N1 { tlv1: Some(amount), ..N1::default() }), "{text}");
    }
    let scid = ShortChannelId::new(0, 0, 550);
    assert_eq!(N1::read(&hex("02 08 0000000000000226")), Ok(N1 { tlv2: scid, ..N1::default() }));
    let tlv3 = Some((NODE_ID.parse().unwrap(), 1, 2));
    let text = format!("03 31 {NODE_ID} 0000000000000001 0000000000000002");
    assert_eq!(N1::read(&hex(&text)), Ok(N1 { tlv3, ..N1::default() }));
    assert_eq!(N1::read(&hex("fd00fe 02 0226")), Ok(N1 { tlv4: Some(550), ..N1::default() }));
}

// BOLT 1.type-length-value-format.9
#[test]
fn records_out_of_order_or_twice_are_refused() {
    for (text, previous, record) in [
        ("02 08 0000000000000226 01 01 2a", 2, 1),
        ("02 08 0000000000000231 02 08 0000000000000451", 2, 2),
        ("1f 00 0f 01 2a", 0x1f, 0x0f),
        ("1f 00 1f 01 2a", 0x1f, 0x1f),
    ] {
        let reason = TlvError::NotIncreasing { previous, record };
        assert_eq!(N1::read(&hex(text)), Err(Refused::Stream(reason)), "{text}");
    }
    let reason = TlvError::NotIncreasing { previous: u64::MAX, record: 0 };
    assert_eq!(read_n2(&hex("ffffffffffffffffff 00 00 00")), Err(Refused::Stream(reason)));
}

#[test]
fn an_invalid_stream_after_a_valid_one_is_refused_and_a_higher_valid_one_is_not() {
    for (bytes, _) in invalid_everywhere() {
        assert!(N1::read(&[hex("01 01 01"), bytes].concat()).is_err());
    }
    let both = N1::read(&hex("01 01 01 02 08 0000000000000226 21 00")).unwrap();
    assert_eq!(both, N1 { tlv1: Some(1), tlv2: ShortChannelId::new(0, 0, 550), ..N1::default() });
}

// attack 61
#[test]
fn a_huge_claimed_length_is_refused_before_anything_is_allocated() {
    let bytes = hex("01 feffffffff 00");
    let reason = TlvError::TruncatedValue { record: 1, length: u64::from(u32::MAX), left: 1 };
    assert_eq!(N1::read(&bytes), Err(Refused::Stream(reason)));
    let bytes = hex("01 ffffffffffffffffff 00");
    let reason = TlvError::TruncatedValue { record: 1, length: u64::MAX, left: 1 };
    assert_eq!(N1::read(&bytes), Err(Refused::Stream(reason)));
}

#[test]
fn a_stream_ends_at_its_first_error() {
    let mut stream = TlvStream::new(&[0x12, 0x00, 0x13, 0x00], |_| false);
    assert_eq!(stream.next(), Some(Err(TlvError::UnknownEven(0x12))));
    assert_eq!(stream.next(), None);
}

proptest! {
    // BOLT 1.type-length-value-format.1
    // BOLT 1.type-length-value-format.2
    #[test]
    fn a_written_stream_is_read_in_order_whatever_the_order_of_writing(
        records in proptest::collection::vec((any::<u64>(), 0_u32..64, proptest::collection::vec(any::<u8>(), 0..300)), 0..8)
    ) {
        let records: Vec<(u64, Vec<u8>)> = records.into_iter().map(|(n, shift, v)| (n >> shift, v)).collect();
        let writer = records.iter().fold(TlvWriter::new(), |writer, (n, v)| writer.with(*n, v.clone()));
        let bytes = writer.finish();
        let expected: std::collections::BTreeMap<_, _> = records.into_iter().collect();
        let read: Result<Vec<_>, _> = TlvStream::new(&bytes, |_| true).collect();
        let read = read.unwrap();
        prop_assert_eq!(read.iter().map(|r| r.raw).collect::<Vec<_>>().concat(), bytes.clone());
        let read: Vec<_> = read.into_iter().map(|r| (r.number, r.value.to_vec())).collect();
        prop_assert_eq!(read, expected.into_iter().collect::<Vec<_>>());
    }
}
