//! Who gets a slot, and a place at the destination, when there are not enough.

use replication::{
    BlockedReason, Capabilities, Crowd, Decision, Desired, Owner, Phase, Plan, Rejection, ReplicationKey,
    Rule, Step,
};

use crate::build::{ALL_CALLS, rule, time, to};
use crate::scene::{Scene, THROTTLED, decided, decisions, rejected};

const SLOTS_FULL: Decision = Decision::Block(BlockedReason::ParticipantSlotsFull);
const DESTINATION_FULL: Decision = Decision::Block(BlockedReason::DestinationFull);

fn stops(made: &Plan) -> Vec<ReplicationKey> {
    let stop = |step: &Step| match step {
        Step::Stop(request) => Some(request.key.clone()),
        _ => None,
    };
    made.steps.iter().filter_map(stop).collect()
}

fn low() -> Rule {
    Rule { priority: 10, ..rule("low", &["B", "C", "D", "E", "F"]) }
}

fn high(destinations: &[&str]) -> Rule {
    Rule { priority: 90, preempt: true, ..rule("high", destinations) }
}

/// Five run for a rule of low priority; then one comes that may pre-empt, and wants two.
#[test]
fn a_higher_priority_that_may_pre_empt_gets_the_slots_of_the_lowest() {
    let mut scene = Scene::running(vec![low()], &["B", "C", "D", "E", "F"]);
    scene.rules(vec![low(), high(&["G", "H"])]);
    let made = scene.at("00:01:00").plan();
    assert_eq!(stops(&made), [to("E"), to("F")]);
    assert_eq!(decided(&made, SLOTS_FULL), 2);
    scene.stop_ok("E");
    scene.stop_ok("F");
    let made = scene.plan();
    let lines = [
        "B keep",
        "C keep",
        "D keep",
        "G start",
        "H start",
        "E blocked(ParticipantSlotsFull)",
        "F blocked(ParticipantSlotsFull)",
    ];
    assert_eq!(decisions(&made), lines);
    scene.start_ok("G");
    scene.start_ok("H");
    assert!(scene.plan().is_empty());
    scene.golden("pre_empted");
}

#[test]
fn a_higher_priority_that_may_not_pre_empt_waits() {
    let mut scene = Scene::running(vec![low()], &["B", "C", "D", "E", "F"]);
    scene.rules(vec![low(), Rule { preempt: false, ..high(&["G"]) }]);
    let made = scene.at("00:01:00").plan();
    assert_eq!((made.steps.len(), decided(&made, SLOTS_FULL)), (0, 1));
    scene.golden("not_pre_empted");
}

/// What was refused once is not worth the end of something that runs.
#[test]
fn one_that_was_refused_pushes_nobody_out() {
    let four = Rule { priority: 10, ..rule("low", &["B", "C", "D", "E"]) };
    let mut scene = Scene::running(vec![four.clone()], &["B", "C", "D", "E"]);
    scene.rules(vec![four, high(&["G"])]);
    scene.at("00:01:00").plan();
    scene.start_failed("G", rejected(Rejection::NotFound), "stage not found");
    scene.plan();
    scene.listed(&["B", "C", "D", "E"]);
    scene.rules(vec![low(), high(&["G"])]);
    scene.plan();
    scene.start_ok("F");
    let made = scene.at("03:00:00").plan();
    scene.golden("refused_pushes_nobody_out");
    assert_eq!((made.steps.len(), decided(&made, SLOTS_FULL)), (0, 1));
}

/// A doubt kept it waiting for a moment that is not over. It pushes out at once what it would push out by the next plan.
#[test]
fn one_that_waits_for_a_moment_only_pre_empts_at_once() {
    let four = Rule { priority: 10, ..rule("low", &["B", "C", "D", "E"]) };
    let mut scene = Scene::running(vec![four, high(&["G"])], &["B", "C", "D", "E", "G"]);
    scene.rules(vec![low()]).at("00:00:10").plan();
    scene.stop_ok("G");
    scene.plan();
    scene.start_ok("F");
    let made = scene.replica_active("G", "00:00:10").at("00:00:10.8").plan();
    assert_eq!(decided(&made, Decision::Wait), 1, "whether it runs is asked when the second is over");
    scene.rules(vec![low(), high(&["G"])]).replica_ended("G", "00:00:11.000000");
    let made = scene.at("00:00:10.9").plan();
    assert_eq!((decided(&made, Decision::Wait), stops(&made)), (1, vec![to("F")]));
    scene.golden("waits_for_a_moment_and_pre_empts");
}

