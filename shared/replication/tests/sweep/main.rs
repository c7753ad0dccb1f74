//! What the sweep reads, and what it makes of the answers.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

#[path = "../build/mod.rs"]
mod build;
mod directory;
mod doubt;
mod lines;
mod matters;
mod order;
mod places;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use replication::sweep::history::{read_history, started_before};
use replication::sweep::second::{read_gone, read_replications, read_sessions, session_at};
use replication::sweep::stage::read_stage;
use replication::sweep::{
    EventName, Inventory, ListedEvent, ListedParticipant, ListedSession, Look, Role, SweepPolicy, Target,
};
use replication::{Evidence, Listed, Moment, Observation, Owner, Phase, Policy, Publisher, Replica, View};

use build::{moment, participant, publisher, rule, session, stage, time, to};

/// The rule A → B, and what is told.
fn inventory(publisher_evidence: Evidence, replica_evidence: Option<Evidence>) -> Inventory {
    let mut inventory = Inventory { rules: vec![rule("ab", &["B"])], ..Inventory::default() };
    if publisher_evidence != Evidence::default() {
        let (evidence, session) = (publisher_evidence, Some(session("st-1")));
        inventory.put_publisher(Publisher { evidence, session, ..Publisher::new(publisher()) });
    }
    if let Some(evidence) = replica_evidence {
        let (phase, owner) = (Phase::Active, Owner::Stagelink);
        inventory.put_replica(Replica { evidence, phase, owner, ..Replica::new(to("B")) });
    }
    inventory
}

fn on(at: &str) -> Evidence {
    Evidence { on: Some(moment(at)), off: None }
}

fn off(at: &str) -> Evidence {
    Evidence { on: None, off: Some(moment(at)) }
}

fn look(stage_id: &str, session_id: &str) -> Look {
    let target = Target::Session(session(session_id));
    Look { stage: stage(stage_id), target, confirm: false, in_doubt: false }
}

fn row(connected: bool, role: Role) -> ListedParticipant {
    let user_id = String::new();
    ListedParticipant { participant: participant(), user_id, connected: Some(connected), role }
}

fn event(name: EventName, at: &str) -> ListedEvent {
    ListedEvent { name, at: moment(at), replica: false }
}

fn short(news: &Observation) -> String {
    match news {
        Observation::Published { session, at, .. } => format!("published in {session} at {at}"),
        Observation::Unpublished { session, at, .. } => format!("not publishing in {session} at {at}"),
        Observation::ReplicaActive { key, at, .. } => {
            format!("{} runs at {at}", id(key.destination.as_str()))
        }
        Observation::ReplicaEnded { key, at } => format!("{} ended at {at}", id(key.destination.as_str())),
        Observation::ReplicaOwner { key, ours, .. } => {
            format!("{} is ours: {ours}", id(key.destination.as_str()))
        }
        Observation::ReplicaFailed { .. } => "failed".to_owned(),
        Observation::Attributes { .. } => "attributes".to_owned(),
    }
}

fn id(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap()
}

fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "{name}; BLESS=1 accepts it");
}

/// Every state of knowledge against every row: who is asked next.
#[test]
fn what_a_look_leads_to() {
    let mut text = String::new();
    let known = [
        ("nobody", Evidence::default()),
        ("publishing", on("00:00:05")),
        ("not publishing", off("00:00:05")),
        ("either, in one second", Evidence { on: Some(moment("00:00:05")), off: Some(moment("00:00:05")) }),
    ];
    let rows = [
        ("not listed", None),
        ("disconnected", Some(row(false, Role::Original { replicated: false }))),
        ("connected", Some(row(true, Role::Original { replicated: false }))),
        ("connected and replicated", Some(row(true, Role::Original { replicated: true }))),
        ("there as a replica", Some(row(true, Role::Replica { source: stage("C"), active: true }))),
        ("of an unknown type", Some(row(true, Role::Unknown))),
    ];
    for (known, evidence) in known {
        for replica in [None, Some(on("00:00:06"))] {
            for (listed, row) in &rows {
                for session in ["st-1", "st-2"] {
                    let inventory = inventory(evidence, replica);
                    let rows: Vec<_> = row.iter().cloned().collect();
                    let took = Moment::between(time("00:10:00"), time("00:10:01"));
                    let found =
                        read_stage(&inventory, &look("A", session), &rows, took, &SweepPolicy::default());
                    let mut asks: Vec<String> = found.observations.iter().map(short).collect();
                    asks.extend(found.histories.keys().map(|who| format!("history of {who}")));
                    asks.extend(found.elsewhere.iter().map(|_| "sessions".to_owned()));
                    asks.extend(
                        found
                            .replications
                            .values()
                            .map(|missing| format!("replications ({} missing)", missing.len())),
                    );
                    let running = if replica.is_some() { ", a replica" } else { "" };
                    let same = if session == "st-1" { "the same session" } else { "another session" };
                    let _ = writeln!(text, "{known}{running} / {listed}, {same}: {}", asks.join(", "));
                }
            }
        }
    }
    compare("sweep_looks.txt", &text);
    // P9: a list never says that something ended.
    assert!(!text.contains("ended") && !text.contains("not publishing in"));
}

