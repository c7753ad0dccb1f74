//! A rule that expires: its replicas end on time although no event comes, and whoever else wants them keeps them.

use std::collections::BTreeSet;

use replication::invariant::is_quiet;
use replication::{Decision, Desired, Phase, Rule};

use crate::build::{ALL_CALLS, rule, time, window};
use crate::scene::{Scene, THROTTLED, decided, decisions};

fn timed(id: &str, destinations: &[&str], end: &str) -> Rule {
    Rule { expires_at: Some(time(end)), ..rule(id, destinations) }
}

#[test]
fn a_replica_is_due_when_its_rule_expires_and_stopped_then() {
    let mut scene = Scene::running(vec![timed("show", &["B"], "00:05:00")], &["B"]);
    assert_eq!(scene.replica("B").due(), Some(time("00:05:00")));
    let made = scene.at("00:04:59.999").plan();
    assert!(made.is_empty() && made.wake_at.is_none(), "nobody waits for it");
    assert!(is_quiet(&scene.view));
    let made = scene.at("00:05:00").plan();
    assert_eq!(decisions(&made), ["B stop"]);
    scene.stop_ok("B");
    scene.plan();
    assert_eq!((scene.phase("B"), scene.replica("B").due()), (Phase::Stopped, None));
    scene.golden("timed_end");
}

/// Who may not stop leaves it due at once.
#[test]
fn an_expired_rule_leaves_its_replica_to_who_may_stop_it() {
    let mut scene = Scene::running(vec![timed("show", &["B"], "00:05:00")], &["B"]);
    let no_calls = replication::Capabilities::default();
    let made = scene.only(no_calls).at("00:05:00.3").plan();
    assert_eq!(
        (decisions(&made), scene.replica("B").due()),
        (vec!["B defer".to_owned()], Some(time("00:05:00.3")))
    );
    let made = scene.only(ALL_CALLS).at("00:05:00.5").plan();
    assert_eq!(decisions(&made), ["B stop"]);
    scene.golden("timed_end_left_to_others");
}

#[test]
fn an_end_that_moved_stops_nothing() {
    let mut scene = Scene::running(vec![timed("show", &["B"], "00:05:00")], &["B"]);
    // Nobody planned again when the rule changed: the replica is still due at the old end.
    let made = scene.rules(vec![timed("show", &["B"], "00:09:00")]).at("00:05:00").plan();
    assert_eq!(decisions(&made), ["B keep"]);
    assert_eq!(scene.replica("B").due(), Some(time("00:09:00")));
    let made = scene.rules(vec![timed("show", &["B"], "00:06:00")]).plan();
    assert_eq!((decided(&made, Decision::Keep), scene.replica("B").due()), (1, Some(time("00:06:00"))));
    scene.rules(vec![rule("show", &["B"])]).plan();
    assert_eq!(scene.replica("B").due(), None, "it has no end any more");
    scene.golden("timed_end_moved");
}

#[test]
fn what_another_rule_wants_outlives_the_first() {
    let high = Rule { priority: 90, ..timed("show", &["B", "C"], "00:05:00") };
    let mut scene = Scene::running(vec![high, rule("always", &["B"])], &["B", "C"]);
    let made = scene.at("00:05:00").plan();
    assert_eq!(
        decisions(&made).into_iter().collect::<BTreeSet<_>>(),
        ["B keep", "C stop"].map(str::to_owned).into()
    );
    let kept = scene.replica("B");
    assert_eq!((kept.due(), kept.rule.as_ref().map(|rule| rule.id.as_str())), (None, Some("always")));
    scene.golden("timed_end_of_one_rule");
}

#[test]
fn what_waits_is_not_wanted_any_more_and_needs_no_stop() {
    let mut scene = Scene::new(vec![timed("show", &["B", "C", "D"], "00:00:07")]);
    scene.published("00:00:05").at("00:00:05.4").plan();
    scene.start_failed("B", replication::Refusal::AccessDenied, "not allowed");
    scene.start_failed("C", THROTTLED, "slow down");
    scene.start_ok("D");
    scene.plan();
    assert_eq!(scene.replica("B").due(), Some(time("00:00:07")), "not when it would be tried again");
    let made = scene.at("00:00:07").plan();
    assert_eq!(decisions(&made), ["B rest", "C rest", "D stop"]);
    assert!(
        ["B", "C"]
            .iter()
            .all(|id| scene.replica(id).desired == Desired::Released && scene.replica(id).due().is_none())
    );
    scene.golden("timed_end_of_what_waits");
}

#[test]
fn who_finds_the_slots_full_waits_no_longer_than_the_rule() {
    let low = Rule { priority: 10, ..timed("late", &["G"], "00:00:30") };
    let mut scene =
        Scene::running(vec![rule("main", &["B", "C", "D", "E", "F"]), low], &["B", "C", "D", "E", "F"]);
    assert_eq!(scene.replica("G").due(), Some(time("00:00:30")));
    scene.at("00:00:30").plan();
    assert_eq!((scene.phase("G"), scene.replica("G").due()), (Phase::Stopped, None));
    scene.golden("timed_end_without_a_slot");
}

/// Its publisher dropped out and may come back; the rule's end comes before that of the reconnect window.
#[test]
fn a_replica_that_is_held_ends_with_its_rule() {
    let held = Rule { reconnect_window: window(60), ..timed("show", &["B"], "00:00:40") };
    let mut scene = Scene::running(vec![held], &["B"]);
    let made = scene.unpublished("00:00:20.000000").at("00:00:20.1").plan();
    assert_eq!((decisions(&made), made.wake_at), (vec!["B hold".to_owned()], Some(time("00:00:40"))));
    let made = scene.at("00:00:40").plan();
    assert_eq!(decisions(&made), ["B stop"]);
    scene.golden("timed_end_while_held");
}

/// A start without an answer: whether it runs is asked after, and the end of the rule does not make it due again and again.
#[test]
fn a_doubt_outlives_the_rule_and_is_settled() {
    let mut scene = Scene::new(vec![timed("show", &["B"], "00:00:06")]);
    scene.published("00:00:05").at("00:00:05.9").plan();
    scene.start_failed("B", replication::Refusal::Unavailable, "no answer");
    let made = scene.at("00:00:06").plan();
    let due = scene.replica("B").due();
    assert!(decided(&made, Decision::Wait) == 1 && due > Some(time("00:00:06")), "{due:?}");
    let made = scene.at("00:00:07").plan();
    assert_eq!(decisions(&made), ["B verify"]);
    scene.listed(&["B"]);
    let made = scene.plan();
    assert_eq!(decisions(&made), ["B stop"]);
    scene.golden("timed_end_in_doubt");
}

#[test]
fn what_somebody_else_started_has_no_end_of_ours() {
    let mut scene = Scene::new(vec![timed("show", &["B"], "00:05:00")]);
    scene.published("00:00:05").replica_active("B", "00:00:05.100").at("00:00:05.4").plan();
    assert_eq!(scene.replica("B").due(), None);
    let made = scene.at("00:05:00").plan();
    assert_eq!(decisions(&made), ["B foreign"]);
    scene.golden("timed_end_of_foreign");
}