/// It was refused because the participant did not publish just then; meanwhile another rule took its slot. Nothing speaks against
/// it any more.
#[test]
fn one_that_was_refused_as_nobody_published_pre_empts_once_somebody_does() {
    let mut scene = Scene::new(vec![low(), high(&["G"])]);
    scene.published("00:00:05.000000").at("00:00:05.2").plan();
    scene.start_failed("G", rejected(Rejection::Validation), "the participant is not publishing");
    ["B", "C", "D", "E"].into_iter().for_each(|destination| scene.start_ok(destination));
    scene.plan();
    scene.listed(&["B", "C", "D", "E"]);
    scene.plan();
    scene.start_ok("F");
    let made = scene.at("00:01:00").plan();
    assert_eq!(stops(&made), [to("F")]);
    scene.stop_ok("F");
    assert_eq!(decided(&scene.plan(), Decision::Start), 1);
    scene.golden("refused_as_nobody_published_pre_empts_later");
}

/// IVS does not say why it refused. But that was before the participant published, and everything begins anew with that.
#[test]
fn one_that_was_refused_before_its_participant_published_may_pre_empt() {
    let four = Rule { priority: 10, ..rule("low", &["B", "C", "D", "E"]) };
    let mut scene = Scene::running(vec![four.clone()], &["B", "C", "D", "E"]);
    scene.rules(vec![four, high(&["G"])]).at("00:01:00").plan();
    scene.start_failed("G", rejected(Rejection::Conflict), "not now");
    scene.plan();
    scene.listed(&["B", "C", "D", "E"]);
    scene.rules(vec![low(), high(&["G"])]).plan();
    scene.start_ok("F");
    assert_eq!(stops(&scene.at("00:05:00").plan()), []);
    scene.published("00:06:00.000000");
    assert_eq!(stops(&scene.at("00:06:01").plan()), [to("F")]);
    scene.golden("refused_before_publishing_pre_empts");
}

fn four_and_a_high_one() -> Scene {
    let four = Rule { priority: 10, ..rule("low", &["B", "C", "D", "E"]) };
    let mut scene = Scene::running(vec![four.clone()], &["B", "C", "D", "E"]);
    scene.rules(vec![four, high(&["G"])]).at("00:01:00").plan();
    scene
}

/// IVS counted a replication of which nobody knew, and refused whatever it calls that. Once it is known, somebody else of lower
/// priority has to go.
#[test]
fn one_that_was_refused_a_slot_pre_empts_once_it_is_known_who_has_them() {
    for rejection in [Rejection::QuotaExceeded, Rejection::Validation, Rejection::Conflict] {
        let mut scene = four_and_a_high_one();
        scene.start_failed("G", rejected(rejection), "p1 has its 5 concurrent replications");
        scene.plan();
        scene.listed(&["B", "C", "D", "E", "H"]);
        assert_eq!(stops(&scene.at("00:05:00").plan()), [to("E")], "{rejection:?}");
        if rejection == Rejection::QuotaExceeded {
            scene.golden("refused_slot_pre_empts_later");
        }
    }
}

/// Nobody knows that F runs when IVS refuses G. If it had begun by then, it was a slot that was missing.
#[test]
fn one_that_was_refused_while_all_slots_were_taken_pre_empts_once_that_is_known() {
    for (begun, stopped) in [(true, vec![to("E")]), (false, vec![])] {
        let four = Rule { priority: 10, ..rule("low", &["B", "C", "D", "E"]) };
        let mut scene = match begun {
            true => Scene::running(vec![low()], &["B", "C", "D", "E", "F"]),
            false => Scene::running(vec![four.clone()], &["B", "C", "D", "E"]),
        };
        scene.replica_ended("F", "00:00:50").rules(vec![four, high(&["G"])]).at("00:01:00").plan();
        scene.start_failed("G", rejected(Rejection::Validation), "wrong");
        scene.plan();
        scene.listed(&["B", "C", "D", "E"]);
        scene.plan();
        scene.replica_active("F", "00:03:00");
        assert_eq!(stops(&scene.at("00:05:00").plan()), stopped, "F had begun: {begun}");
    }
}

