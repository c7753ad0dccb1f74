//! The loop against a world that fails, dies and races.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod asking;
mod cases;
mod crashes;
mod disputed;
mod races;
mod safety;
mod timed;
mod world;

use std::sync::Arc;

use controller::sweep::port::SweepStore;
use controller::{Controller, Error, Handled, Invocation};
use futures::FutureExt;
use jiff::SignedDuration;
use replication::{Observation, Owner, Phase, Replica};

use world::{Task, World};

/// One delivery of the news, run alone to its end, with 30 s to its deadline.
fn deliver(world: &Arc<World>, controller: &Controller, news: &Observation) -> Result<Handled, Error> {
    let invocation = invocation(world, "one");
    Task::new(controller.handle(news, &invocation)).run(world)
}

fn invocation(world: &World, id: &str) -> Invocation {
    Invocation { id: id.to_owned(), deadline: world.now() + SignedDuration::from_secs(30) }
}

/// Does what falls due until nothing does, as the dispatcher would, with news that is known already.
fn do_what_is_due(world: &Arc<World>, known: &Observation) {
    for _ in 0..60 {
        let Some(due) = world.store.replicas().iter().filter_map(Replica::due).min() else { return };
        world.advance_to(due);
        let _ = deliver(world, &world.controller(true, true, true), known);
    }
    panic!("there is always something due: {:#?}", world.store.replicas());
}

/// What runs is what is stored as running and ours.
fn assert_inventory(world: &World) {
    let stored = world.store.replicas();
    let held = stored.iter().filter(|r| r.phase == Phase::Active && r.owner == Owner::Stagelink);
    assert_eq!(held.map(|r| r.key.clone()).collect::<Vec<_>>(), world.running(), "{stored:#?}");
    assert!(stored.iter().all(|r| r.owner != Owner::Foreign), "{stored:#?}");
    let inventory = world.store.inventory().now_or_never().unwrap().unwrap();
    assert_eq!(inventory.misplaced(), vec![], "a place is taken by nobody, or somebody has none");
}
