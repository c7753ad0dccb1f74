//! What a person reads while the demo plays: one line per happening, with the time since the start.

use std::{
    cell::Cell,
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Prints the timeline and the checks to stdout.
pub(super) struct Timeline {
    began: Instant,
    on_terminal: bool,
    coloured: bool,
}

/// How much of something has come about: a bar on a terminal, elsewhere a line now and then.
pub(super) struct Progress<'a> {
    timeline: &'a Timeline,
    of: usize,
    what: &'static str,
    bar: ProgressBar,
    told: Cell<Instant>,
}

impl Timeline {
    /// Begins now. Colours only on a terminal, and not where `NO_COLOR` is set (no-color.org).
    pub(super) fn begin() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let on_terminal = io::stdout().is_terminal();
        Self { began: Instant::now(), on_terminal, coloured: on_terminal && !refused }
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

    /// Begins to show how many of `of` there are.
    pub(super) fn progress(&self, of: usize, what: &'static str) -> Progress<'_> {
        let target =
            if self.on_terminal { ProgressDrawTarget::stdout() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(of as u64), target);
        let colour = if self.coloured { ".cyan" } else { "" };
        let template = format!("{{prefix}}  {{bar:40{colour}}} {{pos}} of {{len}} {what}");
        // A template that cannot be read is a mistake of ours, and no reason to end a demo.
        bar.set_style(
            ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Progress { timeline: self, of, what, bar, told: Cell::new(Instant::now()) }
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

impl Progress<'_> {
    /// How often it is told where nobody watches.
    const EVERY: Duration = Duration::from_secs(5);

    /// Shows that there are so many.
    pub(super) fn show(&self, count: usize) {
        self.bar.set_prefix(self.timeline.time());
        self.bar.set_position(count as u64);
        if !self.timeline.on_terminal && self.told.get().elapsed() > Self::EVERY {
            self.told.set(Instant::now());
            self.timeline.happened(&format!("{count} of {} {}", self.of, self.what));
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.bar.abandon();
    }
}

const BOLD: &str = "1";
const RED: &str = "31";
const GREEN: &str = "32";
const CYAN: &str = "36";
