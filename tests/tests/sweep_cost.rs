//! What a sweep costs, beside what any correct sweep needs.
//!
//! ```sh
//! cargo test -p stagelink-tests --test sweep_cost -- --nocapture
//! ```

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ivs_sim::{Config, Publish};
use jiff::Timestamp;
use replication::{Destination, ParticipantFilter, ReconnectWindow, Rule, Source, StageArn, Status};
use stagelink_tests::in_process::InProcess;

/// What any correct sweep needs, told from the world: ListStages of 100 stages each, for there is no other way to learn of a
/// new session; one ListParticipants for every hundred who ever published in an active session that a rule concerns, for it
/// is the only operation that tells of somebody unknown, and it takes one session; and one ListParticipantEvents for
/// everybody found there of whom it is not known that they publish, for nothing else says so.
fn needed(stages: usize, active: usize, unknown: usize) -> usize {
    stages.div_ceil(100) + active + unknown
}

#[tokio::test]
async fn a_thousand_active_stages_cost_little_more_than_any_sweep_needs() {
    let limits = ivs_sim::Limits { publishers: 10_000, ..ivs_sim::Limits::default() };
    let world = InProcess::new(Config { limits, ..Config::default() });
    let stages: Vec<String> =
        (0..1_000).map(|i| world.simulator.create_stage(&format!("s{i}"), BTreeMap::new())).collect();
    let stage = |i: usize| -> StageArn { stages[i].parse().unwrap() };
    let rule = |i: usize| Rule {
        id: format!("r{i}").parse().unwrap(),
        revision: 1,
        priority: 50,
        status: Status::Enabled,
        source: Source::Stage(stage(i)),
        participants: ParticipantFilter::default(),
        destinations: vec![Destination::Stage(stage(i + 500))],
        reconnect_window: ReconnectWindow::default(),
        attributes: BTreeMap::new(),
        preempt: false,
        record_replicas: None,
        expires_at: None,
    };
    world.rules((0..500).map(rule).collect());
    let publish = |arn: &str, id: String| {
        let publish = Publish { stage_arn: arn.to_owned(), participant_id: Some(id), ..Publish::default() };
        world.simulator.publish(publish).unwrap();
    };
    for (i, arn) in stages.iter().enumerate() {
        publish(arn, format!("p{i}"));
    }

    // From nothing: everybody has to be found.
    let (cold, took) = round(&world, &stages).await;
    let least = needed(1_000, 1_000, 500);
    println!("cold: {cold} calls, {least} needed, {took} s");
    assert!(cold * 10 <= least * 11, "{cold} calls, {least} needed");

    for _ in 0..3 {
        world.minute().await.unwrap();
    }
    assert_eq!(world.running().len(), 500);

    // All is known. Three rounds, so that what is only done from time to time comes up.
    for _ in 0..3 {
        let mutations = world.mutations();
        let (warm, took) = round(&world, &stages).await;
        let least = needed(1_000, 1_000, 0);
        println!("warm: {warm} calls, {least} needed, {took} s");
        assert!(warm * 10 <= least * 11, "{warm} calls, {least} needed");
        assert_eq!(world.mutations(), mutations);
    }
    assert_within_share(&world);
}

/// Sweeps until every stage has been looked at once more; how many calls that took, and how long.
async fn round(world: &Arc<InProcess>, stages: &[String]) -> (usize, i64) {
    let began = controller::Clock::now(&**world);
    let (mut looked_at, mut calls) = (BTreeSet::new(), 0);
    while looked_at.len() < stages.len() {
        let before = world.simulator.ledger().len();
        let swept = world.sweep().await.unwrap();
        let ledger = world.simulator.ledger().split_off(before);
        assert_eq!(swept.calls, ledger.len());
        for entry in ledger {
            if looked_at.len() == stages.len() {
                break;
            }
            calls += 1;
            if entry.operation == "ListParticipants" {
                looked_at.insert(entry.key.split(' ').next().unwrap_or_default().to_owned());
            }
        }
        world.dispatch().await.unwrap();
        world.next_minute();
    }
    (calls, controller::Clock::now(&**world).duration_since(began).as_secs())
}

/// P5, for the sweep: no second holds more than half of the quota of any read.
fn assert_within_share(world: &InProcess) {
    let ledger = world.simulator.ledger();
    let mut by_operation: BTreeMap<&str, Vec<Timestamp>> = BTreeMap::new();
    for entry in ledger.iter().filter(|entry| !entry.operation.starts_with('S')) {
        assert_ne!(entry.status, 400, "{entry:?}");
        by_operation.entry(&entry.operation).or_default().push(entry.at);
    }
    for (operation, at) in by_operation {
        for from in &at {
            let within = at.iter().filter(|to| *to >= from && to.duration_since(*from).as_millis() < 1_000);
            assert!(within.count() <= 2, "{operation} at {from}");
        }
    }
}
