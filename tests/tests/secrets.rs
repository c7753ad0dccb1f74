//! What functions tell: in their logs, in their metrics, in their answers, and in the errors that Lambda keeps with a dead letter. No
//! user id, attribute or part of a token is in any of it, at the levels that are on in production; and whatever else is repeated of
//! what others said begins no line of its own and no metric.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use aws_adapters::{Connection, ConnectionOptions};
use ivs_sim::Publish;
use lambda_kit::{Failure, Function, telemetry};
use lambda_runtime::Diagnostic;
use replication::{Destination, ParticipantFilter, Rule, Source, is_obeyed};
use serde_json::{Value, json};
use stagelink_tests::World;
use stagelink_tests::aws_stub::AwsStub;
use stagelink_tests::emf::read;
use stagelink_tests::http::{Asked, api};
use stagelink_tests::rows::rule;
use stagelink_tests::world::with_time;

/// Stands in every field that nobody shall read in a log.
const SECRET: &str = "s3cr3t";

/// The same where only a number fits.
const SECRET_NUMBER: u64 = 424_242_424_242;

/// What an attacker would like to see as a line, a level and a metric of its own.
const FORGED: &str = "forged\r\n{\"level\":\"ERROR\",\"message\":\"forged\",\"_aws\":{\"Timestamp\":1,\"CloudWatchMetrics\":[]}}\n\u{1b}[2J\u{9b}1m\u{202e}\u{2028}";

/// What was written, of logs or of metrics.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap();
        String::from_utf8(bytes.clone()).unwrap().lines().map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything that functions told.
#[derive(Default)]
struct Told {
    logs: Log,
    metrics: Log,
    answers: Vec<String>,
}

impl Told {
    /// A function's answer; or what Lambda logs and keeps of its failure, with the kind of it.
    fn answer(&mut self, answer: Result<Value, Failure>) -> String {
        let (kind, text) = match answer {
            Ok(answer) => (answer["handled"].to_string(), answer.to_string()),
            Err(failure) => {
                let Diagnostic { error_type, error_message } = failure.into();
                (error_type.clone(), format!("{error_type}: {error_message}"))
            }
        };
        self.answers.push(text);
        kind
    }

    async fn event(&mut self, function: &Function, event: &Value) -> String {
        // Nobody waits here for what is tried again.
        self.answer(function.handle(with_time(event.clone(), 2)).await)
    }

    fn check(&self) {
        let number = SECRET_NUMBER.to_string();
        let logs = self.logs.lines();
        for line in &logs {
            let record: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no record: {line}"));
            assert!(record["timestamp"].is_string() && record["level"].is_string(), "{line}");
            assert!(record.get("_aws").is_none(), "a metric out of a log: {line}");
        }
        let metrics = self.metrics.lines();
        for line in &metrics {
            read(line).unwrap_or_else(|wrong| panic!("{wrong}: {line}"));
        }
        for told in logs.iter().chain(&metrics).chain(&self.answers) {
            assert!(!told.contains(SECRET) && !told.contains(&number), "{told}");
            assert!(!told.chars().any(is_obeyed), "{told:?}");
            assert!(told.len() < 10_000, "{} bytes: {told}", told.len());
        }
    }

    /// How many records there are with this message.
    fn said(&self, message: &str) -> usize {
        self.logs.lines().iter().filter(|line| line.contains(&format!("\"message\":\"{message}\""))).count()
    }
}

fn secrets(name: &str) -> BTreeMap<String, String> {
    [(format!("{SECRET}-key-{name}"), format!("{SECRET}-{name}\n{FORGED}"))].into()
}

/// A rule that depends on user ids and attributes, and gives replicas some.
fn secret_rule(id: &str, source: &str, destination: &str) -> Rule {
    let pattern = || format!("*{SECRET}*").parse().unwrap();
    Rule {
        participants: ParticipantFilter {
            user_id: Some(pattern()),
            attributes: [(format!("{SECRET}-key-token"), pattern())].into(),
        },
        attributes: secrets("rule"),
        ..rule(id, source, destination)
    }
}

struct Scene {
    world: World,
    told: Told,
    source: String,
    destination: String,
}

impl Scene {
    async fn start() -> Self {
        let world = World::start().await.unwrap();
        let told = Told::default();
        let logs = told.logs.clone();
        telemetry::init_to(world.config(), move || logs.clone());
        let (source, destination) = (world.stage("source"), world.stage("destination"));
        let selecting = Rule {
            source: Source::Any,
            destinations: vec![Destination::Tags { tags: secrets_as_tags(), same: Vec::new() }],
            priority: 10,
            ..secret_rule("any", &source, &destination)
        };
        world.rules(&[secret_rule("main", &source, &destination), selecting]).await.unwrap();
        Self { world, told, source, destination }
    }