/// Every short history against every state of knowledge, in both orders of listing.
#[test]
fn what_a_history_says() {
    use EventName::{Joined, Left, PublishStarted, PublishStopped};
    let mut text = String::new();
    let histories = [
        vec![],
        vec![event(Joined, "00:00:05")],
        vec![event(Joined, "00:00:05"), event(PublishStarted, "00:00:05")],
        vec![event(Joined, "00:00:05"), event(PublishStarted, "00:00:07"), event(PublishStopped, "00:00:07")],
        vec![
            event(PublishStarted, "00:00:07"),
            event(PublishStopped, "00:00:07"),
            event(PublishStarted, "00:00:07"),
        ],
        vec![event(PublishStarted, "00:00:07"), event(PublishStopped, "00:00:09"), event(Left, "00:00:09")],
        vec![event(PublishStarted, "00:00:07"), event(Left, "00:00:09")],
        vec![event(PublishStarted, "00:00:07"), event(Left, "00:09:00")],
        vec![event(PublishStarted, "00:00:07"), event(Left, "00:00:09"), event(Joined, "00:00:20")],
    ];
    let known = [
        ("nobody", Evidence::default()),
        ("publishing since 7.5", on("00:00:07.500000")),
        ("stopped at 7.5", off("00:00:07.500000")),
        ("in one second", Evidence { on: Some(moment("00:00:07")), off: Some(moment("00:00:07")) }),
        ("stopped later", off("00:05:00")),
    ];
    for events in &histories {
        let names: Vec<_> = events.iter().map(|e| format!("{:?} {}", e.name, e.at.earliest())).collect();
        let _ = writeln!(text, "{}", names.join(", "));
        for (name, evidence) in known {
            let inventory = inventory(evidence, None);
            let took = Moment::exact(time("00:10:00"));
            let read = |events: &[ListedEvent]| {
                let policy = SweepPolicy::default();
                read_history(&inventory, &publisher(), &session("st-1"), "", events, took, &policy)
            };
            let news = read(events);
            let backwards: Vec<_> = events.iter().rev().cloned().collect();
            let only_one_second = events.iter().all(|e| e.at == events[0].at) && events[0..].len() > 1;
            if !only_one_second || events[0].name == Joined {
                assert_eq!(news, read(&backwards), "{names:?}");
            }
            let _ = writeln!(text, "  {name}: {}", news.iter().map(short).collect::<Vec<_>>().join(", "));

            // Taken in, the same history is no news any more, unless it leaves a tie that its order cannot resolve.
            let mut view =
                View { publisher: inventory.publisher(&publisher()).cloned(), ..View::empty(publisher()) };
            news.iter().for_each(|one| one.fold_into(&mut view, &replication::Policy::default()));
            let mut after = Inventory { rules: inventory.rules.clone(), ..Inventory::default() };
            view.publisher.into_iter().for_each(|publisher| after.put_publisher(publisher));
            let policy = SweepPolicy::default();
            let again = read_history(&after, &publisher(), &session("st-1"), "", events, took, &policy);
            assert!(again.is_empty() || only_one_second, "{names:?} {name}: {again:?}");
        }
    }
    compare("sweep_histories.txt", &text);
}

