//! BOLT 1, Appendix A: BigSize; and truncated integers.

use crate::hex;
use astrape_primitives::{Msat, Sat};
use astrape_wire::ValueError;
use astrape_wire::codec::{Field, TlvValue, read_whole};
use astrape_wire::tlv::{BigSize, decode_tu16, decode_tu32, decode_tu64, encode_tu};
use proptest::prelude::*;

const VALID: [(u64, &str); 8] = [
    (0, "00"),
    (252, "fc"),
    (253, "fd00fd"),
    (65_535, "fdffff"),
    (65_536, "fe00010000"),
    (4_294_967_295, "feffffffff"),
    (4_294_967_296, "ff0000000100000000"),
    (u64::MAX, "ffffffffffffffffff"),
];

#[test]
fn bigsize_is_written_and_read_as_the_appendix_says() {
    for (value, bytes) in VALID {
        let mut out = Vec::new();
        BigSize(value).write(&mut out);
        assert_eq!(out, hex(bytes), "{value}");
        assert_eq!(read_whole(&hex(bytes)), Ok(BigSize(value)), "{bytes}");
    }
}

#[test]
fn a_bigsize_that_is_cut_or_not_minimal_is_refused() {
    for bytes in ["fd00fc", "fe0000ffff", "ff00000000ffffffff"] {
        assert_eq!(read_whole::<BigSize>(&hex(bytes)), Err(ValueError::NotMinimal), "{bytes}");
    }
    for bytes in ["fd00", "feffff", "ffffffffff", "", "fd", "fe", "ff"] {
        assert_eq!(read_whole::<BigSize>(&hex(bytes)), Err(ValueError::Truncated), "{bytes}");
    }
}

// BOLT 1.fundamental-types.1
// BOLT 1.fundamental-types.2
// BOLT 1.fundamental-types.3
#[test]
fn a_truncated_integer_has_no_leading_zero() {
    assert_eq!(encode_tu(0), hex(""));
    assert_eq!(encode_tu(1), hex("01"));
    assert_eq!(encode_tu(0x0100), hex("0100"));
    assert_eq!(encode_tu(u64::MAX), [0xff; 8]);
    for bytes in ["00", "0001"] {
        assert_eq!(decode_tu16(&hex(bytes)), Err(ValueError::NotMinimal));
        assert_eq!(decode_tu32(&hex(bytes)), Err(ValueError::NotMinimal));
        assert_eq!(decode_tu64(&hex(bytes)), Err(ValueError::NotMinimal));
    }
}

#[test]
fn a_truncated_integer_that_is_too_long_is_refused() {
    assert_eq!(decode_tu16(&hex("ffff")), Ok(u16::MAX));
    assert_eq!(decode_tu16(&hex("010000")), Err(ValueError::TooLong(1)));
    assert_eq!(decode_tu32(&hex("ffffffff")), Ok(u32::MAX));
    assert_eq!(decode_tu32(&hex("0100000000")), Err(ValueError::TooLong(1)));
    assert_eq!(decode_tu64(&[0xff; 8]), Ok(u64::MAX));
    assert_eq!(decode_tu64(&[1; 10]), Err(ValueError::TooLong(2)));
}

// BOLT 1.fundamental-types.4
// BOLT 1.fundamental-types.5
#[test]
fn a_truncated_amount_above_all_bitcoin_is_refused() {
    assert_eq!(Sat::from_tlv(&encode_tu(0x0007_75f0_5a07_4000)), Ok(Sat(2_100_000_000_000_000)));
    assert_eq!(Sat::from_tlv(&encode_tu(0x0007_75f0_5a07_4001)), Err(ValueError::AboveAllBitcoin));
    assert_eq!(Msat::from_tlv(&encode_tu(0x1d24_b2df_ac52_0000)), Ok(Msat(2_100_000_000_000_000_000)));
    assert_eq!(Msat::from_tlv(&encode_tu(0x1d24_b2df_ac52_0001)), Err(ValueError::AboveAllBitcoin));
}

proptest! {
    #[test]
    fn integers_are_read_as_they_were_written(value: u64, shift in 0_u32..64) {
        let value = value >> shift;
        prop_assert_eq!(decode_tu64(&encode_tu(value)), Ok(value));
        let mut out = Vec::new();
        BigSize(value).write(&mut out);
        prop_assert_eq!(read_whole(&out), Ok(BigSize(value)));
        prop_assert!(matches!(out.len(), 1 | 3 | 5 | 9));
    }
}