    async fn function(&self, name: &'static str) -> Function {
        let function = self.world.function(name).await;
        function.meter().write_to(self.told.metrics.clone());
        function
    }

    /// A function whose table and IVS are at these addresses.
    async fn function_at(&self, name: &'static str, dynamodb: &str, ivs: &str) -> Function {
        let options = ConnectionOptions {
            region: Some("us-east-1".to_owned()),
            dynamodb_endpoint: Some(dynamodb.to_owned()),
            ivs_endpoint: Some(ivs.to_owned()),
            emulated: true,
            ..ConnectionOptions::default()
        };
        let connection = Connection::new(options).await;
        let calls = match name {
            "participant-published" => connection.ivs().for_starting(),
            _ => connection.ivs().for_stopping(),
        };
        let function = Function::new(name, self.world.config(), &connection, calls).await;
        function.meter().write_to(self.told.metrics.clone());
        function
    }

    /// Somebody publishes, and this is the event of it, with parts of a token that no such event has.
    async fn published(&mut self, who: &str) -> Value {
        let publish = Publish {
            stage_arn: self.source.clone(),
            participant_id: Some(who.to_owned()),
            user_id: Some(format!("{SECRET}-user {FORGED}").chars().take(128).collect()),
            attributes: secrets("token"),
        };
        self.world.simulator.publish(publish).unwrap();
        let mut event = loop {
            let event = self.world.event("Participant Published").await.unwrap();
            if event["detail"]["participant_id"] == who && event["detail"]["replica"] != true {
                break event;
            }
        };
        event["detail"]["new_token"] = token();
        event["detail"]["attributes"] = json!(secrets("event"));
        event
    }

    /// The same event as another one, with these fields.
    fn as_another(&self, event: &Value, fields: Value) -> Value {
        let mut event = event.clone();
        let detail = event["detail"].as_object_mut().unwrap();
        detail.extend(fields.as_object().unwrap().clone());
        if fields["replica"] == true {
            event["resources"][0] = self.destination.as_str().into();
        }
        event
    }
}

fn secrets_as_tags() -> BTreeMap<String, String> {
    [("role".to_owned(), "overflow".to_owned())].into()
}

fn token() -> Value {
    json!({ "capabilities": ["PUBLISH"], "attributes": secrets("new"), "user_id": SECRET, "expiration_time": SECRET })
}

/// Everything that wakes a function with news, read or not to be read, wanted or not.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_functions_tell_has_a_secret_or_a_line_of_somebody_elses() {
    let mut scene = Scene::start().await;
    events_of_every_kind(&mut scene).await;
    calls_that_fail(&mut scene).await;
    due_work_and_sweeps(&mut scene).await;
    items_that_cannot_be_read(&mut scene).await;
    requests(&mut scene).await;
    the_table_fails(&mut scene).await;
    scene.told.check();
    // So that it is not for want of anything said.
    for message in [
        "planned",
        "called",
        "the call failed",
        "event ignored",
        "not handled",
        "swept",
        "dispatched",
        "answered",
        "rule left out",
        "item left out",
        "not answered",
    ] {
        assert!(
            scene.told.said(message) > 0,
            "{message} was never logged:\n{}",
            scene.told.logs.lines().join("\n")
        );
    }
    assert!(!scene.told.metrics.lines().is_empty());
}

