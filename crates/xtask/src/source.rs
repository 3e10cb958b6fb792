//! Reads the Rust sources of the workspace as text: which files there are, and which tests carry which marks.
//!
//! A mark is a comment line directly above a test, in one run of comments and attributes with it:
//!
//! ```text
//! // BOLT 2.the-open_channel-message.12
//! // attack 38
//! #[test]
//! fn dust_above_the_limit_is_refused() {
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// What a comment line says about the test under it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// A requirement of the BOLTs, by its id in `requirements.tsv`.
    Requirement(String),
    /// A row of `docs/attacks.md`.
    Attack(u32),
}

/// A mark and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marked {
    pub(crate) mark: Mark,
    /// The file, from the root of the clone.
    pub(crate) file: PathBuf,
    /// The line of the comment, counted from 1.
    pub(crate) line: usize,
    /// The name of the test under it; none when it stands above something that no test run executes.
    pub(crate) test: Option<String>,
}

impl Marked {
    /// The name of the crate the mark stands in.
    pub(crate) fn room(&self) -> String {
        self.file.iter().nth(1).unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// All marks in `crates/`, in the order of files and lines.
pub(crate) fn marks(root: &Path) -> Result<Vec<Marked>> {
    let mut found = Vec::new();
    for path in rust_files(&root.join("crates"))? {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let file = path.strip_prefix(root).unwrap_or(&path);
        found.extend(marks_in(&text).into_iter().map(|(line, mark, test)| Marked {
            mark,
            file: file.to_path_buf(),
            line,
            test,
        }));
    }
    Ok(found)
}

/// All `*.rs` files under `dir`, sorted.
pub(crate) fn rust_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![dir.to_path_buf()];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The marks of one file: (line, mark, the test that it stands above).
fn marks_in(text: &str) -> Vec<(usize, Mark, Option<String>)> {
    let mut found = Vec::new();
    let mut run = Run::default();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if run.is_inside_attribute() || line.starts_with("#[") {
            run.attribute(line);
        } else if let Some(comment) = comment_of(line) {
            run.marks.extend(marks_of(comment).into_iter().map(|mark| (index + 1, mark)));
        } else {
            let test = function_name(line).filter(|_| run.is_test && !run.is_ignored);
            found.extend(run.marks.drain(..).map(|(line, mark)| (line, mark, test.clone())));
            run = Run::default();
        }
    }
    found.extend(run.marks.into_iter().map(|(line, mark)| (line, mark, None)));
    found
}

/// Comments and attributes that stand together, up to the item that they belong to.
#[derive(Default)]
struct Run {
    marks: Vec<(usize, Mark)>,
    is_test: bool,
    is_ignored: bool,
    /// Brackets that an attribute of several lines has open.
    open: usize,
}

impl Run {
    fn is_inside_attribute(&self) -> bool {
        self.open > 0
    }

    fn attribute(&mut self, line: &str) {
        if !self.is_inside_attribute() {
            let path = line.trim_start_matches("#[").split(['(', ']', ' ', '=']).next().unwrap_or_default();
            self.is_test |= path == "test" || path.ends_with("::test");
            self.is_ignored |= path == "ignore";
        }
        let count = |bracket: char| line.chars().filter(|c| *c == bracket).count();
        self.open = (self.open + count('[')).saturating_sub(count(']'));
    }
}

/// The text of a line that is nothing but a comment.
fn comment_of(line: &str) -> Option<&str> {
    Some(line.strip_prefix("//")?.trim_start_matches(['/', '!']).trim())
}

/// `BOLT 2.stfu.3` or `attack 38`; several of a kind may share a line, and words may follow.
fn marks_of(comment: &str) -> Vec<Mark> {
    let Some((kind, rest)) = comment.split_once(' ') else { return Vec::new() };
    let words =
        rest.split([' ', ',']).map(|word| word.trim_end_matches(['.', ':', ';'])).filter(|w| !w.is_empty());
    match kind {
        "BOLT" => words.map_while(requirement).map(Mark::Requirement).collect(),
        "attack" => words.map_while(|word| word.parse().ok()).map(Mark::Attack).collect(),
        _ => Vec::new(),
    }
}

/// A word of the shape `2.section.3`: digits, a dot, and more.
fn requirement(word: &str) -> Option<String> {
    let (bolt, _) = word.split_once('.')?;
    (!bolt.is_empty() && bolt.bytes().all(|byte| byte.is_ascii_digit())).then(|| word.to_owned())
}

/// The name, if this line begins a function.
fn function_name(line: &str) -> Option<String> {
    let mut words = line.split(' ').skip_while(|word| *word != "fn");
    words.next()?;
    let name: String = words.next()?.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tests_of(text: &str) -> Vec<(Mark, Option<String>)> {
        marks_in(text).into_iter().map(|(_, mark, test)| (mark, test)).collect()
    }

    fn requirement(id: &str) -> Mark {
        Mark::Requirement(id.to_owned())
    }

    #[test]
    fn a_run_of_comments_and_attributes_belongs_to_the_test_under_it() {
        let text = "// BOLT 2.stfu.3\n// why it matters\n// BOLT 2.stfu.4, 2.stfu.5\n/// attack 38: dust\n\
            #[tokio::test(\n    flavor = \"current_thread\"\n)]\n    async fn it_holds() {\n";
        let test = Some("it_holds".to_owned());
        assert_eq!(
            tests_of(text),
            [
                (requirement("2.stfu.3"), test.clone()),
                (requirement("2.stfu.4"), test.clone()),
                (requirement("2.stfu.5"), test.clone()),
                (Mark::Attack(38), test),
            ]
        );
    }

    #[test]
    fn a_mark_counts_for_nothing_unless_a_test_stands_under_it() {
        let helper = "// BOLT 2.stfu.3\nfn helper() {\n";
        assert_eq!(tests_of(helper), [(requirement("2.stfu.3"), None)]);
        let apart = "// BOLT 2.stfu.3\n\n#[test]\nfn later() {\n";
        assert_eq!(tests_of(apart), [(requirement("2.stfu.3"), None)]);
        let ignored = "// BOLT 2.stfu.3\n#[test]\n#[ignore]\nfn never_runs() {\n";
        assert_eq!(tests_of(ignored), [(requirement("2.stfu.3"), None)]);
    }

    #[test]
    fn prose_that_cites_a_bolt_is_no_mark() {
        assert_eq!(tests_of("// BOLT 2 says so. attack 3\n#[test]\nfn f() {\n"), []);
        assert_eq!(tests_of("// BOLT 2.\n#[test]\nfn f() {\n"), []);
    }
}
