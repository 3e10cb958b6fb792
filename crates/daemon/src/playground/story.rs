//! The story as it appears: numbered chapters, lines, tables, a bar for what takes a moment.

use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use std::cell::Cell;
use std::io::IsTerminal as _;

/// Tells a story on standard output.
pub(super) struct Story {
    chapter: Cell<u32>,
    colour: bool,
}

impl Story {
    pub(super) fn new() -> Self {
        Self { chapter: Cell::new(0), colour: std::io::stdout().is_terminal() }
    }

    fn style(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(super) fn title(&self, text: &str) {
        println!("{}", self.style("1", text));
    }

    pub(super) fn chapter(&self, text: &str) {
        self.chapter.set(self.chapter.get() + 1);
        println!("\n{}", self.style("1;36", &format!("{:>2}. {text}", self.chapter.get())));
    }

    pub(super) fn line(&self, text: &str) {
        println!("    {text}");
    }

    pub(super) fn table(&self, head: [&str; 3], rows: Vec<[String; 3]>) {
        let mut table = Table::new();
        table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header(head).add_rows(rows);
        for line in table.to_string().lines() {
            println!("    {line}");
        }
    }

    /// A bar on a terminal, nothing elsewhere.
    pub(super) fn progress(&self, steps: u64) -> ProgressBar {
        let style = ProgressStyle::with_template("    {bar:40} {pos}/{len}");
        ProgressBar::new(steps).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    }

    pub(super) fn failed(&self, error: &anyhow::Error) {
        println!("\n{}", self.style("1;31", &format!("It did not come out as it should: {error:#}")));
    }

    pub(super) fn end(&self, text: &str) {
        println!("\n{}", self.style("1;32", text));
    }
}