async fn events_of_every_kind(scene: &mut Scene) {
    let event = scene.published("p1").await;
    let published = scene.function("participant-published").await;
    let changed = scene.function("replication-changed").await;
    let unpublished = scene.function("participant-unpublished").await;
    assert_eq!(scene.told.event(&published, &event).await, "\"settled\"");
    assert_eq!(scene.world.simulator.replicas().len(), 1, "the attributes were asked for, and matched");
    let of_a_replica = json!({ "replica": true, "source_stage_arn": scene.source });
    let others = [
        json!({ "event_name": "Participant Replication Start", "destination_stage_arn": scene.destination }),
        json!({ "event_name": "Participant Replication End", "destination_stage_arn": scene.destination }),
        json!({ "event_name": "Participant Publish Error", "error_code": FORGED }),
        json!({ "event_name": "Token Exchanged", "previous_token": token(), "new_token": token() }),
        json!({ "event_name": format!("Participant {FORGED}") }),
        of_a_replica.clone(),
        json!({ "replica": true, "source_stage_arn": scene.source, "event_name": "Participant Publish Error", "error_code": FORGED }),
    ];
    for fields in others {
        let other = scene.as_another(&event, fields);
        scene.told.event(&changed, &other).await;
    }
    let mut foreign = event.clone();
    foreign["source"] = FORGED.into();
    assert_eq!(scene.told.event(&published, &foreign).await, "\"ignored\"");
    foreign["id"] = FORGED.into();
    scene.told.event(&published, &foreign).await;

    // What cannot be read: a secret of another type than its field has, and fields that may be repeated.
    let text = format!("{SECRET}{FORGED}");
    let others = [json!(SECRET_NUMBER), json!([text]), json!({ "is": text }), json!(true)];
    for value in &others {
        let wrong = scene.as_another(&event, json!({ "user_id": value }));
        assert_eq!(scene.told.event(&published, &wrong).await, "Malformed");
    }
    for field in ["participant_id", "session_id", "event_time_precise", "event_name", "replica", "error_code"]
    {
        for value in [json!(FORGED), json!([FORGED]), json!(7)] {
            let wrong = scene.as_another(&event, json!({ field: value }));
            scene.told.event(&published, &wrong).await;
        }
    }
    for wrong in [json!([text]), json!({ "detail": text }), json!({}), json!(text)] {
        assert_eq!(scene.told.event(&published, &wrong).await, "Malformed");
    }
    let left = json!({ "event_name": "Participant Unpublished" });
    scene.told.event(&unpublished, &scene.as_another(&event, left)).await;
}

/// IVS refuses, and repeats what it was sent, as services do that validate.
async fn calls_that_fail(scene: &mut Scene) {
    for (i, (status, code)) in
        [(400, "ValidationException"), (403, "AccessDeniedException"), (500, "InternalServerException")]
            .into_iter()
            .enumerate()
    {
        let words = |sent: &str| {
            let sent: Value = serde_json::from_str(sent).unwrap_or_default();
            let values: Vec<_> = sent["attributes"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(_, value)| value.clone())
                .collect();
            format!(
                "1 validation error detected: Value '{}' failed to satisfy constraint {FORGED}",
                values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
            )
        };
        let ivs = AwsStub::refusing(status, code, words).await;
        let event = scene.published(&format!("f{i}")).await;
        // Whom the rules mean is known by now; what is refused is the Start.
        let pk = format!("STAGE#{}", scene.source);
        scene.world.put(&json!({
            "pk": { "S": pk }, "sk": { "S": format!("PUB#f{i}") }, "schema": { "N": "1" }, "stage": { "S": scene.source },
            "participant": { "S": format!("f{i}") }, "user_id": { "S": event["detail"]["user_id"] }, "publishing": { "S": "yes" },
            "session": { "S": event["detail"]["session_id"] }, "version": { "N": "1" },
            "token_attributes": { "M": { format!("{SECRET}-key-token"): { "S": format!("{SECRET}-token") } } },
        })).await.unwrap();
        let published = scene.function_at("participant-published", scene.world.urls()[0], &ivs.url).await;
        scene.told.event(&published, &event).await;
        let unpublished = scene.function_at("participant-unpublished", scene.world.urls()[0], &ivs.url).await;
        let left = scene.as_another(&event, json!({ "event_name": "Participant Unpublished" }));
        scene.told.event(&unpublished, &left).await;
    }
    let stored = scene.world.store.replicas().await.unwrap();
    let words: Vec<_> =
        stored.iter().filter_map(|replica| Some(replica.last_error.as_ref()?.message.clone())).collect();
    assert!(words.iter().any(|words| words.contains("Value '(an attribute)' failed")), "{words:?}");
    assert!(words.iter().all(|words| !words.contains(SECRET)), "{words:?}");
}

async fn due_work_and_sweeps(scene: &mut Scene) {
    let change = |pk: &str| json!({ "Records": [{ "dynamodb": { "Keys": { "pk": { "S": pk }, "sk": { "S": "RULE#main" } } } }] });
    let rules = scene.world.rule_changed();
    for records in [
        change("STAGE#*"),
        change(&format!("STAGE#{}", scene.source)),
        change(&format!("STAGE#{FORGED}")),
        json!({}),
    ] {
        scene.told.answer(rules.handle(with_time(records, 15)).await);
    }
    let dispatch = scene.world.dispatch();
    dispatch.meter().write_to(scene.told.metrics.clone());
    scene.told.answer(dispatch.handle(with_time(Value::Null, 7)).await);
    let reconcile = scene.world.reconcile();
    reconcile.meter().write_to(scene.told.metrics.clone());
    scene.told.answer(reconcile.handle(with_time(Value::Null, 11)).await);
}

