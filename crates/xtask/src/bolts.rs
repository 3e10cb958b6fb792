//! Which requirements of the BOLTs the tests check, as a number.
//!
//! `bolts/requirements.tsv` gives every binding sentence of the BOLTs an id. A test names what it checks by a mark
//! ([`crate::source`]); here the marks are counted against the ids: for each BOLT, for what of it is built (`later` says what is
//! not, and why), and for each section.

mod later;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::source::{Mark, marks};

/// Every requirement: id, strength, and a digest of its text, a line each.
const REQUIREMENTS: &str = include_str!("../bolts/requirements.tsv");

/// One requirement of a BOLT.
struct Requirement {
    id: &'static str,
    /// Whether it says MUST or MUST NOT.
    is_must: bool,
}

impl Requirement {
    /// The heading that it stands under, with its BOLT: `2.stfu`.
    fn section(&self) -> Result<&'static str> {
        let (section, _) = self.id.rsplit_once('.').context("an id ends with a number")?;
        Ok(section)
    }

    /// The number of the BOLT that it stands in.
    fn bolt(&self) -> Result<u8> {
        let (bolt, _) = self.id.split_once('.').context("an id begins with the number of its BOLT")?;
        bolt.parse().with_context(|| format!("`{}` is no id of a requirement", self.id))
    }
}

/// Covered and all, of one BOLT.
#[derive(Clone, Copy, Default)]
struct Count {
    musts: usize,
    musts_covered: usize,
    all: usize,
    all_covered: usize,
}

impl Count {
    fn add(&mut self, requirement: &Requirement, covered: bool) {
        self.all += 1;
        self.all_covered += usize::from(covered);
        self.musts += usize::from(requirement.is_must);
        self.musts_covered += usize::from(requirement.is_must && covered);
    }
}

/// Which sections to list besides the table of BOLTs.
pub(crate) enum Sections {
    /// None.
    Untold,
    /// Those of one BOLT, or of all.
    Of(Option<u8>),
}

/// Which requirements to list besides the table.
pub(crate) enum Missing {
    /// None.
    Untold,
    /// Those of one BOLT, or of all.
    Of(Option<u8>),
}

/// Prints the coverage of each BOLT, and of its part that is built.
///
/// # Errors
/// When a test names an id that is in no BOLT.
pub(crate) fn report(root: &Path, sections: &Sections, missing: &Missing) -> Result<()> {
    let requirements = requirements()?;
    let covered = covered(root, &requirements)?;
    let mut counts: BTreeMap<u8, Count> = BTreeMap::new();
    let mut built: BTreeMap<u8, Count> = BTreeMap::new();
    let mut total = Count::default();
    for requirement in &requirements {
        let is_covered = covered.contains(requirement.id);
        let bolt = requirement.bolt()?;
        counts.entry(bolt).or_default().add(requirement, is_covered);
        if later::reason(requirement.id).is_none() {
            built.entry(bolt).or_default().add(requirement, is_covered);
        }
        total.add(requirement, is_covered);
    }
    println!("requirements of the BOLTs that a test names");
    println!("{:<8}{:>20}{:>26}", "BOLT", "MUST and MUST NOT", "with SHOULD and MAY");
    for (bolt, count) in &counts {
        print_row(&bolt.to_string(), *count);
        if let Some(part) = built.get(bolt).filter(|part| part.all != count.all) {
            print_row("  built", *part);
        }
    }
    print_row("all", total);
    if let Sections::Of(wanted) = sections {
        print_sections(&requirements, &covered, *wanted)?;
    }
    if let Missing::Of(wanted) = missing {
        println!("\nnamed by no test:");
        for requirement in requirements.iter().filter(|requirement| !covered.contains(requirement.id)) {
            if wanted.is_none_or(|wanted| requirement.bolt().is_ok_and(|bolt| bolt == wanted)) {
                let why = later::reason(requirement.id).map(|why| format!("  ({why})")).unwrap_or_default();
                println!("{:<10} {}{why}", if requirement.is_must { "MUST" } else { "" }, requirement.id);
            }
        }
    }
    Ok(())
}

