//! The story as it appears: numbered chapters, lines, tables, a bar for what takes a moment.

use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use std::cell::{Cell, RefCell};
use std::io::{self, IsTerminal as _, Write as _};
use tokio::sync::Notify;

/// Tells a story on standard output, as long as somebody reads it.
pub(super) struct Story {
    chapter: Cell<u32>,
    colour: bool,
    /// Why nothing can be written any more.
    end: RefCell<Option<io::Error>>,
    ended: Notify,
}

impl Story {
    pub(super) fn new() -> Self {
        let colour = io::stdout().is_terminal();
        Self { chapter: Cell::new(0), colour, end: RefCell::default(), ended: Notify::new() }
    }

    /// Returns when nobody reads the story any more. A reader that has gone away, as `head` does, is no failure.
    pub(super) async fn closed(&self) -> io::Result<()> {
        self.ended.notified().await;
        match self.end.take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }

    fn say(&self, text: &str) {
        let mut out = io::stdout().lock();
        if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush()) {
            self.end.replace(Some(error));
            self.ended.notify_one();
        }
    }

    fn style(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(super) fn title(&self, text: &str) {
        self.say(&self.style("1", text));
    }

    pub(super) fn chapter(&self, text: &str) {
        self.chapter.set(self.chapter.get() + 1);
        let heading = self.style("1;36", &format!("{:>2}. {text}", self.chapter.get()));
        self.say(&format!("\n{heading}"));
    }

    pub(super) fn line(&self, text: &str) {
        self.say(&format!("    {text}"));
    }

    pub(super) fn table(&self, head: [&str; 3], rows: Vec<[String; 3]>) {
        let mut table = Table::new();
        table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header(head).add_rows(rows);
        for line in table.to_string().lines() {
            self.say(&format!("    {line}"));
        }
    }

    /// A bar on a terminal, nothing elsewhere.
    pub(super) fn progress(&self, steps: u64) -> ProgressBar {
        let style = ProgressStyle::with_template("    {bar:40} {pos}/{len}");
        ProgressBar::new(steps).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    }

    pub(super) fn failed(&self, error: &anyhow::Error, left: &str) {
        let told = self.style("1;31", &format!("It did not come out as it should: {error:#}"));
        self.say(&format!("\n{told}\n{left}"));
    }

    pub(super) fn end(&self, text: &str) {
        self.say(&format!("\n{}", self.style("1;32", text)));
    }
}
