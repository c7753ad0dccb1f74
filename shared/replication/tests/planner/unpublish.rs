//! Somebody leaves, and perhaps comes back: reconnect windows, coarse times and late news.

use replication::{Capabilities, Decision, Desired, Phase, Rule};

use crate::build::{ALL_CALLS, rule, time, window};
use crate::scene::{Scene, decisions};

fn with_window(seconds: u64) -> Vec<Rule> {
    vec![Rule { reconnect_window: window(seconds), ..rule("main", &["B"]) }]
}

#[test]
fn without_a_window_it_is_released_after_the_grace() {
    let mut scene = Scene::running(with_window(0), &["B"]);
    let made = scene.unpublished("00:00:20.000000").at("00:00:20.1").plan();
    assert_eq!(decisions(&made), ["B hold"]);
    let made = scene.at("00:00:21.1").plan();
    assert_eq!(decisions(&made), ["B stop"]);
    scene.stop_ok("B");
    scene.plan();
    assert_eq!(scene.phase("B"), Phase::Stopped);
    scene.golden("unpublish_without_window");
}

#[test]
fn ivs_ends_it_by_itself_and_no_call_is_made() {
    let mut scene = Scene::running(with_window(0), &["B"]);
    scene.unpublished("00:00:20.000000").at("00:00:20.1").plan();
    let made = scene.replica_ended("B", "00:00:20").at("00:00:20.3").plan();
    assert_eq!((decisions(&made), made.steps.len()), (vec!["B rest".to_owned()], 0));
    scene.golden("replication_ends_by_itself");
}

#[test]
fn within_a_window_it_is_held() {
    let mut scene = Scene::running(with_window(30), &["B"]);
    let made = scene.unpublished("00:00:20.000000").at("00:00:20.1").plan();
    assert_eq!(made.wake_at, Some(time("00:00:51.000000999")));
    assert_eq!(scene.replica("B").due(), made.wake_at);
    let made = scene.at("00:00:51.1").plan();
    assert_eq!(decisions(&made), ["B stop"]);
    scene.golden("unpublish_with_window");
}

#[test]
fn back_inside_the_window_it_runs_on() {
    let mut scene = Scene::running(with_window(30), &["B"]);
    scene.unpublished("00:00:20.000000").at("00:00:20.1").plan();
    let made = scene.published("00:00:40").at("00:00:40.5").plan();
    assert_eq!((decisions(&made), made.steps.len()), (vec!["B keep".to_owned()], 0));
    assert_eq!(scene.replica("B").due(), None);
    scene.golden("back_inside_the_window");
}

#[test]
fn back_outside_the_window_it_is_started_again() {
    let mut scene = Scene::running(with_window(30), &["B"]);
    scene.unpublished("00:00:20.000000").at("00:00:20.1").plan();
    let made = scene.published("00:00:50.5").at("00:00:50.6").plan();
    assert_eq!(decisions(&made), ["B start"]);
    scene.golden("back_outside_the_window");
}

/// The window of the rule is longer by now: what ended with the old one does not come to life again.
#[test]
fn a_longer_window_of_the_rule_revives_nothing() {
    let mut scene = Scene::running(with_window(0), &["B"]);
    scene.unpublished("00:00:20.000000").published("00:00:30.000000").rules(with_window(300));
    let made = scene.only(Capabilities::default()).at("00:00:31").plan();
    assert_eq!(decisions(&made), ["B defer"]);
    assert_eq!(scene.phase("B"), Phase::Pending);
    scene.golden("longer_window");
}

/// Whole seconds leave open whether 30 s were over. The appointment of the hold does not delay the question.
#[test]
fn perhaps_back_inside_the_window_is_asked() {
    let mut scene = Scene::running(with_window(30), &["B"]);
    scene.unpublished("00:00:20").at("00:00:20.1").plan();
    let made = scene.published("00:00:50").at("00:00:51.2").plan();
    assert_eq!(decisions(&made), ["B verify"]);
    scene.listed(&["B"]);
    let made = scene.plan();
    assert_eq!(decisions(&made), ["B keep"]);
    scene.golden("perhaps_back_inside_the_window");
}

