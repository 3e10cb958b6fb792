//! Invoices changed behind their checksum: neither reader panics, and both agree on what is an invoice but where the
//! reason is known and named here.

use crate::against_ldk::assert_same;
use crate::support::{Raw, key, node_id};
use astrape_invoice::{Invoice, ParseInvoiceError as Error};
use bech32::Fe32;
use bitcoin::secp256k1::SecretKey;
use bitcoin::secp256k1::ecdsa::Signature;
use lightning_invoice::{Bolt11Invoice, Bolt11ParseError, Bolt11SemanticError, ParseOrSemanticError};

/// Changed invoices of one run. Small enough for every test run; each start of [`Dice`] gives others.
const ROUNDS: u64 = 12_000;

/// Numbers that look random and are the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % u64::try_from(bound.max(1)).expect("fits")).expect("fits")
    }

    fn group(&mut self) -> Fe32 {
        Fe32::try_from(u8::try_from(self.below(32)).expect("below 32")).expect("below 32")
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Invoices to change: each vector, and one with every field.
fn seeds() -> Vec<Raw> {
    let vectors =
        [include_str!("../vectors/bolt11_valid.txt"), include_str!("../vectors/bolt11_invalid.txt")];
    let texts = vectors.iter().flat_map(|v| v.lines()).filter_map(|line| line.split_once(' '));
    let lower =
        texts.map(|(_, text)| text.to_lowercase()).filter(|text| text.len() > 150 && text.starts_with("ln"));
    let mut seeds: Vec<Raw> = lower.map(|text| Raw::parse(&text)).collect();
    seeds.push(
        Raw::minimal()
            .bytes('n', node_id(&key()).as_bytes())
            .field('9', &[Fe32::P, Fe32::S, Fe32::G, Fe32::Q]),
    );
    seeds.push(
        Raw::minimal()
            .field('x', &[Fe32::P, Fe32::Q])
            .field('c', &[Fe32::P, Fe32::Q])
            .bytes('m', &[4; 9])
            .bytes('r', &[2; 102])
            .field('f', &[Fe32::P; 33])
            .field('9', &[Fe32::P, Fe32::S, Fe32::G, Fe32::Q]),
    );
    seeds
}

fn mutate(raw: &mut Raw, dice: &mut Dice) {
    let fields = raw.fields();
    let field = dice.pick(&fields).clone();
    let at = dice.below(raw.signed.len());
    match dice.below(13) {
        0 => raw.signed[at] = dice.group(),
        1 => raw.signed.insert(at, dice.group()),
        2 => drop(raw.signed.remove(at)),
        3 => raw.signed.truncate(at),
        4 => drop(raw.signed.drain(field)),
        5 => raw.signed.extend_from_within(field),
        6 => raw.signed[field.start] = dice.group(),
        7 => raw.signed[field.start + 1 + dice.below(2)] = dice.group(),
        // A shorter or longer field whose length is right.
        8 | 9 => {
            let tag = raw.signed[field.start].to_char();
            let length = *dice.pick(&[0, 1, 2, 13, 14, 33, 51, 52, 53, 54, 82, field.len() - 3]);
            let groups: Vec<Fe32> = (0..length).map(|_| dice.group()).collect();
            let front = dice.below(2) == 0;
            let rest = raw.signed.split_off(if front { 7 } else { raw.signed.len() });
            *raw = raw.clone().field(tag, &groups);
            raw.signed.extend(rest);
        }
        // Any known field with any content.
        10 => {
            let tag = *dice.pick(&['p', 's', 'd', 'h', 'n', 'x', 'c', 'f', 'r', '9', 'm']);
            let groups: Vec<Fe32> = (0..dice.below(90)).map(|_| dice.group()).collect();
            *raw = raw.clone().field(tag, &groups);
        }
        11 => {
            let hrps = ["lnbc", "lntb", "lntbs", "lnbcrt", "lnsb", "ln", "l", "lnbc0", "lnbc1p", "lnbc10p"];
            let amounts = ["lnbc007u", "lnbc21000001", "lnbc18446745", "lnbc99999999999999999999m", "lnbc1x"];
            raw.hrp = if dice.below(2) == 0 { *dice.pick(&hrps) } else { *dice.pick(&amounts) }.into();
        }
        _ => {
            let at = dice.below(raw.signature.len());
            raw.signature[at] = dice.group();
        }
    }
}

fn has_high_s(raw: &Raw) -> bool {
    let mut signature = Signature::from_compact(&raw.signature().0).expect("a signature");
    let given = signature;
    signature.normalize_s();
    signature != given
}

/// Why one reader may refuse what the other accepts; `None` is a mistake of somebody's.
fn explanation(
    raw: &Raw,
    ours: &Result<Invoice, Error>,
    ldk: &Result<Bolt11Invoice, ParseOrSemanticError>,
) -> Option<&'static str> {
    use ParseOrSemanticError::{ParseError, SemanticError};
    match (ours, ldk) {
        (Err(error), Ok(_)) => match error {
            Error::FieldLength { .. } => Some("LDK skips them, as BOLT 11 had it until 2025"),
            Error::NotMinimal(_) => Some("LDK reads numbers and features with leading zeros"),
            Error::CltvDeltaTooLarge => Some("LDK holds 64 bits, a cltv_expiry_delta has 16"),
            Error::AmountNotPositive(_) => Some("LDK reads zero and leading zeros"),
            Error::AmountTooLarge => Some("LDK does not know how much bitcoin there is"),
            Error::RouteHintLength(0) => Some("LDK reads a route hint of no channel"),
            Error::Fallback => Some("LDK does not check the length of version 0 programs"),
            Error::UnknownFeature(56) => Some("LDK knows trampoline"),
            Error::FeatureDependency { .. } => Some("LDK checks no dependencies"),
            Error::UnknownNetwork(prefix) if prefix == "sb" => Some("LDK knows simnet"),
            _ => None,
        },
        (Ok(_), Err(SemanticError(error))) => match error {
            Bolt11SemanticError::MultiplePaymentHashes
            | Bolt11SemanticError::MultiplePaymentSecrets
            | Bolt11SemanticError::MultipleDescriptions => Some("LDK refuses them, here the first counts"),
            Bolt11SemanticError::InvalidFeatures => {
                Some("LDK wants payment_secret to be set, which BOLT 9 assumes, and knows fewer features")
            }
            Bolt11SemanticError::InvalidRecoveryId | Bolt11SemanticError::InvalidSignature
                if raw.tags().contains(&'n') =>
            {
                Some("LDK recovers a key although `n` names it")
            }
            Bolt11SemanticError::InvalidSignature if has_high_s(raw) => Some("LDK never takes a high S"),
            _ => None,
        },
        (Ok(_), Err(ParseError(Bolt11ParseError::IntegerOverflowError))) => {
            Some("LDK holds no more than 18 million bitcoin")
        }
        (Ok(_), Err(_)) => None,
        (Err(_), Err(_)) | (Ok(_), Ok(_)) => Some("they agree"),
    }
}