/// A slot was not what was missing: nobody is stopped for it a second time.
#[test]
fn one_that_is_refused_for_something_else_once_it_has_a_slot_stops_nobody_again() {
    let mut scene = four_and_a_high_one();
    scene.start_failed("G", rejected(Rejection::Conflict), "p1 is in G already");
    scene.plan();
    scene.listed(&["B", "C", "D", "E", "H"]);
    assert_eq!(stops(&scene.at("00:05:00").plan()), [to("E")]);
    scene.stop_ok("E");
    scene.plan();
    scene.start_failed("G", rejected(Rejection::Conflict), "p1 is in G already");
    scene.plan();
    scene.listed(&["B", "C", "D", "H"]);
    scene.plan();
    scene.start_ok("E");
    for at in ["00:07:00", "00:10:00", "00:20:00"] {
        assert_eq!(stops(&scene.at(at).plan()), [], "{at}");
    }
}

#[test]
fn a_foreign_replica_keeps_its_slot_whatever_the_priority() {
    let mut scene = Scene::new(vec![high(&["G", "H"])]);
    scene.published("00:00:05.000000");
    for id in ["B", "C", "D", "E"] {
        scene.replica_active(id, "00:00:06");
    }
    let made = scene.at("00:00:07").plan();
    assert_eq!((decided(&made, Decision::Start), decided(&made, SLOTS_FULL)), (1, 1));
    assert_eq!(scene.replica("B").owner, Owner::Foreign);
    scene.golden("foreign_keeps_its_slot");
}

#[test]
fn a_full_destination_is_a_reason_and_leaves_the_slot_to_others() {
    let wide = Rule { priority: 50, ..rule("main", &["B", "C", "D", "E", "F", "G"]) };
    let mut scene = Scene::new(vec![wide]);
    scene.published("00:00:05").at("00:00:05.4").found_full("B", Some(10));
    let made = scene.plan();
    assert_eq!((decided(&made, Decision::Start), decided(&made, DESTINATION_FULL)), (5, 1));
    assert!(made.evictions.is_empty());
    scene.golden("destination_full");
}

#[test]
fn at_a_full_destination_the_weakest_gives_way_to_a_rule_that_may_pre_empt() {
    let mut scene = Scene::new(vec![high(&["B", "C"])]);
    scene.published("00:00:05").at("00:00:05.4");
    scene.found_full("B", Some(10));
    scene.found_full("C", Some(90));
    let made = scene.plan();
    assert_eq!(made.evictions.len(), 1);
    assert_eq!(decided(&made, DESTINATION_FULL), 2);
    scene.golden("weakest_gives_way");
}

/// What no rule wants any more leaves its slot to who pre-empts; nobody else has to.
#[test]
fn what_is_stopped_anyway_leaves_its_slot_first() {
    let mut scene = Scene::running(vec![low()], &["B", "C", "D", "E", "F"]);
    let fewer = Rule { priority: 10, ..rule("low", &["C", "D", "E", "F"]) };
    scene.rules(vec![fewer, high(&["G"])]).at("00:01:00");
    let made = scene.plan();
    assert_eq!(stops(&made), [to("B")]);
    scene.stop_ok("B");
    assert_eq!(decided(&scene.plan(), Decision::Start), 1);
    scene.golden("stopped_anyway_leaves_its_slot");
}

/// IVS counted publishers there whom the table did not know yet. Once it does, there is somebody to give way.
#[test]
fn who_was_refused_for_want_of_a_place_pre_empts_once_it_is_known_who_is_there() {
    let mut scene = Scene::new(vec![high(&["B"])]);
    scene.published("00:00:05").at("00:00:05.4").plan();
    scene.start_failed("B", rejected(Rejection::QuotaExceeded), "no room for another publisher");
    scene.plan();
    scene.listed(&[]);
    let made = scene.plan();
    assert!(made.evictions.is_empty() && matches!(scene.phase("B"), Phase::Blocked(_)));
    scene.at("00:02:00").found_full("B", Some(10));
    assert_eq!(scene.plan().evictions.len(), 1);
    scene.golden("refused_place_pre_empts_later");
}

