//! The whole system on a virtual clock, with everything going wrong that can, from one seed.
//!
//! The planner, the controller, the budget, `dispatch`, the sweep and versus sessions are those that are deployed. IVS is the
//! simulator; the table is [`MemoryStore`](controller::MemoryStore), of which the contract test says that it is like the real
//! one; EventBridge, Lambda and the way to each of them are simulated here: events at least once, retries, concurrency,
//! timeouts, killed functions, clocks that differ.
//!
//! [`Case::of_seed`] draws what customers do and what goes wrong; [`play`] plays it, for ten minutes, then lets nothing go wrong
//! any more and asks whether all is as the rules want, and stays so. An oracle looks on all the time. The same case
//! always goes the same way; a case that fails is made smaller by [`smallest`].

pub mod ports;

mod case;
mod fleet;
mod machine;
mod many;
mod network;
mod oracle;
mod smallest;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::FutureExt;
use jiff::SignedDuration;
use replication::invariant::Invariant;

use world::World;

pub use case::{Case, Trouble};
pub use many::{Sum, many};
pub use oracle::Violation;
pub use smallest::{smallest, story};

/// In how many seconds after nothing goes wrong any more all is as the rules want. Mostly it takes less than three minutes; where
/// the last places of a destination are contested, those who wait for one try again every minute, and push each other on.
pub const BOUND_SECONDS: u64 = 300;

/// How often it is looked whether all is as the rules want, in seconds.
const LOOK_SECONDS: u64 = 10;

/// A controller that is wrong, for tests of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// It takes replicas for originals.
    NoReplicaFlag,
    /// It writes no lease with its intents.
    NoLease,
    /// It takes an empty list for the news that nobody publishes.
    EmptyListIsProof,
    /// It asks no budget.
    NoBudget,
    /// It takes a conflict for success.
    ConflictIsSuccess,
}

/// What is played how.
#[derive(Debug, Clone, Copy, Default)]
pub struct Play {
    /// A controller that is wrong.
    pub sabotage: Option<Sabotage>,
    /// Kills the invocation of this number at this await, both counted as they come; the await from 1.
    pub kill: Option<(usize, usize)>,
    /// Whether somebody wants to read what happened.
    pub traced: bool,
}

/// What a case came to.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Promises that were not kept.
    pub violations: Vec<Violation>,
    /// How often each promise was looked at.
    pub checked: BTreeMap<Invariant, usize>,
    /// How many seconds after nothing went wrong any more all was as the rules want.
    pub settled_seconds: u64,
    /// Events that were delivered.
    pub events: usize,
    /// Invocations of functions.
    pub invocations: usize,
    /// Awaits at which a function could have been killed, for each invocation.
    pub awaits: Vec<usize>,
    /// Calls of IVS.
    pub calls: usize,
    /// Times that something went wrong.
    pub faults: usize,
    /// Events that no function could handle.
    pub dead_letters: usize,
    /// What happened, if somebody wanted to read it.
    pub trace: Vec<String>,
}

/// Plays a case.
pub fn play(case: &Case, play: Play) -> Outcome {
    let world = World::new(case, play.sabotage, play.traced);
    *world::lock(&world.fleet.kill) = play.kill;
    world.schedule();
    let customers = world.clone();
    let actions = case.actions.clone();
    world.machine.spawn(async move {
        let began = customers.now();
        for action in &actions {
            let at = began + SignedDuration::from_millis(i64::try_from(action.at).unwrap_or(0));
            customers.machine.sleep_until(at).await;
            customers.act(action).await;
        }
    });
    world.run(case.seconds);
    world.calm_down();
    now(world.resume());
    let mut outcome = Outcome::default();
    if !case.observe {
        outcome.settled_seconds = settle(&world);
        // What was sent late still comes, and may mislead for a moment each time.
        if late(&world) {
            while late(&world) {
                world.run(600);
            }
            outcome.settled_seconds = outcome.settled_seconds.max(settle(&world));
        }
        stays(&world);
    }
    world.machine.stop();
    let count = |count: &std::sync::atomic::AtomicUsize| count.load(Ordering::Relaxed);
    Outcome {
        violations: world.oracle.violations(),
        checked: world.oracle.checked(),
        events: count(&world.counts.events),
        invocations: count(&world.counts.invocations),
        awaits: world::lock(&world.fleet.awaits).clone(),
        calls: count(&world.counts.calls),
        faults: count(&world.counts.faults),
        dead_letters: count(&world.counts.dead_letters),
        trace: world.told(),
        ..outcome
    }
}

/// Waits until all is as the rules want. Gives the seconds that took.
fn settle(world: &Arc<World>) -> u64 {
    let mut passed = 0;
    loop {
        let wrong = now(world.oracle.wrong(world));
        if wrong.is_empty() {
            world.oracle.check(world, Invariant::Settles, true, "");
            return passed;
        }
        if passed >= BOUND_SECONDS + world.ivs_takes_its_time() {
            let what = format_args!("after {passed} s: {}", wrong.join("; "));
            world.oracle.check(world, Invariant::Settles, false, what);
            return passed;
        }
        world.run(LOOK_SECONDS);
        passed += LOOK_SECONDS;
    }
}

/// Two further sweeps call nothing that changes anything, and all is as it was.
fn stays(world: &Arc<World>) {
    // What settled a moment ago may have calls under way that nothing depends on, and what IVS refused is tried again a minute later.
    world.run(75);
    let before = world.oracle.mutations();
    world.run(125);
    let calls = world.oracle.mutations() - before;
    let what = format_args!("{calls} calls after all was as the rules want");
    world.oracle.check(world, Invariant::Stays, calls == 0, what);
    let wrong = now(world.oracle.wrong(world));
    world.oracle.check(world, Invariant::Stays, wrong.is_empty(), wrong.join("; "));
}

/// Whether events of before are still to come.
fn late(world: &World) -> bool {
    world.ivs.next_due().is_some_and(|due| due > world.now())
}

/// What needs no time.
fn now<T>(work: impl Future<Output = T>) -> T {
    #[allow(clippy::expect_used, reason = "the table in memory answers at once")]
    work.now_or_never().expect("an answer at once")
}
