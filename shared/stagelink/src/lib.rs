//! `stagelink`: what an operator asks and orders on the command line, with the operator's own AWS credentials.
//!
//! It speaks with the table alone; what follows from that is done by the functions. So it needs `dynamodb:Query` and `Scan` on
//! the table for what it tells, and `PutItem` and `DeleteItem` for what it changes.
//!
//! Exit codes: 0 done · 1 not done, and stderr says why · 2 the command line is not valid.

mod cli;
mod columns;
pub mod drain;
pub mod error;
mod explain;
mod orders;
mod replicas;
mod rules;
mod screen;

pub use cli::{Cli, main};
pub use drain::Pace;
pub use error::{Error, Place};
pub use screen::{Screen, Terminal};
