//! Groups of 5 bits: the letters of bech32, and numbers and bytes made of them.

use bech32::Fe32;
use bech32::primitives::checksum::Checksum;
use bech32::primitives::iter::{ByteIterExt as _, Fe32IterExt as _};

/// BIP 173's checksum without its limit of 90 characters, as BOLT 11 asks.
pub(super) enum UnboundedBech32 {}

impl Checksum for UnboundedBech32 {
    type MidstateRepr = u32;
    const CODE_LENGTH: usize = super::MAX_INVOICE_LENGTH;
    const CHECKSUM_LENGTH: usize = bech32::Bech32::CHECKSUM_LENGTH;
    const GENERATOR_SH: [u32; 5] = bech32::Bech32::GENERATOR_SH;
    const TARGET_RESIDUE: u32 = bech32::Bech32::TARGET_RESIDUE;
}

/// The whole bytes in `groups`; bits that make no whole byte are padding.
pub(super) fn to_bytes(groups: &[Fe32]) -> Vec<u8> {
    groups.iter().copied().fes_to_bytes().collect()
}

/// The first `N` bytes in `groups`, or `None` when they hold fewer.
pub(super) fn to_array<const N: usize>(groups: &[Fe32]) -> Option<[u8; N]> {
    to_bytes(groups).get(..N)?.try_into().ok()
}

/// All bits of `groups`, with 0 bits to the next whole byte: the form that is signed.
pub(super) fn to_padded_bytes(groups: &[Fe32]) -> Vec<u8> {
    let bytes = (groups.len() * 5).div_ceil(8);
    groups.iter().copied().chain([Fe32::Q; 2]).fes_to_bytes().take(bytes).collect()
}

/// The groups of `bytes`, padded with 0 bits.
pub(super) fn from_bytes(bytes: &[u8]) -> Vec<Fe32> {
    bytes.iter().copied().bytes_to_fes().collect()
}

/// A big-endian number, or `None` when it does not fit.
pub(super) fn to_u64(groups: &[Fe32]) -> Option<u64> {
    groups.iter().try_fold(0_u64, |number, group| Some(number.checked_mul(32)? | u64::from(group.to_u8())))
}

/// The `width` groups of a number, big-endian; higher bits are left out.
pub(super) fn from_u64(number: u64, width: usize) -> impl Iterator<Item = Fe32> {
    (0..width).rev().map(move |place| group(|bit| u128::from(number) >> (place * 5 + bit) & 1 == 1))
}

/// The least number of groups that hold a number; none for 0.
pub(super) fn width_of(number: u64) -> usize {
    (u64::BITS - number.leading_zeros()).div_ceil(5) as usize
}

/// One group from its bits, the lowest being 0.
pub(super) fn group(bit: impl Fn(usize) -> bool) -> Fe32 {
    let value = (0..5).filter(|i| bit(*i)).fold(0_u8, |value, i| value | 1 << i);
    Fe32::try_from(value).expect("five bits are below 32")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_no_leading_zero_group() {
        for (number, groups) in [(0, 0), (1, 1), (31, 1), (32, 2), (1023, 2), (1024, 3), (u64::MAX, 13)] {
            assert_eq!(width_of(number), groups, "{number}");
            let written: Vec<Fe32> = from_u64(number, groups).collect();
            assert_eq!(to_u64(&written), Some(number));
            assert_ne!(written.first(), Some(&Fe32::Q));
        }
    }

    #[test]
    fn a_number_that_does_not_fit_is_no_number() {
        assert_eq!(to_u64(&[Fe32::P; 13]), Some(0x1084_2108_4210_8421));
        assert_eq!(to_u64(&[Fe32::L; 13]), None);
        assert_eq!(to_u64(&[Fe32::P; 14]), None);
    }

    #[test]
    fn what_is_signed_keeps_every_bit() {
        for len in 0..40 {
            let groups = vec![Fe32::L; len];
            let bytes = to_padded_bytes(&groups);
            assert_eq!(bytes.iter().map(|b| b.count_ones() as usize).sum::<usize>(), len * 5);
            assert_eq!(bytes.len(), (len * 5).div_ceil(8));
        }
    }
}
