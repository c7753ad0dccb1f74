//! What a sweep costs, beside what any correct sweep needs.
//!
//! ```sh
//! cargo test -p stagelink-tests --test sweep_cost -- --nocapture
//! ```

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use stagelink_tests::active_stages::{ActiveStages, Round};
use stagelink_tests::in_process::InProcess;

#[tokio::test]
async fn a_thousand_active_stages_cost_little_more_than_any_sweep_needs() {
    let stages = ActiveStages::new(1_000);
    let world = stages.world.clone();

    // From nothing: everybody has to be found.
    let Round { calls, seconds } = stages.round().await.unwrap();
    let least = stages.needed(500);
    println!("cold: {calls} calls, {least} needed, {seconds} s");
    assert!(calls * 10 <= least * 11, "{calls} calls, {least} needed");

    for _ in 0..3 {
        world.minute().await.unwrap();
    }
    assert_eq!(world.running().len(), 500);

    // All is known. Three rounds, so that what is only done from time to time comes up.
    for _ in 0..3 {
        let mutations = world.mutations();
        let Round { calls, seconds } = stages.round().await.unwrap();
        let least = stages.needed(0);
        println!("warm: {calls} calls, {least} needed, {seconds} s");
        assert!(calls * 10 <= least * 11, "{calls} calls, {least} needed");
        assert_eq!(world.mutations(), mutations);
    }
    assert_within_share(&world);
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
