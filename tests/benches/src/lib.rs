//! Ours, what people would use instead, and a function that does nothing: measured side by side.
//!
//! Each contender is a process as Lambda would start it. This one is everything around it: the Runtime API that it polls ([`stand`]), and
//! the DynamoDB and the IVS that it calls ([`back_end`]), which answer at once or after a set time, over TLS if asked to ([`wire`]).
//! [`measure`] runs all contenders in turn, so that a noisy machine disturbs all alike; [`report`] and [`plot`] tell of it. What no machine
//! disturbs at all, [`guard`] holds against what is committed.

pub mod back_end;
pub mod contender;
pub mod cost;
pub mod counts;
pub mod guard;
pub mod measure;
pub mod plot;
pub mod process;
pub mod report;
pub mod stand;
pub mod statistics;
pub mod units;
pub mod wire;

/// What keeps a benchmark from being one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file, a port or a process is not to be had.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A contender did something else than it has to: there is nothing to compare.
    #[error("{contender}: {problem}")]
    Contender {
        /// Its name.
        contender: String,
        /// What it did.
        problem: String,
    },
    /// Something is not in the form it has to have.
    #[error("{what} is not as expected: {problem}")]
    Unreadable {
        /// Which thing.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An event, a plan or a function takes more than is committed.
    #[error("more than is committed in tests/benches/baseline.json:\n{}", .0.join("\n"))]
    Grown(Vec<String>),
}

impl Error {
    /// For `map_err`, at something that is done with the system.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { what: what.into(), source }
    }

    /// For `map_err`, at something that is read.
    pub fn unreadable<E: std::fmt::Display>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        move |problem| Self::Unreadable { what: what.into(), problem: problem.to_string() }
    }
}
