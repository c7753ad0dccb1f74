//! What the controller's store promises, checked on every store with the same cases.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use controller::{Activity, BudgetWrite, MemoryStore, Store, StoreError, Write};
use replication::budget::Lane;
use replication::{
    Blocked, BlockedReason, Budget, Desired, Destination, Evidence, LastError, Lease, Operation, Owner,
    ParticipantFilter, Phase, Publisher, PublisherKey, ReconnectWindow, Rejection, Replica, ReplicationKey,
    Rule, RuleRef, Source, StageArn, Status,
};
use stagelink_tests::World;

fn stage(id: &str) -> StageArn {
    format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}").parse().unwrap()
}

fn publisher_key(participant: &str) -> PublisherKey {
    PublisherKey { stage: stage("A"), participant: participant.parse().unwrap() }
}

fn key(participant: &str, destination: &str) -> ReplicationKey {
    let PublisherKey { stage: source, participant } = publisher_key(participant);
    ReplicationKey { source, participant, destination: stage(destination) }
}

fn rule(id: &str, source: Source) -> Rule {
    Rule {
        id: id.parse().unwrap(),
        revision: 1,
        priority: 7,
        status: Status::Paused,
        source,
        participants: ParticipantFilter {
            user_id: Some("host-*".parse().unwrap()),
            ..ParticipantFilter::default()
        },
        destinations: vec![Destination::Stage(stage("B")), Destination::Stage(stage("C"))],
        reconnect_window: ReconnectWindow::from_seconds(300).unwrap(),
        attributes: BTreeMap::from([("via".to_owned(), "main".to_owned())]),
        preempt: false,
        record_replicas: None,
        expires_at: Some("2026-12-01T20:00:00Z".parse().unwrap()),
    }
}

fn publisher() -> Publisher {
    Publisher {
        session: Some("st-1CVugbu2cf2n8".parse().unwrap()),
        user_id: "host-1".to_owned(),
        evidence: Evidence {
            on: Some("2026-06-29T16:40:32.123456Z".parse().unwrap()),
            off: Some("2026-06-29T16:40:30Z".parse().unwrap()),
        },
        ..Publisher::new(publisher_key("p"))
    }
}

/// Replications that together have every field and every phase.
fn replicas() -> Vec<Replica> {
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    let full = Replica {
        phase: Phase::Starting,
        desired: Desired::Replicated,
        owner: Owner::Stagelink,
        rule: Some(RuleRef { id: "main".parse().unwrap(), revision: 3, priority: 70 }),
        reconnect_window: ReconnectWindow::from_seconds(30).unwrap(),
        attributes: BTreeMap::from([
            ("via".to_owned(), "ünï\u{1F3A5}".to_owned()),
            ("empty".to_owned(), String::new()),
        ]),
        evidence: Evidence {
            on: Some("2026-06-29T16:40:32Z".parse().unwrap()),
            off: Some("2026-06-29T16:40:31.5Z".parse().unwrap()),
        },
        destination_session: Some("aBC1c2d3e4f".parse().unwrap()),
        attempts: 4,
        next_attempt: Some(at("2026-06-29T16:40:40.000000001Z")),
        lease: Some(Lease {
            holder: "request-1".to_owned(),
            since: at("2026-06-29T16:40:33.987654321Z"),
            until: at("2026-06-29T16:40:41Z"),
        }),
        last_error: Some(LastError {
            rejection: Some(Rejection::Conflict),
            code: "ConflictException".to_owned(),
            message: "no".to_owned(),
            request_id: Some("r-1".to_owned()),
            at: at("2026-06-29T16:40:39Z"),
        }),
        ..Replica::new(key("p", "B"))
    };
    let until = Some(at("2026-06-29T17:00:00Z"));
    let mut phases = vec![Phase::Pending, Phase::Active, Phase::Stopping, Phase::Stopped];
    phases.extend(BlockedReason::ALL.map(|reason| Phase::Blocked(Blocked { reason, until })));
    let bare = phases.into_iter().enumerate().map(|(i, phase)| Replica {
        phase,
        owner: if i % 2 == 0 { Owner::Foreign } else { Owner::Nobody },
        ..Replica::new(key("p", &format!("D{i:02}")))
    });
    std::iter::once(full).chain(bare).collect()
}

fn activity() -> Activity {
    Activity {
        at: "2026-06-29T16:40:39Z".parse().unwrap(),
        publisher: publisher_key("p"),
        destination: Some(stage("B")),
        operation: "StartParticipantReplication",
        rule: None,
        outcome: "ok".to_owned(),
        request_id: None,
        caller: "request-1".to_owned(),
    }
}

fn is_conflict(result: &Result<(), StoreError>) -> bool {
    matches!(result, Err(StoreError::Conflict))
}

