//! A peer's text made safe to show.

use crate::generate::{Gen, message};
use crate::{decode, encode};
use astrape_wire::text::MAX_PRINTABLE_CHARS;
use astrape_wire::{Message, NodeAnnouncement, printable};
use proptest::prelude::*;

// BOLT 1.the-error-and-warning-messages.17
// attack 80
#[test]
fn what_could_deceive_a_reader_is_escaped() {
    for (bytes, text) in [
        (&b"funding failed: \"too small\""[..], "funding failed: \"too small\""),
        (b"a\nb\r\tc", "a\\nb\\r\\tc"),
        (b"nul\0", "nul\\0"),
        (b"\x1b[31mred", "\\u{1b}[31mred"),
        (b"back\\slash", "back\\\\slash"),
        ("line\u{2028}separator".as_bytes(), "line\\u{2028}separator"),
        ("right\u{202e}to left".as_bytes(), "right\\u{202e}to left"),
        ("isolate\u{2066}".as_bytes(), "isolate\\u{2066}"),
        ("zero\u{200b}width\u{feff}".as_bytes(), "zero\\u{200b}width\\u{feff}"),
        ("tag\u{e0041}".as_bytes(), "tag\\u{e0041}"),
        ("z\u{0335}algo".as_bytes(), "z\\u{335}algo"),
        ("del\u{7f} c1\u{9b}".as_bytes(), "del\\u{7f} c1\\u{9b}"),
        (b"no utf8 \xff\xc3(", "no utf8 \\xff\\xc3("),
        ("Zürich ⚡ 中文".as_bytes(), "Zürich ⚡ 中文"),
    ] {
        assert_eq!(printable(bytes), text);
    }
}

#[test]
fn a_long_text_is_cut() {
    let text = printable(&vec![b'a'; 60_000]);
    assert_eq!(text.chars().count(), MAX_PRINTABLE_CHARS);
    assert!(text.ends_with("a…"));
    let text = printable(&vec![0xff; 60_000]);
    assert!(text.ends_with("\\xff…"), "never within an escape");
    assert_eq!(printable(&vec![b'a'; MAX_PRINTABLE_CHARS]).chars().count(), MAX_PRINTABLE_CHARS);
}

#[test]
fn an_alias_loses_its_padding_and_nothing_else() {
    let Message::NodeAnnouncement(mut announcement) = message(257, &mut Gen::new(1)) else {
        panic!("not a node_announcement")
    };
    announcement.alias = NodeAnnouncement::alias_from_text("IRATE\u{202e}MONK");
    assert_eq!(announcement.alias_text(), "IRATE\\u{202e}MONK");
    announcement.alias = [0; 32];
    assert_eq!(announcement.alias_text(), "");
}

// BOLT 7.the-node_announcement-message.8
// attack 70
#[test]
fn an_alias_is_cut_between_characters_and_padded_with_zeroes() {
    assert_eq!(NodeAnnouncement::alias_from_text("ab")[..4], [b'a', b'b', 0, 0]);
    let alias = NodeAnnouncement::alias_from_text(&"⚡".repeat(20));
    assert_eq!(core::str::from_utf8(&alias[..30]), Ok("⚡⚡⚡⚡⚡⚡⚡⚡⚡⚡"));
    assert_eq!(alias[30..], [0, 0]);
    let Message::NodeAnnouncement(mut announcement) = message(257, &mut Gen::new(1)) else {
        panic!("not a node_announcement")
    };
    announcement.alias = alias;
    let message = Message::from(announcement);
    assert_eq!(decode(&encode(&message)), message);
}

proptest! {
    // attack 80
    #[test]
    fn no_bytes_give_a_control_character_or_too_long_a_text(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
        let text = printable(&bytes);
        prop_assert!(text.chars().count() <= MAX_PRINTABLE_CHARS);
        prop_assert!(text.chars().all(|c| !c.is_control()));
    }

    #[test]
    fn no_text_gives_a_bidirectional_mark(text in "\\PC{0,40}[\u{200e}\u{200f}\u{061c}\u{202a}-\u{202e}\u{2066}-\u{2069}\u{2028}\u{2029}]\\PC{0,40}") {
        let shown = printable(text.as_bytes());
        let marks = ['\u{200e}', '\u{200f}', '\u{61c}', '\u{2028}', '\u{2029}'];
        let is_mark = |c: char| {
            marks.contains(&c) || ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c)
        };
        prop_assert!(!shown.contains(is_mark));
    }
}
