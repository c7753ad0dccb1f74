//! What crosses crates: scenarios, conformance, end to end.
//!
//! [`World`] is the whole system in one process, with every request on the wire recorded; [`wire`] is the recorder.

pub mod active_stages;
pub mod aws_stub;
pub mod canned;
pub mod console;
pub mod crowd;
pub mod distant_store;
pub mod emf;
pub mod fuzzed;
pub mod golden;
pub mod http;
pub mod in_process;
pub mod rows;
pub mod table;
pub mod table_world;
pub mod virtual_time;
pub mod wire;
pub mod world;

pub use console::{Console, Said};
pub use golden::assert_golden;
pub use table::Table;
pub use wire::{Recorder, Request};
pub use world::World;
