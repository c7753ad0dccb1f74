//! The history: what every store gives back, page by page, and that nothing of it is lost.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use controller::history::{HistoryKey, HistoryLine, HistoryPage, Part, Wanted, newest};
use controller::{Activity, History, MemoryStore, Operator, Store, StoreError, Write};
use jiff::{SignedDuration, Timestamp};
use replication::{Pause, StageArn};
use serde_json::json;
use stagelink_tests::World;
use stagelink_tests::rows::{order, stage};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + second).unwrap()
}

fn activity(second: i64, of: &str, participant: &str) -> Activity {
    Activity {
        at: at(second),
        stage: stage(of),
        participant: Some(participant.parse().unwrap()),
        destination: Some(stage("Z")),
        operation: "StartParticipantReplication",
        rule: Some("main".parse().unwrap()),
        outcome: "ok".to_owned(),
        reason: None,
        request_id: Some(format!("r-{second}")),
        caller: "request".to_owned(),
    }
}

/// All lines since then, by pages of this size.
async fn all(
    store: &dyn History,
    of: &[Option<StageArn>],
    wanted: &Wanted,
    limit: usize,
) -> Vec<HistoryLine> {
    let (mut lines, mut before): (Vec<HistoryLine>, Option<HistoryKey>) = (Vec::new(), None);
    loop {
        let part = Part { limit, before: before.as_ref() };
        let HistoryPage { found, next } = newest(store, of.iter().cloned(), wanted, part).await.unwrap();
        assert!(found.len() <= limit);
        lines.extend(found.into_iter().map(|entry| entry.line.unwrap()));
        let Some(next) = next else { return lines };
        // A page boundary survives being a text.
        before = Some(next.to_string().parse().unwrap());
    }
}

async fn keeps_history(store: &(impl Store + Operator + History)) {
    let mut written = Vec::new();
    for second in 0..12 {
        for (of, participant) in [("A", "p-1"), ("A", "p-2"), ("B", "p-1")] {
            let line = activity(second, of, participant);
            written.push(HistoryLine::from(&line));
            store.write(&Write { activity: vec![line], ..Write::default() }).await.unwrap();
        }
    }
    let about_stage = Activity {
        participant: None,
        destination: None,
        rule: None,
        request_id: None,
        ..activity(5, "B", "p")
    };
    written.push(HistoryLine::from(&about_stage));
    store.write(&Write { activity: vec![about_stage], ..Write::default() }).await.unwrap();
    let pause = Pause { reason: "a fire".to_owned(), by: "sam".to_owned(), at: at(3) };
    store.pause(&pause).await.unwrap();
    store.resume(&order(at(7))).await.unwrap();
    store.release_brake(at(600), &order(at(8))).await.unwrap();
    let noted = order(at(9)).line("VersusStart", "ok, duel".to_owned());
    store.note(&noted).await.unwrap();

    let everywhere = [None, Some(stage("A")), Some(stage("B")), Some(stage("C"))];
    let since = |second| Wanted::since(at(second));
    written.sort_by_key(|line| std::cmp::Reverse(line.key()));
    let orders = all(store, &everywhere[..1], &since(0), 3).await;
    let told: Vec<_> = orders
        .iter()
        .map(|line| (line.operation.as_str(), line.caller.as_str(), line.reason.as_deref()))
        .collect();
    let drill = Some("a fire drill");
    let expected = [
        ("VersusStart", "kim", drill),
        ("ReleaseBrake", "kim", drill),
        ("Resume", "kim", drill),
        ("Pause", "sam", Some("a fire")),
    ];
    assert_eq!(told, expected);
    for limit in [1, 2, 5, 7, 100] {
        assert_eq!(all(store, &everywhere[1..], &since(0), limit).await, written, "{limit}");
        let with_orders = all(store, &everywhere, &since(0), limit).await;
        assert_eq!(with_orders.len(), written.len() + orders.len());
        assert!(with_orders.is_sorted_by(|a, b| a.key() > b.key()), "{limit}");
        assert_eq!(all(store, &everywhere, &since(12), limit).await, []);
        let late = all(store, &everywhere[1..2], &since(10), limit).await;
        assert_eq!(late.len(), 4, "the beginning is part of it");
        for wanted in [
            Wanted { participant: Some("p-1".parse().unwrap()), ..since(4) },
            Wanted { destination: Some(stage("Z")), ..since(4) },
            Wanted { rule: Some("main".parse().unwrap()), ..since(4) },
        ] {
            let expected: Vec<_> = written.iter().filter(|line| wanted.takes(line)).cloned().collect();
            assert_eq!(all(store, &everywhere, &wanted, limit).await, expected, "{limit} {wanted:?}");
        }
    }
    let keys: BTreeSet<_> = written.iter().chain(&orders).map(HistoryLine::key).collect();
    assert_eq!(keys.len(), written.len() + orders.len());
}

#[tokio::test]
async fn the_memory_store_keeps_history() {
    keeps_history(&MemoryStore::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_keeps_history() {
    let world = World::start().await.unwrap();
    keeps_history(&world.store).await;
}

/// Another version's item stands in its place, named; what a filter finds little of ends in short pages, and loses nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_named_and_pages_are_bounded() {
    let world = World::start().await.unwrap();
    let lines: Vec<_> =
        (0..1_400).map(|second| activity(second, "A", if second < 3 { "rare" } else { "often" })).collect();
    for chunk in lines.chunks(90) {
        world.store.write(&Write { activity: chunk.to_vec(), ..Write::default() }).await.unwrap();
    }
    let pk = format!("STAGE#{}", stage("A"));
    let sk = format!("ACT#{:.9}#new#*", at(1) + SignedDuration::from_millis(1));
    world.put(&json!({"pk": {"S": pk}, "sk": {"S": sk}, "schema": {"N": "9"}})).await.unwrap();

    let wanted = Wanted { participant: Some("rare".parse().unwrap()), ..Wanted::since(at(0)) };
    let of = stage("A");
    let page = world.store.history(Some(&of), &wanted, Part { limit: 10, before: None }).await.unwrap();
    assert!(page.found.is_empty() && page.next.is_some(), "a thousand were looked at, and none is one");
    let before = page.next;
    let page =
        world.store.history(Some(&of), &wanted, Part { limit: 10, before: before.as_ref() }).await.unwrap();
    assert_eq!((page.found.len(), &page.next), (4, &None));
    let unread: Vec<_> = page.found.iter().filter_map(|entry| entry.line.as_ref().err()).collect();
    assert!(matches!(unread[..], [StoreError::Corrupt { sk: named, .. }] if *named == sk), "{unread:?}");
}
