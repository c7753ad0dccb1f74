//! Somebody publishes: who is replicated where, by which rule, and who gets a slot.

use std::collections::BTreeMap;

use replication::{
    BlockedReason, Decision, ParticipantFilter, Phase, Publishing, Rule, Source, Status, Unmatched,
};

use crate::build::{rule, stage, time, window};
use crate::scene::{Scene, THROTTLED, decided, decisions, is_publishing};

#[test]
fn nothing_known() {
    let mut scene = Scene::new(vec![]);
    let made = scene.plan();
    assert!(made.is_empty() && made.report.lines.is_empty() && scene.view.is_unconcerned());
    scene.golden("nothing_known");
}

#[test]
fn without_news_of_publishing_nothing_starts_and_nothing_stops() {
    let mut scene = Scene::new(vec![rule("main", &["B", "C"])]);
    scene.replica_active("C", "00:00:01.000");
    let made = scene.at("00:00:02").plan();
    assert_eq!(made.report.publishing, Publishing::Unknown);
    assert!(made.steps.is_empty());
    scene.golden("unknown_publishing");
}

/// The publisher is not known, so neither is its user id: a rule with a filter does not let go of what runs.
#[test]
fn an_unknown_user_id_mismatches_no_rule() {
    let hosts =
        ParticipantFilter { user_id: Some("host-*".parse().unwrap()), ..ParticipantFilter::default() };
    let mut scene = Scene::running(vec![rule("main", &["B"])], &["B"]);
    scene.view.publisher = None;
    let made = scene.rules(vec![Rule { participants: hosts, ..rule("main", &["B"]) }]).plan();
    assert_eq!(decisions(&made), ["B keep"]);
    scene.golden("unknown_user_id");
}

#[test]
fn one_destination() {
    let with = BTreeMap::from([("via".to_owned(), "main".to_owned())]);
    let mut scene =
        Scene::new(vec![Rule { attributes: with, reconnect_window: window(30), ..rule("main", &["B"]) }]);
    let made = scene.published("00:00:05").at("00:00:05.4").plan();
    assert_eq!((decisions(&made), made.steps.len()), (vec!["B start".to_owned()], 1));
    scene.start_ok("B");
    let made = scene.plan();
    assert!(is_publishing(&made) && made.steps.is_empty());
    assert_eq!(scene.phase("B"), Phase::Active);
    scene.golden("one_destination");
}

#[test]
fn five_destinations_take_all_slots() {
    let scene = Scene::running(vec![rule("main", &["B", "C", "D", "E", "F"])], &["B", "C", "D", "E", "F"]);
    assert!(scene.view.replicas.iter().all(|replica| replica.phase == Phase::Active));
    scene.golden("five_destinations");
}

#[test]
fn the_sixth_destination_finds_the_slots_full() {
    let mut scene = Scene::new(vec![rule("main", &["B", "C", "D", "E", "F", "G"])]);
    let made = scene.published("00:00:05").at("00:00:05.4").plan();
    assert_eq!((made.steps.len(), decided(&made, Decision::Start)), (5, 5));
    let Phase::Blocked(blocked) = scene.phase("G") else { panic!("{:?}", scene.phase("G")) };
    assert_eq!((blocked.reason, blocked.until), (BlockedReason::ParticipantSlotsFull, None));
    scene.golden("six_destinations");
}

#[test]
fn slots_go_to_the_highest_priority() {
    let low = Rule { priority: 10, ..rule("low", &["B", "C", "D"]) };
    let high = Rule { priority: 90, ..rule("high", &["E", "F", "G"]) };
    let mut scene = Scene::new(vec![low, high]);
    let made = scene.published("00:00:05").at("00:00:05.4").plan();
    let lines = ["E start", "F start", "G start", "B start", "C start", "D blocked(ParticipantSlotsFull)"];
    assert_eq!(decisions(&made), lines);
    scene.golden("priorities_and_slots");
}

