//! Tables, and lists of names and values.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// A table with a line of headings. Columns in `right` are numbers.
#[must_use]
pub fn table(headings: &[&str], right: &[usize], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.iter().map(|heading| heading.to_uppercase()));
    table.add_rows(rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if right.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Columns of a terminal that nobody has widened: no table is wider, as long as its amounts are usual ones.
pub const WIDTH: usize = 80;

/// A row of a table, and what is told below it: sentences would make all its rows as wide as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// A cell a column.
    pub cells: Vec<String>,
    /// What is told below, each from a line of its own on. Empty ones are left out.
    pub below: Vec<String>,
}

/// A table whose rows tell more below themselves.
#[must_use]
pub fn table_with_notes(headings: &[&str], right: &[usize], rows: Vec<Row>) -> String {
    let (cells, below): (Vec<_>, Vec<_>) = rows.into_iter().map(|row| (row.cells, row.below)).unzip();
    let plain = table(headings, right, cells);
    let mut lines = plain.lines();
    let mut text = lines.next().map(|heading| format!("{heading}\n")).unwrap_or_default();
    for (line, notes) in lines.zip(below) {
        text.push_str(&format!("{line}\n"));
        notes.iter().for_each(|note| text.push_str(&wrapped(note, INDENT)));
    }
    text
}

/// Spaces in front of what is told below a row.
const INDENT: usize = 4;

/// A text in lines that are no wider than a terminal, but for words that are: each behind so many spaces.
#[must_use]
pub fn wrapped(text: &str, indent: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut wide = WIDTH;
    for word in text.split_whitespace() {
        let needed = 1 + word.chars().count();
        match lines.last_mut().filter(|_| wide + needed <= WIDTH) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
                wide += needed;
            }
            None => {
                lines.push(word.to_owned());
                wide = indent + needed - 1;
            }
        }
    }
    lines.iter().map(|line| format!("{:indent$}{line}\n", "")).collect()
}

/// Names and values, each value in lines that are no wider than a terminal.
#[must_use]
pub fn wrapped_list(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let row = |(name, value): &(&str, String)| {
        let text = wrapped(value, width + 2);
        text.get(width + 2..).map_or_else(|| format!("{name}\n"), |text| format!("{name:width$}  {text}"))
    };
    rows.iter().map(row).collect()
}

/// Names and values, a line each.
#[must_use]
pub fn list(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("{name:width$}  {value}").trim_end().to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_right_and_no_line_ends_in_spaces() {
        let rows = vec![vec!["a".to_owned(), "1".to_owned()], vec!["long".to_owned(), "1,000".to_owned()]];
        assert_eq!(table(&["name", "sum"], &[1], rows), "NAME    SUM\na         1\nlong  1,000\n");
    }

    #[test]
    fn sentences_stand_below_their_row_and_make_no_other_row_wider() {
        let row = |cells: [&str; 2], below: &[&str]| Row {
            cells: cells.map(str::to_owned).to_vec(),
            below: below.iter().map(|note| (*note).to_owned()).collect(),
        };
        let long = "a sentence that says why it has failed and what is to be done about it, which takes more than a line";
        let rows = vec![row(["1", "failed"], &[long, ""]), row(["2", "sent"], &[])];
        let expected = "\
NR  STATE
 1  failed
    a sentence that says why it has failed and what is to be done about it,
    which takes more than a line
 2  sent
";
        assert_eq!(table_with_notes(&["nr", "state"], &[0], rows), expected);
        let id = "ab".repeat(64);
        assert_eq!(wrapped(&format!("a {id} b"), 2), format!("  a\n  {id}\n  b\n"), "an id stays whole");
        let list = wrapped_list(&[("why", long.to_owned()), ("none", String::new())]);
        assert!(
            list.starts_with("why   a sentence") && list.contains("\n      ") && list.ends_with("none\n"),
            "{list}"
        );
    }

    #[test]
    fn values_of_a_list_stand_below_each_other() {
        assert_eq!(list(&[("a", "1".to_owned()), ("long", String::new())]), "a     1\nlong\n");
    }
}
