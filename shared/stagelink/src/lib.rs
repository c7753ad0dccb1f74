//! `stagelink`: what an operator asks and orders on the command line, with the operator's own AWS credentials.
//!
//! It speaks with the table alone; what follows from that is done by the functions. So it needs `dynamodb:Query` and `Scan` on
//! the table, and `Query` on its index, for what it tells, and `PutItem`, `UpdateItem` and `DeleteItem` for what it changes. Only
//! `stages` and `doctor` call IVS, and say with which permissions.
//!
//! Exit codes: 0 done · 1 not done, and stderr says why · 2 of `plan`: there are changes.

mod activity;
mod adopt;
mod ages;
mod cli;
mod clock;
mod dashboard;
mod dead_letters;
mod deployment;
pub mod doctor;
pub mod drain;
pub mod error;
mod explain;
mod get;
mod local_stand;
mod manual;
mod ordered;
mod orders;
mod output;
mod plan;
mod reconcile;
mod remedy;
mod rule;
mod screen;
mod sight;
mod stage_names;
mod stages;
pub mod versus;
mod wait;

pub use cli::{Cli, Outcome, main};
pub use deployment::Deployment;
pub use drain::Pace;
pub use error::{Error, Place};
pub use local_stand::LocalStand;
pub use screen::{Screen, Terminal};
