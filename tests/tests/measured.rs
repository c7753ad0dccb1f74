//! What whole functions measure: on the real table and a simulated IVS, read as CloudWatch reads it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use lambda_kit::metric::Metric;
use replication::Moment;
use serde_json::{Value, json};
use stagelink_tests::World;
use stagelink_tests::emf::{MetricLog, Series};
use stagelink_tests::rows::rule;
use stagelink_tests::world::{invoke, scheduled};

/// A source and a destination, a rule `main` between them, and an event of somebody who began to publish.
struct Scene {
    world: World,
    log: MetricLog,
    published: Value,
}

impl Scene {
    async fn start() -> Self {
        let mut world = World::start().await.unwrap();
        let (source, destination) = (world.stage("source"), world.stage("destination"));
        world.rules(&[rule("main", &source, &destination)]).await.unwrap();
        world.publish(&source).unwrap();
        let published = world.event("Participant Published").await.unwrap();
        Self { world, log: MetricLog::default(), published }
    }

    /// The function with this name takes in an event.
    async fn invoke(&self, function: &'static str, event: Value) -> Result<Value, lambda_kit::Failure> {
        let function = self.world.function(function).await;
        function.meter().write_to(self.log.clone());
        invoke(&function, event).await
    }

    fn calls_fail(&self, rate: f64, code: &str) {
        let faults = json!({ "calls": { "error_rate": rate, "error_code": code } });
        self.world.simulator.merge_settings(&faults).unwrap();
    }

    /// When the participant began to publish, at the earliest, by the event.
    fn published_at(&self) -> Timestamp {
        let detail = &self.published["detail"];
        let at = detail["event_time_precise"].as_str().or(detail["event_time"].as_str()).unwrap();
        at.parse::<Moment>().unwrap().earliest()
    }

    /// The times of the calls of an operation, and whether they succeeded.
    fn ledger(&self, operation: &str) -> Vec<(Timestamp, bool)> {
        let ledger = self.world.simulator.ledger().into_iter();
        let calls = ledger.filter(|entry| entry.operation == operation);
        calls.map(|entry| (entry.at, entry.status == 200)).collect()
    }

    fn metrics(&self) -> BTreeMap<Series, Vec<f64>> {
        self.log.take().unwrap()
    }

    /// The metric of the table alone, or split by one more dimension: `Rule=main`.
    fn series(&self, metric: Metric, split_by: &str) -> Series {
        let dimensions = format!("Table={} {split_by}", self.world.table());
        (metric.name().to_owned(), dimensions.trim_end().to_owned())
    }

