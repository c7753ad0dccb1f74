//! A table of a small festival as it may stand at night, at one fixed time.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::{BTreeMap, BTreeSet};

use controller::sweep::port::SweepStore;
use controller::{Activity, BudgetWrite, History, Order, Store, VersusStore, Write};
use jiff::Timestamp;
use replication::budget::Lane;
use replication::sweep::{ListedStage, StageKnowledge};
use replication::versus::Failure;
use replication::{
    Blocked, BlockedReason, Braked, Budget, Desired, Destination, Evidence, LastError, Lease, Occupant,
    Operation, Owner, ParticipantFilter, Pattern, Phase, PlaceChange, PlaceKind, Publisher, PublisherKey,
    Replica, ReplicationKey, Rule, RuleRef, Source, Status, Versus, VersusState, VersusTerms,
};
use stagelink_tests::World;
use stagelink_tests::console::Console;
use stagelink_tests::rows::{self, rule, stage};

/// The time that every age is counted from.
pub(crate) const NOW: &str = "2026-06-29T16:50:00Z";

/// A user id that a terminal would obey, and a page.
pub(crate) const EVIL: &str = "\u{1b}[2J<b>\u{202e}guest";

pub(crate) struct Table {
    pub(crate) world: World,
}

impl Table {
    /// The command, for which it is always [`NOW`].
    pub(crate) fn console(&self) -> Console {
        let mut console = self.world.console();
        console.deployment.now = || NOW.parse().unwrap();
        console
    }
}

fn at(text: &str) -> Timestamp {
    format!("2026-06-29T{text}Z").parse().unwrap()
}

fn main_rule() -> RuleRef {
    RuleRef { id: "main".parse().unwrap(), revision: 1, priority: 90 }
}

fn replica(participant: &str, destination: &str, phase: Phase) -> Replica {
    let mut replica = rows::replica(main_rule(), participant, destination, phase);
    if replica.phase == Phase::Active {
        replica.evidence.saw_on("2026-06-29T16:40:33.500Z".parse().unwrap());
    }
    replica
}

fn rules() -> Vec<Rule> {
    let (a, b, c) = (stage("A"), stage("B"), stage("C"));
    let tags = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let by_tag = Destination::Tags { tags: tags(&[("role", "overflow")]), same: vec!["show".to_owned()] };
    let hosts: Pattern = "host-*".parse().unwrap();
    vec![
        Rule {
            priority: 90,
            destinations: vec![Destination::Stage(b), Destination::Stage(c.clone())],
            ..rule("main", a.as_str(), a.as_str())
        },
        Rule {
            status: Status::Paused,
            source: Source::Tags(tags(&[("role", "main"), ("zone", "eu")])),
            destinations: vec![by_tag],
            ..rule("by-tag", a.as_str(), c.as_str())
        },
        Rule {
            priority: 20,
            source: Source::Any,
            participants: ParticipantFilter { user_id: Some(hosts), ..ParticipantFilter::default() },
            expires_at: Some(at("20:00:00")),
            ..rule("of-any", a.as_str(), c.as_str())
        },
    ]
}

/// Replicas of every kind: two that run, one of them held; one in doubt; one that waits; one that ended; one of somebody else.
fn replicas() -> Vec<Replica> {
    let full = Blocked { reason: BlockedReason::DestinationFull, until: Some(at("16:50:40")) };
    let ended = Evidence { on: None, off: Some("2026-06-29T16:30:00.250Z".parse().unwrap()) };
    vec![
        Replica {
            braked: Some(Braked { since: at("16:41:00.5"), confirmed_at: None }),
            desired: Desired::Released,
            ..replica("p-1", "B", Phase::Active)
        },
        Replica {
            desired: Desired::Released,
            attempts: 1,
            last_error: Some(LastError {
                rejection: None,
                code: "InternalServerException".to_owned(),
                message: format!("try again{EVIL}"),
                request_id: Some("r-1".to_owned()),
                at: at("16:40:39"),
            }),
            lease: Some(Lease {
                holder: "lambda-7".to_owned(),
                since: at("16:49:58"),
                until: at("16:50:06"),
            }),
            ..replica("p-1", "C", Phase::Stopping)
        },
        replica("p-2", "B", Phase::Blocked(full)),
        Replica {
            evidence: ended,
            desired: Desired::Released,
            owner: Owner::Nobody,
            ..replica("p-2", "C", Phase::Stopped)
        },
        Replica { owner: Owner::Foreign, rule: None, ..replica("p-3", "B", Phase::Active) },
        waiting("p-4", false),
        waiting("p-5", true),
    ]
}

/// One of another stage, whose start is due and finds no free call.
fn waiting(participant: &str, backfill: bool) -> Replica {
    let mut replica = replica(participant, "C", Phase::Pending);
    replica.key.source = stage("F");
    Replica { owner: Owner::Nobody, backfill, next_attempt: Some(at("16:49:20")), ..replica }
}

fn publishers() -> Vec<Publisher> {
    let known = |participant: &str, user_id: &str, on: &str, off: Option<&str>| {
        let key = PublisherKey { stage: stage("A"), participant: participant.parse().unwrap() };
        let moment = |text: &str| format!("2026-06-29T{text}Z").parse().unwrap();
        Publisher {
            user_id: user_id.to_owned(),
            session: Some("st-1".parse().unwrap()),
            evidence: Evidence { on: Some(moment(on)), off: off.map(moment) },
            ..Publisher::new(key)
        }
    };
    vec![
        known("p-1", "host-1", "16:40:32.123456", None),
        known("p-2", EVIL, "16:45:00", Some("16:30:00")),
        known("p-3", "", "16:40:00.5", Some("16:46:40.125")),
    ]
}