/// A list said that a replica of ours had ended, and it is found running: whose is it?
#[test]
fn a_history_tells_whose_it_is_that_runs_again() {
    use EventName::{ReplicationStarted, ReplicationStopped};
    let (started, stopped) = (ReplicationStarted(stage("B")), ReplicationStopped(stage("B")));
    let (joined, elsewhere) = (EventName::Joined, ReplicationStarted(stage("C")));
    let ours = |owner: Owner, begun: Option<&str>, lines: &[(&EventName, &str)]| {
        let seen = Evidence { on: Some(moment("00:05:00")), off: Some(moment("00:04:00")) };
        let mut inventory = inventory(on("00:00:01"), None);
        let begun = begun.map(moment);
        let (phase, evidence) = (Phase::Active, seen);
        inventory.put_replica(Replica { evidence, phase, owner, begun, ..Replica::new(to("B")) });
        let came_first = (&joined, "00:00:01");
        let came = (lines.first().is_none_or(|(name, _)| **name != joined)).then_some(&came_first);
        let events = came.into_iter().chain(lines).map(|(name, at)| event((*name).clone(), at));
        let events: Vec<_> = events.collect();
        let (took, policy) = (Moment::exact(time("00:10:00")), SweepPolicy::default());
        let mut view = inventory.view(&publisher());
        let news = read_history(&inventory, &publisher(), &session("st-1"), "", &events, took, &policy);
        news.iter().for_each(|news| news.fold_into(&mut view, &Policy::default()));
        let told = news.iter().find_map(|news| match news {
            Observation::ReplicaOwner { ours, .. } => Some(*ours),
            _ => None,
        });
        (told, view.replica(&stage("B")).unwrap().owner)
    };
    let foreign = |lines: &[(&EventName, &str)]| ours(Owner::Foreign, Some("00:01:00.5"), lines);
    let (ours_again, theirs) = ((Some(true), Owner::Stagelink), (Some(false), Owner::Foreign));
    assert_eq!(foreign(&[(&started, "00:01:00")]), ours_again, "it never ended");
    assert_eq!(foreign(&[(&started, "00:03:00")]), ours_again, "IVS took its time");
    assert_eq!(
        foreign(&[(&elsewhere, "00:01:30"), (&started, "00:01:31")]),
        ours_again,
        "other destinations do not count"
    );
    assert_eq!(
        foreign(&[(&started, "00:00:10"), (&stopped, "00:00:20"), (&started, "00:01:00")]),
        ours_again
    );
    assert_eq!(foreign(&[(&started, "00:01:00"), (&stopped, "00:04:00"), (&started, "00:04:30")]), theirs);
    assert_eq!(foreign(&[(&started, "00:00:10")]), theirs, "it began long before our Start");
    assert_eq!(
        foreign(&[(&started, "00:00:10"), (&stopped, "00:01:01.1"), (&started, "00:01:01.4")]),
        ours_again,
        "our clock is slow"
    );
    assert_eq!(foreign(&[(&started, "00:00:59.6")]), ours_again, "our clock is fast");
    assert_eq!(
        foreign(&[(&started, "00:01:00.4"), (&stopped, "00:01:01.4"), (&started, "00:01:31")]),
        theirs,
        "ours ended as soon as it began"
    );
    assert_eq!(
        foreign(&[(&joined, "00:04:20"), (&started, "00:04:30")]),
        theirs,
        "the participant came to this session long after our Start"
    );
    assert_eq!(foreign(&[(&joined, "00:01:02"), (&started, "00:03:00")]), ours_again, "our clock is slow");
    let undecided = (None, Owner::Foreign);
    assert_eq!(foreign(&[(&started, "00:01:00"), (&stopped, "00:04:00")]), undecided, "it does not run");
    assert_eq!(foreign(&[(&joined, "00:04:20")]), undecided, "it runs from a session before");
    assert_eq!(foreign(&[]), undecided);
    assert_eq!(ours(Owner::Foreign, None, &[(&started, "00:01:00")]), undecided, "we never started it");
    assert_eq!(
        ours(Owner::Stagelink, Some("00:01:00"), &[(&started, "00:01:00")]).0,
        None,
        "nobody doubts it"
    );
}

