//! The ports to the world and the one loop of Stagelink: observe, plan, record the intent, execute, record the outcome.
//!
//! [`port`] says what the controller needs of IVS, of its store and of time. [`control`] is the loop. [`memory`] holds the
//! store that tests use.

pub mod activity;
pub mod control;
pub mod memory;
pub mod port;

pub use activity::Activity;
pub use control::{Controller, Error, Handled, Invocation, Patience};
pub use memory::MemoryStore;
pub use port::{Calls, Clock, ListReplicas, StartReplication, StopReplication, Store, StoreError, Write};
