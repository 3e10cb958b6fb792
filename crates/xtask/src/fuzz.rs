//! `cargo xtask fuzz`: runs the targets in `fuzz/`, keeps what they found, and tells what they reach.
//!
//! What is kept of a target is one text, `fuzz/corpus/TARGET.hex`, an input a line; libFuzzer gets it as a folder of files.
//!
//! The engine is libFuzzer by cargo-fuzz. The compiler is the stable one: the flags for coverage are stable, and since there is
//! no unsafe code no sanitizer is used, which is what would need another compiler.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::shell::{capture, cargo, root};

/// A target, and the longest input that it gets: enough for what it reads, and no more.
const TARGETS: [(&str, u32); 5] =
    [("messages", 4096), ("transport", 4096), ("onion", 2048), ("invoice", 2048), ("step", 2048)];

/// Where a target writes its counts (`crates/fuzz/src/tally.rs`).
const TALLY: &str = "ASTRAPE_FUZZ_TALLY";

/// Where the inputs of a target are, and its words.
struct Place {
    /// What is kept in git.
    text: PathBuf,
    /// The same as a folder.
    kept: PathBuf,
    /// What was found here.
    found: PathBuf,
    tally: PathBuf,
    log: PathBuf,
}

impl Place {
    fn of(target: &str) -> Result<Self> {
        let (fuzz, work) = (root().join("fuzz"), root().join("fuzz/target"));
        let place = Self {
            text: fuzz.join(format!("corpus/{target}.hex")),
            kept: work.join("kept").join(target),
            found: work.join("found").join(target),
            tally: work.join(format!("found/{target}.tsv")),
            log: work.join(format!("found/{target}.log")),
        };
        fs::create_dir_all(&place.found)?;
        Ok(place)
    }

    fn inputs(&self) -> Result<Vec<Vec<u8>>> {
        let text = fs::read_to_string(&self.text).with_context(|| format!("no {}", self.text.display()))?;
        text.lines().map(|line| bytes_of(line).with_context(|| format!("no hexadecimal: {line}"))).collect()
    }

    fn unpack(&self) -> Result<()> {
        write_all(&self.kept, &self.inputs()?)
    }

    fn pack(&self, folder: &Path) -> Result<()> {
        let mut lines = Vec::new();
        for entry in fs::read_dir(folder)? {
            let input = fs::read(entry?.path())?;
            lines.push(input.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        }
        lines.retain(|line| !line.is_empty());
        lines.sort_unstable();
        fs::write(&self.text, lines.join("\n") + "\n")?;
        Ok(())
    }
}

/// The bytes of hexadecimal digits.
fn bytes_of(line: &str) -> Option<Vec<u8>> {
    let places = (0..line.len()).step_by(2);
    places.map(|at| u8::from_str_radix(line.get(at..at + 2)?, 16).ok()).collect()
}

/// A folder with these inputs and nothing else.
fn write_all(folder: &Path, inputs: &[Vec<u8>]) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    for (at, input) in inputs.iter().enumerate() {
        fs::write(folder.join(at.to_string()), input)?;
    }
    Ok(())
}

/// The targets that are asked for: one or all.
fn chosen(target: Option<&str>) -> Result<Vec<(&'static str, u32)>> {
    let chosen: Vec<_> = TARGETS.into_iter().filter(|(name, _)| target.is_none_or(|t| t == *name)).collect();
    let names = TARGETS.map(|(name, _)| name).join(", ");
    ensure!(!chosen.is_empty(), "no such target; there are {names}");
    Ok(chosen)
}

/// `cargo fuzz run TARGET` with folders and options of libFuzzer.
fn fuzzer(target: &str, folders: &[&Path], options: &[String]) -> Result<Command> {
    if capture(cargo().args(["fuzz", "--version"])).is_err() {
        bail!("cargo-fuzz is needed: cargo install cargo-fuzz --locked");
    }
    let mut command = cargo();
    command.args(["fuzz", "run", "--fuzz-dir", "fuzz", "--sanitizer", "none", target]).args(folders);
    // Only lets cargo-fuzz pass its flags on to a compiler that is no nightly.
    command.arg("--").args(options).env("RUSTC_BOOTSTRAP", "1");
    Ok(command)
}

