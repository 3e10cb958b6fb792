//! Text that a peer chose, made safe to show.

/// Most characters that [`printable`] returns: a peer's text shall not fill a log or a screen.
pub const MAX_PRINTABLE_CHARS: usize = 512;

/// A peer's bytes as text that can do no harm in a log, a terminal or a page's text: control characters, bidirectional
/// marks, separators, combining marks and all else without a shape of its own are escaped, and so is the backslash;
/// bytes that are no UTF-8 become `\xNN`. Cut, with `…` at the end, to [`MAX_PRINTABLE_CHARS`].
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    let mut out = Printable::default();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                // Escaped by `escape_debug`, but harmless outside of code.
                '"' | '\'' => out.push(core::iter::once(c)),
                c => out.push(c.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            out.push(format!("\\x{byte:02x}").chars());
        }
        if out.is_full {
            break;
        }
    }
    out.text
}

/// Text that stops growing at its bound, never within an escape.
#[derive(Default)]
struct Printable {
    text: String,
    count: usize,
    is_full: bool,
}

impl Printable {
    fn push(&mut self, piece: impl Iterator<Item = char> + Clone) {
        let len = piece.clone().count();
        if self.is_full {
            return;
        }
        if self.count + len >= MAX_PRINTABLE_CHARS {
            self.is_full = true;
            self.text.push('…');
            return;
        }
        self.count += len;
        self.text.extend(piece);
    }
}
