//! The properties that the fuzz targets check. One target a message, so that each gets its share of the time.
//!
//! Run one with `cargo +nightly fuzz run open_channel fuzz/corpus/open_channel fuzz/seeds/open_channel` from the root
//! (the first folder grows, the second is kept in git). The same property runs on a stable compiler in
//! `crates/wire/tests/it/fuzz_stable.rs`.

#[doc(hidden)]
pub use libfuzzer_sys;

use astrape_wire::tlv::TlvStream;
use astrape_wire::{Decoded, Message, printable};

/// Whatever follows the type of a message: no panic, and what is read is written and read again, the same.
pub fn message(number: u16, body: &[u8]) {
    let bytes = [&number.to_be_bytes(), body].concat();
    if let Ok(Decoded::Known(message)) = Message::decode(&bytes) {
        let again = message.encode().expect("what was decoded always encodes");
        assert_eq!(Message::decode(&again), Ok(Decoded::Known(message)));
    }
}

/// Whatever a TLV stream is: its records are the bytes of the stream, in order of their types.
pub fn tlv_stream(bytes: &[u8]) {
    let records: Result<Vec<_>, _> = TlvStream::new(bytes, |number| number % 4 == 0).collect();
    if let Ok(records) = records {
        assert!(records.is_sorted_by(|a, b| a.number < b.number));
        assert!(records.iter().flat_map(|record| record.raw).eq(bytes));
    }
}

/// Whatever a peer writes: what is shown is short and without control characters.
pub fn text(bytes: &[u8]) {
    let text = printable(bytes);
    assert!(text.chars().count() <= astrape_wire::text::MAX_PRINTABLE_CHARS);
    assert!(!text.contains(char::is_control));
}

/// Defines a target: `target!(bytes => what is done with them)`.
#[macro_export]
macro_rules! target {
    ($bytes:ident => $do:expr) => {
        $crate::libfuzzer_sys::fuzz_target!(|$bytes: &[u8]| $do);
    };
}