/// Where a replica runs on from a session before, the history of that one tells whose it is.
#[test]
fn a_replica_of_which_a_history_knows_nothing_was_started_before() {
    use EventName::ReplicationStarted;
    let at = |owner: Owner, begun: Option<&str>, lines: &[(EventName, &str)]| {
        let mut inventory = inventory(on("00:04:20"), None);
        let (evidence, begun) = (on("00:05:00"), begun.map(moment));
        inventory.put_replica(Replica { evidence, owner, begun, ..Replica::new(to("B")) });
        let events: Vec<_> = lines.iter().map(|(name, at)| event(name.clone(), at)).collect();
        started_before(&inventory, &publisher(), &events)
    };
    let begun = Some("00:01:00.5");
    let there = (EventName::PublishStarted, "00:04:20");
    assert_eq!(at(Owner::Foreign, begun, std::slice::from_ref(&there)), begun.map(moment));
    let elsewhere = (ReplicationStarted(stage("C")), "00:04:30");
    assert_eq!(at(Owner::Foreign, begun, &[there.clone(), elsewhere]), begun.map(moment));
    let here = (ReplicationStarted(stage("B")), "00:04:30");
    assert_eq!(at(Owner::Foreign, begun, &[there.clone(), here]), None);
    assert_eq!(at(Owner::Stagelink, begun, std::slice::from_ref(&there)), None, "nobody doubts it");
    assert_eq!(at(Owner::Foreign, None, &[there]), None, "we never started it");

    let ended = |id: &str, at: &str| ListedSession { session: session(id), ended: Some(moment(at)) };
    let active = ListedSession { session: session("st-4"), ended: None };
    let sessions = [active, ended("st-3", "00:04:00"), ended("st-2", "00:02:00"), ended("st-1", "00:00:50")];
    for (at, expected) in
        [("00:00:50", "st-1"), ("00:01:00.5", "st-2"), ("00:02:01", "st-3"), ("00:04:01", "st-4")]
    {
        assert_eq!(session_at(&sessions, moment(at)), Some(&session(expected)), "{at}");
    }
    assert_eq!(session_at(&sessions[1..], moment("00:05:00")), None);
}

/// No event of it came: ours ended, and somebody else started one there. The history has both, so it is theirs.
#[test]
fn a_history_tells_that_ours_ended_before_somebody_else_was_there() {
    use EventName::{ReplicationStarted, ReplicationStopped};
    let (started, stopped) = (ReplicationStarted(stage("B")), ReplicationStopped(stage("B")));
    let after = |lines: &[(&EventName, &str)]| {
        let begun = Some(moment("00:01:00.5"));
        let mut inventory = inventory(on("00:00:01"), Some(on("00:01:00.5")));
        let known = Replica { begun, ..inventory.replica(&to("B")).unwrap().clone() };
        inventory.put_replica(known);
        let events: Vec<_> = lines.iter().map(|(name, at)| event((*name).clone(), at)).collect();
        let (took, policy) = (Moment::exact(time("00:10:00")), SweepPolicy::default());
        let read = |inventory: &Inventory| {
            read_history(inventory, &publisher(), &session("st-1"), "", &events, took, &policy)
        };
        let mut view = inventory.view(&publisher());
        let news = read(&inventory);
        news.iter().for_each(|news| news.fold_into(&mut view, &Policy::default()));
        let known = view.replica(&stage("B")).unwrap().clone();
        inventory.put_replica(known.clone());
        assert!(read(&inventory).is_empty(), "it is known then");
        (news.iter().map(short).collect::<Vec<_>>(), known.owner_if_running())
    };
    let (news, owner) = after(&[(&started, "00:01:00"), (&stopped, "00:04:00"), (&started, "00:05:00")]);
    assert_eq!(
        news,
        [
            "B runs at 2026-01-01T00:05:00Z/2026-01-01T00:05:00.999999999Z",
            "B ended at 2026-01-01T00:04:00Z/2026-01-01T00:04:00.999999999Z"
        ]
    );
    assert_eq!(owner, Owner::Foreign);
    let (news, owner) = after(&[(&started, "00:00:10"), (&stopped, "00:00:20"), (&started, "00:01:00")]);
    assert_eq!((news.len(), owner), (0, Owner::Stagelink), "it had ended before");
    let (news, owner) = after(&[(&started, "00:01:00")]);
    assert_eq!((news.len(), owner), (0, Owner::Stagelink));
}

