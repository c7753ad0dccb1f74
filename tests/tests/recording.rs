//! The recording of replicas: rules that say what it has to be, and a sweep that keeps it so, and nothing else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_adapters::{Connection, ConnectionOptions};
use controller::Activity;
use ivs_sim::{Config, Publish};
use replication::{Destination, Mode, ParticipantFilter, ReconnectWindow, Rule, Source, StageArn, Status};
use serde_json::{Value, json};
use stagelink_tests::World;
use stagelink_tests::in_process::{InProcess, Lie};

const STORAGE: &str = "arn:aws:ivs:us-east-1:123456789012:storage-configuration/abcdABCDefgh";

/// A recording that differs from every default.
fn settings() -> Value {
    json!({
        "storageConfigurationArn": STORAGE,
        "mediaTypes": ["AUDIO_ONLY"],
        "thumbnailConfiguration":
            {"targetIntervalSeconds": 30, "storage": ["SEQUENTIAL", "LATEST"], "recordingMode": "INTERVAL"},
        "recordingReconnectWindowSeconds": 20,
        "hlsConfiguration": {"targetSegmentDurationSeconds": 4},
        "recordParticipantReplicas": true,
    })
}

/// A stage that records as [`settings`] say.
fn recorded(simulator: &ivs_sim::Simulator, name: &str) -> StageArn {
    let input =
        json!({"name": name, "tags": {"role": "x"}, "autoParticipantRecordingConfiguration": settings()});
    simulator.call("CreateStage", input).unwrap()["stage"]["arn"].as_str().unwrap().parse().unwrap()
}

fn get(simulator: &ivs_sim::Simulator, stage: &StageArn) -> Value {
    simulator.call("GetStage", json!({"arn": stage.as_str()})).unwrap()["stage"].clone()
}

/// What a stage is once its replicas are recorded or not, and everything else is as it was.
fn with_replicas(before: &Value, record_replicas: bool) -> Value {
    let mut after = before.clone();
    after["autoParticipantRecordingConfiguration"]["recordParticipantReplicas"] = json!(record_replicas);
    after
}

/// From a stage on which nobody ever publishes.
fn rule(id: &str, destinations: &[&StageArn], record_replicas: Option<bool>) -> Rule {
    Rule {
        id: id.parse().unwrap(),
        revision: 1,
        priority: 50,
        status: Status::Enabled,
        source: Source::Stage("arn:aws:ivs:us-east-1:123456789012:stage/A".parse().unwrap()),
        participants: ParticipantFilter::default(),
        destinations: destinations.iter().map(|stage| Destination::Stage((*stage).clone())).collect(),
        reconnect_window: ReconnectWindow::default(),
        attributes: BTreeMap::new(),
        preempt: false,
        record_replicas,
        expires_at: None,
    }
}

/// A world, and how many calls of an operation it has seen.
struct Studio {
    world: Arc<InProcess>,
    b: StageArn,
}

impl Studio {
    /// A stage B that records, and a rule that does not want its replicas recorded.
    fn new() -> Self {
        let world = InProcess::new(Config::default());
        let b = recorded(&world.simulator, "B");
        world.rules(vec![rule("quiet", &[&b], Some(false))]);
        Self { world, b }
    }

    fn calls(&self, operation: &str) -> usize {
        self.world.simulator.ledger().iter().filter(|entry| entry.operation == operation).count()
    }

    /// The GetStage and UpdateStage calls that a sweep makes.
    async fn sweep(&self) -> (usize, usize) {
        let before = (self.calls("GetStage"), self.calls("UpdateStage"));
        self.world.minute().await.unwrap();
        (self.calls("GetStage") - before.0, self.calls("UpdateStage") - before.1)
    }

    async fn sweep_for(&self, minutes: usize) -> (usize, usize) {
        let before = (self.calls("GetStage"), self.calls("UpdateStage"));
        for _ in 0..minutes {
            self.sweep().await;
        }
        (self.calls("GetStage") - before.0, self.calls("UpdateStage") - before.1)
    }

    fn history(&self) -> Vec<String> {
        let line = |line: &Activity| {
            assert_eq!((&line.participant, &line.destination), (&None, &None));
            format!("{} {}: {}", line.operation, line.rule.as_ref().unwrap(), line.outcome)
        };
        self.world.store.activity().iter().map(line).collect()
    }

    fn publish(&self, participant: &str) {
        let (stage_arn, participant_id) = (self.b.to_string(), Some(participant.to_owned()));
        self.world.simulator.publish(Publish { stage_arn, participant_id, ..Publish::default() }).unwrap();
    }
}

