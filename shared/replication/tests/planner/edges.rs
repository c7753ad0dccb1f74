//! What is decided at the very moment at which something ends, and between two that are equal.

use jiff::SignedDuration;
use replication::{
    Allowance, Blocked, BlockedReason, Capabilities, Evidence, GiveWay, LastError, Lease, Phase, Policy,
    Rejection, Replica, Rule, SecondWitness, StopReason,
};

use crate::build::{ALL_CALLS, moment, rule, time, to, window};
use crate::scene::{Scene, decisions};

/// Somebody who published at 00:00:05, with this replica to B.
fn with(replica: Replica) -> Scene {
    let mut scene = Scene::new(vec![rule("main", &["B"])]);
    scene.published("00:00:05.000000").view.put(replica);
    scene
}

fn in_phase(phase: Phase) -> Replica {
    Replica { phase, ..Replica::new(to("B")) }
}

fn seen(on: Option<&str>, off: Option<&str>) -> Evidence {
    Evidence { on: on.map(moment), off: off.map(moment) }
}

fn lease(since: &str, until: &str) -> Option<Lease> {
    Some(Lease { holder: "another".to_owned(), since: time(since), until: time(until) })
}

fn refused(at: &str, message: &str) -> Option<LastError> {
    let (code, message) = ("ConflictException".to_owned(), message.to_owned());
    Some(LastError { rejection: Some(Rejection::Conflict), code, message, request_id: None, at: time(at) })
}

#[test]
fn a_lease_and_a_wait_are_over_at_their_end() {
    let mut scene = with(Replica { lease: lease("00:00:10", "00:00:40"), ..in_phase(Phase::Starting) });
    assert_eq!(decisions(&scene.at("00:00:39.999").plan()), ["B wait"]);
    assert_eq!(decisions(&scene.at("00:00:40").plan()), ["B verify"]);

    let mut scene = with(Replica { next_attempt: Some(time("00:00:40")), ..in_phase(Phase::Pending) });
    assert_eq!(decisions(&scene.at("00:00:39.999").plan()), ["B wait"]);
    assert_eq!(decisions(&scene.at("00:00:40").plan()), ["B start"]);

    let mut scene = Scene::running(vec![rule("main", &["B"])], &["B"]);
    let again = Replica { attempts: 1, next_attempt: Some(time("00:00:40")), ..scene.replica("B").clone() };
    scene.rules(vec![]).view.put(again);
    assert_eq!(decisions(&scene.at("00:00:39.999").plan()), ["B wait"]);
    assert_eq!(decisions(&scene.at("00:00:40").plan()), ["B stop"]);
}

#[test]
fn who_has_to_give_way_does_so_to_a_higher_priority_and_until_its_time_is_over() {
    for (priority, at, decided) in
        [(51, "00:01:59.999", "B stop"), (50, "00:01:59.999", "B keep"), (51, "00:02:00", "B keep")]
    {
        let mut scene = Scene::running(vec![rule("main", &["B"])], &["B"]);
        scene.has_to_give_way("B", priority, "00:02:00");
        assert_eq!(decisions(&scene.at(at).plan()), [decided], "{priority} {at}");
    }
}

/// What was refused in the moment of the publish may have been refused before it.
#[test]
fn a_refusal_from_before_a_publish_says_nothing_of_it() {
    let mut decided = Vec::new();
    for at in ["00:00:04.999", "00:00:05"] {
        let reason = BlockedReason::NotPublishing;
        let phase = Phase::Blocked(Blocked { reason, until: Some(time("00:01:00")) });
        let last_error = refused(at, "p1 is not publishing");
        let mut scene = with(Replica { last_error, ..in_phase(phase) });
        decided.extend(decisions(&scene.at("00:00:06").plan()));
    }
    assert_eq!(decided, ["B start", "B wait"]);

    let low = || Rule { priority: 10, ..rule("low", &["B", "C", "D", "E", "F"]) };
    let high = || Rule { priority: 90, preempt: true, ..rule("high", &["G"]) };
    let mut stops = Vec::new();
    for at in ["00:00:04.999", "00:00:05"] {
        let mut scene = Scene::running(vec![low()], &["B", "C", "D", "E", "F"]);
        scene.view.put(Replica { last_error: refused(at, "not now"), ..Replica::new(to("G")) });
        let made = scene.rules(vec![low(), high()]).at("00:01:00").plan();
        stops.push(made.steps.len());
    }
    assert_eq!(stops, [1, 0], "who was refused before does not push out what runs");
}