    /// That the latency in `metrics` is that of the only Start, within what can be known from outside.
    fn check_latency(&self, metrics: &BTreeMap<Series, Vec<f64>>) {
        let latency = &metrics[&self.series(Metric::ReplicationLatency, "Rule=main")];
        let [(accepted, true)] = self.ledger("StartParticipantReplication")[..] else {
            panic!("one Start that succeeds")
        };
        let since_publish = |at: Timestamp| at.duration_since(self.published_at()).as_secs_f64();
        let (least, most) = (since_publish(accepted) - 0.001, since_publish(Timestamp::now()) + 0.001);
        assert!(matches!(latency[..], [one] if (least..=most).contains(&one)), "{least} {latency:?} {most}");
        assert_eq!(&metrics[&self.series(Metric::ReplicationLatency, "")], latency);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_leads_to_its_latency_and_its_call() {
    let scene = Scene::start().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    scene.invoke("participant-published", scene.published.clone()).await.unwrap();
    let metrics = scene.metrics();
    scene.check_latency(&metrics);
    let start = "Operation=StartParticipantReplication";
    assert_eq!(metrics[&scene.series(Metric::Calls, start)], [1.0]);
    assert_eq!(metrics[&scene.series(Metric::Calls, "")], [1.0]);
    assert_eq!(metrics[&scene.series(Metric::ThrottledCalls, start)], [0.0]);
    assert_eq!(metrics.len(), 6, "{metrics:?}");

    scene.invoke("participant-published", scene.published.clone()).await.unwrap();
    assert_eq!(scene.metrics(), BTreeMap::new(), "a repeated event calls nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dispatch_starts_it_measures_itself() {
    let scene = Scene::start().await;
    // This function may not call, and leaves the Start due.
    scene.invoke("replication-changed", scene.published.clone()).await.unwrap();
    assert_eq!(scene.metrics(), BTreeMap::new());
    let dispatch = scene.world.dispatch();
    dispatch.meter().write_to(scene.log.clone());
    dispatch.handle(scheduled()).await.unwrap();
    scene.check_latency(&scene.metrics());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_start_has_failed() {
    let scene = Scene::start().await;
    scene.calls_fail(1.0, "AccessDeniedException");
    scene.invoke("participant-published", scene.published.clone()).await.unwrap();
    let metrics = scene.metrics();
    for split_by in ["", "Rule=main"] {
        assert_eq!(metrics[&scene.series(Metric::OperationsFailedReplication, split_by)], [1.0]);
    }
    assert!(!metrics.contains_key(&scene.series(Metric::ReplicationLatency, "")));
    assert_eq!(metrics[&scene.series(Metric::ThrottledCalls, "")], [0.0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn throttled_calls_are_told_though_the_invocation_fails() {
    let scene = Scene::start().await;
    scene.calls_fail(1.0, "ThrottlingException");
    let failure = scene.invoke("participant-published", scene.published.clone()).await.unwrap_err();
    assert_eq!(failure.error_type(), "Unsettled");
    let metrics = scene.metrics();
    let calls = scene.ledger("StartParticipantReplication").len() as f64;
    assert!(calls > 1.0, "it tried again");
    for metric in [Metric::Calls, Metric::ThrottledCalls] {
        assert_eq!(metrics[&scene.series(metric, "Operation=StartParticipantReplication")], [calls]);
    }
    let failed = scene.series(Metric::OperationsFailedReplication, "");
    assert!(!metrics.contains_key(&failed), "to be throttled is no failure");

    scene.calls_fail(0.0, "ThrottlingException");
    scene.invoke("participant-published", scene.published.clone()).await.unwrap();
    let latency = &scene.metrics()[&scene.series(Metric::ReplicationLatency, "Rule=main")];
    assert!(latency[0] > 5.0, "the time it was throttled counts: {latency:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_not_for_us_or_not_readable_are_counted() {
    let scene = Scene::start().await;
    let mut foreign = scene.published.clone();
    foreign["source"] = json!("example.shows");
    scene.invoke("participant-published", foreign).await.unwrap();
    let by = "Function=participant-published";
    assert_eq!(scene.metrics()[&scene.series(Metric::EventsIgnored, by)], [1.0]);
    scene.invoke("participant-published", json!({ "detail": 7 })).await.unwrap_err();
    assert_eq!(scene.metrics()[&scene.series(Metric::EventsMalformed, by)], [1.0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_tells_of_every_gauge_also_when_there_is_nothing_to_do() {
    const GAUGES: [Metric; 8] = [
        Metric::OperationsPendingReplication,
        Metric::OldestPendingSeconds,
        Metric::RunningReplicas,
        Metric::ReplicaHours,
        Metric::BlockedReplicas,
        Metric::ForeignReplicas,
        Metric::BrakedReplicas,
        Metric::OldestKnowledgeSeconds,
    ];
    let scene = Scene::start().await;
    let reconcile = scene.world.reconcile();
    reconcile.meter().write_to(scene.log.clone());
    reconcile.handle(scheduled()).await.unwrap();
    let metrics = scene.metrics();
    for metric in GAUGES {
        assert_eq!(metrics[&scene.series(metric, "")], [0.0], "{}", metric.name());
    }
    let calls = |metrics: &BTreeMap<Series, Vec<f64>>| -> f64 {
        metrics[&scene.series(Metric::Calls, "")].iter().sum()
    };
    assert_eq!(calls(&metrics), scene.world.simulator.ledger().len() as f64, "every call was counted");

    scene.invoke("participant-published", scene.published.clone()).await.unwrap();
    scene.log.take().unwrap();
    reconcile.handle(scheduled()).await.unwrap();
    let metrics = scene.metrics();
    for split_by in ["", "Rule=main"] {
        assert_eq!(metrics[&scene.series(Metric::RunningReplicas, split_by)], [1.0]);
        assert_eq!(metrics[&scene.series(Metric::ReplicaHours, split_by)], [1.0 / 60.0]);
        assert_eq!(metrics[&scene.series(Metric::OperationsPendingReplication, split_by)], [0.0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_blocked_and_what_is_overdue_is_told_by_reason_and_by_age() {
    let scene = Scene::start().await;
    scene.calls_fail(1.0, "AccessDeniedException");
    scene.invoke("participant-published", scene.published.clone()).await.unwrap();
    let mut blocked = scene.world.store.replicas().await.unwrap().remove(0);
    let minute_ago = Timestamp::now() - jiff::SignedDuration::from_secs(60);
    blocked.next_attempt = Some(minute_ago);
    let write = controller::Write { replicas: vec![blocked], ..controller::Write::default() };
    controller::Store::write(&scene.world.store, &write).await.unwrap();
    scene.log.take().unwrap();

    let reconcile = scene.world.reconcile();
    reconcile.meter().write_to(scene.log.clone());
    reconcile.handle(scheduled()).await.unwrap();
    let metrics = scene.metrics();
    for split_by in ["", "Reason=AccessDenied"] {
        assert_eq!(metrics[&scene.series(Metric::BlockedReplicas, split_by)], [1.0]);
    }
    assert_eq!(metrics[&scene.series(Metric::OperationsPendingReplication, "Rule=main")], [1.0]);
    let overdue = metrics[&scene.series(Metric::OldestPendingSeconds, "")][0];
    assert!((60.0..75.0).contains(&overdue), "{overdue}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_fails_tells_nothing_of_the_table() {
    let scene = Scene::start().await;
    let reconcile = scene.world.reconcile();
    reconcile.meter().write_to(scene.log.clone());
    scene.world.cut_off();
    reconcile.handle(scheduled()).await.unwrap_err();
    assert_eq!(scene.metrics(), BTreeMap::new());
}
