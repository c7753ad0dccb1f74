//! The form of every item that is written: its attributes with their types, and the number of its schema.
//!
//! For the way back to an earlier version, and for the minutes of a deployment in which both run. A reader ignores attributes that
//! it does not know, misses those that it knows and that are not always there, and refuses a schema whose number it does not know.
//! So when `table-format.txt` differs from what is written, somebody has to decide:
//!
//! * a new attribute that an earlier version may ignore: keep the number, accept with `BLESS=1`;
//! * anything that it would misread, or an attribute that is no longer always there: a new number, which it refuses.
//!
//! What this proves is that no form changes unnoticed; not that the decision was right.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aws_adapters::KeptAnswer;
use controller::sweep::port::{AskForLooks, SweepStore};
use controller::{Activity, BudgetWrite, Operator, Order, Store, VersusStore, Write};
use jiff::Timestamp;
use replication::budget::Lane;
use replication::sweep::{Asked, ListedStage, RecordingCheck, StageKnowledge};
use replication::versus::Failure;
use replication::{
    Blocked, BlockedReason, Braked, Budget, Desired, Destination, Evidence, GiveWay, LastError, Lease,
    Moment, Operation, Owner, ParticipantFilter, Pause, Phase, PlaceChange, PlaceKind, Publisher,
    PublisherKey, ReconnectWindow, Rejection, Replica, ReplicationKey, Rule, RuleRef, Source, StageArn,
    Status, Tally, Versus, VersusState, VersusTerms,
};
use serde_json::Value;
use stagelink_tests::rows::{order, ordered};
use stagelink_tests::table_world::{TableWorld, kind};

/// Maps whose keys are somebody else's words.
const FREE: [&str; 7] = [
    "attributes",
    "headers",
    "participant_attributes",
    "recent_stops",
    "source_tags",
    "tags",
    "token_attributes",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_form_changes_unnoticed() {
    let world = TableWorld::start().await.unwrap();
    write_everything(&world).await;
    let items = world.items().await.unwrap();
    let kinds: BTreeSet<_> = items.iter().map(kind).collect();
    assert_eq!(kinds.len(), 16, "{kinds:?}");
    let text: String =
        kinds.into_iter().map(|of| render(of, items.iter().filter(|item| kind(item) == of))).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/table-format.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, known, "the form of an item changed: see the head of this file");
}

/// `?` stands behind what is not always there.
fn render<'a>(kind: &str, items: impl Iterator<Item = &'a Value>) -> String {
    let (mut forms, mut schemas, mut all) = (BTreeMap::new(), BTreeSet::new(), 0);
    for item in items {
        schemas.insert(item["schema"]["N"].as_str().unwrap_or("none").to_owned());
        all += 1;
        for (name, value) in item.as_object().unwrap() {
            let (form, times) = forms.entry(name).or_insert_with(|| (BTreeSet::new(), 0));
            form.insert(form_of(name, value));
            *times += 1;
        }
    }
    let schemas: Vec<_> = schemas.into_iter().collect();
    let mut text = format!("{kind}, schema {}\n", schemas.join(" and "));
    for (name, (form, times)) in forms {
        let form: Vec<_> = form.into_iter().collect();
        let sometimes = if times < all { "?" } else { "" };
        text += &format!("  {name}{sometimes}: {}\n", form.join(" | "));
    }
    text
}

fn form_of(name: &str, value: &Value) -> String {
    let (kind, content) = value.as_object().unwrap().iter().next().unwrap();
    match (kind.as_str(), content) {
        ("M", Value::Object(map)) if FREE.contains(&name) => {
            let kinds: BTreeSet<_> = map.values().map(|value| form_of("", value)).collect();
            format!("M of {}", kinds.into_iter().collect::<Vec<_>>().join(" | "))
        }
        ("M", Value::Object(map)) => {
            let members: Vec<_> =
                map.iter().map(|(name, value)| format!("{name}: {}", form_of(name, value))).collect();
            format!("M {{ {} }}", members.join(", "))
        }
        ("L", Value::Array(list)) => {
            let kinds: BTreeSet<_> = list.iter().map(|value| form_of("", value)).collect();
            format!("L of {}", kinds.into_iter().collect::<Vec<_>>().join(" | "))
        }
        _ => kind.clone(),
    }
}

// ---- one of everything, full and bare: no `..`, so that a new field has to be thought of here ---------------------------