/// A slot is of no use where there is no place: what runs is pushed out once, not with every try.
#[test]
fn who_found_the_destination_full_pushes_nobody_out_again() {
    let mut scene = Scene::running(vec![low()], &["B", "C", "D", "E", "F"]);
    scene.rules(vec![low(), high(&["G"])]).at("00:01:00").plan();
    scene.stop_ok("F");
    scene.found_full("G", None);
    let made = scene.plan();
    assert_eq!((decided(&made, DESTINATION_FULL), decided(&made, Decision::Start)), (1, 1));
    scene.start_ok("F");
    scene.view.full.clear();
    let made = scene.at("00:02:30").plan();
    assert_eq!((made.steps.len(), decided(&made, DESTINATION_FULL)), (0, 1));
    // Somebody leaves, and the place is handed on.
    let mut next = scene.replica("G").clone();
    (next.phase, next.next_attempt) = (Phase::Pending, Some(time("00:02:40")));
    scene.view.put(next);
    let made = scene.at("00:02:40").plan();
    assert_eq!(stops(&made), [to("F")]);
    scene.golden("full_pushes_nobody_out_again");
}

/// To be told to slow down says nothing of the place.
#[test]
fn who_was_throttled_may_still_pre_empt() {
    let mut scene = Scene::new(vec![high(&["B"])]);
    scene.published("00:00:05").at("00:00:05.4").plan();
    scene.start_failed("B", THROTTLED, "slow down");
    scene.plan();
    scene.at("00:00:10").found_full("B", Some(10));
    assert_eq!(scene.plan().evictions.len(), 1);
}

/// Who goes anyway, or is being called for, is not asked to give way.
#[test]
fn the_weakest_is_one_that_can_give_way() {
    let mut scene = Scene::running(vec![low()], &["B", "C"]);
    let weakest = |scene: &Scene| Crowd::of(&scene.view.replicas).weakest;
    assert_eq!(weakest(&scene), Some((to("C"), 10)));
    let mut leaving = scene.replica("C").clone();
    leaving.desired = Desired::Released;
    scene.view.put(leaving);
    assert_eq!(weakest(&scene), Some((to("B"), 10)));
}

#[test]
fn another_rule_asks_for_a_place_itself() {
    let mut scene = Scene::new(vec![Rule { priority: 10, ..rule("low", &["B"]) }]);
    scene.published("00:00:05").at("00:00:05.4").found_full("B", None);
    scene.plan();
    scene.view.full.clear();
    scene.rules(vec![high(&["B"])]);
    let made = scene.at("00:00:06").plan();
    assert_eq!(decided(&made, Decision::Start), 1);
}

/// After a change of rules, those who have just begun to publish go first.
#[test]
fn a_start_that_comes_late_is_backfill() {
    let no_calls = Capabilities::default();
    let mut scene = Scene::new(vec![rule("main", &["B"])]);
    let made = scene.only(no_calls).published("00:00:05.000000").at("00:00:05.4").plan();
    assert_eq!((decided(&made, Decision::Defer), scene.replica("B").backfill), (1, false));
    scene.rules(vec![rule("main", &["B", "C"])]);
    let made = scene.at("00:05:00").plan();
    assert_eq!(
        (decided(&made, Decision::Defer), scene.replica("B").backfill),
        (2, false),
        "it waits since then"
    );
    assert!(scene.replica("C").backfill);
    scene.only(ALL_CALLS).plan();
    assert!(!scene.replica("C").backfill);
    scene.golden("backfill");
}

/// The one that gives way is stopped, and does not take the place again that it left.
#[test]
fn what_gave_way_stays_away_for_its_time() {
    let mut scene = Scene::running(vec![low()], &["B", "C", "D", "E", "F"]);
    scene.at("00:01:00").has_to_give_way("B", 90, "00:02:00");
    let made = scene.plan();
    assert_eq!(stops(&made), [to("B")]);
    scene.stop_ok("B");
    let made = scene.plan();
    assert_eq!((made.steps.len(), decided(&made, Decision::Wait)), (0, 1));
    assert!(matches!(scene.phase("B"), Phase::Blocked(_)));
    let made = scene.at("00:02:00").plan();
    assert_eq!(decided(&made, Decision::Start), 1);
    scene.golden("gave_way");
}

#[test]
fn a_rule_whose_priority_rose_meanwhile_does_not_give_way() {
    let mut scene = Scene::running(vec![low()], &["B", "C", "D", "E", "F"]);
    scene.at("00:01:00").has_to_give_way("B", 90, "00:02:00");
    scene.rules(vec![Rule { priority: 95, ..low() }]);
    let made = scene.plan();
    assert_eq!((made.steps.len(), decided(&made, Decision::Keep)), (0, 5));
    scene.golden("does_not_give_way");
}
