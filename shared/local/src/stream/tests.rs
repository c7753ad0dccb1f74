//! Event source mappings on the database's own stream.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use dynoxide::{Database, actions::put_item::PutItemRequest};
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{mapping::Mapping, *};
use crate::{
    delivery::{Answer, Deliveries, Delivery, Failure, Host, Source, Status, Throttled},
    dynamodb,
    template::{
        Function, StartingPosition, StreamSource,
        tests::{deployment, our, ours},
    },
};

/// Answers as it is told, and remembers what it was given.
#[derive(Default)]
struct Scripted {
    /// The next answers; afterwards every invocation succeeds.
    answers: Mutex<VecDeque<Result<Answer, Throttled>>>,
    events: Mutex<Vec<Value>>,
}

impl Host for Scripted {
    fn invoke<'a>(&'a self, _: &'a str, event: &'a Value) -> BoxFuture<'a, Result<Answer, Throttled>> {
        self.events.lock().unwrap().push(event.clone());
        let answer = self.answers.lock().unwrap().pop_front();
        Box::pin(async move { answer.unwrap_or(Ok(Ok(json!(null)))) })
    }
}

fn fails() -> Result<Answer, Throttled> {
    Ok(Err(Failure { error_type: "Test".to_owned(), error_message: "failed".to_owned() }))
}

/// A table with a function behind its stream.
struct Scene {
    database: Database,
    host: Arc<Scripted>,
    deliveries: Arc<Deliveries>,
    checkpoints: Arc<Checkpoints>,
}

impl Scene {
    fn new(answers: impl IntoIterator<Item = Result<Answer, Throttled>>) -> Self {
        let database = dynamodb::open(&ours().table, None).unwrap();
        let host =
            Arc::new(Scripted { answers: Mutex::new(answers.into_iter().collect()), ..Default::default() });
        let deliveries = Deliveries::new(host.clone(), [Duration::from_millis(1); 2]);
        Self { database, host, deliveries, checkpoints: Arc::default() }
    }

    fn put(&self, sk: &str, attributes: Value) {
        let mut item = json!({ "pk": { "S": "STAGE#a" }, "sk": { "S": sk } });
        item.as_object_mut().unwrap().extend(attributes.as_object().unwrap().clone());
        let request = json!({ "TableName": "stagelink", "Item": item });
        self.database.put_item(serde_json::from_value::<PutItemRequest>(request).unwrap()).unwrap();
    }

    fn put_rules(&self, numbers: std::ops::RangeInclusive<u32>) {
        numbers.for_each(|number| self.put(&format!("RULE#{number}"), json!({})));
    }

    /// Runs the rule-changed mapping, with these changes to it.
    fn run(&self, change: impl FnOnce(&mut StreamSource)) {
        let mut function = our("rule-changed");
        function.streams[0].window = Duration::ZERO;
        change(&mut function.streams[0]);
        self.run_function(function);
    }

    fn run_function(&self, function: Function) {
        let stream = TableStream::open(&self.database, &ours().table, &deployment()).unwrap().unwrap();
        for mapping in mappings(&[function]).unwrap() {
            let running: Mapping = mapping;
            tokio::spawn(running.run(stream.clone(), self.checkpoints.clone(), self.deliveries.clone()));
        }
    }

