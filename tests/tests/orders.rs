//! Orders for all stages: kept by every store, obeyed by the functions, and never guessed.

#![allow(clippy::unwrap_used)]

use controller::sweep::port::SweepStore;
use controller::{MemoryStore, Operator, Store, StoreError};
use jiff::Timestamp;
use replication::{Control, Pause, PublisherKey};
use serde_json::json;
use stagelink_tests::World;
use stagelink_tests::rows::{order, rule};
use stagelink_tests::world::invoke;

fn at() -> Timestamp {
    "2026-06-29T16:40:33.000000001Z".parse().unwrap()
}

fn pause(reason: &str) -> Pause {
    Pause { reason: reason.to_owned(), by: "kim".to_owned(), at: at() }
}

fn publisher() -> PublisherKey {
    let stage = "arn:aws:ivs:us-east-1:123456789012:stage/A".parse().unwrap();
    PublisherKey { stage, participant: "p".parse().unwrap() }
}

/// What every reader sees: an operator, the loop and the sweep.
async fn keeps_orders(store: &(impl Store + Operator + SweepStore)) {
    let seen = async || {
        let control = store.control().await.unwrap();
        assert_eq!(store.load(&publisher()).await.unwrap().control, control);
        assert_eq!(store.inventory().await.unwrap().control, control);
        control
    };
    assert_eq!(seen().await, Control::default());
    store.resume(&order(at())).await.unwrap();
    assert_eq!(seen().await, Control::default(), "there was no pause to end");

    store.pause(&pause("a fire drill")).await.unwrap();
    store.remember_running(400).await.unwrap();
    store.pause(&pause("a fire")).await.unwrap();
    let until = "2026-06-29T17:00:00Z".parse().unwrap();
    store.release_brake(until, &order(at())).await.unwrap();
    let all = Control { pause: Some(pause("a fire")), brake_released_until: Some(until), running: Some(400) };
    assert_eq!(seen().await, all);

    store.resume(&order(at())).await.unwrap();
    store.remember_running(0).await.unwrap();
    assert_eq!(seen().await, Control { pause: None, running: Some(0), ..all });
}

#[tokio::test]
async fn the_memory_store_keeps_orders() {
    keeps_orders(&MemoryStore::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_keeps_orders() {
    let world = World::start().await.unwrap();
    keeps_orders(&world.store.clone().with_selector_cache(std::time::Duration::ZERO)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_function_stores_the_news_and_starts_nothing() {
    let mut world = World::start().await.unwrap();
    let (source, destination) = (world.stage("source"), world.stage("destination"));
    world.rules(&[rule("rule", &source, &destination)]).await.unwrap();
    world.store.pause(&pause("a fire drill")).await.unwrap();
    let paused = world.function("participant-published").await;
    world.publish(&source).unwrap();
    let event = world.event("Participant Published").await.unwrap();

    let answer = invoke(&paused, event.clone()).await.unwrap();
    assert!(answer["report"].as_str().unwrap().contains("paused by kim"), "{answer}");
    let operations: Vec<_> = world.recording.take().into_iter().map(|request| request.operation).collect();
    assert_eq!(operations, ["Query", "TransactWriteItems"], "no more round trips than without a pause");
    let replicas = world.store.replicas().await.unwrap();
    assert_eq!(replicas[0].phase.to_string(), "Blocked(Paused)");
    assert_eq!(replicas[0].due(), None);

    world.store.resume(&order(at())).await.unwrap();
    let resumed = world.function("participant-published").await;
    invoke(&resumed, event).await.unwrap();
    assert_eq!(world.store.replicas().await.unwrap()[0].phase.to_string(), "Active");
}

/// Whether there is a pause cannot be told: so nobody is started, the event comes again, and the item is named.
#[tokio::test(flavor = "multi_thread")]
async fn orders_that_cannot_be_read_stop_every_call() {
    let mut world = World::start().await.unwrap();
    let (source, destination) = (world.stage("source"), world.stage("destination"));
    world.rules(&[rule("rule", &source, &destination)]).await.unwrap();
    let pause = json!({"M": {"reason": {"S": "r"}, "by": {"S": "kim"}, "at": {"S": "yesterday"}}});
    let item = json!({"pk": {"S": "STAGE#*"}, "sk": {"S": "CONTROL"}, "schema": {"N": "1"},
        "version": {"N": "1"}, "pause": pause});
    world.put(&item).await.unwrap();
    let function = world.function("participant-published").await;
    world.publish(&source).unwrap();
    let event = world.event("Participant Published").await.unwrap();

    let failure = invoke(&function, event).await.unwrap_err();
    assert_eq!(failure.error_type(), "StoreCorrupt");
    let operations: Vec<_> = world.recording.take().into_iter().map(|request| request.operation).collect();
    assert!(operations.iter().all(|operation| operation == "Query"), "{operations:?}");

    let store = world.store.clone().with_selector_cache(std::time::Duration::ZERO);
    for error in [store.load(&publisher()).await.err(), store.inventory().await.err()] {
        let error = error.unwrap();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        let named = error.to_string();
        assert!(named.starts_with("item STAGE#* CONTROL: attribute pause.at is yesterday"), "{named}");
    }
    assert!(world.sweep().await.is_err());
}
