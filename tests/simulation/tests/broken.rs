//! Tests of the tests: controllers that are wrong in a known way, each of which the simulation has to catch.

use replication::invariant::Invariant;
use simulation::{Case, Play, Sabotage, Sum, Trouble, many};

/// How many seeds it may take.
const SEEDS: u64 = 80;

fn assert_caught(sabotage: Sabotage, promise: Invariant, case: impl Fn(u64) -> Case + Sync) {
    let is_caught = |sum: &Sum| sum.failed.values().flatten().any(|broken| *broken == promise);
    let how = Play { sabotage: Some(sabotage), ..Play::default() };
    let sum = many(0..SEEDS, &case, how, |so_far| !is_caught(so_far));
    println!("{sabotage:?} breaks {promise} within {} seeds", sum.cases);
    assert!(is_caught(&sum), "{sabotage:?} was not caught as {promise}: {}", sum.report());
    let sound = many(0..SEEDS, &case, Play::default(), |so_far| so_far.cases < sum.cases);
    assert!(sound.failed.is_empty(), "the right controller: {}", sound.report());
}

#[test]
fn a_controller_that_takes_replicas_for_originals_is_caught() {
    assert_caught(Sabotage::NoReplicaFlag, Invariant::NoLoops, Case::of_seed);
}

#[test]
fn a_controller_that_forgets_the_lease_is_caught() {
    assert_caught(Sabotage::NoLease, Invariant::IntentBeforeCall, Case::of_seed);
}

#[test]
fn a_controller_that_takes_an_empty_list_for_proof_is_caught() {
    assert_caught(Sabotage::EmptyListIsProof, Invariant::NoStopWithoutNews, |seed| {
        Case::troubled_by(seed, &[Trouble::ListsLie])
    });
}

#[test]
fn a_controller_that_ignores_the_budget_is_caught() {
    assert_caught(Sabotage::NoBudget, Invariant::Budget, Case::of_seed);
}

#[test]
fn a_controller_that_takes_a_conflict_for_success_is_caught() {
    let case = |seed| Case::troubled_by(seed, &[Trouble::OthersReplicate]);
    assert_caught(Sabotage::ConflictIsSuccess, Invariant::OwnOnly, case);
}
