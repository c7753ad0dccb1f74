//! The local stand: the real function binaries on an embedded world, with one command.
//!
//! [`Stand`] is the whole system on one machine. [`template`] says what runs on it, [`lambda`] hosts the functions,
//! [`event_bus`], `schedule`, [`stream`] and [`delivery`] bring events, ticks and changes of the table to them as EventBridge and
//! Lambda do, [`dynamodb`] and `ivs_sim` are the services they call. `aws` shows all of that to
//! AWS's own clients. [`cli`] is `cargo local`, [`demo`] and [`replay`] are what it
//! plays.
//!
//! # Guarantees
//! - The table, the functions' settings, the event patterns, the schedules and the stream filters are those of the deployment
//!   template.
//! - Everything listens on 127.0.0.1 only.
//!
//! # Caveats
//! Permissions, and quotas of Lambda and EventBridge but for reserved concurrency, are not simulated.

mod aws;
pub mod binaries;
pub mod cli;
pub mod control;
mod dead_letters;
pub mod delivery;
pub mod demo;
pub mod dynamodb;
pub mod event_bus;
pub mod event_rules;
pub mod lambda;
pub mod replay;
mod schedule;
pub mod stand;
pub mod stream;
pub mod table;
pub mod template;

pub use stand::{Binaries, Ports, Stand, StandError, StandOptions};
