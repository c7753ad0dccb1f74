//! Answers to calls, and calls without any.

use replication::{BlockedReason, Decision, Owner, Phase, Refusal, Rejection};

use crate::build::{rule, time};
use crate::scene::{Scene, THROTTLED, decisions, rejected};

fn starting() -> Scene {
    let mut scene = Scene::new(vec![rule("main", &["B"])]);
    scene.published("00:00:05.000000").at("00:00:05.2").plan();
    scene
}

fn stopping() -> Scene {
    let mut scene = Scene::running(vec![rule("main", &["B"])], &["B"]);
    scene.rules(vec![]).plan();
    scene
}

fn blocked(scene: &Scene) -> Option<BlockedReason> {
    match scene.phase("B") {
        Phase::Blocked(blocked) => Some(blocked.reason),
        _ => None,
    }
}

#[test]
fn a_call_under_way_is_waited_for() {
    let mut scene = starting();
    let made = scene.at("00:00:06").plan();
    assert_eq!((decisions(&made), made.wake_at), (vec!["B wait".to_owned()], Some(time("00:00:13.2"))));
    assert!(made.is_empty());
    scene.golden("lease_in_flight");
}

#[test]
fn a_start_without_outcome_is_verified_and_ours_if_it_runs() {
    let mut scene = starting();
    let made = scene.at("00:00:14").plan();
    assert_eq!(decisions(&made), ["B verify"]);
    scene.listed(&["B"]);
    assert_eq!(decisions(&scene.plan()), ["B keep"]);
    assert_eq!(scene.replica("B").owner, Owner::Stagelink);
    scene.golden("lease_expired_starting_present");
}

#[test]
fn a_start_without_outcome_that_does_not_run_is_made_again() {
    let mut scene = starting();
    scene.at("00:00:14").plan();
    scene.listed(&[]);
    assert_eq!(scene.replica("B").due(), Some(time("00:00:14.1")), "killed here, somebody looks again");
    assert_eq!(decisions(&scene.plan()), ["B start"]);
    scene.golden("lease_expired_starting_absent");
}

#[test]
fn newer_news_settles_a_start_without_a_call() {
    let mut scene = starting();
    let made = scene.replica_active("B", "00:00:05.300000").at("00:00:14").plan();
    assert_eq!((decisions(&made), made.steps.len()), (vec!["B keep".to_owned()], 0));
    assert_eq!(scene.replica("B").owner, Owner::Stagelink);
    scene.golden("lease_expired_starting_newer_evidence");
}

/// It was seen running, and its publisher left and came back before anybody took it up. So it does not run any more.
#[test]
fn a_start_without_outcome_that_was_seen_running_ends_with_its_publisher() {
    let mut scene = starting();
    scene.replica_active("B", "00:00:06.000000").unpublished("00:00:10.000000").published("00:00:12.000000");
    let made = scene.at("00:00:20").plan();
    assert_eq!(decisions(&made), ["B start"]);
    scene.start_ok("B");
    scene.plan();
    scene.golden("unrecorded_start_ends_with_its_publisher");
}

/// Where a list refuses a stage that is gone, only the sweep can say that nothing runs from there any more.
#[test]
fn news_of_its_end_from_after_the_call_settles_a_start_without_outcome() {
    let mut scene = starting();
    scene.unpublished("00:00:13").at("00:00:14").plan();
    scene.not_listed(rejected(Rejection::Validation));
    assert_eq!(decisions(&scene.replica_ended("B", "00:00:14").at("00:00:20").plan()), ["B verify"]);
    scene.not_listed(rejected(Rejection::Validation));
    let made = scene.replica_ended("B", "00:00:21").at("00:00:30").plan();
    assert_eq!((decisions(&made), made.steps.len()), (vec!["B rest".to_owned()], 0));
    assert_eq!(scene.phase("B"), Phase::Stopped);
}

#[test]
fn a_start_without_outcome_that_nobody_wants_any_more_is_stopped() {
    let mut scene = starting();
    scene.replica_active("B", "00:00:05.300000").rules(vec![]);
    assert_eq!(decisions(&scene.at("00:00:14").plan()), ["B stop"]);
    scene.stop_failed("B", rejected(Rejection::Conflict));
    scene.plan();
    scene.listed(&["B"]);
    assert_eq!(decisions(&scene.plan()), ["B wait"]);
    assert_eq!(scene.replica("B").owner, Owner::Stagelink, "it is not given up");
    scene.golden("lease_expired_starting_unwanted");
}

