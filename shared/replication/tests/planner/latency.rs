//! Which Starts count for the replication latency, and from when on.

use jiff::Timestamp;
use replication::{Capabilities, Mode, Phase, Plan, Policy, Rejection, Replica, Step};

use crate::build::{ALL_CALLS, rule, time};
use crate::scene::{Scene, THROTTLED, rejected};

const NO_CALLS: Capabilities =
    Capabilities { start: false, stop: false, verify: false, get_stage: false, get_participant: false };

fn published() -> Scene {
    let mut scene = Scene::new(vec![rule("main", &["B"])]);
    scene.published("00:00:05.000000").at("00:00:05.2");
    scene
}

/// Since when the replica has been waited for that the only step of this plan starts.
fn waiting_since(made: &Plan) -> Option<Timestamp> {
    match made.steps.as_slice() {
        [Step::Start(request)] => request.waiting_since,
        other => panic!("one start, and not {other:?}"),
    }
}

#[test]
fn it_is_waited_for_from_the_publish() {
    assert_eq!(waiting_since(&published().plan()), Some(time("00:00:05")));
    let mut whole_second = Scene::new(vec![rule("main", &["B"])]);
    whole_second.published("00:00:05").at("00:00:05.2");
    assert_eq!(waiting_since(&whole_second.plan()), Some(time("00:00:05")), "from its beginning");
}

#[test]
fn what_ivs_put_off_is_waited_for_while_it_is_live() {
    for refusal in [THROTTLED, rejected(Rejection::NotFound)] {
        let mut scene = published();
        scene.plan();
        scene.start_failed("B", refusal, "p1 is not publishing");
        if matches!(scene.phase("B"), Phase::Starting) {
            scene.plan();
            scene.listed(&[]);
        }
        let made = scene.at("00:00:20").plan();
        assert_eq!(waiting_since(&made), Some(time("00:00:05")), "{refusal:?}");
        let mut late = scene;
        late.start_failed("B", THROTTLED, "");
        assert_eq!(waiting_since(&late.at("00:01:30").plan()), None, "{refusal:?}");
    }
}

#[test]
fn what_waits_for_its_turn_is_waited_for_all_the_time() {
    let mut scene = published();
    scene.only(NO_CALLS).plan();
    assert_eq!(waiting_since(&scene.only(ALL_CALLS).at("00:03:00").plan()), Some(time("00:00:05")));
}

#[test]
fn what_is_wanted_or_known_late_does_not_count() {
    let mut backfill = published();
    backfill.at("00:03:00").only(NO_CALLS).plan();
    assert_eq!(waiting_since(&backfill.only(ALL_CALLS).plan()), None);

    let mut new_rule = published();
    new_rule.rules(vec![]).plan();
    new_rule.rules(vec![rule("new", &["B"])]);
    assert_eq!(waiting_since(&new_rule.at("00:03:00").plan()), None);
}

#[test]
fn one_that_ran_since_the_publish_does_not_count_again() {
    let mut scene = Scene::running(vec![rule("main", &["B"])], &["B"]);
    scene.replica_ended("B", "00:00:10.000000").at("00:00:10.1").plan();
    assert_eq!(waiting_since(&scene.at("00:00:13").plan()), None);
}

#[test]
fn who_comes_back_is_waited_for_from_then_on() {
    let mut scene = Scene::running(vec![rule("main", &["B"])], &["B"]);
    scene.unpublished("00:01:00.000000").replica_ended("B", "00:01:00.500000").at("00:01:01").plan();
    scene.published("00:02:00.000000").at("00:02:00.3");
    assert_eq!(waiting_since(&scene.plan()), Some(time("00:02:00")));
}

#[test]
fn what_a_limit_or_an_order_kept_back_does_not_count() {
    let mut observed = published();
    observed.policy = Policy { mode: Mode::Observe, ..Policy::default() };
    observed.plan();
    observed.policy = Policy::default();
    assert_eq!(waiting_since(&observed.at("00:00:30").plan()), None);

    let mut full = published();
    full.found_full("B", None);
    full.plan();
    full.view.full.clear();
    let waiting = full.replica("B").clone();
    let next_attempt = Some(time("00:20:00"));
    full.view.put(Replica { phase: Phase::Pending, next_attempt, ..waiting });
    assert_eq!(waiting_since(&full.at("00:20:01").plan()), None, "it was told of a free place");

    let mut crowded =
        Scene::running(vec![rule("main", &["B", "C", "D", "E", "F", "G"])], &["B", "C", "D", "E", "F"]);
    crowded.rules(vec![rule("main", &["G", "C", "D", "E", "F"])]).plan();
    crowded.stop_ok("B");
    assert_eq!(waiting_since(&crowded.at("00:00:30").plan()), None);
}
