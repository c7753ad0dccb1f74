//! What the stores keep of tags and attributes, checked on every store with the same cases.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::BTreeMap;
use std::time::Duration;

use controller::sweep::port::SweepStore;
use controller::{MemoryStore, Store, StoreError, Write};
use replication::sweep::{ListedStage, StageKnowledge};
use replication::{
    Destination, ParticipantFilter, Publisher, PublisherKey, ReconnectWindow, Rule, Source, StageArn, Status,
    Tags,
};
use stagelink_tests::World;
use stagelink_tests::rows::ordered;

fn stage(id: &str) -> StageArn {
    format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}").parse().unwrap()
}

fn key() -> PublisherKey {
    PublisherKey { stage: stage("A"), participant: "p".parse().unwrap() }
}

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn knowledge(of: Tags) -> StageKnowledge {
    let listed = ListedStage { stage: stage("A"), name: "a".to_owned(), tags: of, active_session: None };
    StageKnowledge::new(listed, "2026-06-29T16:40:32Z".parse().unwrap())
}

/// A rule that uses everything that selects.
fn selecting() -> Rule {
    let pattern = |key: &str, pattern: &str| (key.to_owned(), pattern.parse().unwrap());
    Rule {
        id: "selecting".parse().unwrap(),
        revision: 1,
        priority: 7,
        status: Status::Enabled,
        source: Source::Tags(tags(&[("role", "main"), ("empty", "")])),
        participants: ParticipantFilter {
            user_id: Some("host-*".parse().unwrap()),
            attributes: [pattern("role", "host"), pattern("team", "r?d*")].into(),
        },
        destinations: vec![
            Destination::Tags { tags: tags(&[("role", "overflow")]), same: vec!["show".to_owned()] },
            Destination::Stage(stage("B")),
            Destination::Tags { tags: tags(&[("role", "wall")]), same: vec![] },
            Destination::Stage(stage("C")),
        ],
        reconnect_window: ReconnectWindow::default(),
        attributes: BTreeMap::new(),
        preempt: true,
        record_replicas: Some(false),
        expires_at: None,
    }
}

async fn keeps_the_contract<S: Store + SweepStore>(store: &S) {
    // Nothing is known, which is not the same as no tags.
    let nothing = store.load(&key()).await.unwrap();
    assert_eq!((nothing.tags, nothing.directory.len()), (None, 0));

    // What is learnt of a stage is written with the rest, or nothing is.
    let known = Write { stage: Some(knowledge(tags(&[("role", "main")]))), ..Write::default() };
    store.write(&known).await.unwrap();
    assert_eq!(store.load(&key()).await.unwrap().tags, Some(tags(&[("role", "main")])));
    let publisher = Publisher { attributes: Some(tags(&[])), ..Publisher::new(key()) };
    let stale = Publisher { version: 7, ..publisher.clone() };
    let other = Some(knowledge(tags(&[("role", "other")])));
    let both = Write { publisher: Some(stale), stage: other, ..Write::default() };
    assert!(matches!(store.write(&both).await, Err(StoreError::Conflict)));
    assert_eq!(store.load(&key()).await.unwrap().tags, Some(tags(&[("role", "main")])));

    // A sweep overwrites it; no tags are tags.
    store.remember_stage(&knowledge(tags(&[]))).await.unwrap();
    assert_eq!(store.load(&key()).await.unwrap().tags, Some(tags(&[])));
    assert_eq!(store.inventory().await.unwrap().tags(&stage("A")), Some(&tags(&[])));

    // Attributes: asked and none, some, and not asked.
    for (version, attributes) in
        [Some(tags(&[])), Some(tags(&[("role", "hö\u{1F3A5}")])), None].into_iter().enumerate()
    {
        let written = Publisher { attributes, version: version as u64, ..publisher.clone() };
        store.write(&Write { publisher: Some(written.clone()), ..Write::default() }).await.unwrap();
        let read = store.load(&key()).await.unwrap().publisher.unwrap();
        assert_eq!(read.attributes, written.attributes);
    }

    // The directory: more than one transaction takes, changed and taken out.
    let id = |i: usize| stage(&format!("D{i:03}"));
    let many = (0..150).map(|i| (id(i), Some(tags(&[("n", &i.to_string())]))));
    store.remember_destinations(&many.collect()).await.unwrap();
    let changes = BTreeMap::from([(id(1), None), (id(2), Some(tags(&[]))), (stage("unknown"), None)]);
    store.remember_destinations(&changes).await.unwrap();
    let directory = store.load(&key()).await.unwrap().directory;
    assert_eq!(
        (directory.len(), directory.get(&id(1)), directory.get(&id(2))),
        (149, None, Some(&tags(&[])))
    );
    assert_eq!(directory.get(&id(149)), Some(&tags(&[("n", "149")])));
    assert_eq!(store.inventory().await.unwrap().directory, directory);
}

#[tokio::test]
async fn the_memory_store_keeps_the_contract() {
    let store = MemoryStore::default();
    keeps_the_contract(&store).await;
    store.replace_rules(vec![selecting()]);
    assert_eq!(
        store.load(&key()).await.unwrap().rules,
        [selecting()],
        "whether it covers the stage is not for the store"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_keeps_the_contract() {
    let world = World::start().await.unwrap();
    let store = world.store.clone().with_selector_cache(Duration::ZERO);
    keeps_the_contract(&store).await;
    store.replace_rules(&[selecting()], &ordered()).await.unwrap();
    let view = store.load(&key()).await.unwrap();
    assert_eq!((view.rules, view.directory.len()), (vec![selecting()], 149), "one Query reads both");
    assert_eq!(store.inventory().await.unwrap().rules, [selecting()]);
    let again = store.replace_rules(&[selecting()], &ordered()).await.unwrap();
    assert_eq!((again.put.len(), again.unchanged), (0, 1));
}