#[tokio::test]
async fn a_rule_that_says_so_sets_it_once_and_leaves_all_else() {
    let studio = Studio::new();
    let before = get(&studio.world.simulator, &studio.b);
    let updates = studio.calls("UpdateStage");

    let swept = studio.world.minute().await.unwrap();

    assert_eq!((swept.recordings_set, studio.calls("UpdateStage") - updates), (1, 1));
    assert_eq!(get(&studio.world.simulator, &studio.b), with_replicas(&before, false));
    let history = ["UpdateStage quiet: intent: record_replicas from true to false", "UpdateStage quiet: ok"]
        .map(str::to_owned);
    assert_eq!(studio.history(), history);

    assert_eq!(studio.sweep_for(9).await, (0, 0), "it is known");
    assert_eq!(studio.sweep().await, (1, 0), "and looked at again after 10 min");

    studio.world.rules(vec![]);
    assert_eq!(studio.sweep_for(15).await, (0, 0), "without a rule it is left as it is");
    assert_eq!(get(&studio.world.simulator, &studio.b), with_replicas(&before, false));
    assert_eq!(studio.history(), history);
}

#[tokio::test]
async fn another_wish_counts_at_once_and_somebody_elses_change_within_ten_minutes() {
    let studio = Studio::new();
    let before = get(&studio.world.simulator, &studio.b);
    studio.sweep().await;
    studio.world.rules(vec![rule("loud", &[&studio.b], Some(true))]);
    assert_eq!(studio.sweep().await, (1, 1));
    assert_eq!(get(&studio.world.simulator, &studio.b), before);

    let by_hand = with_replicas(&before, false)["autoParticipantRecordingConfiguration"].clone();
    let input = json!({"arn": studio.b.as_str(), "autoParticipantRecordingConfiguration": by_hand});
    studio.world.simulator.call("UpdateStage", input).unwrap();
    assert_eq!(studio.sweep_for(11).await, (1, 1));
    assert_eq!(get(&studio.world.simulator, &studio.b), before);
}

#[tokio::test]
async fn what_needs_no_change_is_not_changed() {
    let studio = Studio::new();
    let silent: StageArn = studio.world.simulator.create_stage("C", BTreeMap::new()).parse().unwrap();
    studio.world.rules(vec![
        rule("as-it-is", &[&studio.b], Some(true)),
        rule("off", &[&silent], Some(false)),
        rule("nothing", &[&studio.b], None),
    ]);
    let before = (get(&studio.world.simulator, &studio.b), get(&studio.world.simulator, &silent));
    assert_eq!(studio.sweep().await, (2, 0));
    assert_eq!(studio.sweep().await, (0, 0));
    assert_eq!((get(&studio.world.simulator, &studio.b), get(&studio.world.simulator, &silent)), before);
    assert!(studio.history().is_empty());
}

/// P14, as far as recordings go.
#[tokio::test]
async fn where_nothing_may_be_changed_nothing_is() {
    let studio = Studio::new();
    let before = get(&studio.world.simulator, &studio.b);
    for _ in 0..12 {
        let mut sweeper = studio.world.sweeper();
        sweeper.controller.policy.mode = Mode::Observe;
        let swept = sweeper.run(&studio.world.invocation("observing", 47)).await.unwrap();
        assert_eq!(swept.recordings_set, 0);
        studio.world.next_minute();
    }
    assert_eq!((studio.calls("UpdateStage"), get(&studio.world.simulator, &studio.b)), (0, before.clone()));
    assert!(studio.history().is_empty());
    studio.sweep_for(10).await;
    assert_eq!(get(&studio.world.simulator, &studio.b), with_replicas(&before, false));
}

/// IVS changes no stage while somebody there is recorded. It is tried again every 10 min, other stages meanwhile.
#[tokio::test]
async fn what_ivs_refuses_is_tried_again_and_delays_no_other_stage() {
    let studio = Studio::new();
    let c = recorded(&studio.world.simulator, "C");
    studio.world.rules(vec![rule("quiet", &[&studio.b, &c], Some(false))]);
    studio.publish("guest");
    let before = get(&studio.world.simulator, &c);

    assert_eq!(studio.sweep().await, (2, 2));
    assert_eq!(get(&studio.world.simulator, &c), with_replicas(&before, false));
    let history = studio.history();
    let refused = history.iter().filter(|line| line.contains("ConflictException")).count();
    assert_eq!((history.len(), refused), (4, 1), "{history:?}");
    assert_eq!(studio.sweep_for(8).await, (0, 0), "the look at the stage forgets nothing of it");

    studio.world.simulator.leave(studio.b.as_str(), "guest").unwrap();
    studio.sweep_for(3).await;
    let b = get(&studio.world.simulator, &studio.b);
    assert_eq!(b["autoParticipantRecordingConfiguration"]["recordParticipantReplicas"], false);
}

