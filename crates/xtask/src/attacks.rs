//! Which attacks of `docs/attacks.md` a test shows this node to withstand.
//!
//! The page's table has the columns number, attack, "shown by" and note. The third is derived from the marks above
//! tests ([`crate::source`]); this verb checks it, or writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::source::{Mark, marks};

/// The page, from the root of the clone.
const PAGE: &str = "docs/attacks.md";

/// Whether to mend the page or only to say what is wrong with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Check,
    Write,
}

/// Compares the page with the tests.
///
/// # Errors
/// When a test names a row that the page lacks, or (in [`Mode::Check`]) the page is not what the tests say.
pub(crate) fn report(root: &Path, mode: Mode) -> Result<()> {
    let path = root.join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| format!("cannot read {PAGE}"))?;
    let mut shown: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    for marked in marks(root)? {
        let Mark::Attack(number) = marked.mark else { continue };
        match &marked.test {
            Some(test) => _ = shown.entry(number).or_default().insert(format!("{}: `{test}`", marked.room())),
            None => {
                eprintln!("not counted, no test stands under it: {}:{}", marked.file.display(), marked.line)
            }
        }
    }
    let (written, rows) = rewritten(&page, &shown);
    if let Some(number) = shown.keys().find(|number| !rows.contains(number)) {
        bail!("a test names attack {number}, but {PAGE} has no such row");
    }
    println!("{} of {} attacks have a test", shown.len(), rows.len());
    if written == page {
        return Ok(());
    }
    if mode == Mode::Check {
        bail!("{PAGE} does not say what the tests say; `cargo xtask attacks --write` mends it");
    }
    fs::write(&path, written).with_context(|| format!("cannot write {PAGE}"))
}

/// The page with its third column as the tests have it, and the numbers of its rows.
fn rewritten(page: &str, shown: &BTreeMap<u32, BTreeSet<String>>) -> (String, BTreeSet<u32>) {
    let (mut text, mut rows) = (String::new(), BTreeSet::new());
    for line in page.lines() {
        match row(line) {
            Some((number, attack, note)) => {
                rows.insert(number);
                let tests: Vec<&str> = shown.get(&number).into_iter().flatten().map(String::as_str).collect();
                let cells = [number.to_string(), attack.to_owned(), tests.join("; "), note.to_owned()];
                text.push_str(&cells.iter().fold(String::from("|"), |row, cell| match cell.as_str() {
                    "" => row + " |",
                    cell => row + " " + cell + " |",
                }));
            }
            None => text.push_str(line),
        }
        text.push('\n');
    }
    (text, rows)
}

/// Number, attack and note of a row of the table.
fn row(line: &str) -> Option<(u32, &str, &str)> {
    let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let [number, attack, _, note] = cells[..] else { return None };
    Some((number.parse().ok()?, attack, note))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_column_is_derived_and_the_note_is_kept() {
        let page = "# Attacks\n\n| # | Attack | Shown by | Note |\n|---|---|---|---|\n\
            | 1 | Fake funding | old | |\n| 30 | Wormhole | | later |\n";
        let shown =
            BTreeMap::from([(1, BTreeSet::from(["channel: `a`".to_owned(), "channel: `b`".to_owned()]))]);
        let (text, rows) = rewritten(page, &shown);
        assert_eq!(rows, BTreeSet::from([1, 30]));
        assert!(text.contains("| 1 | Fake funding | channel: `a`; channel: `b` | |\n"));
        assert!(text.contains("| 30 | Wormhole | | later |\n"));
        assert!(text.starts_with("# Attacks\n\n| # | Attack | Shown by | Note |\n|---|"));
    }
}
