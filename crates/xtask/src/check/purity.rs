//! The core is pure: each of its crates carries the same `clippy.toml`, and no source of it switches a ban off.
//!
//! The bans themselves are held by clippy. What is checked here is that they are in force, and that no hash table of the house
//! can be foreseen by a peer.

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
    faults.extend(hash_tables(root)?.1);
    if faults.is_empty() { Ok(()) } else { bail!("\n{}", faults.join("\n")) }
}

fn read_bans(root: &Path, room: &str) -> Result<String> {
    let path = format!("crates/{room}/clippy.toml");
    fs::read_to_string(root.join(&path)).with_context(|| format!("a core crate needs its bans: {path}"))
}

/// What makes a hash table whose order, and whose collisions, are the same in every process.
const KNOWN_SEEDS: [&str; 7] =
    ["BuildHasherDefault", "with_hasher(", "FxHash", "FnvHash", "ahash", "DefaultHasher::", "possiblyrandom"];

/// What hash tables of the crates break: the core has none, and no other has a seed that a peer may know, who could fill one
/// bucket of it. Tells how many tables there are, too.
fn hash_tables(root: &Path) -> Result<(usize, Vec<String>)> {
    let (mut tables, mut faults) = (0, Vec::new());
    for (room, _, part) in ROOMS.iter().filter(|(room, ..)| *room != "xtask") {
        for (place, line) in code_lines(root, room)? {
            let is_table = ["HashMap", "HashSet"].iter().any(|table| line.contains(table));
            tables += usize::from(is_table);
            if is_table && *part == Part::Core {
                faults.push(format!("{place}: the core looks nothing up by hashes"));
            }
            if let Some(seed) = KNOWN_SEEDS.iter().find(|seed| line.contains(**seed)) {
                faults.push(format!("{place}: a peer could fill one bucket of it ({seed})"));
            }
        }
    }
    Ok((tables, faults))
}

/// Lines of code of a crate that are not comments, with their places.
fn code_lines(root: &Path, room: &str) -> Result<Vec<(String, String)>> {
    let mut lines = Vec::new();
    for file in rust_files(&root.join("crates").join(room).join("src"))? {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        let code = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
        lines.extend(code.map(|(index, line)| (format!("{name}:{}", index + 1), line.to_owned())));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::root;

    // attack 75
    #[test]
    fn no_hash_table_has_a_seed_that_is_known_and_the_core_has_no_hash_table() {
        let (tables, faults) = hash_tables(&root()).expect("the sources can be read");
        assert_eq!(faults, Vec::<String>::new());
        assert!(tables > 0, "the shell has some, each with a seed of its own");
        // Those have seeds of their own because the standard library's are.
        let hash = || std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 7_u64);
        assert_ne!(hash(), hash());
    }
}
