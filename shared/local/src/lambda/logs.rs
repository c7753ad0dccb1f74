//! What a function writes to stdout and stderr.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// The last lines of a function's output, over all its processes.
#[derive(Debug, Clone)]
pub struct Logs {
    function: String,
    print: bool,
    lines: Arc<Mutex<VecDeque<String>>>,
}

/// How many lines are kept.
const KEPT: usize = 1_000;

impl Logs {
    pub(super) fn new(function: &str, print: bool) -> Self {
        Self { function: function.to_owned(), print, lines: Arc::default() }
    }

    /// The lines that are kept, oldest first.
    pub fn tail(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Takes over an output until it closes.
    pub(super) fn follow(&self, output: impl AsyncRead + Unpin + Send + 'static) {
        let logs = self.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                logs.add(line);
            }
        });
    }

    fn add(&self, line: String) {
        if self.print {
            eprintln!("[{}] {line}", self.function);
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_kept() {
        let logs = Logs::new("f", false);
        (0..KEPT + 5).for_each(|number| logs.add(number.to_string()));
        let tail = logs.tail();
        assert_eq!((tail.len(), tail[0].as_str()), (KEPT, "5"));
    }
}