fn at(second: u8) -> Timestamp {
    format!("2026-06-29T16:40:{second:02}Z").parse().unwrap()
}

fn stage(id: &str) -> StageArn {
    format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}").parse().unwrap()
}

fn key(participant: &str) -> PublisherKey {
    PublisherKey { stage: stage("A"), participant: participant.parse().unwrap() }
}

fn pairs() -> BTreeMap<String, String> {
    BTreeMap::from([("key".to_owned(), "value".to_owned())])
}

fn evidence() -> Evidence {
    Evidence { on: Some(Moment::exact(at(1))), off: Some(Moment::exact(at(2))) }
}

async fn write_everything(world: &TableWorld) {
    // A rule of an earlier version has no history, one of this version has; one was deleted.
    let old = serde_json::json!({ "pk": { "S": format!("STAGE#{}", stage("A")) }, "sk": { "S": "RULE#bare" },
        "schema": { "N": "1" }, "id": { "S": "bare" }, "revision": { "N": "3" }, "priority": { "N": "40" },
        "status": { "S": "enabled" }, "source_stage": { "S": stage("A").as_str() },
        "destination_stages": { "L": [{ "S": stage("B").as_str() }] }, "reconnect_window_seconds": { "N": "0" },
        "attributes": { "M": {} } });
    world.put(&old).await.unwrap();
    world.store.replace_rules(&[], &ordered()).await.unwrap();
    let why = Order { reason: Some("a test".to_owned()), ..ordered() };
    world.store.replace_rules(&[rule(true), rule(false)], &why).await.unwrap();
    for full in [true, false] {
        let write = Write {
            publisher: Some(publisher(full)),
            replicas: vec![replica(full)],
            places: vec![place(full)],
            activity: vec![activity(full)],
            budgets: vec![budget(full)],
            stage: None,
        };
        world.store.write(&write).await.unwrap();
        world.store.remember_stage(&knowledge(full)).await.unwrap();
        world.store.write_versus(&versus(full)).await.unwrap();
    }
    world.store.remember_destinations(&BTreeMap::from([(stage("B"), Some(pairs()))])).await.unwrap();
    world.store.remember_listing(at(1)).await.unwrap();
    for stage in [Some(stage("A")), None] {
        let asked = Asked { at: at(1), by: "kim".to_owned() };
        world.store.ask_for_look(stage.as_ref(), &asked).await.unwrap();
    }
    world.store.remember_running(400).await.unwrap();
    let pause = Pause { reason: "drill".to_owned(), by: "kim".to_owned(), at: at(1) };
    world.store.pause(&pause).await.unwrap();
    world.store.release_brake(at(2), &order(at(3))).await.unwrap();
    world.store.keep_answer(&kept()).await.unwrap();
}

fn kept() -> KeptAnswer {
    KeptAnswer {
        key: "a key".to_owned(),
        request: "a request".to_owned(),
        status: 201,
        headers: BTreeMap::from([("etag".to_owned(), "\"1\"".to_owned())]),
        body: "{}".to_owned(),
        at: at(1),
    }
}

fn filter(full: bool) -> ParticipantFilter {
    if !full {
        return ParticipantFilter::default();
    }
    ParticipantFilter {
        user_id: Some("host-*".parse().unwrap()),
        attributes: BTreeMap::from([("role".to_owned(), "host".parse().unwrap())]),
    }
}

fn rule(full: bool) -> Rule {
    let tags = Destination::Tags { tags: pairs(), same: vec!["show".to_owned()] };
    let named = Destination::Stage(stage("B"));
    Rule {
        id: (if full { "full" } else { "bare" }).parse().unwrap(),
        revision: 1,
        priority: if full { 60 } else { 50 },
        status: Status::Enabled,
        source: if full { Source::Tags(pairs()) } else { Source::Stage(stage("A")) },
        participants: filter(full),
        destinations: if full { vec![tags, named] } else { vec![named] },
        reconnect_window: ReconnectWindow::default(),
        attributes: pairs(),
        preempt: full,
        record_replicas: full.then_some(true),
        expires_at: full.then(|| at(59)),
    }
}

fn publisher(full: bool) -> Publisher {
    Publisher {
        key: key(if full { "full" } else { "bare" }),
        session: full.then(|| "st-1CVugbu2cf2n8".parse().unwrap()),
        user_id: "host-1".to_owned(),
        attributes: full.then(pairs),
        evidence: if full { evidence() } else { Evidence::default() },
        version: 0,
    }
}

