//! The real function binaries on the local stand.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use ivs_sim::Publish;
use local::{Binaries, Stand, StandOptions};
use serde_json::json;

/// Longer than everything that is waited for together: a lease (8 s), the retries of an invocation (1 s and 2 s).
const PATIENCE: Duration = Duration::from_secs(40);

/// A stand with stages, and one rule from the first to all others.
struct Scene {
    stand: Stand,
    stages: Vec<String>,
}

impl Scene {
    async fn start(destinations: usize, reconnect_window_seconds: u16) -> Self {
        Self::start_with(StandOptions::default(), destinations, reconnect_window_seconds).await
    }

    async fn start_with(options: StandOptions, destinations: usize, reconnect_window_seconds: u16) -> Self {
        let stand = Stand::start(options).await.unwrap();
        let create = |i| stand.simulator().create_stage(&format!("stage-{i}"), BTreeMap::new());
        let stages: Vec<String> = (0..=destinations).map(create).collect();
        let scene = Self { stand, stages };
        let entries: String =
            scene.stages[1..].iter().map(|stage| format!("      - stage: \"{stage}\"\n")).collect();
        let rules = format!(
            "rules:\n  - id: all\n    source: {{ stage: \"{}\" }}\n    reconnect_window_seconds: {}\n    destinations:\n{}",
            scene.stages[0], reconnect_window_seconds, entries
        );
        scene.stand.replace_rules(&rules).await.unwrap();
        scene
    }

    fn publish(&self, participant: Option<&str>) -> String {
        let publish = Publish {
            stage_arn: self.stages[0].clone(),
            participant_id: participant.map(str::to_owned),
            ..Publish::default()
        };
        self.stand.simulator().publish(publish).unwrap().participant_id
    }

    fn replicas(&self) -> usize {
        self.stand.simulator().replicas().len()
    }

    /// Successful calls of one operation in the simulator's ledger.
    fn succeeded(&self, operation: &str) -> usize {
        let ledger = self.stand.simulator().ledger();
        ledger.iter().filter(|entry| entry.operation == operation && entry.status == 200).count()
    }

    async fn phases(&self) -> Vec<String> {
        let rows = self.stand.table().replications().await.unwrap();
        rows.into_iter().map(|row| row.phase).collect()
    }