/// Runs one target, or all one after the other, for so long each.
///
/// # Errors
/// When something is found: the input is in `fuzz/artifacts/TARGET`.
pub(crate) fn run(target: Option<&str>, seconds: u64) -> Result<()> {
    for (target, max_len) in chosen(target)? {
        let place = Place::of(target)?;
        let options = [
            format!("-max_total_time={seconds}"),
            format!("-max_len={max_len}"),
            "-timeout=60".to_owned(),
            "-print_final_stats=1".to_owned(),
        ];
        place.unpack()?;
        println!("{target}: {seconds} s; its words go to {}", place.log.display());
        let mut command = fuzzer(target, &[&place.found, &place.kept], &options)?;
        let words = File::create(&place.log)?;
        let status = command.env(TALLY, &place.tally).stderr(Stdio::from(words)).status()?;
        let said = fs::read_to_string(&place.log)?;
        ensure!(status.success(), "{target} has found something:\n{}", end_of(&said));
        println!("{}", line(target, &said)?);
    }
    Ok(())
}

fn end_of(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// Keeps, of what was kept and what was found, the fewest inputs that reach the same edges.
///
/// # Errors
/// When libFuzzer cannot merge them.
pub(crate) fn keep(target: Option<&str>) -> Result<()> {
    for (target, _) in chosen(target)? {
        let place = Place::of(target)?;
        place.unpack()?;
        let merged = place.found.with_extension("merged");
        write_all(&merged, &[])?;
        let options = ["-use_counters=0", "-set_cover_merge=1"].map(str::to_owned);
        let status = fuzzer(target, &[&merged, &place.kept, &place.found], &options)?.status()?;
        ensure!(status.success(), "the inputs of {target} cannot be merged");
        place.pack(&merged)?;
    }
    Ok(())
}

/// Tells what was run and what it reaches; of messages by type.
///
/// # Errors
/// When a kept input breaks a promise.
pub(crate) fn report() -> Result<()> {
    println!("| target | inputs tried | edges reached | features | inputs kept |\n|---|--:|--:|--:|--:|");
    for (target, _) in TARGETS {
        let place = Place::of(target)?;
        let said = fs::read_to_string(&place.log).unwrap_or_default();
        let tried = stat(&said, "stat::number_of_executed_units:").unwrap_or(0);
        place.unpack()?;
        let reach = reach(target, &[&place.kept])?;
        let kept = place.inputs()?.len();
        println!("| {target} | {tried} | {} | {} | {kept} |", reach.edges, reach.features);
    }
    let place = Place::of("messages")?;
    let counts = tally(&place.tally);
    println!(
        "\n| type | message | tried | accepted | inputs kept | edges | features |\n|--:|---|--:|--:|--:|--:|--:|"
    );
    let folder = place.kept.with_extension("of-one-type");
    for (number, inputs) in by_type(place.inputs()?) {
        let Some(name) = name_of(number)? else { continue };
        write_all(&folder, &inputs)?;
        let reach = reach("messages", &[&folder])?;
        let (tried, accepted) = counts.get(&name).copied().unwrap_or_default();
        println!(
            "| {number} | {name} | {tried} | {accepted} | {} | {} | {} |",
            inputs.len(),
            reach.edges,
            reach.features
        );
    }
    for target in ["transport", "onion", "invoice", "step"] {
        println!("\n| {target} | tried | accepted |\n|---|--:|--:|");
        for (label, (tried, accepted)) in tally(&Place::of(target)?.tally) {
            println!("| {label} | {tried} | {accepted} |");
        }
    }
    Ok(())
}

/// What inputs reach.
struct Reach {
    edges: u64,
    features: u64,
}

fn reach(target: &str, folders: &[&Path]) -> Result<Reach> {
    let output = fuzzer(target, folders, &["-runs=0".to_owned()])?.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{target} has found something:\n{}", end_of(&said));
    let last = said.lines().rfind(|line| line.contains(" cov: ")).context("libFuzzer tells no coverage")?;
    let number = |name: &str| stat(last, name).with_context(|| format!("no `{name}` in {last}"));
    Ok(Reach { edges: number("cov:")?, features: number("ft:")? })
}

/// The number after a word.
fn stat(said: &str, word: &str) -> Option<u64> {
    let (_, after) = said.split_once(word)?;
    after.split_whitespace().next()?.parse().ok()
}

/// What a run has come to, in a line.
fn line(target: &str, said: &str) -> Result<String> {
    let last = said.lines().rfind(|line| line.contains(" cov: ")).context("libFuzzer tells no coverage")?;
    let number = |text: &str, word: &str| stat(text, word).unwrap_or(0);
    Ok(format!(
        "{target}: {} inputs tried, {} edges and {} features reached, nothing found",
        number(said, "stat::number_of_executed_units:"),
        number(last, "cov:"),
        number(last, "ft:")
    ))
}

fn tally(file: &Path) -> BTreeMap<String, (u64, u64)> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let read = |line: &str| {
        let [label, tried, accepted] = line.split('\t').collect::<Vec<_>>()[..] else { return None };
        Some((label.to_owned(), (tried.parse().ok()?, accepted.parse().ok()?)))
    };
    text.lines().filter_map(read).collect()
}