fn replica(full: bool) -> Replica {
    let PublisherKey { stage: source, participant } = key(if full { "full" } else { "bare" });
    Replica {
        key: ReplicationKey { source, participant, destination: stage("B") },
        phase: match full {
            true => Phase::Blocked(Blocked { reason: BlockedReason::Throttled, until: Some(at(50)) }),
            false => Phase::Active,
        },
        desired: Desired::Replicated,
        owner: Owner::Stagelink,
        rule: full.then(|| RuleRef { id: "full".parse().unwrap(), revision: 1, priority: 50 }),
        reconnect_window: ReconnectWindow::default(),
        attributes: pairs(),
        evidence: if full { evidence() } else { Evidence::default() },
        begun: full.then(|| Moment::between(at(2), at(3))),
        destination_session: full.then(|| "aBC1c2d3e4f".parse().unwrap()),
        attempts: 1,
        next_attempt: full.then(|| at(40)),
        wanted_until: full.then(|| at(59)),
        backfill: full,
        lease: full.then(|| Lease { holder: "request".to_owned(), since: at(3), until: at(11) }),
        last_error: full.then(|| LastError {
            rejection: Some(Rejection::Conflict),
            code: "ConflictException".to_owned(),
            message: "no".to_owned(),
            request_id: Some("r-1".to_owned()),
            at: at(3),
        }),
        gives_way: full.then(|| GiveWay { priority: 90, until: at(30) }),
        braked: full.then(|| Braked { since: at(4), confirmed_at: Some(at(5)) }),
        version: 0,
    }
}

fn place(full: bool) -> PlaceChange {
    let occupant = "somebody".to_owned();
    PlaceChange {
        stage: stage(if full { "B" } else { "C" }),
        occupant: occupant.into(),
        kind: PlaceKind::Take,
    }
}

fn activity(full: bool) -> Activity {
    Activity {
        at: at(if full { 1 } else { 2 }),
        stage: stage("A"),
        participant: full.then(|| "full".parse().unwrap()),
        destination: full.then(|| stage("B")),
        operation: "StartParticipantReplication",
        rule: full.then(|| "full".parse().unwrap()),
        outcome: "ok".to_owned(),
        reason: None,
        request_id: full.then(|| "r-1".to_owned()),
        caller: "request".to_owned(),
    }
}

fn budget(full: bool) -> BudgetWrite {
    let after = Budget {
        grants: vec![at(1)],
        strain: 100,
        strained_at: full.then(|| at(1)),
        tally: Tally { stops: if full { BTreeMap::from([(at(1), 2)]) } else { BTreeMap::new() } },
        reserved_until: full.then(|| at(2)),
        lane: full.then(|| Lane { holder: 1, calls: 2, until: at(3) }),
        version: 1,
    };
    let operation = if full { Operation::Stop } else { Operation::Start };
    BudgetWrite { operation, after, expected: 0, busy_until: at(4) }
}

fn knowledge(full: bool) -> StageKnowledge {
    StageKnowledge {
        listed: ListedStage {
            stage: stage(if full { "A" } else { "B" }),
            name: "main".to_owned(),
            tags: pairs(),
            active_session: full.then(|| "st-1CVugbu2cf2n8".parse().unwrap()),
        },
        known_since: at(1),
        looked_at: full.then(|| at(2)),
        looked_in: full.then(|| "st-1CVugbu2cf2n8".parse().unwrap()),
        attempted_at: full.then(|| at(3)),
        confirmed_at: full.then(|| at(3)),
        recording: full.then(|| RecordingCheck { record_replicas: true, in_line: true, at: at(4) }),
    }
}

fn versus(full: bool) -> Versus {
    Versus {
        terms: VersusTerms {
            id: (if full { "full" } else { "bare" }).parse().unwrap(),
            stages: vec![stage("A"), stage("B")],
            duration_seconds: 300,
            priority: 60,
            preempt: full,
            reconnect_window: ReconnectWindow::default(),
            participants: filter(full),
            attributes: pairs(),
        },
        starts_at: at(1),
        ends_at: at(59),
        state: if full { VersusState::Failed(failure()) } else { VersusState::Running },
        revision: 1,
        version: 0,
    }
}

fn failure() -> Failure {
    let PublisherKey { stage: source, participant } = key("full");
    Failure::Blocked(
        ReplicationKey { source, participant, destination: stage("B") },
        BlockedReason::DestinationFull,
    )
}
