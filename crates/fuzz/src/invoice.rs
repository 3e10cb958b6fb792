//! The letters of an invoice. A fuzzer does not find checksums and signatures, so these are made for what it writes.

use crate::SECP;
use crate::bytes::Bytes;
use crate::tally;
use astrape_invoice::Invoice;
use bech32::Fe32;
use bech32::primitives::checksum::{Checksum, Engine};
use bech32::primitives::iter::{ByteIterExt as _, Fe32IterExt as _};
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::{Message, SecretKey};

/// Bech32 without its limit of length.
enum Unbounded {}

impl Checksum for Unbounded {
    type MidstateRepr = u32;
    const CODE_LENGTH: usize = 20_000;
    const CHECKSUM_LENGTH: usize = bech32::Bech32::CHECKSUM_LENGTH;
    const GENERATOR_SH: [u32; 5] = bech32::Bech32::GENERATOR_SH;
    const TARGET_RESIDUE: u32 = bech32::Bech32::TARGET_RESIDUE;
}

/// Reads an invoice: no panic, and what is read prints as what reads the same.
///
/// # Panics
/// When it does not.
pub fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let (label, text) = match bytes.below(3) {
        0 => ("as it is", String::from_utf8_lossy(bytes.rest()).into_owned()),
        1 => ("checksum made", checked(bytes.rest(), false)),
        _ => ("checksum and signature made", checked(bytes.rest(), true)),
    };
    let read: Result<Invoice, _> = text.parse();
    tally::count(label, read.is_ok());
    match read {
        Ok(invoice) => holds(&text, &invoice),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    tally::input_is_over();
}

fn holds(text: &str, invoice: &Invoice) {
    let printed = invoice.to_string();
    assert!(text.to_ascii_lowercase().contains(&printed), "it prints as it was read");
    assert_eq!(printed.parse().as_ref(), Ok(invoice));
    assert_eq!(invoice.to_qr_text().parse().as_ref(), Ok(invoice));
    assert!(invoice.expires_at() >= invoice.timestamp());
    assert!(invoice.route_hints().iter().all(|way| !way.is_empty()));
    for fallback in invoice.fallbacks() {
        assert!(!fallback.script_pubkey().is_empty());
        let _ = fallback.address(invoice.network()).to_string();
    }
    let _ = format!("{invoice:?}");
}

/// The text with a right checksum, and, if that is wanted, a right signature in place of its last 104 letters. The input is
/// an invoice without its checksum; what is no letter of bech32 stands for one.
fn checked(input: &[u8], signed: bool) -> String {
    let text: String = input.iter().map(|byte| char::from(byte & 0x7f)).collect();
    let (hrp, data) = text.rsplit_once('1').unwrap_or((&text, ""));
    let mut data: Vec<Fe32> = data.bytes().map(letter).collect();
    if signed {
        data.truncate(data.len().saturating_sub(SIGNATURE_LETTERS));
        data.extend(signature(hrp, &data));
    }
    let mut engine = Engine::<Unbounded>::new();
    for byte in hrp.bytes() {
        engine.input_fe(Fe32::try_from(byte >> 5).expect("a byte has three bits above five"));
    }
    engine.input_fe(Fe32::Q);
    hrp.bytes().for_each(|byte| engine.input_fe(Fe32::try_from(byte & 31).expect("five bits")));
    data.iter().for_each(|fe| engine.input_fe(*fe));
    engine.input_target_residue();
    let residue = *engine.residue();
    let sum = (0..6).rev().map(|place| {
        Fe32::try_from(u8::try_from(residue >> (5 * place) & 31).expect("five bits")).expect("five bits")
    });
    let letters: String = data.into_iter().chain(sum).map(Fe32::to_char).collect();
    format!("{hrp}1{letters}")
}

/// Letters of the signature and its recovery id: 65 bytes.
const SIGNATURE_LETTERS: usize = 104;

fn letter(byte: u8) -> Fe32 {
    Fe32::from_char(char::from(byte)).unwrap_or_else(|_| Fe32::try_from(byte & 31).expect("five bits"))
}

fn signature(hrp: &str, data: &[Fe32]) -> Vec<Fe32> {
    let length = (data.len() * 5).div_ceil(8);
    let padded = data.iter().copied().chain([Fe32::Q; 2]).fes_to_bytes().take(length);
    let signed: Vec<u8> = hrp.bytes().chain(padded).collect();
    let digest = sha256::Hash::hash(&signed).to_byte_array();
    let key = SecretKey::from_slice(&[0x41; 32]).expect("a small number");
    let signature = SECP.sign_ecdsa_recoverable(&Message::from_digest(digest), &key);
    let (recovery, compact) = signature.serialize_compact();
    let recovery = u8::try_from(recovery.to_i32()).unwrap_or(0);
    compact.into_iter().chain([recovery]).bytes_to_fes().collect()
}