/// Its lease ran out, somebody verified too early and gave it up; then the Start takes effect. It must not be taken for
/// somebody else's.
#[test]
fn a_start_that_takes_effect_late_is_ours() {
    let mut scene = starting();
    let lease = scene.replica("B").lease.clone().unwrap();
    scene.rules(vec![]).at("00:00:14").plan();
    scene.listed(&[]);
    assert_eq!(decisions(&scene.plan()), ["B rest"]);
    scene.start_ok_late("B", &lease, "00:00:15");
    assert_eq!(scene.replica("B").owner, Owner::Stagelink);
    assert_eq!(decisions(&scene.at("00:00:16").plan()), ["B verify"]);
    scene.listed(&["B"]);
    assert_eq!(decisions(&scene.plan()), ["B stop"]);
    scene.golden("start_ok_late");
}

#[test]
fn a_stop_without_outcome_is_verified() {
    let mut scene = stopping();
    assert_eq!(decisions(&scene.at("00:00:20").plan()), ["B verify"]);
    scene.listed(&["B"]);
    assert_eq!(decisions(&scene.plan()), ["B wait"]);
    assert_eq!(decisions(&scene.at("00:00:21").plan()), ["B stop"]);
    scene.golden("lease_expired_stopping_present");
}

#[test]
fn newer_news_settles_a_stop_without_a_call() {
    let mut scene = stopping();
    let made = scene.replica_ended("B", "00:00:05.400000").at("00:00:20").plan();
    assert_eq!((decisions(&made), made.steps.len()), (vec!["B rest".to_owned()], 0));
    scene.golden("lease_expired_stopping_newer_evidence");
}

#[test]
fn a_refused_start_that_is_there_is_somebody_elses() {
    for rejection in Rejection::ALL {
        let mut scene = starting();
        scene.start_failed("B", rejected(rejection), "already replicated");
        assert_eq!(decisions(&scene.plan()), ["B verify"]);
        scene.listed(&["B"]);
        assert_eq!(decisions(&scene.plan()), ["B foreign"]);
        assert_eq!(scene.replica("B").owner, Owner::Foreign);
        scene.golden(&format!("start_refused_present_{}", rejection.code()));
    }
}

#[test]
fn a_refused_start_that_was_ours_already_stays_ours() {
    let mut scene = starting();
    scene.start_failed("B", Refusal::Unavailable, "no answer");
    assert_eq!(decisions(&scene.plan()), ["B wait"]);
    scene.at("00:00:06").plan();
    scene.listed(&[]);
    scene.plan();
    scene.start_failed("B", rejected(Rejection::Conflict), "already replicated");
    scene.plan();
    scene.listed(&["B"]);
    assert_eq!(decisions(&scene.plan()), ["B keep"]);
    assert_eq!(scene.replica("B").owner, Owner::Stagelink);
    scene.golden("start_unavailable_then_refused");
}

#[test]
fn a_refused_start_that_is_not_there_is_blocked_with_the_likeliest_reason() {
    let cases = [
        (Rejection::Conflict, "p1 is not publishing", BlockedReason::NotPublishing),
        (Rejection::NotFound, "no such participant", BlockedReason::NotPublishing),
        (Rejection::NotFound, "stage does not exist", BlockedReason::StageGone),
        (Rejection::Validation, "wrong", BlockedReason::Rejected),
        (Rejection::QuotaExceeded, "too many", BlockedReason::DestinationFull),
        (Rejection::NotFound, "arn:aws:ivs:us-east-1:1:stage/B was not found", BlockedReason::StageGone),
        (
            Rejection::NotFound,
            "no participant p1 in arn:aws:ivs:us-east-1:1:stage/A",
            BlockedReason::NotPublishing,
        ),
        (
            Rejection::NotFound,
            "arn:aws:ivs:us-east-1:1:stage/B has no active session",
            BlockedReason::Rejected,
        ),
    ];
    for (i, (rejection, message, reason)) in cases.into_iter().enumerate() {
        let mut scene = starting();
        scene.start_failed("B", rejected(rejection), message);
        scene.plan();
        scene.listed(&[]);
        let made = scene.plan();
        assert_eq!((blocked(&scene), decisions(&made)), (Some(reason), vec!["B wait".to_owned()]));
        assert!(scene.replica("B").due().is_some());
        scene.golden(&format!("start_refused_absent_{i}_{reason}"));
    }
}

#[test]
fn a_start_refused_with_five_listed_met_the_participants_own_limit_whatever_ivs_calls_it() {
    for rejection in [Rejection::Validation, Rejection::Conflict] {
        for (message, reason) in [
            ("too many", BlockedReason::ParticipantSlotsFull),
            ("p1 is not publishing", BlockedReason::NotPublishing),
        ] {
            let mut scene = starting();
            scene.start_failed("B", rejected(rejection), message);
            scene.plan();
            scene.listed(&["V", "W", "X", "Y", "Z"]);
            scene.plan();
            assert_eq!(blocked(&scene), Some(reason), "{rejection:?}, {message}");
        }
    }
}

