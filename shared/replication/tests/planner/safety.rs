//! Hands off, and the brake on mass stops.

use std::collections::BTreeSet;

use replication::{
    Allowance, BlockedReason, Control, Mode, Pause, Phase, Policy, Rule, SecondWitness, Step, StopReason,
};

use crate::build::{rule, stage, time, window};
use crate::scene::{Scene, decisions};

fn observing() -> Policy {
    Policy { mode: Mode::Observe, ..Policy::default() }
}

fn paused() -> Control {
    let pause = Pause { reason: "a fire drill".to_owned(), by: "kim".to_owned(), at: time("00:00:30") };
    Control { pause: Some(pause), ..Control::default() }
}

/// So many stops were made within the last minute.
fn after_stops(recent_stops: usize) -> Allowance {
    Allowance { recent_stops, ..Allowance::UNLIMITED }
}

fn witness(unwanted: &[&str], gone_at: Option<&str>) -> Option<SecondWitness> {
    let unwanted: BTreeSet<_> = unwanted.iter().map(|id| stage(id)).collect();
    Some(SecondWitness { unwanted, gone_at: gone_at.map(time) })
}

#[test]
fn observing_tells_what_would_be_started_and_stopped() {
    let mut scene = Scene::running(vec![rule("main", &["B"])], &["B"]);
    scene.tell("observe");
    scene.policy = observing();
    let made = scene.rules(vec![rule("main", &["C"])]).at("00:01:00").plan();
    assert_eq!(decisions(&made), ["B hold", "C blocked(Observing)"]);
    assert_eq!((scene.phase("B"), scene.replica("B").due()), (Phase::Active, None));
    assert_eq!(scene.replica("C").due(), None);

    scene.tell("enforce");
    scene.policy = Policy::default();
    let made = scene.at("00:02:00").plan();
    assert_eq!(decisions(&made), ["B stop", "C start"]);
    scene.golden("observing");
}

#[test]
fn a_pause_keeps_what_its_publisher_left_and_starts_nobody() {
    let main = Rule { reconnect_window: window(30), ..rule("main", &["B"]) };
    let mut scene = Scene::running(vec![main], &["B"]);
    scene.tell("pause");
    scene.view.control = paused();
    let made = scene.unpublished("00:01:00.000000").at("00:01:01").plan();
    assert_eq!((decisions(&made), scene.replica("B").due()), (vec!["B hold".to_owned()], None));
    let made = scene.at("00:02:00").plan();
    assert_eq!((decisions(&made), made.is_empty()), (vec!["B hold".to_owned()], true));
    scene.replica_ended("B", "00:02:01").published("00:02:05.000000");
    let made = scene.at("00:02:06").plan();
    assert_eq!(decisions(&made), ["B blocked(Paused)"]);

    scene.tell("resume");
    scene.view.control = Control::default();
    assert_eq!(decisions(&scene.at("00:02:07").plan()), ["B start"]);
    scene.golden("paused");
}

#[test]
fn a_pause_lets_a_call_under_way_end_and_a_doubt_be_settled() {
    let mut scene = Scene::new(vec![rule("main", &["B", "C"])]);
    scene.published("00:00:05.000000").at("00:00:05.2").plan();
    scene.tell("pause");
    scene.view.control = paused();
    scene.start_ok("B");
    assert_eq!(decisions(&scene.plan()), ["C wait", "B keep"]);
    assert_eq!(decisions(&scene.at("00:00:20").plan()), ["C verify", "B keep"]);
    scene.listed(&["B"]);
    assert_eq!(decisions(&scene.plan()), ["B keep", "C blocked(Paused)"]);
    scene.golden("paused_with_calls_under_way");
}

/// Slots are accounted for as if it acted: what would find none is told so.
#[test]
fn hands_off_the_slots_are_given_all_the_same() {
    let mut scene = Scene::new(vec![rule("main", &["B", "C", "D", "E", "F", "G"])]);
    scene.policy = observing();
    let made = scene.published("00:00:05.000000").at("00:00:05.2").plan();
    let of = |reason| decisions(&made).iter().filter(|line| line.ends_with(&format!("({reason})"))).count();
    assert_eq!((of(BlockedReason::Observing), of(BlockedReason::ParticipantSlotsFull)), (5, 1));
}

#[test]
fn over_the_limit_a_stop_waits_for_a_second_witness() {
    let mut scene = Scene::running(vec![rule("main", &["B", "C"])], &["B", "C"]);
    scene.tell("19 stops within a minute");
    scene.allowance = after_stops(19);
    let made = scene.rules(vec![]).at("00:01:00").plan();
    assert_eq!(decisions(&made), ["B stop", "C brake"]);
    assert!(scene.replica("C").is_held_by_brake() && scene.replica("C").due().is_none());
    scene.stop_ok("B");

    scene.tell("no stop for a long time");
    scene.allowance = after_stops(0);
    assert_eq!(decisions(&scene.at("00:10:00").plan()), ["B rest", "C brake"]);

    scene.tell("a sweep finds a rule that wants it");
    scene.witness = witness(&[], Some("00:11:00"));
    assert_eq!(decisions(&scene.at("00:11:01").plan()), ["B rest", "C brake"]);

    scene.tell("a sweep finds no rule either, and may call nobody");
    scene.witness = witness(&["C"], None);
    scene.can.stop = false;
    assert_eq!(decisions(&scene.at("00:12:01").plan()), ["B rest", "C defer"]);
    assert!(scene.replica("C").due().is_some() && !scene.replica("C").is_held_by_brake());

    scene.tell("20 stops within a minute");
    (scene.witness, scene.can.stop, scene.allowance) = (None, true, after_stops(20));
    let made = scene.at("00:12:02").plan();
    assert_eq!(decisions(&made), ["B rest", "C stop"]);
    assert!(matches!(&made.steps[..], [Step::Stop(stop)] if stop.confirmed && !stop.counts_for_brake()));
    scene.golden("braked_unwanted");
}

