//! What somebody else started.

use replication::{BlockedReason, Capabilities, Decision, Owner, Phase, Rule, Source};

use crate::build::{ALL_CALLS, rule, tags, time};
use crate::scene::{Scene, decided, decisions, rejected};

#[test]
fn at_a_wanted_destination_it_is_left_alone() {
    let mut scene = Scene::new(vec![rule("main", &["B"])]);
    scene.replica_active("B", "00:00:04.000000");
    let made = scene.published("00:00:05.000000").at("00:00:05.2").plan();
    assert_eq!((decisions(&made), made.steps.len()), (vec!["B foreign".to_owned()], 0));
    assert_eq!((scene.phase("B"), scene.replica("B").owner), (Phase::Active, Owner::Foreign));
    scene.golden("foreign_wanted");
}

#[test]
fn at_an_unwanted_destination_it_is_never_stopped() {
    let mut scene = Scene::new(vec![rule("main", &["B"])]);
    scene.replica_active("C", "00:00:04.000000").published("00:00:05.000000").at("00:00:05.2").plan();
    scene.start_ok("B");
    scene.rules(vec![]).plan();
    scene.stop_ok("B");
    let made = scene.unpublished("00:01:00").at("00:05:00").plan();
    assert_eq!(decisions(&made), ["B rest", "C foreign"]);
    scene.golden("foreign_unwanted");
}

#[test]
fn its_publisher_leaves_and_it_is_left_to_ivs() {
    let mut scene = Scene::new(vec![rule("main", &["B"])]);
    scene.replica_active("B", "00:00:04.000000").published("00:00:05.000000").at("00:00:05.2").plan();
    let made = scene.unpublished("00:01:00").at("00:05:00").plan();
    assert_eq!(decisions(&made), ["B foreign"]);
    let made = scene.replica_ended("B", "00:05:01").at("00:05:02").plan();
    assert_eq!(decisions(&made), ["B rest"]);
    assert_eq!(scene.replica("B").owner, Owner::Nobody);
    scene.golden("foreign_leaves");
}

/// Ours ended, and before it was started again, somebody else was faster.
#[test]
fn what_somebody_else_starts_after_ours_ended_is_theirs() {
    let mut scene = Scene::running(vec![rule("main", &["B"])], &["B"]);
    scene.replica_ended("B", "00:01:00.000000").at("00:01:01").plan();
    let made = scene.replica_active("B", "00:01:01.500000").at("00:01:02").plan();
    assert_eq!(decisions(&made), ["B foreign"]);
    assert_eq!(scene.replica("B").owner, Owner::Foreign);
    let made = scene.rules(vec![]).at("00:05:00").plan();
    assert_eq!((decisions(&made), made.steps.len()), (vec!["B foreign".to_owned()], 0));
    scene.golden("foreign_after_ours_ended");
}

/// The same, and that ours ended is told last. In which order news comes makes no difference.
#[test]
fn what_somebody_else_starts_after_ours_is_theirs_though_its_end_is_told_late() {
    let mut scene = Scene::running(vec![rule("main", &["B"])], &["B"]);
    scene.replica_active("B", "00:01:01.500000").at("00:01:02").plan();
    let made = scene.replica_ended("B", "00:01:00.000000").at("00:01:03").plan();
    assert_eq!((decisions(&made), scene.replica("B").owner), (vec!["B foreign".to_owned()], Owner::Foreign));
    let made = scene.rules(vec![]).at("00:05:00").plan();
    assert_eq!((decisions(&made), made.steps.len()), (vec!["B foreign".to_owned()], 0));
    scene.golden("foreign_end_of_ours_told_late");
}

/// The same, where ours could not publish at the destination.
#[test]
fn what_somebody_else_starts_after_ours_failed_is_theirs() {
    let mut scene = Scene::running(vec![rule("main", &["B"])], &["B"]);
    scene.replica_failed("B", "BITRATE_EXCEEDED", "00:01:00.000000");
    scene.replica_ended("B", "00:01:00.000000").at("00:01:01").plan();
    scene.replica_active("B", "00:01:01.500000").at("00:01:02").plan();
    assert_eq!(scene.replica("B").owner, Owner::Foreign);
}

#[test]
fn it_takes_a_slot() {
    let mut scene = Scene::new(vec![rule("main", &["B", "C", "D", "E", "F"])]);
    scene.replica_active("X", "00:00:04.000000");
    let made = scene.published("00:00:05.000000").at("00:00:05.2").plan();
    assert_eq!(decided(&made, Decision::Start), 4);
    assert_eq!(decided(&made, Decision::Block(BlockedReason::ParticipantSlotsFull)), 1);
    scene.golden("foreign_takes_a_slot");
}

/// The verification of a refused start is cut short. The lease it leaves is not one of a start that may have worked.
#[test]
fn a_refused_start_stays_refused_when_its_verification_is_cut_short() {
    let mut scene = Scene::new(vec![rule("main", &["B"])]);
    scene.published("00:00:05.000000").at("00:00:05.2").plan();
    scene.start_failed("B", rejected(replication::Rejection::Conflict), "already replicated");
    scene.plan();
    let made = scene.at("00:00:14").plan();
    assert_eq!(decisions(&made), ["B verify"]);
    scene.listed(&["B"]);
    assert_eq!(decisions(&scene.plan()), ["B foreign"]);
    assert_eq!(scene.replica("B").owner, Owner::Foreign);
    scene.golden("foreign_after_a_cut_verification");
}

#[test]
fn a_doubt_is_left_with_a_due_time_to_who_may_ask() {
    let mut scene = Scene::new(vec![rule("main", &["B"])]);
    scene.only(Capabilities { stop: false, verify: false, ..ALL_CALLS });
    scene.published("00:00:05.000000").at("00:00:05.2").plan();
    scene.start_failed("B", rejected(replication::Rejection::Conflict), "already replicated");
    let made = scene.plan();
    assert_eq!(decisions(&made), ["B defer"]);
    assert!(scene.replica("B").due().is_some());
    scene.golden("doubt_is_deferred");
}

/// The same, where nobody wrote what our Start came to: once its lease is over, no Start of ours can follow its end.
#[test]
fn what_somebody_else_starts_after_our_unrecorded_start_ended_is_theirs() {
    let mut scene = Scene::new(vec![rule("main", &["B"])]);
    scene.published("00:00:05.000000").at("00:00:05.4").plan();
    let until = scene.replica("B").lease.as_ref().unwrap().until;
    assert_eq!(until, time("00:00:13.4"));
    scene.replica_ended("B", "00:00:36.000000").replica_active("B", "00:00:37.000000");
    assert_eq!(decisions(&scene.at("00:00:38").plan()), ["B foreign"]);
    scene.golden("foreign_after_unrecorded_start");
}

/// Whether a rule wants it cannot be decided, and makes no difference.
#[test]
fn what_is_theirs_by_now_stays_theirs_while_its_rule_is_not_decided() {
    let mut scene = Scene::running(vec![rule("main", &["B"])], &["B"]);
    scene.replica_ended("B", "00:01:00.000000").replica_active("B", "00:01:01.000000");
    let by_tag = Rule { source: Source::Tags(tags("role=main")), ..rule("main", &["B"]) };
    let made =
        scene.rules(vec![by_tag]).only(Capabilities { get_stage: false, ..ALL_CALLS }).at("00:02:00").plan();
    assert_eq!(decisions(&made), ["B foreign"]);
}