#[test]
fn who_waited_pre_empts_when_its_time_has_come() {
    let low = || Rule { priority: 10, ..rule("low", &["B", "C", "D", "E", "F"]) };
    let high = || Rule { priority: 90, preempt: true, ..rule("high", &["G"]) };
    let mut stops = Vec::new();
    for at in ["00:00:59.999", "00:01:00"] {
        let mut scene = Scene::running(vec![low()], &["B", "C", "D", "E", "F"]);
        let blocked = Blocked { reason: BlockedReason::StageGone, until: Some(time("00:01:00")) };
        scene.view.put(Replica { phase: Phase::Blocked(blocked), ..Replica::new(to("G")) });
        stops.push(scene.rules(vec![low(), high()]).at(at).plan().steps.len());
    }
    assert_eq!(stops, [0, 1]);
}

/// A publish is live for a minute: until then, those who wait for a call go first.
#[test]
fn a_publish_is_not_live_any_more_after_its_minute() {
    for (at, backfill) in [("00:01:05", false), ("00:01:05.001", true)] {
        let mut scene = Scene::new(vec![rule("main", &["B"])]);
        scene.only(Capabilities { start: false, ..ALL_CALLS });
        scene.published("00:00:05.000000000").at(at).plan();
        assert_eq!(scene.replica("B").backfill, backfill, "{at}");
    }
    let mut scene = Scene::new(vec![rule("versus.a.1", &["B"])]);
    scene.only(Capabilities { start: false, ..ALL_CALLS });
    scene.published("00:00:05").at("00:03:00").plan();
    assert!(!scene.replica("B").backfill, "a versus session cannot wait");
    assert_eq!(Policy::default().live_for, SignedDuration::from_mins(1));
}

#[test]
fn a_witness_has_looked_after_the_leave() {
    for (gone_at, decided) in [("00:01:00", "B brake"), ("00:01:00.001", "B stop")] {
        let main = Rule { reconnect_window: window(0), ..rule("main", &["B"]) };
        let mut scene = Scene::running(vec![main], &["B"]);
        scene.unpublished("00:01:00.000000000").at("00:02:00").allowance =
            Allowance { recent_stops: 1_000, ..Allowance::UNLIMITED };
        scene.witness = Some(SecondWitness { gone_at: Some(time(gone_at)), ..SecondWitness::default() });
        let made = scene.plan();
        assert_eq!(decisions(&made), [decided], "{gone_at}");
        assert!(made.report.to_string().contains(&StopReason::PublisherGone.to_string()));
    }
}

/// A call without an outcome: what was seen before it says nothing of it, and of its end only what was told after its lease.
#[test]
fn an_unrecorded_call_is_in_doubt_until_there_is_news_of_it() {
    let decided = |phase: Phase, on: Option<&str>, off: Option<&str>| {
        let (lease, evidence) = (lease("00:00:10", "00:00:40"), seen(on, off));
        let mut scene = with(Replica { lease, evidence, ..in_phase(phase) });
        decisions(&scene.at("00:01:00").plan()).concat()
    };
    let starting = |on, off| decided(Phase::Starting, on, off);
    assert_eq!(starting(Some("00:00:09.999"), None), "B verify");
    assert_eq!(starting(Some("00:00:10.000"), None), "B keep");
    assert_eq!(starting(None, Some("00:00:40.000")), "B verify");
    assert_eq!(starting(None, Some("00:00:40.001")), "B start");
    let stopping = |on, off| decided(Phase::Stopping, on, off);
    assert_eq!(stopping(Some("00:00:06.000"), Some("00:00:09.999")), "B verify");
    assert_eq!(stopping(Some("00:00:06.000"), Some("00:00:10.000")), "B start");
}