/// A throttled call is tried again in a moment: its slot does not go to a lower priority meanwhile.
#[test]
fn a_short_wait_keeps_its_slot() {
    let high = Rule { priority: 90, ..rule("high", &["B", "C", "D", "E", "F"]) };
    let mut scene = Scene::new(vec![high, rule("low", &["G"])]);
    scene.published("00:00:05").at("00:00:05.4").plan();
    scene.start_failed("B", THROTTLED, "slow down");
    ["C", "D", "E", "F"].into_iter().for_each(|destination| scene.start_ok(destination));
    let made = scene.plan();
    assert_eq!((decided(&made, Decision::Wait), made.steps.len()), (1, 0));
    let full = Decision::Block(BlockedReason::ParticipantSlotsFull);
    assert_eq!(decided(&made, full), 1);
    scene.golden("short_wait_keeps_slot");
}

#[test]
fn of_two_rules_for_one_destination_the_higher_priority_counts() {
    let low = Rule { priority: 10, reconnect_window: window(10), ..rule("a-low", &["B"]) };
    let high = Rule { priority: 20, reconnect_window: window(20), ..rule("b-high", &["B"]) };
    let equal = Rule { priority: 20, reconnect_window: window(30), ..rule("c-equal", &["B"]) };
    let mut scene = Scene::new(vec![low, equal, high]);
    let made = scene.published("00:00:05").at("00:00:05.4").plan();
    assert_eq!(made.steps.len(), 1);
    assert_eq!(scene.replica("B").reconnect_window, window(20));
    scene.golden("two_rules_one_destination");
}

#[test]
fn rules_that_do_not_apply_say_why() {
    let hosts =
        ParticipantFilter { user_id: Some("host-*".parse().unwrap()), ..ParticipantFilter::default() };
    let mut scene = Scene::new(vec![
        Rule { status: Status::Paused, ..rule("paused", &["B"]) },
        Rule { expires_at: Some(time("00:00:05")), ..rule("expired", &["C"]) },
        Rule { participants: hosts.clone(), ..rule("hosts", &["D"]) },
        Rule { source: Source::Stage(stage("Z")), ..rule("other", &["E"]) },
        Rule { source: Source::Any, ..rule("any", &["A", "F"]) },
    ]);
    let made = scene.published_by("guest-1", "00:00:05").at("00:00:05.4").plan();
    let mut why: Vec<_> = made.report.unmatched.iter().map(|(_, why)| *why).collect();
    why.sort_by_key(ToString::to_string);
    let expected = [
        Unmatched::DestinationIsSource,
        Unmatched::Expired,
        Unmatched::Paused,
        Unmatched::OtherSource,
        Unmatched::UserId,
    ];
    assert_eq!(why, expected);
    assert_eq!(decisions(&made), ["F start"]);
    scene.golden("rules_that_do_not_apply");
}

#[test]
fn duplicate_news_plans_nothing_more() {
    let mut scene = Scene::running(vec![rule("main", &["B"])], &["B"]);
    let made = scene.published("00:00:05.000000").published("00:00:05.000000").plan();
    assert!(made.is_empty());
    scene.golden("duplicate_events");
}

#[test]
fn an_unpublish_that_comes_before_its_publish_wins() {
    let mut scene = Scene::new(vec![rule("main", &["B"])]);
    scene.unpublished("00:00:09").at("00:00:09.4").plan();
    let made = scene.published("00:00:05").plan();
    assert_eq!(decisions(&made), ["B rest"]);
    assert!(made.is_empty());
    scene.golden("unpublish_before_its_publish");
}

#[test]
fn a_tie_in_one_second_is_settled_by_the_answer() {
    let mut scene = Scene::new(vec![rule("main", &["B"])]);
    scene.published("00:00:05").unpublished("00:00:05").at("00:00:05.9");
    let made = scene.plan();
    assert_eq!((made.report.publishing, made.steps.len()), (Publishing::Uncertain, 1));
    scene.start_failed("B", crate::scene::rejected(replication::Rejection::Conflict), "p1 is not publishing");
    scene.plan();
    scene.listed(&[]);
    let made = scene.plan();
    assert!(matches!(scene.phase("B"), Phase::Blocked(b) if b.reason == BlockedReason::NotPublishing));
    assert!(made.steps.is_empty());
    scene.golden("tie_in_one_second");
}