/// What a history tells to be ours stays ours, until it ends again.
#[test]
fn what_is_known_again_as_ours_stays_ours() {
    let evidence = Evidence { on: Some(moment("00:05:00")), off: Some(moment("00:04:00")) };
    let begun = Some(moment("00:01:00"));
    let known =
        Replica { evidence, begun, phase: Phase::Active, owner: Owner::Foreign, ..Replica::new(to("B")) };
    let mut view = View { replicas: vec![known], ..View::empty(publisher()) };
    let owner = |view: &View| view.replica(&stage("B")).unwrap().owner_if_running();
    let ours = Observation::ReplicaOwner { key: to("B"), ours: true, at: moment("00:10:00") };
    ours.fold_into(&mut view, &Policy::default());
    assert_eq!(owner(&view), Owner::Stagelink);
    let ended = |at| Observation::ReplicaEnded { key: to("B"), at: moment(at) };
    ended("00:09:00").fold_into(&mut view, &Policy::default());
    assert_eq!(owner(&view), Owner::Stagelink, "that was before");
    ended("00:11:00").fold_into(&mut view, &Policy::default());
    assert_eq!(owner(&view), Owner::Foreign);
}

#[test]
fn a_replica_has_no_history_as_a_publisher() {
    let mut started = event(EventName::PublishStarted, "00:00:05");
    started.replica = true;
    let (inventory, took) = (inventory(Evidence::default(), None), Moment::exact(time("00:10:00")));
    let policy = SweepPolicy::default();
    let news = read_history(&inventory, &publisher(), &session("st-1"), "", &[started], took, &policy);
    assert_eq!(news, vec![]);
}

#[test]
fn the_other_witnesses() {
    let known = inventory(on("00:00:05"), Some(on("00:00:06")));
    let who = BTreeSet::from([participant()]);
    let ended = ListedSession { session: session("st-1"), ended: Some(moment("00:05:00")) };
    let (news, open) = read_sessions(&known, &stage("A"), &who, &[ended]);
    assert!(matches!(&news[..], [Observation::Unpublished { .. }]) && open.is_empty());
    let active = ListedSession { session: session("st-1"), ended: None };
    for sessions in [vec![active], vec![]] {
        let (news, open) = read_sessions(&known, &stage("A"), &who, &sessions);
        assert_eq!((news, open), (vec![], vec![(participant(), session("st-1"))]));
    }

    let (took, policy) = (Moment::exact(time("00:10:00")), SweepPolicy::default());
    let missing = BTreeSet::from([to("B")]);
    let listed = |ids: &[&str]| -> Vec<Listed> {
        ids.iter().map(|id| Listed { destination: stage(id), destination_session: None }).collect()
    };
    let read = |missing: &BTreeSet<_>, ids: &[&str]| {
        let (news, unowned) = read_replications(&known, &publisher(), missing, &listed(ids), took, &policy);
        (news.iter().map(short).collect::<Vec<_>>().join(", "), unowned.len())
    };
    assert_eq!(read(&missing, &["B"]), (String::new(), 0), "one list shows it: it runs");
    assert_eq!(read(&missing, &[]), ("B ended at 2026-01-01T00:10:00.000000000Z".to_owned(), 0));
    assert_eq!(read(&BTreeSet::new(), &[]), (String::new(), 0), "one list alone says nothing");
    assert_eq!(read(&missing, &["B", "C"]), ("C runs at 2026-01-01T00:10:00.000000000Z".to_owned(), 1));

    // What was stopped may be listed for a while; later it runs again, and is nobody's unless it was ours.
    let listed_again = |off: &str, owner: Owner| {
        let mut known = inventory(on("00:00:05"), None);
        let evidence = Evidence { off: Some(moment(off)), ..on("00:00:06") };
        known.put_replica(Replica { evidence, owner, phase: Phase::Stopped, ..Replica::new(to("B")) });
        let (nothing, listed) = (BTreeSet::new(), listed(&["B"]));
        let (news, unowned) = read_replications(&known, &publisher(), &nothing, &listed, took, &policy);
        (news.len(), unowned.len())
    };
    assert_eq!(listed_again("00:09:30.000000000", Owner::Nobody), (0, 0));
    assert_eq!(listed_again("00:09:29.999999999", Owner::Nobody), (1, 1));
    assert_eq!(listed_again("00:09:29.999999999", Owner::Stagelink), (1, 0));

    let gone: Vec<_> = read_gone(&known, &stage("A"), took).iter().map(short).collect();
    assert_eq!(gone.len(), 2);
    assert_eq!(read_gone(&known, &stage("B"), took), vec![], "a destination that is gone has to be verified");
    let mut starting = inventory(Evidence::default(), Some(Evidence::default()));
    starting.put_replica(Replica { phase: Phase::Starting, ..Replica::new(to("B")) });
    assert_eq!(read_gone(&starting, &stage("A"), took).len(), 1, "what is in doubt can be told, too");
}