/// A Stop was refused and cannot be verified, for its source stage is gone: news of the end from after that settles it.
#[test]
fn a_stop_that_was_refused_is_over_once_there_is_news_of_the_end() {
    let decided = |off: &str| {
        let (last_error, evidence) = (refused("00:00:20", "no such stage"), seen(None, Some(off)));
        let mut scene = with(Replica { last_error, evidence, attempts: 1, ..in_phase(Phase::Stopping) });
        decisions(&scene.at("00:01:00").plan()).concat()
    };
    assert_eq!(decided("00:00:20.000"), "B verify");
    assert_eq!(decided("00:00:20.001"), "B start");
}

/// Its publisher was away for something between 5 s and 6 s.
#[test]
fn a_replica_outlives_an_absence_within_its_window() {
    for (seconds, decided) in [(6, "B keep"), (5, "B verify"), (4, "B start")] {
        let main = Rule { reconnect_window: window(seconds), ..rule("main", &["B"]) };
        let mut scene = Scene::running(vec![main], &["B"]);
        scene.unpublished("00:01:00").published("00:01:05.999999999");
        assert_eq!(decisions(&scene.at("00:03:00").plan()), [decided], "{seconds}");
    }
}

/// That it is absent follows from its window only if nobody told of its end.
#[test]
fn an_end_that_was_told_is_kept_with_another_window() {
    let evidence = seen(Some("00:00:06.000000"), Some("00:00:20.000000"));
    let mut scene = with(Replica { evidence, reconnect_window: window(30), ..in_phase(Phase::Stopped) });
    scene.unpublished("00:00:19.000000").published("00:00:40.000000").at("00:01:00").plan();
    assert_eq!((scene.replica("B").reconnect_window, scene.replica("B").evidence), (window(0), evidence));
}

/// What waits for a place waits for nothing else.
#[test]
fn what_finds_no_place_leaves_behind_what_it_waited_for() {
    let evidence = seen(Some("00:00:06.000000"), Some("00:00:50.000000"));
    let gives_way = Some(GiveWay { priority: 90, until: time("00:00:55") });
    for before in [
        Replica { lease: lease("00:00:10", "00:00:40"), evidence, ..in_phase(Phase::Starting) },
        Replica { next_attempt: Some(time("00:00:50")), gives_way, ..in_phase(Phase::Pending) },
    ] {
        let mut scene = with(before);
        scene.at("00:01:00").found_full("B", None);
        assert_eq!(decisions(&scene.plan()), ["B blocked(DestinationFull)"]);
        let Replica { lease, next_attempt, gives_way, .. } = scene.replica("B");
        assert_eq!((lease, next_attempt, gives_way), (&None, &None, &None));
    }
}

#[test]
fn a_stop_is_waited_for_since_it_was_wanted_first() {
    let mut scene = Scene::running(vec![rule("main", &["B"])], &["B"]);
    scene.only(Capabilities { stop: false, ..ALL_CALLS }).rules(vec![]).at("00:01:00").plan();
    scene.at("00:02:00").plan();
    assert_eq!(scene.replica("B").due(), Some(time("00:01:00")));
}

/// It leaves its slot soon, whoever else is planned for: nobody has to go for the one who comes.
#[test]
fn a_stop_under_way_leaves_its_slot_to_who_pre_empts() {
    let low = || Rule { priority: 10, ..rule("low", &["B", "C", "D", "E"]) };
    let gone = || Rule { priority: 5, ..rule("gone", &["H"]) };
    let high = Rule { priority: 90, preempt: true, ..rule("high", &["G"]) };
    let mut scene = Scene::running(vec![low(), gone()], &["B", "C", "D", "E", "H"]);
    scene.rules(vec![low()]).at("00:01:00").plan();
    assert_eq!(scene.phase("H"), Phase::Stopping);
    scene.view.put(Replica { next_attempt: Some(time("00:02:00")), ..Replica::new(to("I")) });
    let made = scene.rules(vec![low(), high]).plan();
    let expected =
        ["B keep", "C keep", "D keep", "E keep", "G blocked(ParticipantSlotsFull)", "H wait", "I rest"];
    let mut decided = decisions(&made);
    decided.sort();
    assert_eq!(decided, expected);
}
