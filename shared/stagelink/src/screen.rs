//! Where a command writes to, and whom it may ask.

use std::io::{self, BufRead, Write};

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
    /// Progress can be shown.
    pub shows_progress: bool,
}

impl Screen<'_> {
    /// Writes a line.
    pub(crate) fn line(&mut self, text: impl std::fmt::Display) -> io::Result<()> {
        writeln!(self.output, "{text}")
    }

    /// Asks a person, who has to answer `yes`, and nothing else.
    pub(crate) fn confirm(&mut self, question: &str) -> io::Result<bool> {
        write!(self.output, "{question} Type yes to go on: ")?;
        self.output.flush()?;
        let mut answer = String::new();
        self.input.read_line(&mut answer)?;
        Ok(answer.trim() == "yes")
    }
}
