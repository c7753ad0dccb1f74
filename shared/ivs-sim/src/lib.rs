//! Amazon IVS Real-Time as its clients see it: a library on a port of time, and an HTTP server.
//!
//! [`Simulator`] is the account: call the API with [`Simulator::call`], play the participants' part with
//! [`Simulator::publish`] and its siblings, hear what EventBridge hears with [`Simulator::subscribe`]. [`serve`] puts it
//! on a socket, at the real REST protocol, with a small control plane under `/_sim`.
//!
//! # Guarantees
//! - Deterministic: the same seed, calls and times give the same bytes.
//! - Nothing happens between calls but what time brings, and time comes from [`Clock`] alone.
//! - Where the documentation of IVS leaves a question open, [`Dialect`] has a switch.
//!
//! # Caveats
//! There is no media, and nobody subscribes. Participants are what the control plane says they are.

mod clock;
mod config;
pub mod dialect;
mod error;
mod faults;
mod model;
mod server;
mod simulator;
mod world;

pub use clock::{Clock, SystemClock, VirtualClock};
pub use config::{Config, Limits};
pub use dialect::{Dialect, Switch};
pub use error::{ApiError, ErrorCode, SettingError};
pub use faults::{CallFaults, EventFaults, FaultCode, Faults};
pub use model::Operation;
pub use server::serve;
pub use simulator::Simulator;
pub use world::{Answer, LedgerEntry, Publish, Published, ReplicationKey, World};