fn knowledge() -> Vec<StageKnowledge> {
    let known = |id: &str, name: &str, tags: &[(&str, &str)], active: bool| {
        let listed = ListedStage {
            stage: stage(id),
            name: name.to_owned(),
            tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            active_session: active.then(|| format!("st-{id}").parse().unwrap()),
        };
        let looked_at = active.then(|| at("16:49:15"));
        StageKnowledge { looked_at, ..StageKnowledge::new(listed, at("16:00:00")) }
    };
    vec![
        known("A", "main", &[("role", "main"), ("zone", "us")], true),
        known("B", "wall", &[], true),
        known("C", "overflow", &[("role", "overflow")], false),
        known("D", "twin", &[], false),
        known("E", "twin", &[], true),
    ]
}

/// Twelve on the wall: two of ours, a participant of its own, and nine of another account's doing.
fn places() -> Vec<PlaceChange> {
    let replicas = ["p-1", "p-3"].into_iter().map(|id| (id, "A"));
    let others = ["q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8", "q9"].into_iter().map(|id| (id, "Z"));
    let replica = |(participant, source): (&str, &str)| {
        let key = ReplicationKey {
            source: stage(source),
            participant: participant.parse().unwrap(),
            destination: stage("B"),
        };
        Occupant::replica(&key)
    };
    let own = Occupant::publisher(&PublisherKey { stage: stage("B"), participant: "local".parse().unwrap() });
    let all: BTreeSet<_> = replicas.chain(others).map(replica).chain([own]).collect();
    all.into_iter()
        .map(|occupant| PlaceChange { stage: stage("B"), occupant, kind: PlaceKind::Take })
        .collect()
}

fn budgets() -> Vec<BudgetWrite> {
    let write =
        |operation, after: Budget| BudgetWrite { operation, after, expected: 0, busy_until: at("16:51:00") };
    let grants = vec![at("16:49:40"), at("16:49:59.4"), at("16:49:59.9")];
    vec![
        write(
            Operation::Start,
            Budget {
                grants,
                strain: 100,
                strained_at: Some(at("16:49:50")),
                version: 1,
                ..Budget::default()
            },
        ),
        write(
            Operation::List,
            Budget {
                lane: Some(Lane { holder: 7, calls: 2, until: at("16:50:08") }),
                reserved_until: Some(at("16:50:03")),
                version: 1,
                ..Budget::default()
            },
        ),
    ]
}

fn activity() -> Vec<Activity> {
    let line = |second: &str,
                participant: &str,
                destination: Option<&str>,
                operation,
                outcome: &str,
                request: Option<&str>| Activity {
        at: at(second),
        stage: stage("A"),
        participant: Some(participant.parse().unwrap()),
        destination: destination.map(stage),
        operation,
        rule: destination.map(|_| "main".parse().unwrap()),
        outcome: outcome.to_owned(),
        reason: None,
        request_id: request.map(str::to_owned),
        caller: "lambda-1".to_owned(),
    };
    vec![
        line("16:30:00.250", "p-2", Some("C"), "StopParticipantReplication", "ok", Some("r-0")),
        line("16:40:33.500", "p-1", Some("B"), "StartParticipantReplication", "ok", Some("r-2")),
        line("16:40:33.700", "p-1", Some("C"), "StartParticipantReplication", "ok", Some("r-3")),
        line(
            "16:40:39",
            "p-1",
            Some("C"),
            "StopParticipantReplication",
            &format!("InternalServerException: {EVIL}"),
            Some("r-1"),
        ),
        line("16:45:01", "p-2", None, "ListParticipantReplicas", "ok, 0 running", None),
    ]
}

fn sessions() -> [Versus; 2] {
    let session = |id: &str, start: &str| {
        let terms = VersusTerms::new(id.parse().unwrap(), vec![stage("A"), stage("B")], 3_600);
        Versus::new(terms, at(start))
    };
    let failed = VersusState::Failed(Failure::NoPublisher(stage("B")));
    [session("duel", "16:49:50"), Versus { state: failed, ..session("over", "16:20:00") }]
}

pub(crate) async fn filled() -> Table {
    let world = World::start().await.unwrap();
    let store = &world.store;
    store.replace_rules(&rules(), &rows::order(at("16:35:00"))).await.unwrap();
    for publisher in publishers() {
        store.write(&Write { publisher: Some(publisher), ..Write::default() }).await.unwrap();
    }
    let write = Write {
        replicas: replicas(),
        places: Vec::new(),
        activity: activity(),
        budgets: budgets(),
        ..Write::default()
    };
    store.write(&write).await.unwrap();
    for place in places() {
        store.write(&Write { places: vec![place], ..Write::default() }).await.unwrap();
    }
    for known in knowledge() {
        store.remember_stage(&known).await.unwrap();
    }
    store.remember_listing(at("16:49:10")).await.unwrap();
    for session in sessions() {
        store.write_versus(&session).await.unwrap();
    }
    let pause = |operation: &str, second: &str| {
        let order = Order { by: "kim".to_owned(), reason: Some(format!("a drill{EVIL}")), at: at(second) };
        order.line(operation, "ok".to_owned())
    };
    for line in [pause("Pause", "16:42:00"), pause("Resume", "16:43:00")] {
        store.note(&line).await.unwrap();
    }
    Table { world }
}