/// The share of each section: of what is built of it, then why the rest is not.
fn print_sections(
    requirements: &[Requirement],
    covered: &BTreeSet<String>,
    wanted: Option<u8>,
) -> Result<()> {
    let mut sections: Vec<(&str, Count, BTreeMap<&str, usize>)> = Vec::new();
    for requirement in requirements {
        if wanted.is_some_and(|wanted| requirement.bolt().is_ok_and(|bolt| bolt != wanted)) {
            continue;
        }
        let section = requirement.section()?;
        if sections.last().is_none_or(|(last, ..)| *last != section) {
            sections.push((section, Count::default(), BTreeMap::new()));
        }
        let (_, built, later) = sections.last_mut().context("one was just added")?;
        match later::reason(requirement.id) {
            None => built.add(requirement, covered.contains(requirement.id)),
            Some(reason) => *later.entry(reason).or_default() += 1,
        }
    }
    println!("\n{:<14}{:<14}section", "MUST, built", "all, built");
    for (section, built, later) in sections {
        let share = |covered, of| if of == 0 { "-".to_owned() } else { format!("{covered}/{of}") };
        let (musts, all) = (share(built.musts_covered, built.musts), share(built.all_covered, built.all));
        println!("{musts:<14}{all:<14}{section}");
        for (reason, count) in later {
            println!("{:<28}  {count} not built: {reason}", "");
        }
    }
    Ok(())
}

/// Fails when a test names an id that is in no BOLT.
pub(crate) fn check_ids(root: &Path) -> Result<()> {
    covered(root, &requirements()?).map(|_| ())
}

fn print_row(name: &str, count: Count) {
    let share = |covered: usize, of: usize| {
        // Rounded down: 100 % is said only when it is so.
        let percent = (covered * 100).checked_div(of).unwrap_or(100);
        format!("{covered}/{of} {percent:>3} %")
    };
    let musts = share(count.musts_covered, count.musts);
    println!("{name:<8}{musts:>20}{:>26}", share(count.all_covered, count.all));
}

fn requirements() -> Result<Vec<Requirement>> {
    let mut found = Vec::new();
    for line in REQUIREMENTS.lines().skip(1) {
        let mut fields = line.split('\t');
        let (Some(id), Some(strength)) = (fields.next(), fields.next()) else {
            bail!("requirements.tsv: `{line}` is not `id<TAB>strength<TAB>digest`");
        };
        found.push(Requirement { id, is_must: strength.starts_with("MUST") });
    }
    Ok(found)
}

/// The ids that tests name. Says on standard error which marks stand above no test.
fn covered(root: &Path, requirements: &[Requirement]) -> Result<BTreeSet<String>> {
    let known: BTreeSet<&str> = requirements.iter().map(|requirement| requirement.id).collect();
    let (mut covered, mut unknown) = (BTreeSet::new(), Vec::new());
    for marked in marks(root)? {
        let Mark::Requirement(id) = &marked.mark else { continue };
        let place = format!("{}:{}", marked.file.display(), marked.line);
        if !known.contains(id.as_str()) {
            unknown.push(format!("{place}: {id}"));
        } else if marked.test.is_none() {
            eprintln!("not counted, no test stands under it: {place}: {id}");
        } else {
            covered.insert(id.clone());
        }
    }
    if !unknown.is_empty() {
        bail!(
            "no BOLT has these requirements (see crates/xtask/bolts/requirements.tsv):\n{}",
            unknown.join("\n")
        );
    }
    Ok(covered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_list_is_a_requirement_of_a_bolt() {
        let all = requirements().expect("the list is well formed");
        assert!(all.iter().all(|requirement| requirement.bolt().is_ok()));
        assert_eq!(all.iter().filter(|requirement| requirement.is_must).count(), 1051);
        let ids: BTreeSet<_> = all.iter().map(|requirement| requirement.id).collect();
        assert_eq!(ids.len(), all.len(), "an id stands twice");
    }

    #[test]
    fn what_is_not_built_is_in_the_bolts_and_named_once() {
        let all = requirements().expect("the list is well formed");
        for pattern in later::patterns() {
            assert!(all.iter().any(|requirement| later::matches(pattern, requirement.id)), "{pattern}");
        }
        for requirement in &all {
            let times = later::patterns().filter(|pattern| later::matches(pattern, requirement.id)).count();
            assert!(times <= 1, "{} is in the list {times} times", requirement.id);
        }
    }

    #[test]
    fn a_pattern_is_a_section_a_number_or_a_range_of_them() {
        assert!(later::matches("2.stfu", "2.stfu.3"));
        assert!(later::matches("2.stfu.3", "2.stfu.3") && !later::matches("2.stfu.3", "2.stfu.30"));
        assert!(later::matches("2.stfu.2-4", "2.stfu.4") && !later::matches("2.stfu.2-4", "2.stfu.5"));
        assert!(!later::matches("2.stfu", "2.stfu-more.1"));
    }

    /// What is said to be later cannot be what a test shows: then it is built.
    #[test]
    fn no_test_names_what_is_not_built() {
        let all = requirements().expect("the list is well formed");
        let named = covered(&crate::shell::root(), &all).expect("all marks are known");
        let both: Vec<_> = named.iter().filter(|id| later::reason(id).is_some()).collect();
        assert!(both.is_empty(), "named by a test and listed as not built: {both:?}");
    }
}
