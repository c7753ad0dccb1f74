//! What the controller's store promises, checked on every store with the same cases.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use controller::sweep::port::SweepStore;
use controller::{
    Activity, BudgetWrite, Due, DueClass, MemoryStore, Queue, Store, StoreError, VersusStore, Work, Write,
};
use replication::budget::Lane;
use replication::versus::Failure;
use replication::{
    Blocked, BlockedReason, Braked, Budget, Desired, Destination, Evidence, GiveWay, LastError, Lease,
    Operation, Owner, ParticipantFilter, Phase, Publisher, PublisherKey, ReconnectWindow, Rejection, Replica,
    ReplicationKey, Rule, RuleRef, Source, StageArn, Status, Tally, Versus, VersusState, VersusTerms, View,
};
use serde_json::json;
use stagelink_tests::World;
use stagelink_tests::rows::ordered;

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
        backfill: true,
        next_attempt: Some(at("2026-06-29T16:40:40.000000001Z")),
        wanted_until: Some(at("2026-06-29T18:00:00.5Z")),
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
        gives_way: Some(GiveWay { priority: 90, until: at("2026-06-29T16:41:39Z") }),
        braked: Some(Braked {
            since: at("2026-06-29T16:41:00.000000001Z"),
            confirmed_at: Some(at("2026-06-29T16:42:00Z")),
        }),
        ..Replica::new(key("p", "B"))
    };
    let until = Some(at("2026-06-29T17:00:00Z"));
    let mut phases = vec![Phase::Pending, Phase::Active, Phase::Stopping, Phase::Stopped];
    phases.extend(BlockedReason::ALL.map(|reason| Phase::Blocked(Blocked { reason, until })));
    let bare = phases.into_iter().enumerate().map(|(i, phase)| Replica {
        phase,
        owner: if i % 2 == 0 { Owner::Foreign } else { Owner::Nobody },
        braked: (i % 3 == 0).then(|| Braked { since: at("2026-06-29T16:41:00Z"), confirmed_at: None }),
        ..Replica::new(key("p", &format!("D{i:02}")))
    });
    std::iter::once(full).chain(bare).collect()
}

