//! Where a command writes to, and whom it may ask.

use std::io::{self, BufRead, Write};

use anstyle::Style;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Output, input, and what they are.
pub struct Screen<'a> {
    /// What was found out or done.
    pub output: &'a mut dyn Write,
    /// Answers to questions.
    pub input: &'a mut dyn BufRead,
    /// What the two are.
    pub terminal: Terminal,
}

/// Whether there is a person at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terminal {
    /// Questions can be asked.
    pub asks: bool,
    /// Progress can be shown, on stderr.
    pub shows_progress: bool,
    /// The output has colours.
    pub colours: bool,
    /// What was written can be overwritten.
    pub redraws: bool,
}

impl Screen<'_> {
    /// Writes a line.
    pub(crate) fn line(&mut self, text: impl std::fmt::Display) -> io::Result<()> {
        writeln!(self.output, "{text}")
    }

    /// The text in a style, where there are colours.
    pub(crate) fn painted(&self, style: Style, text: &str) -> String {
        match self.terminal.colours {
            true => format!("{style}{text}{style:#}"),
            false => text.to_owned(),
        }
    }

    /// Asks a person, who has to answer `yes`, and nothing else.
    pub(crate) fn confirm(&mut self, question: &str) -> io::Result<bool> {
        write!(self.output, "{question} Type yes to go on: ")?;
        self.output.flush()?;
        let mut answer = String::new();
        self.input.read_line(&mut answer)?;
        Ok(answer.trim() == "yes")
    }

    /// How far something is, of `length` of these, such as `replicas`. It is seen at a terminal only.
    pub(crate) fn progress(&self, length: u64, of: &'static str) -> ProgressBar {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}  {elapsed}");
        self.bar(length, of, style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    }

    /// That something is under way, and what. It is seen at a terminal only.
    pub(crate) fn spinner(&self, what: &'static str) -> ProgressBar {
        let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}");
        let bar = self.bar(0, what, style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(std::time::Duration::from_millis(100));
        bar
    }

    fn bar(&self, length: u64, message: &'static str, style: ProgressStyle) -> ProgressBar {
        let target = match self.terminal.shows_progress {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        ProgressBar::with_draw_target(Some(length), target).with_style(style).with_message(message)
    }
}