#[test]
fn not_back_inside_the_window_after_all() {
    let mut scene = Scene::running(with_window(30), &["B"]);
    scene.unpublished("00:00:20").at("00:00:20.1").plan();
    scene.published("00:00:50").at("00:00:51.2").plan();
    scene.listed(&[]);
    let made = scene.plan();
    assert_eq!(decisions(&made), ["B wait"]);
    let made = scene.at("00:00:53.4").plan();
    assert_eq!(decisions(&made), ["B start"]);
    scene.golden("not_back_inside_the_window");
}

#[test]
fn a_late_unpublish_changes_nothing() {
    let mut scene = Scene::running(with_window(0), &["B"]);
    let made = scene.unpublished("00:00:03").plan();
    assert!(made.is_empty());
    assert_eq!(decisions(&made), ["B keep"]);
    scene.golden("late_unpublish");
}

#[test]
fn an_end_while_publishing_waits_for_the_news_that_explains_it() {
    let mut scene = Scene::running(with_window(0), &["B"]);
    let made = scene.replica_ended("B", "00:00:20.000000").at("00:00:20.1").plan();
    assert_eq!(
        (decisions(&made), made.wake_at),
        (vec!["B wait".to_owned()], Some(time("00:00:22.000000999")))
    );
    let mut gone = Scene::running(with_window(0), &["B"]);
    gone.replica_ended("B", "00:00:20.000000").at("00:00:20.1").plan();
    let made = gone.unpublished("00:00:20.000000").at("00:00:20.5").plan();
    assert_eq!(decisions(&made), ["B rest"]);
    let made = scene.at("00:00:22.1").plan();
    assert_eq!(decisions(&made), ["B start"]);
    scene.golden("end_while_publishing");
    gone.golden("end_explained_by_unpublish");
}

/// An end in the same whole second as the start: until the second is over, asking IVS could not tell them apart.
#[test]
fn the_same_second_is_asked_about_once_and_not_before_it_is_over() {
    let mut scene = Scene::running(with_window(0), &["B"]);
    let made = scene.replica_ended("B", "00:00:05").at("00:00:05.4").plan();
    assert_eq!((decisions(&made), made.wake_at), (vec!["B wait".to_owned()], Some(time("00:00:06"))));
    let made = scene.at("00:00:06").plan();
    assert_eq!(decisions(&made), ["B verify"]);
    scene.listed(&["B"]);
    assert_eq!(decisions(&scene.plan()), ["B keep"]);
    scene.golden("end_in_the_second_of_the_start");
}

#[test]
fn without_the_calls_the_work_is_left_to_others_with_a_due_time() {
    let mut scene = Scene::new(with_window(0));
    scene.only(Capabilities::default());
    let made = scene.published("00:00:05.000000").at("00:00:05.2").plan();
    assert_eq!(decisions(&made), ["B defer"]);
    assert_eq!(scene.replica("B").due(), Some(time("00:00:05.2")));
    let mut scene = Scene::running(with_window(300), &["B"]);
    scene.only(Capabilities { stop: false, ..ALL_CALLS });
    scene.unpublished("00:00:20.000000").at("00:00:20.1").plan();
    let made = scene.rules(vec![]).at("00:00:30").plan();
    assert_eq!(decisions(&made), ["B defer"]);
    assert_eq!(scene.replica("B").due(), Some(time("00:00:30")), "not when the window would have been over");
    assert_eq!(scene.replica("B").desired, Desired::Released);
    scene.golden("capabilities_missing");
}

#[test]
fn no_rule_wants_it_any_more() {
    let mut scene = Scene::running(with_window(30), &["B"]);
    let made = scene.rules(vec![]).plan();
    assert_eq!(decisions(&made), ["B stop"]);
    scene.stop_ok("B");
    assert!(scene.plan().is_empty());
    scene.golden("rule_removed");
}

/// It left and came back after its window, so the replica should have ended; where IVS keeps it, it is there again. As no
/// rule wants it any more, it is stopped and not only forgotten.
#[test]
fn an_unwanted_replica_is_not_forgotten_because_its_window_is_over() {
    let mut scene = Scene::running(with_window(0), &["B"]);
    scene.unpublished("00:00:20.000000").published("00:00:30.000000").rules(vec![]);
    let made = scene.at("00:00:31").plan();
    assert_eq!(made.report.lines[0].decision, Decision::Stop);
    scene.golden("unwanted_after_its_window");
}