/// Items with secrets where something else should be.
async fn items_that_cannot_be_read(scene: &mut Scene) {
    let event = scene.published("x1").await;
    let pk = format!("STAGE#{}", scene.source);
    let text = json!({ "S": format!("{SECRET}{FORGED}") });
    let long = json!({ "S": SECRET.repeat(100) });
    let map = json!({ "M": { "k": text } });
    let rule = |id: &str, more: Value| {
        let mut rule = json!({
            "pk": { "S": pk }, "sk": { "S": format!("RULE#{id}") }, "schema": { "N": "2" }, "id": { "S": id }, "revision": { "N": "1" },
            "priority": { "N": "50" }, "status": { "S": "enabled" }, "source_stage": { "S": scene.source },
            "destination_stages": { "L": [{ "S": scene.destination }] }, "reconnect_window_seconds": { "N": "0" }, "attributes": { "M": {} },
        });
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rule
    };
    for item in [
        rule("w1", json!({ "attributes": text })),
        rule("w2", json!({ "attributes": { "M": { "k": map } } })),
        rule("w3", json!({ "user_id": long })),
        rule("w4", json!({ "participant_attributes": { "M": { "k": long } } })),
        rule("w5", json!({ "status": { "S": FORGED } })),
        json!({ "pk": { "S": pk }, "sk": { "S": format!("PUB#x1{FORGED}") }, "schema": { "N": "1" }, "user_id": text }),
        json!({ "pk": { "S": pk }, "sk": { "S": format!("REP#x2{FORGED}") }, "schema": { "N": "1" }, "attributes": text }),
        json!({ "pk": { "S": "STAGE#*" }, "sk": { "S": format!("DEST#{FORGED}") }, "schema": { "N": "1" }, "tags": text }),
    ] {
        scene.world.put(&item).await.unwrap();
    }
    let published = scene.function("participant-published").await;
    scene.told.event(&published, &event).await;
    scene.world.put(&json!({ "pk": { "S": pk }, "sk": { "S": "PUB#x1" }, "schema": { "N": "1" }, "participant": { "S": "x1" },
        "user_id": map, "token_attributes": text })).await.unwrap();
    assert_eq!(scene.told.event(&published, &event).await, "StoreCorrupt");
    due_work_and_sweeps(scene).await;
}

async fn requests(scene: &mut Scene) {
    let api = api(&scene.world).await;
    let body = |id: &str, more: Value| {
        let mut body = json!({ "id": id, "source": { "stage": scene.source }, "destinations": [{ "stage": scene.destination }],
            "attributes": secrets("api"), "reason": format!("{SECRET} {FORGED}") });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for asked in [
        Asked::post("/rules", &body("api-1", json!({ "priority": 60 }))).key(SECRET),
        Asked::post("/rules", &body("api-2", json!({ "priority": 50 }))),
        Asked::post("/rules", &body("api-3", json!({ "attributes": SECRET }))),
        Asked::post("/rules", &body("api-4", json!({ "participants": { "user_id": SECRET.repeat(100) } }))),
        Asked::post("/plan", &json!({ "rules": [body("api-5", json!({ "status": SECRET }))] })),
        Asked::new("DELETE", "/rules/api-1").query(&format!("reason={SECRET}")).if_match(1),
        Asked::get("/explain", &format!("stage={}&participant=p1", scene.source)),
        Asked::get("/publishers", &format!("stage={}", scene.source)),
        Asked::get("/rules", &format!("source={SECRET}")),
    ] {
        asked.of(&api).await;
    }
    let control = json!({ "pk": { "S": "STAGE#*" }, "sk": { "S": "CONTROL" }, "schema": { "N": "9" }, "version": { "N": "9" },
        "reason": { "S": SECRET } });
    scene.world.put(&control).await.unwrap();
    assert_eq!(Asked::get("/health", "").of(&api).await.status, 500);
    let key = json!({ "pk": control["pk"], "sk": control["sk"] });
    let delete = json!({ "TableName": scene.world.table(), "Key": key });
    scene.world.dynamodb("DeleteItem", &delete).await.unwrap();
}

async fn the_table_fails(scene: &mut Scene) {
    let event = scene.published("t1").await;
    let published = scene.function("participant-published").await;
    let handled = scene.told.event(&published, &event).await;
    assert!(
        handled.contains("settled") || handled.contains("deferred"),
        "{handled}: of others' items none stops it"
    );
    let nowhere =
        scene.function_at("participant-published", "http://127.0.0.1:1", scene.world.urls()[1]).await;
    assert_eq!(scene.told.event(&nowhere, &event).await, "StoreUnavailable");
    let denied = AwsStub::refusing(400, "AccessDeniedException", |_| FORGED.to_owned()).await;
    let denied = scene.function_at("participant-published", &denied.url, scene.world.urls()[1]).await;
    assert_eq!(scene.told.event(&denied, &event).await, "StoreRefused");
}