    async fn until(&self, what: &str, mut holds: impl AsyncFnMut(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !holds(self).await {
            let state = self.stand.simulator().state();
            assert!(
                tokio::time::Instant::now() < deadline,
                "not reached: {what}\n{state:#}\n{}",
                self.logs()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn logs(&self) -> String {
        let names = self.stand.function_names().iter();
        names.filter_map(|name| self.stand.functions().logs(name)).flatten().collect::<Vec<_>>().join("\n")
    }

    /// Kills every process of a function, as a crash or an exhausted memory would.
    fn kill(&self, function: &str) {
        let reports = self.stand.functions().reports();
        let report = reports.iter().find(|report| report.name == function).unwrap();
        assert!(!report.pids.is_empty(), "{function} has a process");
        for pid in &report.pids {
            let killed = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
            assert!(killed.success());
        }
    }

    fn latency(&self, ms: u64) {
        self.stand.simulator().merge_settings(&json!({ "calls": { "latency_ms": ms } })).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_appears_everywhere_and_a_leave_cleans_up() {
    let scene = Scene::start(2, 0).await;
    let participant = scene.publish(None);
    scene.until("two replicas", async |scene| scene.replicas() == 2).await;
    scene.until("two rows", async |scene| scene.phases().await == ["Active", "Active"]).await;

    scene.stand.simulator().leave(&scene.stages[0], &participant).unwrap();
    scene.until("none left", async |scene| scene.replicas() == 0).await;
    scene.until("none wanted", async |scene| scene.phases().await == ["Stopped", "Stopped"]).await;
    scene.stand.deliveries().idle().await;

    assert_eq!(scene.succeeded("StartParticipantReplication"), 2);
    assert!(scene.stand.deliveries().dead_letters().is_empty());
    scene.stand.shutdown().await;
}

/// The call takes 3 s: half of it before it takes effect, half after. The function is killed after `kill_after_ms`; Lambda
/// delivers the event again.
async fn killed_in_the_middle_of_a_start(kill_after_ms: u64, in_effect: bool) {
    let scene = Scene::start(1, 0).await;
    scene.latency(3000);
    scene.publish(None);
    scene.until("the intent", async |scene| scene.phases().await == ["Starting"]).await;
    tokio::time::sleep(Duration::from_millis(kill_after_ms)).await;
    assert_eq!(scene.replicas() == 1, in_effect, "the moment of the kill is the one that was meant");
    scene.kill("participant-published");
    scene.latency(0);

    scene.until("it is active", async |scene| scene.phases().await == ["Active"]).await;
    scene.stand.deliveries().idle().await;

    assert_eq!(scene.replicas(), 1);
    assert_eq!(scene.succeeded("StartParticipantReplication"), 1, "it is not started a second time");
    // Where the call took effect, IVS's own event says so; where it did not, only asking tells.
    let asked = scene.succeeded("ListParticipantReplicas") > 0;
    assert!(in_effect || asked, "the doubt was verified before the second call");
    assert!(scene.stand.deliveries().dead_letters().is_empty());
    scene.stand.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_the_start_takes_effect_it_is_started_again() {
    killed_in_the_middle_of_a_start(500, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_the_start_took_effect_it_is_found() {
    killed_in_the_middle_of_a_start(2200, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_somebody_stops_comes_back_and_goes_with_its_rule() {
    let scene = Scene::start(1, 0).await;
    let participant = scene.publish(None);
    scene.until("it is active", async |scene| scene.phases().await == ["Active"]).await;

    let stop = json!({
        "sourceStageArn": scene.stages[0], "destinationStageArn": scene.stages[1], "participantId": participant,
    });
    scene.stand.simulator().call("StopParticipantReplication", stop).unwrap();
    scene
        .until("it is started again", async |scene| scene.succeeded("StartParticipantReplication") == 2)
        .await;
    scene.until("it is active again", async |scene| scene.phases().await == ["Active"]).await;

    scene.stand.replace_rules("rules: []").await.unwrap();
    scene.until("none is left without a rule", async |scene| scene.replicas() == 0).await;
    scene.until("none is wanted", async |scene| scene.phases().await == ["Stopped"]).await;
    assert!(scene.stand.deliveries().dead_letters().is_empty());
    scene.stand.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_event_delivered_at_all_the_sweep_finds_everybody() {
    let mut options = StandOptions { tick: Some(Duration::from_secs(2)), ..StandOptions::default() };
    options.ivs.faults.events.loss = 1.0;
    let scene = Scene::start_with(options, 2, 0).await;
    let participant = scene.publish(None);
    scene.until("two replicas", async |scene| scene.replicas() == 2).await;
    scene.until("two rows", async |scene| scene.phases().await == ["Active", "Active"]).await;

    scene.stand.simulator().leave(&scene.stages[0], &participant).unwrap();
    scene.until("none is wanted", async |scene| scene.phases().await == ["Stopped", "Stopped"]).await;
    assert_eq!(scene.replicas(), 0);
    assert!(scene.stand.deliveries().dead_letters().is_empty());
    scene.stand.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stand_without_functions_delivers_to_nobody() {
    let options = StandOptions { binaries: Binaries::None, ..StandOptions::default() };
    let scene = Scene::start_with(options, 1, 0).await;
    assert!(scene.stand.function_names().is_empty());
    scene.publish(None);
    let event = json!({ "version": "0", "id": "e", "detail-type": "IVS Stage Update", "source": "aws.ivs",
        "account": "123456789012", "time": "2026-07-01T18:00:00Z", "region": "us-east-1", "resources": [],
        "detail": { "event_name": "Participant Published" } });
    assert_eq!(scene.stand.bus().put(&event).unwrap(), [0; 0]);
    assert!(scene.stand.deliveries().recent().is_empty());
    assert_eq!(scene.replicas(), 0);
    scene.stand.shutdown().await;
}