fn activity() -> Activity {
    Activity {
        at: "2026-06-29T16:40:39Z".parse().unwrap(),
        stage: publisher_key("p").stage,
        participant: Some("p".parse().unwrap()),
        destination: Some(stage("B")),
        operation: "StartParticipantReplication",
        rule: None,
        outcome: "ok".to_owned(),
        reason: None,
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
    let mut tally = Tally::default();
    (0..3).for_each(|_| tally.add(now));
    let budget = |version: u64, expected: u64, busy_until: jiff::Timestamp| Write {
        budgets: vec![BudgetWrite {
            operation: Operation::Start,
            after: Budget {
                grants: vec![at("2026-06-29T16:40:33.000000001Z"), now],
                strain: 7,
                tally: if version == 13 { tally.clone() } else { Tally::default() },
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

/// A destination has twelve places, whoever asks for them at the same time.
async fn gives_no_more_places_than_there_are<S: Store + SweepStore>(store: &S) {
    let starting = |participant: usize| {
        let replica =
            Replica { phase: Phase::Starting, ..Replica::new(key(&format!("p{participant:02}"), "B")) };
        let before = View::empty(replica.key.publisher());
        let after = View { replicas: vec![replica], ..before.clone() };
        Write::between(&before, &after)
    };
    let asked: Vec<_> = (0..20).map(starting).collect();
    // Who has no place asks again until all are told that there is none. An answer that does not come in time leaves open whether there is one.
    let mut placed;
    let mut rounds = 0..20;
    loop {
        let starting = store.replicas_to(&stage("B"), "Starting").await.unwrap();
        let has_place = |i: &usize| starting.iter().any(|replica| replica.key == asked[*i].replicas[0].key);
        let asking: Vec<usize>;
        (placed, asking) = (0..20).partition(has_place);
        let answers = futures::future::join_all(asking.iter().map(|i| store.write(&asked[*i]))).await;
        let mut full = 0;
        for answer in answers {
            match answer {
                Ok(()) | Err(StoreError::Conflict | StoreError::Unavailable { .. }) => {}
                Err(StoreError::DestinationFull { stages }) => {
                    assert_eq!(stages, [stage("B")].into());
                    full += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
        if full == asking.len() {
            break;
        }
        assert!(rounds.next().is_some(), "places are still given or refused: {placed:?}");
    }
    assert_eq!(placed.len(), 12, "{placed:?}");
    let inventory = store.inventory().await.unwrap();
    assert_eq!(inventory.occupants(&stage("B")).unwrap().len(), 12);
    assert_eq!(inventory.misplaced(), vec![]);
    assert!(
        store.load(&PublisherKey { stage: stage("B"), ..publisher_key("q") }).await.unwrap().is_destination
    );

    // One leaves, and the next one comes; nothing else was written for those who were refused.
    let there = store.load(&key(&format!("p{:02}", placed[0]), "B").publisher()).await.unwrap();
    let mut gone = there.clone();
    gone.replicas[0].phase = Phase::Stopped;
    store.write(&Write::between(&there, &gone)).await.unwrap();
    let next = (0..20).find(|i| !placed.contains(i)).unwrap();
    assert!(store.load(&key(&format!("p{next:02}"), "B").publisher()).await.unwrap().replicas.is_empty());
    store.write(&asked[next]).await.unwrap();
    for (phase, expected) in [("Starting", 12), ("Stopped", 1)] {
        assert_eq!(store.replicas_to(&stage("B"), phase).await.unwrap().len(), expected, "{phase}");
    }
}

/// Everything is read, however many requests that takes: DynamoDB's pages end after 1 MB.
async fn reads_more_than_a_page<S: Store + SweepStore + VersusStore>(store: &S) {
    const COUNT: usize = 300;
    let source = stage("BIG");
    let big = |i: usize| {
        let participant = format!("p{i:03}").parse().unwrap();
        let key = ReplicationKey { source: source.clone(), participant, destination: stage("WALL") };
        Replica { attributes: BTreeMap::from([("big".to_owned(), "x".repeat(8_000))]), ..Replica::new(key) }
    };
    let replicas: Vec<_> = (0..COUNT).map(big).collect();
    for some in replicas.chunks(90) {
        store.write(&Write { replicas: some.to_vec(), ..Write::default() }).await.unwrap();
    }
    let expected: Vec<_> = replicas.into_iter().map(|replica| Replica { version: 1, ..replica }).collect();
    let mut found = store.replicas_to(&stage("WALL"), "Pending").await.unwrap();
    found.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(found, expected);
    let views = store.views_on(&source).await.unwrap();
    let found: Vec<_> = views.into_iter().flat_map(|view| view.replicas).collect();
    assert_eq!(found, expected);
    let inventory = store.inventory().await.unwrap();
    assert_eq!(inventory.stages.get(&source).map(|stage| stage.replicas.len()), Some(COUNT));
    // The last of them lies behind the first page, of which the others are left out.
    let last = store.load(&expected[COUNT - 1].key.publisher()).await.unwrap();
    assert_eq!(last.replicas, expected[COUNT - 1..]);
}

/// A session with every field, of stages that nothing else here is about.
fn versus() -> Versus {
    let terms = VersusTerms {
        priority: 71,
        preempt: true,
        reconnect_window: ReconnectWindow::from_seconds(20).unwrap(),
        participants: ParticipantFilter {
            user_id: Some("host-*".parse().unwrap()),
            attributes: BTreeMap::from([("role".to_owned(), "host".parse().unwrap())]),
        },
        attributes: BTreeMap::from([("via".to_owned(), "duel".to_owned())]),
        ..VersusTerms::new("duel".parse().unwrap(), ["V1", "V2", "V3"].map(stage).to_vec(), 300)
    };
    Versus::new(terms, "2026-06-29T16:40:32.123456789Z".parse().unwrap())
}

/// What the port of versus sessions promises.
async fn keeps_the_contract_of_versus(store: &(impl Store + VersusStore + Queue)) {
    let duel = versus();
    let id = &duel.terms.id;
    let on_v2 = PublisherKey { stage: stage("V2"), ..publisher_key("p") };
    let rules = async || {
        let rules = store.load(&on_v2).await.unwrap().rules;
        rules
            .into_iter()
            .map(|rule| (rule.id.to_string(), rule.revision, rule.expires_at))
            .collect::<Vec<_>>()
    };
    let due = async || {
        let all = store.due("2026-06-30T00:00:00Z".parse().unwrap(), 10).await.unwrap();
        all.into_iter().filter(|due| due.class == DueClass::Versus).collect::<Vec<_>>()
    };
    assert_eq!((store.versus(id).await.unwrap(), store.all_versus().await.unwrap()), (None, vec![]));

    // It is there with its rules, and due; and is created once.
    store.write_versus(&duel).await.unwrap();
    let read = store.versus(id).await.unwrap().unwrap();
    assert_eq!(read, Versus { version: 1, ..duel.clone() });
    assert_eq!(rules().await, [("versus.duel.2".to_owned(), 1, Some(duel.ends_at))]);
    let expected = |at| Due { class: DueClass::Versus, priority: 71, at, work: Work::Versus(id.clone()) };
    assert_eq!(due().await, [expected(duel.starts_at)]);
    assert!(is_conflict(&store.write_versus(&duel).await));

    // It changes with its rules, at the right version only.
    let later = duel.ends_at + jiff::SignedDuration::from_secs(60);
    let longer = Versus { state: VersusState::Running, ..read.ending_at(later, duel.starts_at).unwrap() };
    store.write_versus(&longer).await.unwrap();
    assert!(is_conflict(&store.write_versus(&longer).await));
    assert_eq!(rules().await, [("versus.duel.2".to_owned(), 2, Some(later))]);
    assert_eq!(due().await, [expected(later)]);

    // Whatever it was missing, what is over is kept without rules, and is not due.
    let key = ReplicationKey { source: stage("V1"), ..key("p", "V3") };
    let failures = [Failure::NoPublisher(stage("V2")), Failure::Late(key.clone())];
    let failures =
        failures.into_iter().chain(BlockedReason::ALL.map(|why| Failure::Blocked(key.clone(), why)));
    let states = failures.map(VersusState::Failed).chain([VersusState::Ended]);
    let mut last = Versus { version: 2, ..longer };
    for state in states {
        let over = Versus { state, ..last.clone() };
        store.write_versus(&over).await.unwrap();
        last = Versus { version: over.version + 1, ..over };
        assert_eq!(store.versus(id).await.unwrap().as_ref(), Some(&last));
        assert_eq!((rules().await, due().await), (vec![], vec![]));
    }
    let other = Versus { terms: VersusTerms { id: "another".parse().unwrap(), ..duel.terms }, ..duel };
    store.write_versus(&other).await.unwrap();
    assert_eq!(store.all_versus().await.unwrap(), [Versus { version: 1, ..other.clone() }, last]);
    store.write_versus(&Versus { version: 1, state: VersusState::Ended, ..other }).await.unwrap();

    // Everybody of a stage, also who is known by replications only, and nobody else.
    let anna = Publisher { key: on_v2.clone(), ..publisher() };
    let of = |participant: &str, source: &str| ReplicationKey {
        source: stage(source),
        participant: participant.parse().unwrap(),
        destination: stage("V3"),
    };
    let ben = Replica::new(of("ben", "V2"));
    let replicas = vec![Replica::new(of("p", "V2")), ben.clone(), Replica::new(of("p", "V1"))];
    store.write(&Write { publisher: Some(anna), replicas, ..Write::default() }).await.unwrap();
    let views = store.views_on(&stage("V2")).await.unwrap();
    let known: Vec<_> = views
        .iter()
        .map(|view| (view.key.participant.as_str(), view.publisher.is_some(), view.replicas.len()))
        .collect();
    assert_eq!(known, [("ben", false, 1), ("p", true, 1)]);
    assert_eq!(views[0].replicas, [Replica { version: 1, ..ben }]);
}

#[tokio::test]
async fn the_memory_store_keeps_the_contract() {
    keeps_the_contract(&MemoryStore::default()).await;
    gives_no_more_places_than_there_are(&MemoryStore::default()).await;
    keeps_the_contract_of_versus(&MemoryStore::default()).await;
    reads_more_than_a_page(&MemoryStore::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_keeps_the_contract() {
    let world = World::start().await.unwrap();
    keeps_the_contract(&world.store).await;
    keeps_the_contract_of_versus(&world.store).await;
}

/// The end of its rule is in the index, under the class that is stopped first.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_replica_is_due_when_its_rule_expires() {
    let world = World::start().await.unwrap();
    let end: jiff::Timestamp = "2026-12-01T20:00:00.5Z".parse().unwrap();
    let running = Replica {
        phase: Phase::Active,
        desired: Desired::Replicated,
        owner: Owner::Stagelink,
        wanted_until: Some(end),
        ..Replica::new(key("p", "B"))
    };
    for store in [&world.store as &dyn QueuedStore, &MemoryStore::default()] {
        store.write(&Write { replicas: vec![running.clone()], ..Write::default() }).await.unwrap();
        let expected =
            Due { class: DueClass::Release, priority: 0, at: end, work: Work::Publisher(publisher_key("p")) };
        assert_eq!(store.due(end, 10).await.unwrap(), [expected]);
        let before = end - jiff::SignedDuration::from_millis(1);
        assert_eq!(store.due(before, 10).await.unwrap(), []);
    }
}

trait QueuedStore: Store + Queue {}
impl<T: Store + Queue> QueuedStore for T {}

#[tokio::test(flavor = "multi_thread")]
async fn replacing_the_rules_leaves_those_of_versus_sessions() {
    let world = World::start().await.unwrap();
    let on_v1 = PublisherKey { stage: stage("V1"), ..publisher_key("p") };
    world.store.write_versus(&versus()).await.unwrap();
    let replaced =
        world.store.replace_rules(&[rule("one", Source::Stage(stage("V1")))], &ordered()).await.unwrap();
    assert_eq!((replaced.put.len(), replaced.deleted.len(), replaced.unchanged), (1, 0, 0));
    assert_eq!(world.store.load(&on_v1).await.unwrap().rules.len(), 2);
    assert_eq!(world.store.replace_rules(&[], &ordered()).await.unwrap().deleted.len(), 1);
    assert_eq!(world.store.load(&on_v1).await.unwrap().rules.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_gives_no_more_places_than_there_are() {
    let world = World::start().await.unwrap();
    gives_no_more_places_than_there_are(&world.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_read_in_pages() {
    let world = World::start().await.unwrap();
    reads_more_than_a_page(&world.store).await;
}

/// What a Scan reads and leaves out is billed, and takes its time: of seven days of history, a sweep reads little.
#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_reads_past_the_history() {
    const STAGES: usize = 4;
    const LINES: usize = 400;
    let world = World::start().await.unwrap();
    for source in (0..STAGES).map(|i| stage(&format!("S{i}"))) {
        let key = ReplicationKey { source, ..key("p", "WALL") };
        let write = Write { replicas: vec![Replica::new(key)], ..Write::default() };
        world.store.write(&write).await.unwrap();
    }
    let text = "x".repeat(4_000);
    let put = |pk: &str, sk: &str| {
        let item =
            json!({ "pk": { "S": pk }, "sk": { "S": sk }, "schema": { "N": "1" }, "text": { "S": &text } });
        json!({ "PutRequest": { "Item": item } })
    };
    let stages = (0..STAGES).map(|i| (format!("STAGE#{}", stage(&format!("S{i}"))), "ACT#"));
    for (pk, sk) in stages.chain([("STAGE#*".to_owned(), "ACT#"), ("HISTORY#main".to_owned(), "REV#")]) {
        let lines: Vec<_> = (0..LINES).map(|line| put(&pk, &format!("{sk}{line:010}"))).collect();
        for lines in lines.chunks(25) {
            let body = json!({ "RequestItems": { world.table(): lines } });
            world.dynamodb("BatchWriteItem", &body).await.unwrap();
        }
    }

    let functions = world.connection().store(world.table());
    world.recording.take();
    assert_eq!(functions.inventory().await.unwrap().replicas().count(), STAGES);
    let mut scanned = 0;
    for request in world.recording.take() {
        let scan = serde_json::from_slice(&request.body).unwrap();
        scanned += world.dynamodb(&request.operation, &scan).await.unwrap()["ScannedCount"].as_u64().unwrap();
    }
    let lines = u64::try_from((STAGES + 2) * LINES).unwrap();
    assert!(scanned < lines / 3, "{scanned} items were read, where history has {lines}");
    println!("{scanned} items were read, where history has {lines}");
}

/// An item may have 400 kB. One that has more is refused with all that is written with it, and no time heals that.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_for_an_item_is_refused() {
    let world = World::start().await.unwrap();
    let large = Replica {
        attributes: BTreeMap::from([("large".to_owned(), "x".repeat(410_000))]),
        ..Replica::new(key("p", "C"))
    };
    let write = Write { replicas: vec![Replica::new(key("p", "B")), large], ..Write::default() };
    let error = world.store.write(&write).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("size"), "{error}");
    assert_eq!(world.store.load(&publisher_key("p")).await.unwrap().replicas, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_replaced_as_a_set_and_revisions_grow_only_with_changes() {
    let world = World::start().await.unwrap();
    let store = world.store.clone().with_selector_cache(std::time::Duration::ZERO);
    let (one, any) = (rule("one", Source::Stage(stage("A"))), rule("any", Source::Any));
    let counts = |r: aws_adapters::Replaced| (r.put.len(), r.deleted.len(), r.unchanged);

    assert_eq!(
        counts(store.replace_rules(&[one.clone(), any.clone()], &ordered()).await.unwrap()),
        (2, 0, 0)
    );
    let mut read = store.load(&publisher_key("p")).await.unwrap().rules;
    read.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(read, [any.clone(), one.clone()]);

    assert_eq!(
        counts(store.replace_rules(&[one.clone(), any.clone()], &ordered()).await.unwrap()),
        (0, 0, 2)
    );
    let edited = Rule { priority: 8, ..one.clone() };
    assert_eq!(
        counts(store.replace_rules(std::slice::from_ref(&edited), &ordered()).await.unwrap()),
        (1, 1, 0)
    );
    let read = store.load(&publisher_key("p")).await.unwrap().rules;
    assert_eq!(read, [Rule { revision: 2, ..edited }]);

    // A rule that moves to another source leaves nothing behind, and is not told as deleted.
    let moved = rule("one", Source::Stage(stage("Z")));
    assert_eq!(
        counts(store.replace_rules(std::slice::from_ref(&moved), &ordered()).await.unwrap()),
        (1, 0, 0)
    );
    assert_eq!(store.load(&publisher_key("p")).await.unwrap().rules, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_table_is_a_refusal_that_names_it() {
    let world = World::start().await.unwrap();
    let connection = connection_to(world.urls()[0]).await;
    let error = connection.store("nowhere").load(&publisher_key("p")).await.unwrap_err();
    assert!(matches!(&error, StoreError::Refused { table, .. } if table == "nowhere"), "{error}");
    assert!(error.to_string().contains("ResourceNotFoundException"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_table_is_unavailable() {
    // Where nobody listens any more.
    let url = format!("http://{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let connection = connection_to(&url).await;
    let error = connection.store("stagelink").load(&publisher_key("p")).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
}

async fn connection_to(dynamodb: &str) -> aws_adapters::Connection {
    aws_adapters::Connection::new(aws_adapters::ConnectionOptions {
        region: Some("us-east-1".to_owned()),
        dynamodb_endpoint: Some(dynamodb.to_owned()),
        emulated: true,
        ..Default::default()
    })
    .await
}
