//! The core is pure: each of its crates carries the same `clippy.toml`, and no source of it switches a ban off.
//!
//! The bans themselves are held by clippy. What is checked here is that they are in force.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::floors::{Part, ROOMS};
use crate::source::rust_files;

/// Compares the crates' `clippy.toml` and looks for lints that are allowed in the sources.
///
/// # Errors
/// Lists each crate whose bans are missing, different or switched off.
pub(super) fn check(root: &Path) -> Result<()> {
    let core: Vec<&str> =
        ROOMS.iter().filter(|(_, _, part)| *part == Part::Core).map(|(room, ..)| *room).collect();
    let (first, others) = core.split_first().context("there is no core")?;
    let bans = read_bans(root, first)?;
    let mut faults = Vec::new();
    for room in others {
        if read_bans(root, room)? != bans {
            faults.push(format!("crates/{room}/clippy.toml differs from that of {first}"));
        }
    }
    for room in core {
        for file in rust_files(&root.join("crates").join(room).join("src"))? {
            let text =
                fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            for (index, _) in text.lines().enumerate().filter(|(_, line)| line.contains("clippy::disallowed"))
            {
                let file = file.strip_prefix(root).unwrap_or(&file).display();
                faults.push(format!("{file}:{} switches a ban of clippy.toml off", index + 1));
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { bail!("\n{}", faults.join("\n")) }
}

fn read_bans(root: &Path, room: &str) -> Result<String> {
    let path = format!("crates/{room}/clippy.toml");
    fs::read_to_string(root.join(&path)).with_context(|| format!("a core crate needs its bans: {path}"))
}