/// Inputs of the messages by the type that they begin with.
fn by_type(inputs: Vec<Vec<u8>>) -> BTreeMap<u16, Vec<Vec<u8>>> {
    let mut types: BTreeMap<u16, Vec<Vec<u8>>> = BTreeMap::new();
    for input in inputs {
        if let Some(number) = input.first_chunk() {
            types.entry(u16::from_be_bytes(*number)).or_default().push(input);
        }
    }
    types
}

/// The name of a message, as the table in `crates/fuzz/src/messages.rs` has it.
fn name_of(number: u16) -> Result<Option<String>> {
    let table = fs::read_to_string(root().join("crates/wire/tests/it/round_trip.rs"))?;
    let line = table.lines().find_map(|line| line.trim().strip_prefix(&format!("({number}, \"")));
    Ok(line.and_then(|rest| rest.split('"').next()).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_messages_of_the_report_have_their_names() -> Result<()> {
        assert_eq!(name_of(128)?.as_deref(), Some("update_add_htlc"));
        assert_eq!(name_of(3)?, None);
        Ok(())
    }

    #[test]
    fn the_targets_are_those_of_the_fuzz_workspace() -> Result<()> {
        let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml"))?;
        let named = manifest.lines().filter_map(|line| line.strip_prefix("path = \"fuzz_targets/"));
        let named: Vec<&str> = named.filter_map(|line| line.strip_suffix(".rs\"")).collect();
        assert_eq!(named, TARGETS.map(|(name, _)| name));
        Ok(())
    }

    #[test]
    fn what_is_kept_is_hexadecimal() -> Result<()> {
        for (target, _) in TARGETS {
            assert!(Place::of(target)?.inputs()?.len() >= 10, "{target}");
        }
        assert_eq!(bytes_of("00ff7"), None);
        assert_eq!(bytes_of("00ff"), Some(vec![0, 255]));
        Ok(())
    }

    #[test]
    fn numbers_are_read_out_of_what_libfuzzer_says() {
        let said = "#225\tDONE   cov: 12849 ft: 43380 corp: 203/60Kb\nstat::number_of_executed_units: 225\n";
        assert_eq!(stat(said, "cov:"), Some(12849));
        assert_eq!(stat(said, "stat::number_of_executed_units:"), Some(225));
        assert_eq!(stat(said, "nothing:"), None);
    }
}
