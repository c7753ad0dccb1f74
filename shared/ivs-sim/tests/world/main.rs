//! The world on a clock that stands still: what replications do, in every dialect.
// Helpers of tests may unwrap like the tests themselves.
#![allow(clippy::unwrap_used)]

mod api;
mod bench;
mod dialects;
mod dialects_departure;
mod dialects_reads;
mod envelopes;
mod faults;
mod lifecycle;
mod random_walk;
mod sessions;
