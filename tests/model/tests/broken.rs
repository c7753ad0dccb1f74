//! Tests of the tests: controllers that are wrong in a known way, each of which has to be found out in a small world, in which the right
//! one keeps every promise.

#![allow(clippy::unwrap_used)]

use model::{Doing, Limits, Sabotage, Spec, Trouble, World, check, story};
use replication::invariant::Invariant;

/// Explores a world with a controller that is wrong, and with the right one.
fn assert_found(sabotage: Sabotage, promise: Invariant, spec: Spec) {
    let limits = Limits { threads: 2, ..Limits::default() };
    let right = World::of(spec.clone());
    let explored = check(&right, limits, |_, _| {});
    let broken = explored.found.as_ref().map(|found| story(&right, found));
    assert_eq!((explored.complete, broken), (true, None), "the right controller");

    let wrong = World::of(Spec { sabotage: Some(sabotage), ..spec });
    let explored = check(&wrong, limits, |_, _| {});
    let found = explored.found.unwrap_or_else(|| panic!("{sabotage} is not found"));
    let story = story(&wrong, &found);
    println!(
        "{sabotage} in {}, after {} states: {}",
        wrong.spec().name,
        explored.states,
        found.promise().id()
    );
    assert_eq!(found.promise(), promise, "{sabotage}:\n{story}");
    assert!(story.contains(promise.id()), "the story ends with it:\n{story}");
}

/// One of the worlds, with people who do something so often.
fn world(name: &str, doings: u8) -> Spec {
    let named = Spec::all().into_iter().find(|spec| spec.name == name);
    Spec { troubles: [].into(), ..named.unwrap().with(doings, 0) }
}

/// The same, and this goes wrong once.
fn troubled(name: &str, doings: u8, trouble: Trouble) -> Spec {
    Spec { troubles: [trouble].into(), ..world(name, doings).with(doings, 1) }
}

#[test]
fn without_intents() {
    assert_found(Sabotage::NoIntent, Invariant::IntentBeforeCall, world("one", 1));
}

#[test]
fn without_leases() {
    assert_found(Sabotage::NoLease, Invariant::IntentBeforeCall, world("one", 1));
}

#[test]
fn an_empty_list_taken_for_proof() {
    let spec = troubled("one", 1, Trouble::ListsLie);
    assert_found(Sabotage::EmptyListIsProof, Invariant::NoStopWithoutNews, spec);
}

#[test]
fn what_somebody_else_started_is_stopped() {
    assert_found(Sabotage::StopsOthers, Invariant::OwnOnly, world("others", 2));
}

/// A function that was slow chooses by what it knew, while another has started something else.
#[test]
fn two_take_the_last_slot() {
    assert_found(Sabotage::NoSlotGuard, Invariant::ParticipantSlots, troubled("slots", 3, Trouble::SlowCall));
}

#[test]
fn nobody_asks_what_became_of_a_call() {
    let spec = troubled("one", 1, Trouble::Killed);
    assert_found(Sabotage::NeverVerifies, Invariant::Settles, spec);
}

#[test]
fn replicas_taken_for_originals() {
    assert_found(Sabotage::NoReplicaFlag, Invariant::NoLoops, world("mutual", 1));
}

#[test]
fn nobody_sweeps() {
    assert_found(Sabotage::NeverSweeps, Invariant::Settles, troubled("one", 1, Trouble::Lost));
}

#[test]
fn nothing_is_stopped() {
    assert_found(Sabotage::NeverStops, Invariant::Settles, world("one", 2));
}

#[test]
fn who_once_published_publishes_for_ever() {
    assert_found(Sabotage::NeverForgets, Invariant::Settles, world("lingers", 2));
}

/// What nobody does and what does not go wrong happens in no world.
#[test]
fn a_world_in_which_nobody_does_anything_has_one_state() {
    let nothing = Spec { may: [Doing::Publish].into(), ..world("one", 0) };
    let explored = check(&World::of(nothing), Limits::default(), |_, _| {});
    assert_eq!((explored.states, explored.complete), (1, true));
}
