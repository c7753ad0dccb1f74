//! What a person reads while the demo plays: one line per happening, with the time since the start.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

/// Prints the timeline and the checks to stdout.
pub(super) struct Timeline {
    began: Instant,
    coloured: bool,
}

impl Timeline {
    /// Begins now. Colours only on a terminal, and not where `NO_COLOR` is set (no-color.org).
    pub(super) fn begin() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { began: Instant::now(), coloured: io::stdout().is_terminal() && !refused }
    }

    pub(super) fn headline(&self, text: &str) {
        self.print(&format!("\n{}", self.paint(BOLD, text)));
    }

    pub(super) fn happened(&self, text: &str) {
        self.print(&format!("{}  {text}", self.time()));
    }

    /// Something that took a measured time, such as from a publish to its replica.
    pub(super) fn measured(&self, text: &str, took: Duration, since: &str) {
        let latency = self.paint(CYAN, &format!("{} ms", took.as_millis()));
        self.print(&format!("{}  {text:<52} {latency} {since}", self.time()));
    }

    pub(super) fn check(&self, passed: bool, text: &str) {
        let mark = if passed { self.paint(GREEN, "✓") } else { self.paint(RED, "✗") };
        self.print(&format!("  {mark} {text}"));
    }

    pub(super) fn plain(&self, text: &str) {
        self.print(text);
    }

    fn time(&self) -> String {
        format!("{:>8.3} s", self.began.elapsed().as_secs_f64())
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A reader who went away (`| head`) must not stop the demo from cleaning up.
    fn print(&self, line: &str) {
        let _ = writeln!(io::stdout().lock(), "{line}");
    }
}

const BOLD: &str = "1";
const RED: &str = "31";
const GREEN: &str = "32";
const CYAN: &str = "36";
