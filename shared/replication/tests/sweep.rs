//! What the sweep reads next, and what it makes of the answers.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod build;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use jiff::SignedDuration;
use replication::sweep::agenda::{roster_is_due, to_remember};
use replication::sweep::directory::{directory_changes, unlisted};
use replication::sweep::history::read_history;
use replication::sweep::second::{read_gone, read_replications, read_sessions};
use replication::sweep::stage::read_stage;
use replication::sweep::{
    Asked, EventName, Inventory, ListedEvent, ListedParticipant, ListedSession, ListedStage, Look, Role,
    Roster, StageKnowledge, SweepPolicy, Target, agenda,
};
use replication::{
    Directory, Evidence, Listed, Moment, Observation, Owner, Phase, Policy, Publisher, Replica, Rule,
    RuleRef, Source, View,
};

use build::{moment, participant, publisher, rule, session, stage, tagged, tags, time, to};

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
    let elsewhere = ReplicationStarted(stage("C"));
    let ours = |owner: Owner, begun: Option<&str>, lines: &[(&EventName, &str)]| {
        let seen = Evidence { on: Some(moment("00:05:00")), off: Some(moment("00:04:00")) };
        let mut inventory = inventory(on("00:00:01"), None);
        let begun = begun.map(moment);
        let (phase, evidence) = (Phase::Active, seen);
        inventory.put_replica(Replica { evidence, phase, owner, begun, ..Replica::new(to("B")) });
        let events: Vec<_> = lines.iter().map(|(name, at)| event((*name).clone(), at)).collect();
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
    let undecided = (None, Owner::Foreign);
    assert_eq!(foreign(&[(&started, "00:01:00"), (&stopped, "00:04:00")]), undecided, "it does not run");
    assert_eq!(foreign(&[]), undecided);
    assert_eq!(ours(Owner::Foreign, None, &[(&started, "00:01:00")]), undecided, "we never started it");
    assert_eq!(
        ours(Owner::Stagelink, Some("00:01:00"), &[(&started, "00:01:00")]).0,
        None,
        "nobody doubts it"
    );
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

/// Where nothing is wanted any more, it is looked for a while whether what ended by hearsay did end.
#[test]
fn what_ended_lately_is_looked_for_whatever_the_rules_say() {
    let roster = tagged_roster(&[("A", ""), ("B", "")], true);
    let looks = |begun: Option<Moment>, now: &str| {
        let mut inventory = Inventory::default();
        let (phase, evidence) =
            (Phase::Stopped, Evidence { on: Some(moment("00:00:01")), off: Some(moment("00:04:00")) });
        inventory.put_replica(Replica { evidence, phase, begun, ..Replica::new(to("B")) });
        let made = agenda(&inventory, &roster, 100, time(now), &SweepPolicy::default());
        made.looks.iter().map(|look| id(look.stage.as_str()).to_owned()).collect::<Vec<_>>()
    };
    let begun = Some(moment("00:00:01"));
    assert_eq!(looks(begun, "00:05:00"), ["A", "B"]);
    assert_eq!(looks(begun, "00:09:30"), Vec::<String>::new(), "not for ever");
    assert_eq!(looks(None, "00:05:00"), Vec::<String>::new(), "not if a Stop of ours ended it");
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

    let gone: Vec<_> = read_gone(&known, &stage("A"), took).iter().map(short).collect();
    assert_eq!(gone.len(), 2);
    assert_eq!(read_gone(&known, &stage("B"), took), vec![], "a destination that is gone has to be verified");
    let mut starting = inventory(Evidence::default(), Some(Evidence::default()));
    starting.put_replica(Replica { phase: Phase::Starting, ..Replica::new(to("B")) });
    assert_eq!(read_gone(&starting, &stage("A"), took).len(), 1, "what is in doubt can be told, too");
}

/// Those in doubt first, then those not looked at for the longest time; none is left out for ever.
#[test]
fn the_order_of_looks() {
    let (inventory, roster) = five_stages();
    let made = agenda(&inventory, &roster, 100, time("00:10:00"), &SweepPolicy::default());
    let order: Vec<_> = made.looks.iter().map(|look| id(look.stage.as_str())).collect();
    assert_eq!(order, ["D", "C", "B", "A"], "never, in doubt, oldest; no rule concerns E");
    assert_eq!(made.oldest, Some(time("00:00:00")));
    // In doubt counts as older by so much, and not more.
    let policy = SweepPolicy { doubt: SignedDuration::from_mins(2), ..SweepPolicy::default() };
    let made = agenda(&inventory, &roster, 100, time("00:10:00"), &policy);
    assert_eq!(
        made.looks.iter().map(|look| id(look.stage.as_str())).collect::<Vec<_>>(),
        ["D", "B", "C", "A"]
    );
}

/// What somebody asks for comes before everything else, also where no rule wants anything; and once, for a look answers it.
#[test]
fn what_is_asked_for_comes_first_and_once() {
    let (mut inventory, roster) = five_stages();
    let order = |inventory: &Inventory| {
        let made = agenda(inventory, &roster, 100, time("00:10:00"), &SweepPolicy::default());
        let shown =
            |look: &Look| format!("{}{}", id(look.stage.as_str()), if look.confirm { "!" } else { "" });
        made.looks.iter().map(shown).collect::<Vec<_>>().join(" ")
    };
    let asked = |at: &str| Asked { at: time(at), by: "kim".to_owned() };
    inventory.put_asked(Some(stage("A")), asked("00:09:30"));
    inventory.put_asked(Some(stage("E")), asked("00:09:40"));
    assert_eq!(order(&inventory), "E! A! D C B", "with their publishers confirmed");
    for looked_at in ["00:09:30", "00:09:50"] {
        let known = inventory.knowledge(&stage("A")).cloned().unwrap();
        inventory.put_knowledge(StageKnowledge { looked_at: Some(time(looked_at)), ..known });
        assert_eq!(order(&inventory), "E! D C B A");
    }
    inventory.put_asked(Some(stage("A")), asked("00:09:55"));
    assert_eq!(order(&inventory), "E! A! D C B", "until it is asked for again");
    inventory.put_asked(Some(stage("unheard-of")), asked("00:09:55"));
    assert_eq!(order(&inventory), "E! A! D C B");

    let (mut inventory, _) = five_stages();
    inventory.put_asked(None, asked("00:08:30"));
    assert_eq!(order(&inventory), "D B A C", "C has been looked at since, and is in doubt again");
    inventory.put_asked(Some(stage("A")), asked("00:09:30"));
    assert_eq!(order(&inventory), "A! D B C");
}

#[test]
fn stages_are_listed_again_when_somebody_has_asked_since() {
    let (mut inventory, _) = five_stages();
    // More looks than fit, so that the list is left alone for a while.
    inventory.listed_at = Some(time("00:09:00"));
    let policy = SweepPolicy::default();
    let is_due = |inventory: &Inventory| {
        roster_is_due(inventory, 10, 1, SignedDuration::from_mins(1), time("00:10:00"), &policy)
    };
    assert!(!is_due(&inventory));
    for whom in [Some(stage("A")), None] {
        let (mut asking, _) = five_stages();
        asking.listed_at = inventory.listed_at;
        asking.put_asked(whom.clone(), Asked { at: time("00:09:30"), by: "kim".to_owned() });
        assert!(is_due(&asking));
        asking.listed_at = Some(time("00:09:31"));
        assert!(!is_due(&asking), "once");
    }
}

/// Stages that are known since long, A to E, and that a rule concerns, but for E.
fn five_stages() -> (Inventory, Roster) {
    let mut inventory = Inventory { rules: vec![rule("r", &["B", "C", "D"])], ..Inventory::default() };
    let listed = |id: &str, in_session: &str| ListedStage {
        stage: stage(id),
        name: String::new(),
        tags: BTreeMap::new(),
        active_session: Some(session(in_session)),
    };
    let mut roster = Roster { complete: true, ..Roster::default() };
    for (id, looked_at, in_session) in [
        ("A", Some("00:08:00"), "st-1"),
        ("B", Some("00:05:00"), "st-1"),
        ("C", Some("00:09:00"), "st-2"),
        ("D", None, "st-1"),
        ("E", None, "st-1"),
    ] {
        roster.stages.insert(stage(id), listed(id, in_session));
        let known = StageKnowledge::new(listed(id, "st-1"), time("00:00:00"));
        let looked_in = looked_at.map(|_| session("st-1"));
        inventory.put_knowledge(StageKnowledge { looked_at: looked_at.map(time), looked_in, ..known });
    }
    (inventory, roster)
}

#[test]
fn a_list_that_broke_off_says_nothing_of_stages_that_it_does_not_hold() {
    let known = inventory(on("00:00:05"), Some(on("00:00:06")));
    let at = |complete| {
        let roster = Roster { stages: BTreeMap::new(), complete };
        agenda(&known, &roster, 100, time("00:10:00"), &SweepPolicy::default()).looks
    };
    assert_eq!(at(false), vec![]);
    assert!(at(true).iter().all(|look| look.target == Target::Unlisted));
    assert_eq!(at(true).len(), 2);
}

/// Everybody of a main stage appears on the overflow stages of the same show.
fn by_tag() -> Rule {
    let source = Source::Tags(tags("role=main"));
    Rule { source, destinations: vec![tagged("role=overflow", &["show"])], ..rule("by-tag", &[]) }
}

fn tagged_roster(stages: &[(&str, &str)], complete: bool) -> Roster {
    let listed = stages.iter().map(|(id, of)| ListedStage {
        stage: stage(id),
        name: String::new(),
        tags: tags(of),
        active_session: Some(session("st-1")),
    });
    Roster { stages: listed.map(|listed| (listed.stage.clone(), listed)).collect(), complete }
}

fn changes(inventory: &Inventory, roster: &Roster, gone: &[&str]) -> Vec<String> {
    let gone = gone.iter().map(|id| stage(id)).collect();
    let changes = directory_changes(inventory, roster, &gone).into_iter();
    changes
        .map(|(stage, tags)| format!("{} {}", id(stage.as_str()), tags.map_or(0, |tags| tags.len())))
        .collect()
}

#[test]
fn the_directory_follows_what_is_listed_and_forgets_nothing_for_want_of_it() {
    let mut inventory = Inventory { rules: vec![by_tag()], ..Inventory::default() };
    let all = [("A", "role=main show=7"), ("B", "role=overflow show=7"), ("C", "role=overflow")];
    let listed = tagged_roster(&all, true);
    assert_eq!(changes(&inventory, &listed, &[]), ["B 2"], "C has no show to be the same");
    inventory.directory = Directory::from([(stage("B"), tags("role=overflow show=7"))]).into();
    assert_eq!(changes(&inventory, &listed, &[]), Vec::<String>::new(), "a quiet world is not written");

    // Not listed is not gone.
    for complete in [false, true] {
        let without = tagged_roster(&all[..1], complete);
        assert_eq!(changes(&inventory, &without, &[]), Vec::<String>::new());
        assert_eq!(unlisted(&inventory, &without).len(), usize::from(complete));
    }
    assert_eq!(changes(&inventory, &tagged_roster(&all[..1], true), &["B"]), ["B 0"]);

    // Not selected any more: taken out, unless something is replicated there, or a rule cannot be read.
    let other = tagged_roster(&[("B", "role=archive")], true);
    assert_eq!(changes(&inventory, &other, &[]), ["B 0"]);
    inventory.rules_incomplete = true;
    assert_eq!(changes(&inventory, &other, &[]), Vec::<String>::new());
    inventory.rules_incomplete = false;
    let behind = RuleRef { id: "by-tag".parse().unwrap(), revision: 1, priority: 50 };
    let running = Replica { phase: Phase::Active, rule: Some(behind), ..Replica::new(to("B")) };
    inventory.put_replica(running);
    assert_eq!(changes(&inventory, &other, &[]), ["B 1"], "so that the planner sees it");
    let without = tagged_roster(&all[..1], true);
    assert_eq!(changes(&inventory, &without, &["B"]), ["B 0"]);
    assert_eq!(directory_changes(&inventory, &without, &[stage("B")].into())[&stage("B")], Some(tags("")));
    inventory.directory = Directory::from([(stage("B"), tags(""))]).into();
    assert_eq!(changes(&inventory, &without, &["B"]), Vec::<String>::new());
    let ended = Replica { phase: Phase::Stopped, ..inventory.replica(&to("B")).cloned().unwrap() };
    inventory.put_replica(ended);
    assert_eq!(directory_changes(&inventory, &without, &[stage("B")].into())[&stage("B")], None);
}

#[test]
fn the_looks_are_at_sources_and_destinations_by_tag() {
    let listed =
        tagged_roster(&[("A", "role=main show=7"), ("B", "role=overflow show=7"), ("C", "role=lobby")], true);
    let mut inventory = Inventory { rules: vec![by_tag()], ..Inventory::default() };
    inventory.directory = Directory::from([(stage("B"), tags("role=overflow show=7"))]).into();
    let made = agenda(&inventory, &listed, 100, time("00:10:00"), &SweepPolicy::default());
    let order: Vec<_> = made.looks.iter().map(|look| id(look.stage.as_str())).collect();
    assert_eq!(order, ["A", "B"]);
    let kept = to_remember(&inventory, &listed, &made, time("00:10:00"), &SweepPolicy::default());
    assert_eq!(kept.len(), 3, "also C, so that nobody has to ask for its tags");
    inventory.rules = vec![rule("by-name", &["B"])];
    assert_eq!(to_remember(&inventory, &listed, &made, time("00:10:00"), &SweepPolicy::default()).len(), 2);
}

#[test]
fn a_publisher_is_out_of_date_when_tags_changed_or_a_question_is_open() {
    let mut inventory = inventory(on("00:00:05"), None);
    let policy = replication::Policy::default();
    let is_open = |inventory: &Inventory| !inventory.out_of_date(time("00:10:00"), &policy).is_empty();
    inventory.rules = vec![by_tag()];
    inventory.directory = Directory::from([(stage("B"), tags("role=overflow show=7"))]).into();
    assert!(!is_open(&inventory), "tags are not known: the list of stages will tell");
    let listed = tagged_roster(&[("A", "role=main show=7")], true).stages.remove(&stage("A")).unwrap();
    inventory.put_knowledge(StageKnowledge::new(listed, time("00:00:00")));
    assert!(is_open(&inventory));

    let host = [("role".to_owned(), "host".parse().unwrap())].into();
    inventory.rules[0].participants.attributes = host;
    assert!(is_open(&inventory), "nothing is to be written, and something to be asked");
    let key = publisher();
    let known = inventory.publisher(&key).cloned().unwrap();
    inventory.put_publisher(Publisher { attributes: Some(tags("role=guest")), ..known });
    assert!(!is_open(&inventory));
}
