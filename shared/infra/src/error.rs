//! Why a command of `cargo infra` could not do its work.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// What went wrong, and where it can be helped, how.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Something that has to be installed is not.
    #[error("{what} is missing: {remedy}")]
    Missing { what: String, remedy: String },
    /// What was asked for cannot be done as asked.
    #[error("{0}")]
    Usage(String),
    /// A program cannot be started.
    #[error("cannot run `{program}`")]
    Start {
        program: String,
        #[source]
        source: io::Error,
    },
    /// A program ran and failed. Its own message is on stderr.
    #[error("`{command}` ended with {status}")]
    Failed { command: String, status: ExitStatus },
    /// A file cannot be read or written.
    #[error("cannot {action} {}", .path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A file or an answer is not as it must be.
    #[error("{what} is not as expected: {problem}")]
    Unreadable { what: String, problem: String },
    /// Something ran, and did not do what it must.
    #[error("{0}")]
    Wrong(String),
}

impl Error {
    /// For `map_err`, at an operation on a file.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { action, path: path.to_owned(), source }
    }

    /// The error and its causes.
    pub(crate) fn words(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |cause| cause.source());
        causes.fold(self.to_string(), |text, cause| format!("{text}: {cause}"))
    }
}
