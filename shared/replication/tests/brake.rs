//! What a sweep says to the brake on mass stops.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod build;

use std::collections::{BTreeMap, BTreeSet};

use replication::sweep::history::has_stopped;
use replication::sweep::stage::{Findings, read_stage};
use replication::sweep::{
    EventName, Inventory, ListedEvent, ListedParticipant, ListedStage, Look, Role, Roster, StageKnowledge,
    SweepPolicy, Target, agenda,
};
use replication::{
    Braked, Control, Evidence, Mode, Moment, Owner, ParticipantId, Pause, Phase, Policy, Publisher, Replica,
    ReplicationKey, SecondWitness,
};

use build::{moment, participant, publisher, rule, session, stage, time, to};

/// p1 published on A, and stopped if that is told; the brake holds its replica on B.
fn held(stopped: Option<&str>) -> Inventory {
    let mut inventory = Inventory::default();
    let evidence = Evidence { on: Some(moment("00:00:05")), off: stopped.map(moment) };
    let session = Some(session("st-1"));
    inventory.put_publisher(Publisher { evidence, session, ..Publisher::new(publisher()) });
    inventory.put_replica(Replica {
        phase: Phase::Active,
        owner: Owner::Stagelink,
        evidence: Evidence { on: Some(moment("00:00:06")), off: None },
        braked: Some(Braked { since: time("00:01:00"), confirmed_at: None }),
        ..Replica::new(to("B"))
    });
    inventory
}

fn confirmed(inventory: &Inventory) -> Vec<SecondWitness> {
    let confirmable = inventory.confirmable(time("00:02:00"), &Policy::default());
    confirmable.into_iter().map(|(_, witness)| witness).collect()
}

#[test]
fn all_rules_together_say_that_none_wants_a_replica() {
    let none = held(None);
    let expected = SecondWitness { unwanted: BTreeSet::from([stage("B")]), gone_at: None };
    assert_eq!(confirmed(&none), [expected]);

    let unreadable = Inventory { rules_incomplete: true, ..none.clone() };
    assert_eq!(confirmed(&unreadable), [], "the rule that wants it may be the one that cannot be read");

    let wanted = Inventory { rules: vec![rule("ab", &["B"])], ..none.clone() };
    let [witness] = &confirmed(&wanted)[..] else { panic!("it is kept now, and that has to be stored") };
    assert_eq!(witness.unwanted, BTreeSet::new());

    let pause = Pause { reason: String::new(), by: String::new(), at: time("00:01:30") };
    let paused = Inventory { control: Control { pause: Some(pause), ..Control::default() }, ..none.clone() };
    assert_eq!(confirmed(&paused), []);
    let observing = Policy { mode: Mode::Observe, ..Policy::default() };
    assert_eq!(none.confirmable(time("00:02:00"), &observing), []);
}

#[test]
fn a_stage_that_the_brake_waits_for_is_in_doubt() {
    let in_doubt = |mut inventory: Inventory| {
        let (name, tags) = (String::new(), BTreeMap::new());
        let listed = ListedStage { stage: stage("A"), name, tags, active_session: Some(session("st-1")) };
        let known = StageKnowledge::new(listed.clone(), time("00:00:00"));
        let looked_at = Some(time("00:01:00"));
        inventory.put_knowledge(StageKnowledge { looked_at, looked_in: Some(session("st-1")), ..known });
        let roster = Roster { stages: BTreeMap::from([(stage("A"), listed)]), complete: false };
        let agenda = agenda(&inventory, &roster, 10, time("00:02:00"), &SweepPolicy::default());
        agenda.looks.iter().find(|look| look.stage == stage("A")).unwrap().in_doubt
    };
    assert!(in_doubt(held(Some("00:00:30"))), "who left may be looked for");
    assert!(!in_doubt(held(None)), "that no rule wants it, no look can tell");
}

fn look(inventory: &Inventory, rows: &[ListedParticipant], in_session: &str) -> Findings {
    let target = Target::Session(session(in_session));
    let look = Look { stage: stage("A"), target, confirm: false, in_doubt: true };
    let took = Moment::exact(time("00:02:00"));
    read_stage(inventory, &look, rows, took, &SweepPolicy::default())
}

fn row(connected: Option<bool>) -> ListedParticipant {
    let role = Role::Original { replicated: true };
    ListedParticipant { participant: participant(), user_id: String::new(), connected, role }
}

#[test]
fn only_a_line_that_says_so_is_a_second_witness_of_leaving() {
    let left = held(Some("00:00:30"));
    let who: BTreeSet<ParticipantId> = BTreeSet::from([participant()]);
    let asked = |findings: &Findings| findings.histories.contains_key(&participant());

    assert_eq!(look(&left, &[row(Some(false))], "st-1").gone, who);
    for rows in [vec![row(Some(true))], vec![row(None)], vec![]] {
        let findings = look(&left, &rows, "st-1");
        assert_eq!(findings.gone, BTreeSet::new(), "{rows:?}");
        assert!(asked(&findings), "its history is asked: {rows:?}");
    }
    let elsewhere = look(&left, &[], "st-2");
    assert_eq!((elsewhere.gone, elsewhere.elsewhere), (BTreeSet::new(), who), "has its session ended?");

    let mut at_rest = held(Some("00:00:30"));
    at_rest.put_replica(Replica { phase: Phase::Stopped, ..Replica::new(to("B")) });
    let findings = look(&at_rest, &[], "st-1");
    assert!(!asked(&findings), "nobody waits for it");
}

#[test]
fn a_history_says_whether_it_ends_with_having_stopped() {
    let event = |name, at| ListedEvent { name, at: moment(at), replica: false };
    let started = event(EventName::PublishStarted, "00:00:05");
    let stopped = event(EventName::PublishStopped, "00:00:30");
    let tie = event(EventName::PublishStopped, "00:00:05");
    let says = |events: &[ListedEvent]| {
        has_stopped(events, Moment::exact(time("00:02:00")), &SweepPolicy::default())
    };
    assert!(says(&[stopped.clone(), started.clone()]) && says(&[started.clone(), stopped]));
    assert!(!says(std::slice::from_ref(&started)));
    assert!(!says(&[]), "an empty history says nothing");
    assert!(!says(&[started, tie]), "which came first cannot be told");
}

#[test]
fn the_count_of_replicas_is_kept_when_it_makes_a_difference() {
    let policy = Policy::default();
    let with = |replicas: usize, running| {
        let control = Control { running, ..Control::default() };
        let mut inventory = Inventory { control, ..Inventory::default() };
        for i in 0..replicas {
            let key = ReplicationKey { participant: format!("p{i}").parse().unwrap(), ..to("B") };
            let (phase, owner) = (Phase::Active, Owner::Stagelink);
            inventory.put_replica(Replica { phase, owner, ..Replica::new(key) });
        }
        let foreign = ReplicationKey { participant: "x".parse().unwrap(), ..to("B") };
        let (phase, owner) = (Phase::Active, Owner::Foreign);
        inventory.put_replica(Replica { phase, owner, ..Replica::new(foreign) });
        inventory.running_to_remember(&policy)
    };
    assert_eq!(with(66, None), None, "the floor it is either way");
    assert_eq!(with(100, None), Some(100));
    assert_eq!(with(105, Some(100)), None, "a tenth of the limit is no difference");
    assert_eq!([with(110, Some(100)), with(114, Some(100))], [None, Some(114)], "33 of 30, and 34");
    assert_eq!(with(120, Some(100)), Some(120));
    assert_eq!(with(10, Some(100)), Some(10));
    assert_eq!(with(10, Some(66)), None);
}