// attack 60
// attack 71
#[test]
fn changed_invoices_never_panic_and_readers_agree() {
    let seeds = seeds();
    let other = SecretKey::from_slice(&[7; 32]).expect("a key");
    let mut dice = Dice(11);
    let (mut accepted, mut refused) = (0_u32, 0_u32);
    for _ in 0..ROUNDS {
        let mut raw = dice.pick(&seeds).clone();
        for _ in 0..=dice.below(3) {
            if raw.signed.len() > 20 && !raw.fields().is_empty() {
                mutate(&mut raw, &mut dice);
            }
        }
        raw = match dice.below(4) {
            0 => raw,
            1 => raw.sign(&other),
            _ => raw.sign(&key()),
        };
        let text = raw.text();
        let ours = text.parse::<Invoice>();
        let ldk = text.parse::<Bolt11Invoice>();
        assert!(explanation(&raw, &ours, &ldk).is_some(), "ours {ours:?}\nLDK {ldk:?}\n{text}");
        if let (Ok(ours), Ok(ldk)) = (&ours, &ldk) {
            // LDK writes anew what it read, without the padding that was not 0.
            if ldk.to_string() == text {
                assert_same(ours, ldk);
            }
        }
        if ours.is_ok() { accepted += 1 } else { refused += 1 }
    }
    assert!(accepted > 1_000 && refused > 1_000, "{accepted} accepted and {refused} refused");
}

// attack 71
#[test]
fn changed_characters_never_panic() {
    let seeds = seeds();
    let mut dice = Dice(12);
    for _ in 0..ROUNDS {
        let mut text: Vec<char> = dice.pick(&seeds).text().chars().collect();
        for _ in 0..=dice.below(4) {
            let at = dice.below(text.len());
            let strange = ['é', '\u{0}', '1', 'A', 'b', '\u{10ffff}', ' ', ':', '\u{212a}'];
            match dice.below(3) {
                0 => text[at] = *dice.pick(&strange),
                1 => text.insert(at, *dice.pick(&strange)),
                _ => text.truncate(at + 1),
            }
        }
        let text: String = text.into_iter().collect();
        let _ = text.parse::<Invoice>();
    }
}