#[test]
fn too_many_replications_with_five_listed_is_the_participants_own_limit() {
    let mut scene = starting();
    scene.start_failed("B", rejected(Rejection::QuotaExceeded), "too many");
    scene.plan();
    scene.listed(&["V", "W", "X", "Y", "Z"]);
    let made = scene.plan();
    assert_eq!(blocked(&scene), Some(BlockedReason::ParticipantSlotsFull));
    assert_eq!(made.report.lines.iter().filter(|line| line.decision == Decision::Foreign).count(), 5);
    scene.golden("quota_with_five_listed");
}

#[test]
fn a_new_publish_lifts_not_publishing_at_once() {
    let mut scene = starting();
    scene.start_failed("B", rejected(Rejection::Conflict), "p1 is not publishing");
    scene.plan();
    scene.listed(&[]);
    assert_eq!(decisions(&scene.plan()), ["B wait"]);
    assert_eq!(decisions(&scene.published("00:00:05.400000").plan()), ["B start"]);
    scene.golden("not_publishing_until_published");
}

#[test]
fn starts_that_ivs_denies_throttles_or_does_not_answer() {
    for (refusal, name) in
        [(Refusal::AccessDenied, "denied"), (THROTTLED, "throttled"), (Refusal::Unavailable, "unavailable")]
    {
        let mut scene = starting();
        scene.start_failed("B", refusal, "no");
        let made = scene.plan();
        assert_eq!(decisions(&made), ["B wait"]);
        assert_eq!(made.wake_at, scene.replica("B").due());
        scene.golden(&format!("start_{name}"));
    }
}

#[test]
fn stops_that_ivs_denies_throttles_or_does_not_answer() {
    for (refusal, name) in
        [(Refusal::AccessDenied, "denied"), (THROTTLED, "throttled"), (Refusal::Unavailable, "unavailable")]
    {
        let mut scene = stopping();
        scene.stop_failed("B", refusal);
        let made = scene.plan();
        assert_eq!((decisions(&made), made.steps.len()), (vec!["B wait".to_owned()], 0));
        assert_eq!(made.wake_at, scene.replica("B").due());
        assert_eq!(scene.replica("B").owner, Owner::Stagelink);
        scene.golden(&format!("stop_{name}"));
    }
}

#[test]
fn a_refused_stop_is_verified() {
    for rejection in Rejection::ALL {
        let mut scene = stopping();
        scene.stop_failed("B", rejected(rejection));
        assert!(scene.replica("B").due().is_some(), "killed here, somebody looks again");
        assert_eq!(decisions(&scene.plan()), ["B verify"]);
        scene.listed(&[]);
        assert_eq!(decisions(&scene.plan()), ["B rest"]);
        assert_eq!((scene.phase("B"), scene.replica("B").owner), (Phase::Stopped, Owner::Nobody));
        scene.golden(&format!("stop_refused_absent_{}", rejection.code()));
    }
}

#[test]
fn a_failed_verification_is_made_again() {
    for (refusal, name) in [(Refusal::AccessDenied, "denied"), (Refusal::Unavailable, "unavailable")] {
        let mut scene = starting();
        scene.at("00:00:14").plan();
        scene.not_listed(refusal);
        let made = scene.plan();
        assert_eq!((decisions(&made), made.wake_at), (vec!["B wait".to_owned()], scene.replica("B").due()));
        scene.golden(&format!("verify_{name}"));
    }
}

/// The destination refuses after Start had succeeded. The end of the replication may be told before or after that.
#[test]
fn a_publish_error_of_the_replica_blocks_in_either_order() {
    let ended_first = |first: bool| {
        let mut scene = Scene::running(vec![rule("main", &["B"])], &["B"]);
        if first {
            scene.replica_ended("B", "00:00:06.000000").at("00:00:06.1").plan();
        }
        scene.replica_failed("B", "QUOTA_EXCEEDED", "00:00:06.000000").at("00:00:06.2").plan();
        if !first {
            scene.replica_ended("B", "00:00:06.000000").at("00:00:06.3").plan();
        }
        let repeated = scene.replica_failed("B", "QUOTA_EXCEEDED", "00:00:06.000000").plan();
        assert!(repeated.is_empty());
        scene
    };
    for (first, name) in [(true, "replica_ended_then_failed"), (false, "replica_failed_then_ended")] {
        let scene = ended_first(first);
        assert_eq!(blocked(&scene), Some(BlockedReason::DestinationFull));
        assert!(scene.replica("B").due() > Some(time("00:01:00")));
        scene.golden(name);
    }
}

#[test]
fn an_old_publish_error_does_not_touch_what_runs_again() {
    let mut scene = Scene::running(vec![rule("main", &["B"])], &["B"]);
    let made = scene.replica_failed("B", "QUOTA_EXCEEDED", "00:00:04.000000").plan();
    assert_eq!(decisions(&made), ["B keep"]);
    assert_eq!(scene.replica("B").attempts, 0);
    scene.golden("old_publish_error");
}
