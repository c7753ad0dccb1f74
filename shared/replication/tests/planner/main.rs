//! Scenarios of the planner. Each is told as text in `golden/`, which a person reviews: the news, the plan with its report,
//! the changes, the calls and their answers. `BLESS=1 cargo test -p replication` writes them anew.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

#[path = "../build/mod.rs"]
mod build;
mod calls;
mod edges;
mod foreign;
mod latency;
mod placement;
mod publish;
mod safety;
mod scene;
mod tags;
mod timed;
mod unpublish;