/// The contract.
async fn keeps_the_contract(store: &dyn Store) {
    let key_p = publisher_key("p");

    // Nothing is there, and nothing comes of looking.
    let nothing = store.load(&key_p).await.unwrap();
    assert!(nothing.publisher.is_none() && nothing.replicas.is_empty());

    // What is written is read back to the last digit, one version higher.
    let first = Write {
        publisher: Some(publisher()),
        replicas: replicas(),
        activity: vec![activity()],
        ..Write::default()
    };
    store.write(&first).await.unwrap();
    let read = store.load(&key_p).await.unwrap();
    assert_eq!(read.publisher, Some(Publisher { version: 1, ..publisher() }));
    let expected: Vec<_> = replicas().into_iter().map(|replica| Replica { version: 1, ..replica }).collect();
    assert_eq!(read.replicas, expected);

    // Another participant of the stage sees none of it.
    let other = store.load(&publisher_key("q")).await.unwrap();
    assert!(other.publisher.is_none() && other.replicas.is_empty());

    // To create what is there is a lost race, and so is to change what has changed; and then nothing is written at all.
    assert!(is_conflict(&store.write(&first).await));
    let stale = Write {
        publisher: Some(Publisher { user_id: "changed".to_owned(), ..read.publisher.clone().unwrap() }),
        replicas: vec![Replica { attempts: 9, version: 7, ..read.replicas[0].clone() }],
        ..Write::default()
    };
    assert!(is_conflict(&store.write(&stale).await));
    assert_eq!(store.load(&key_p).await.unwrap(), read);

    // At the right version it is written.
    let fresh =
        Write { replicas: vec![Replica { attempts: 9, ..read.replicas[0].clone() }], ..Write::default() };
    store.write(&fresh).await.unwrap();
    let changed = store.load(&key_p).await.unwrap();
    assert_eq!((changed.replicas[0].attempts, changed.replicas[0].version), (9, 2));
    assert_eq!(changed.replicas[1..], read.replicas[1..]);

    // Of two who read the same, one wins.
    let both = Write { replicas: vec![changed.replicas[1].clone()], ..Write::default() };
    let (one, two) = futures::future::join(store.write(&both), store.write(&both)).await;
    assert!(one.is_ok() != two.is_ok() && (is_conflict(&one) || is_conflict(&two)), "{one:?} {two:?}");

    // A budget is written as it was read, or if nobody called for long; and the first of two who read the same wins.
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    let now = jiff::Timestamp::now();
    let budget = |version: u64, expected: u64, busy_until: jiff::Timestamp| Write {
        budgets: vec![BudgetWrite {
            operation: Operation::Start,
            after: Budget {
                grants: vec![at("2026-06-29T16:40:33.000000001Z"), now],
                strain: 7,
                lane: Some(Lane { holder: u64::MAX, calls: 2, until: at("2026-06-29T16:40:43.000000001Z") }),
                version,
                ..Budget::default()
            },
            expected,
            busy_until,
        }],
        ..Write::default()
    };
    let soon = now + jiff::SignedDuration::from_secs(60);
    store.write(&budget(11, 0, soon)).await.unwrap();
    assert!(is_conflict(&store.write(&budget(12, 10, soon)).await));
    store.write(&budget(12, 11, at("2026-06-29T16:40:34Z"))).await.unwrap();
    store.write(&budget(13, 10, soon)).await.unwrap();
    let book = store.budgets().await.unwrap();
    assert_eq!(book[&Operation::Start], budget(13, 10, soon).budgets[0].after);

    // More than one transaction takes.
    let many: Vec<_> = (0..150).map(|i| Replica::new(key("crowd", &format!("E{i}")))).collect();
    store.write(&Write { replicas: many, ..Write::default() }).await.unwrap();
    assert_eq!(store.load(&publisher_key("crowd")).await.unwrap().replicas.len(), 150);
}

#[tokio::test]
async fn the_memory_store_keeps_the_contract() {
    keeps_the_contract(&MemoryStore::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_keeps_the_contract() {
    let world = World::start().await.unwrap();
    keeps_the_contract(&world.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_replaced_as_a_set_and_revisions_grow_only_with_changes() {
    let world = World::start().await.unwrap();
    let store = world.store.clone().with_selector_cache(std::time::Duration::ZERO);
    let (one, any) = (rule("one", Source::Stage(stage("A"))), rule("any", Source::Any));
    let counts = |r: aws_adapters::Replaced| (r.put, r.deleted, r.unchanged);

    assert_eq!(counts(store.replace_rules(&[one.clone(), any.clone()]).await.unwrap()), (2, 0, 0));
    let mut read = store.load(&publisher_key("p")).await.unwrap().rules;
    read.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(read, [any.clone(), one.clone()]);

    assert_eq!(counts(store.replace_rules(&[one.clone(), any.clone()]).await.unwrap()), (0, 0, 2));
    let edited = Rule { priority: 8, ..one.clone() };
    assert_eq!(counts(store.replace_rules(std::slice::from_ref(&edited)).await.unwrap()), (1, 1, 0));
    let read = store.load(&publisher_key("p")).await.unwrap().rules;
    assert_eq!(read, [Rule { revision: 2, ..edited }]);

    // A rule that moves to another source leaves nothing behind.
    let moved = rule("one", Source::Stage(stage("Z")));
    assert_eq!(counts(store.replace_rules(std::slice::from_ref(&moved)).await.unwrap()), (1, 1, 0));
    assert_eq!(store.load(&publisher_key("p")).await.unwrap().rules, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_table_is_a_refusal_that_names_it() {
    let world = World::start().await.unwrap();
    let [dynamodb, _] = world.urls();
    let connection = aws_adapters::Connection::new(aws_adapters::ConnectionOptions {
        region: Some("us-east-1".to_owned()),
        dynamodb_endpoint: Some(dynamodb.to_owned()),
        any_credentials: true,
        ..Default::default()
    });
    let error = connection.await.store("nowhere").load(&publisher_key("p")).await.unwrap_err();
    assert!(matches!(&error, StoreError::Refused { table, .. } if table == "nowhere"), "{error}");
    assert!(error.to_string().contains("ResourceNotFoundException"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_table_is_unavailable() {
    let mut world = World::start().await.unwrap();
    let store = world.store.clone();
    world.cut_off();
    let error = store.load(&publisher_key("p")).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
}