    async fn until(&self, holds: impl Fn(&Self) -> bool) {
        while !holds(self) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until so many batches have come to an end.
    async fn ended(&self, count: usize) -> Vec<Delivery> {
        let is_ended = |delivery: &Delivery| delivery.status != Status::Pending;
        self.until(|scene| scene.deliveries.recent().iter().filter(|each| is_ended(each)).count() >= count)
            .await;
        self.deliveries.recent()
    }

    /// The sort keys of each invocation.
    fn invocations(&self) -> Vec<Vec<String>> {
        let events = self.host.events.lock().unwrap();
        let records = |event: &Value| event["Records"].as_array().unwrap().clone();
        let key = |record: &Value| record["dynamodb"]["Keys"]["sk"]["S"].as_str().unwrap().to_owned();
        events.iter().map(|event| records(event).iter().map(key).collect()).collect()
    }
}

fn rules(numbers: &[u32]) -> Vec<String> {
    numbers.iter().map(|number| format!("RULE#{number}")).collect()
}

#[tokio::test]
async fn the_event_is_lambdas_own() {
    let scene = Scene::new([]);
    scene.put("RULE#1", json!({ "revision": { "N": "1" } }));
    scene.put("RULE#1", json!({ "revision": { "N": "2" } }));
    scene.run(|_| {});
    let delivery = scene.ended(1).await.remove(0);
    assert_eq!((delivery.source, delivery.trigger.as_str()), (Source::Stream, "RuleChangedRules"));
    assert_eq!(delivery.event_name.as_deref(), Some("2 changes"));

    let event = scene.host.events.lock().unwrap()[0].clone();
    let record = event["Records"][1].clone();
    let arn = record["eventSourceARN"].as_str().unwrap();
    let prefix = "arn:aws:dynamodb:us-east-1:123456789012:table/stagelink/stream/2";
    assert!(arn.starts_with(prefix), "{arn}");
    let changed = &record["dynamodb"];
    assert!(changed["ApproximateCreationDateTime"].is_u64() && changed["SizeBytes"].is_u64(), "{changed}");
    assert!(changed["SequenceNumber"].as_str().unwrap().len() >= 21, "{changed}");
    let item = |revision: &str| json!({ "pk": { "S": "STAGE#a" }, "sk": { "S": "RULE#1" }, "revision": { "N": revision } });
    assert_eq!(
        record,
        json!({
            "eventID": delivery_id(&record),
            "eventName": "MODIFY",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "ApproximateCreationDateTime": changed["ApproximateCreationDateTime"],
                "Keys": { "pk": { "S": "STAGE#a" }, "sk": { "S": "RULE#1" } },
                "NewImage": item("2"),
                "OldImage": item("1"),
                "SequenceNumber": changed["SequenceNumber"],
                "SizeBytes": changed["SizeBytes"],
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
            "eventSourceARN": arn,
        })
    );
    assert_eq!(delivery.event_id, delivery_id(&event["Records"][0]));
}

fn delivery_id(record: &Value) -> String {
    record["eventID"].as_str().filter(|id| !id.is_empty()).unwrap().to_owned()
}

#[tokio::test]
async fn only_what_the_filter_lets_through_is_delivered_in_order_and_in_batches() {
    let scene = Scene::new([]);
    scene.put("PUB#1", json!({}));
    scene.put_rules(1..=2);
    scene.put("PUB#2", json!({}));
    scene.put_rules(3..=5);
    scene.run(|source| source.batch_size = 2);
    scene.ended(3).await;
    assert_eq!(scene.invocations(), [rules(&[1, 2]), rules(&[3, 4]), rules(&[5])]);

    scene.put_rules(6..=6);
    scene.ended(4).await;
    assert_eq!(scene.invocations()[3], rules(&[6]));
}

#[tokio::test]
async fn a_window_gathers_what_comes_one_by_one() {
    let scene = Scene::new([]);
    scene.run(|source| {
        source.window = Duration::from_secs(300);
        source.batch_size = 3;
    });
    for number in 1..=3 {
        scene.put_rules(number..=number);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    scene.ended(1).await;
    assert_eq!(scene.invocations(), [rules(&[1, 2, 3])]);
}

#[tokio::test]
async fn a_write_that_changes_nothing_is_no_change() {
    let scene = Scene::new([]);
    scene.put("RULE#1", json!({ "revision": { "N": "1" } }));
    scene.put("RULE#1", json!({ "revision": { "N": "1" } }));
    scene.put_rules(2..=2);
    scene.run(|_| {});
    scene.ended(1).await;
    assert_eq!(scene.invocations(), [rules(&[1, 2])]);
}

#[tokio::test]
async fn a_lease_does_not_wake_dispatch_and_what_waits_does() {
    let scene = Scene::new([]);
    let due = |class: &str| json!({ "due_class": { "S": class }, "due_at": { "S": "2026-01-01T00:00:00Z" } });
    scene.put("REP#p#b", due("lease"));
    scene.put("REP#p#c", due("start"));
    scene.put("REP#p#c", due("lease"));
    scene.put("REP#p#c", json!({}));
    scene.put("REP#p#b", due("verify"));
    let mut dispatch = our("dispatch");
    dispatch.streams[0].window = Duration::ZERO;
    scene.run_function(dispatch);
    scene.ended(1).await;
    assert_eq!(scene.invocations(), [["REP#p#c", "REP#p#b"]]);
}

#[tokio::test]
async fn the_next_batch_waits_until_the_one_before_has_succeeded() {
    let scene = Scene::new([fails(), Err(Throttled), Err(Throttled), fails()]);
    scene.put_rules(1..=2);
    scene.run(|source| source.batch_size = 1);
    let deliveries = scene.ended(2).await;
    let one = rules(&[1]);
    assert_eq!(scene.invocations(), [&one, &one, &one, &one, &one, &rules(&[2])].map(Clone::clone));
    let first = &deliveries[0];
    assert_eq!((first.status, first.attempts.len(), first.throttles), (Status::Delivered, 3, 2));
    assert!(scene.deliveries.dead_letters().is_empty());
}

#[tokio::test]
async fn a_batch_that_fails_for_good_is_a_dead_letter_and_the_next_goes_on() {
    let scene = Scene::new([fails(), fails(), fails()]);
    scene.put_rules(1..=3);
    scene.run(|source| {
        source.batch_size = 2;
        source.bisect = false;
        source.maximum_retry_attempts = Some(2);
    });
    let deliveries = scene.ended(2).await;
    assert_eq!(scene.invocations(), [rules(&[1, 2]), rules(&[1, 2]), rules(&[1, 2]), rules(&[3])]);
    assert_eq!([deliveries[0].status, deliveries[1].status], [Status::DeadLetter, Status::Delivered]);

    let letter = scene.deliveries.dead_letters().remove(0);
    assert_eq!(letter["requestContext"]["condition"], "RetryAttemptsExhausted");
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:stagelink-rule-changed";
    assert_eq!(letter["requestContext"]["functionArn"], arn);
    assert_eq!(letter["requestContext"]["approximateInvokeCount"], 3);
    let (info, event) = (&letter["DDBStreamBatchInfo"], scene.host.events.lock().unwrap()[0].clone());
    assert_eq!(info["batchSize"], 2);
    assert_eq!(info["startSequenceNumber"], event["Records"][0]["dynamodb"]["SequenceNumber"]);
    assert_eq!(info["endSequenceNumber"], event["Records"][1]["dynamodb"]["SequenceNumber"]);
    assert_eq!(info["streamArn"], event["Records"][0]["eventSourceARN"]);
}

#[tokio::test]
async fn halving_finds_the_change_that_fails() {
    // All four, the first half, its first half, and that once more; then the rest.
    let scene = Scene::new([fails(), fails(), fails(), fails()]);
    scene.put_rules(1..=4);
    scene.run(|source| source.maximum_retry_attempts = Some(1));
    let deliveries = scene.ended(1).await;
    let expected = [vec![1, 2, 3, 4], vec![1, 2], vec![1], vec![1], vec![2], vec![3, 4]];
    assert_eq!(scene.invocations(), expected.map(|numbers| rules(&numbers)));
    assert_eq!(deliveries[0].status, Status::DeadLetter);
    let letters = scene.deliveries.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["DDBStreamBatchInfo"]["batchSize"], 1);
}

#[tokio::test]
async fn what_a_mapping_is_done_with_is_not_delivered_again() {
    let scene = Scene::new([]);
    scene.put_rules(1..=2);
    scene.run(|_| {});
    scene.ended(1).await;
    scene.until(|scene| scene.checkpoints.get("RuleChangedRules").is_some()).await;
    scene.deliveries.stop();
    scene.put_rules(3..=3);

    let host = Arc::new(Scripted::default());
    let deliveries = Deliveries::new(host.clone(), [Duration::from_millis(1); 2]);
    let again = Scene { host, deliveries, ..scene };
    again.run(|_| {});
    again.ended(1).await;
    assert_eq!(again.invocations(), [rules(&[3])]);
}

#[tokio::test]
async fn a_mapping_can_begin_with_the_next_change() {
    let scene = Scene::new([]);
    scene.put_rules(1..=1);
    let stream = TableStream::open(&scene.database, &ours().table, &deployment()).unwrap().unwrap();
    let latest = stream.iterator(record::Start::Position(StartingPosition::Latest)).await.unwrap();
    scene.put_rules(2..=2);
    let (records, _) = stream.read(latest, 10).await.unwrap();
    let keys: Vec<&Value> =
        records.iter().map(|record| &record.value["dynamodb"]["Keys"]["sk"]["S"]).collect();
    assert_eq!(keys, ["RULE#2"]);
}

#[tokio::test]
async fn stop_gives_up_a_batch_that_waits() {
    let scene = Scene::new([]);
    scene.host.answers.lock().unwrap().extend((0..100_000).map(|_| Err(Throttled)));
    scene.put_rules(1..=1);
    scene.run(|_| {});
    scene
        .until(|scene| scene.deliveries.recent().first().is_some_and(|delivery| delivery.throttles > 1))
        .await;
    scene.deliveries.stop();
    scene.deliveries.idle().await;
    assert_eq!(scene.deliveries.recent()[0].status, Status::Pending);
}