#[test]
fn who_left_is_seen_gone_by_a_later_look() {
    let mut scene = Scene::running(vec![rule("main", &["B"])], &["B"]);
    scene.tell("20 stops within a minute");
    scene.allowance = after_stops(20);
    assert_eq!(decisions(&scene.unpublished("00:01:00").at("00:01:05").plan()), ["B brake"]);
    scene.tell("a look from before");
    scene.witness = witness(&["B"], Some("00:00:59"));
    assert_eq!(decisions(&scene.at("00:01:10").plan()), ["B brake"]);
    scene.tell("a look from after");
    scene.witness = witness(&[], Some("00:01:11"));
    assert_eq!(decisions(&scene.at("00:01:12").plan()), ["B stop"]);
    scene.stop_ok("B");
    assert_eq!((scene.phase("B"), scene.replica("B").braked), (Phase::Stopped, None));
    scene.golden("braked_left");
}

#[test]
fn what_is_wanted_again_is_kept_and_not_confirmed_for_later() {
    let mut scene = Scene::running(vec![rule("main", &["B"])], &["B"]);
    scene.allowance = after_stops(20);
    scene.rules(vec![]).at("00:01:00").plan();
    scene.witness = witness(&["B"], None);
    scene.can.stop = false;
    scene.at("00:01:01").plan();
    scene.witness = None;
    scene.can.stop = true;
    let made = scene.rules(vec![rule("main", &["B"])]).at("00:01:02").plan();
    assert_eq!((decisions(&made), scene.replica("B").braked), (vec!["B keep".to_owned()], None));
    assert_eq!(decisions(&scene.rules(vec![]).at("00:01:03").plan()), ["B brake"]);
    let made = scene.rules(vec![rule("main", &["B"])]).at("00:01:04").plan();
    assert_eq!((decisions(&made), scene.replica("B").braked), (vec!["B keep".to_owned()], None));
}

#[test]
fn what_ended_by_itself_starts_without_the_mark() {
    let mut scene = Scene::running(vec![rule("main", &["B"])], &["B"]);
    scene.allowance = after_stops(20);
    scene.rules(vec![]).at("00:01:00").plan();
    scene.replica_ended("B", "00:02:00").rules(vec![rule("main", &["B"])]);
    let made = scene.at("00:02:10").plan();
    assert_eq!((decisions(&made), scene.replica("B").braked), (vec!["B start".to_owned()], None));
}

#[test]
fn what_was_told_ahead_is_not_held_back() {
    let ending = Rule { expires_at: Some(time("00:01:00")), ..rule("main", &["B"]) };
    let mut scene = Scene::running(vec![ending], &["B"]);
    scene.allowance = after_stops(1_000);
    let made = scene.at("00:01:00").plan();
    assert_eq!(decisions(&made), ["B stop"]);
    assert!(matches!(&made.steps[..], [Step::Stop(stop)] if stop.reason == StopReason::Expired));
    assert_eq!(scene.allowance.after(&made.steps).recent_stops, 1_000);
}

/// It may want what it wanted, until the end that it had: then nobody has to read it.
#[test]
fn a_rule_that_cannot_be_read_stops_nothing_that_it_wanted() {
    let ending = Rule { expires_at: Some(time("00:10:00")), ..rule("ends", &["C"]) };
    let mut scene =
        Scene::running(vec![rule("main", &["B"]), ending, rule("gone", &["D"])], &["B", "C", "D"]);
    scene.rules(vec![]).tell("two of them cannot be read");
    scene.view.unreadable_rules = ["main", "ends"].map(|id| id.parse().unwrap()).into();
    let made = scene.at("00:01:00").plan();
    assert_eq!(decisions(&made), ["B keep", "C keep", "D stop"]);
    scene.stop_ok("D");
    assert_eq!(decisions(&scene.at("00:10:00").plan()), ["B keep", "C stop", "D rest"]);
    scene.stop_ok("C");
    let made = scene.unpublished("00:10:30.000000").at("00:11:00").plan();
    assert_eq!(decisions(&made), ["B stop", "C rest", "D rest"], "its publisher is gone: that is known");
    scene.golden("unreadable_rules");
}

/// There is no call for it when its rule expires, and when there is, the rule is gone.
#[test]
fn what_was_told_ahead_stays_told() {
    let ending = Rule { expires_at: Some(time("00:01:00")), ..rule("main", &["B"]) };
    for paused_meanwhile in [false, true] {
        let mut scene = Scene::running(vec![ending.clone()], &["B"]);
        scene.allowance = Allowance { recent_stops: 1_000, ..Allowance::NONE };
        if paused_meanwhile {
            scene.view.control = paused();
        }
        scene.at("00:01:00").plan();
        scene.view.control = Control::default();
        scene.allowance = after_stops(1_000);
        let made = scene.rules(vec![]).at("00:01:02").plan();
        assert_eq!(decisions(&made), ["B stop"]);
    }
}

#[test]
fn an_operator_takes_the_brake_off_for_a_while() {
    let mut scene = Scene::running(vec![rule("main", &["B"])], &["B"]);
    scene.allowance = after_stops(20);
    assert_eq!(decisions(&scene.rules(vec![]).at("00:01:00").plan()), ["B brake"]);
    scene.tell("the brake is released until 00:05:00");
    scene.view.control.brake_released_until = Some(time("00:05:00"));
    assert_eq!(decisions(&scene.at("00:01:01").plan()), ["B stop"]);
    scene.golden("brake_released");
}