/// P10: what IVS does not answer costs a sweep one call; the looks go on, and the other stages have their turn.
#[tokio::test]
async fn no_answer_leaves_the_rest_to_the_next_sweep() {
    let studio = Studio::new();
    let c = recorded(&studio.world.simulator, "C");
    studio.world.rules(vec![rule("quiet", &[&studio.b, &c], Some(false))]);
    studio.publish("guest");
    studio.world.lie("GetStage", Some(Lie::Fails));
    let swept = studio.world.minute().await.unwrap();
    assert_eq!((studio.calls("GetStage"), swept.looked_at, swept.skipped), (1, 1, 0));
    studio.world.lie("GetStage", None);
    assert_eq!(studio.sweep().await.0, 1);
    assert_eq!(studio.sweep().await.0, 0);
}

/// P4 and P12: killed after any await, the next sweep does what is left; the call has its intent before it.
#[tokio::test]
async fn a_sweep_may_be_killed_anywhere() {
    let mut killed_at = BTreeSet::new();
    for steps in 0..6 {
        let studio = Studio::new();
        let before = get(&studio.world.simulator, &studio.b);
        let sweeper = studio.world.sweeper();
        let invocation = studio.world.invocation("killed", 55);
        let mut run = Box::pin(sweeper.run(&invocation));
        for _ in 0..steps {
            if futures::poll!(&mut run).is_ready() {
                break;
            }
        }
        drop(run);
        killed_at.insert((studio.history().len(), studio.calls("UpdateStage")));
        studio.world.next_minute();
        studio.sweep_for(2).await;
        assert_eq!(get(&studio.world.simulator, &studio.b), with_replicas(&before, false), "{steps} steps");
        assert_eq!(studio.sweep().await, (0, 0), "{steps} steps");
    }
    // Lines of history, and calls that took effect: nothing, the intent, the call, the outcome.
    assert_eq!(killed_at, BTreeSet::from([(0, 0), (1, 0), (1, 1), (2, 1)]));
}

/// The SDK would read an absent field as false, and would not send a false one. What goes over the wire does both right.
#[tokio::test(flavor = "multi_thread")]
async fn false_goes_over_the_wire() {
    let world = World::start().await.unwrap();
    let stage = recorded(&world.simulator, "B");
    let before = get(&world.simulator, &stage);
    let calls = calls_of(&world).await;

    for record_replicas in [false, true] {
        let recording = calls.get.get_recording(&stage).await.unwrap();
        assert!(recording.on && recording.replicas != record_replicas);
        world.recording.take();
        let receipt = calls.set.set_record_replicas(&stage, &recording, record_replicas).await.unwrap();
        assert!(receipt.request_id.is_some());
        let sent = world.recording.take();
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].operation, "UpdateStage");
        let expected =
            with_replicas(&json!({"autoParticipantRecordingConfiguration": settings()}), record_replicas);
        let mut body: Value = serde_json::from_slice(&sent[0].body).unwrap();
        assert_eq!(body.as_object_mut().unwrap().remove("arn"), Some(json!(stage.as_str())));
        assert_eq!(body, expected);
        assert_eq!(get(&world.simulator, &stage), with_replicas(&before, record_replicas));
    }
}

/// The calls of the adapter, over HTTP and recorded.
async fn calls_of(world: &World) -> controller::sweep::port::RecordingCalls {
    let connection = Connection::new(ConnectionOptions {
        region: Some("us-east-1".to_owned()),
        ivs_endpoint: Some(world.urls()[1].to_owned()),
        emulated: true,
        ..ConnectionOptions::default()
    });
    connection.await.ivs().for_recording()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_records_nobody_and_one_that_is_gone_are_told_from_others() {
    let world = World::start().await.unwrap();
    let stage = recorded(&world.simulator, "B");
    let calls = calls_of(&world).await;
    let off = world.stage("C").parse().unwrap();
    assert!(!calls.get.get_recording(&off).await.unwrap().on);
    let gone: StageArn = format!("{stage}X").parse().unwrap();
    assert_eq!(calls.get.get_recording(&gone).await.unwrap_err().code, "ResourceNotFoundException");
    let recording = calls.get.get_recording(&stage).await.unwrap();
    let refused = calls.set.set_record_replicas(&gone, &recording, true).await.unwrap_err();
    assert_eq!(refused.code, "ResourceNotFoundException");
}
