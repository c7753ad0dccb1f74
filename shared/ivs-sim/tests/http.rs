//! The server as HTTP clients meet it: protocol, errors, headers, pages, and the control plane.
// Helpers of tests may unwrap like the tests themselves.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use ivs_sim::{Config, Simulator, VirtualClock, serve};
use jiff::SignedDuration;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/ivs/aws4_request, \
                         SignedHeaders=host;x-amz-date, Signature=0123456789abcdef";

/// A server on a port of its own, on a clock that stands still, with stages A and B.
struct Server {
    url: String,
    clock: Arc<VirtualClock>,
    client: reqwest::Client,
    a: String,
    b: String,
    stop: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Server {
    async fn start() -> Self {
        let clock = Arc::new(VirtualClock::default());
        let simulator = Simulator::new(Config::default(), clock.clone());
        let stage = |name: &str| simulator.create_stage(name, BTreeMap::new());
        let (a, b) = (stage("A"), stage("B"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move { drop(stopped.await) };
        let task = tokio::spawn(serve(listener, simulator, shutdown));
        Self { url, clock, client: reqwest::Client::new(), a, b, stop: Some(stop), task }
    }

    /// A signed API call, 200 ms after whatever was before.
    async fn call(&self, operation: &str, input: Value) -> Answer {
        self.raw(operation, input.to_string()).await
    }

    async fn raw(&self, operation: &str, body: String) -> Answer {
        self.clock.advance(SignedDuration::from_millis(200));
        let request =
            self.client.post(format!("{}/{operation}", self.url)).header("authorization", SIGNATURE);
        Answer::read(request.body(body).send().await.unwrap()).await
    }

    /// A signed request to `/tags`.
    async fn tags(&self, method: Method, path: &str, body: Value) -> Answer {
        let request = self
            .client
            .request(method, format!("{}/tags/{path}", self.url))
            .header("authorization", SIGNATURE);
        Answer::read(request.body(body.to_string()).send().await.unwrap()).await
    }

    /// A request to the control plane.
    async fn sim(&self, method: Method, path: &str, body: &str) -> Answer {
        let request = self.client.request(method, format!("{}/_sim/{path}", self.url));
        Answer::read(request.body(body.to_owned()).send().await.unwrap()).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.sim(Method::POST, path, &body.to_string()).await
    }

    async fn publish(&self, stage: &str, participant: &str) -> Value {
        let published = self.post("publish", json!({"stageArn": stage, "participantId": participant})).await;
        assert_eq!(published.status, 200, "{}", published.body);
        published.body
    }

    fn replication(&self) -> Value {
        json!({"sourceStageArn": self.a, "destinationStageArn": self.b, "participantId": "p"})
    }

    async fn stop(mut self) {
        drop(self.client);
        self.stop.take().unwrap().send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    /// Null if it is empty.
    body: Value,
}

impl Answer {
    async fn read(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Self { status, headers, body }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Status, error type and text.
    fn error(&self) -> (u16, &str, &str) {
        let text = self.body["exceptionMessage"].as_str().or(self.body["message"].as_str());
        (self.status, self.header("x-amzn-errortype"), text.unwrap_or_default())
    }
}

#[tokio::test]
async fn start_and_stop_answer_with_headers_and_nothing_else() {
    let server = Server::start().await;
    server.publish(&server.a, "p").await;
    for operation in ["StartParticipantReplication", "StopParticipantReplication"] {
        let answer = server.call(operation, server.replication()).await;
        assert_eq!((answer.status, &answer.body), (200, &Value::Null), "{operation}");
        let expected = [
            ("access-control-allow-origin", "*"),
            ("cache-control", "no-store, no-cache"),
            ("content-security-policy", "default-src 'self'; upgrade-insecure-requests;"),
            ("strict-transport-security", "max-age:47304000; includeSubDomains"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
        ];
        for (name, value) in expected {
            assert_eq!(answer.header(name), value, "{operation}");
        }
        assert!(answer.header("access-control-expose-headers").contains("x-amzn-errortype"));
        assert_eq!(answer.header("x-amzn-requestid").len(), 36);
    }
    server.stop().await;
}

#[tokio::test]
async fn errors_carry_their_name_in_a_header_and_their_text_in_the_body() {
    let server = Server::start().await;
    let nowhere = format!("{}x", server.a);
    let answer = server.call("GetStage", json!({"arn": nowhere})).await;
    assert_eq!(answer.error(), (404, "ResourceNotFoundException", &*format!("{nowhere} does not exist")));
    assert_eq!(answer.header("x-amzn-requestid").len(), 36);
    assert_eq!(answer.header("cache-control"), "no-store, no-cache");

    let answer = server.call("GetStage", json!({"arn": "no arn"})).await;
    let text = "1 validation error detected: Value at 'arn' failed to satisfy constraint: Member must satisfy regular \
                expression pattern: arn:aws:ivs:[a-z0-9-]+:[0-9]+:stage/[a-zA-Z0-9-]+";
    assert_eq!(answer.error(), (400, "ValidationException", text));
    server.stop().await;
}

#[tokio::test]
async fn the_dialect_moves_the_text_of_errors() {
    let server = Server::start().await;
    let cases = [
        ("message", "message", ""),
        ("header", "", "x-amzn-errormessage"),
        ("exception_message", "exceptionMessage", ""),
    ];
    for (option, member, header) in cases {
        server.sim(Method::PUT, "faults", &json!({"dialect": {"error_text": option}}).to_string()).await;
        let answer = server.call("GetStage", json!({"arn": format!("{}x", server.a)})).await;
        let text = format!("{}x does not exist", server.a);
        assert_eq!(answer.header("x-amzn-errortype"), "ResourceNotFoundException");
        let expected = if member.is_empty() { json!({}) } else { json!({member: text}) };
        assert_eq!(answer.body, expected, "{option}");
        assert_eq!(answer.header("x-amzn-errormessage"), if header.is_empty() { "" } else { &*text });
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_json_object_cannot_be_read() {
    let server = Server::start().await;
    for body in ["{", "[]", "\"x\"", "{\"arn\": }"] {
        let answer = server.raw("GetStage", body.to_owned()).await;
        assert_eq!(
            (answer.status, answer.header("x-amzn-errortype")),
            (400, "SerializationException"),
            "{body}"
        );
    }
    let answer = server.raw("GetStage", String::new()).await;
    assert_eq!(answer.header("x-amzn-errortype"), "ValidationException", "an empty body is an empty request");
    server.stop().await;
}

#[tokio::test]
async fn a_request_must_be_signed_somehow() {
    let server = Server::start().await;
    for (authorization, expected) in
        [(None, "MissingAuthenticationToken"), (Some("Bearer x"), "IncompleteSignature")]
    {
        let request = server.client.post(format!("{}/ListStages", server.url)).body("{}");
        let request = match authorization {
            Some(value) => request.header("authorization", value),
            None => request,
        };
        let answer = Answer::read(request.send().await.unwrap()).await;
        assert_eq!((answer.status, answer.header("x-amzn-errortype")), (403, expected));
    }
    let ledger = server.sim(Method::GET, "ledger", "").await.body;
    assert_eq!(ledger[0]["errorCode"], "MissingAuthenticationToken");
    server.stop().await;
}

#[tokio::test]
async fn an_unknown_operation_is_told_by_name() {
    let server = Server::start().await;
    let answer = server.call("StartComposition", json!({})).await;
    let (status, code, text) = answer.error();
    assert_eq!((status, code), (404, "UnknownOperationException"));
    assert!(text.starts_with("POST /StartComposition is not an operation of this simulator"), "{text}");
    let request = server.client.get(format!("{}/GetStage", server.url)).header("authorization", SIGNATURE);
    let answer = Answer::read(request.send().await.unwrap()).await;
    assert_eq!(answer.header("x-amzn-errortype"), "UnknownOperationException", "GET is not POST");
    let answer = server.call("TagResource", json!({})).await;
    assert_eq!(answer.header("x-amzn-errortype"), "UnknownOperationException", "it has a path of its own");
    server.stop().await;
}

#[tokio::test]
async fn the_sixth_call_within_a_second_is_throttled() {
    let server = Server::start().await;
    let request =
        || server.client.post(format!("{}/ListStages", server.url)).header("authorization", SIGNATURE);
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(request().body("{}").send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 400]);
    server.sim(Method::PUT, "faults", r#"{"dialect": {"throttling_status": "429"}}"#).await;
    let answer = Answer::read(request().body("{}").send().await.unwrap()).await;
    assert_eq!(answer.error(), (429, "ThrottlingException", "Rate exceeded"));
    assert_eq!(answer.body, json!({"message": "Rate exceeded"}), "the model does not have it");
    server.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(request().body("{}").send().await.unwrap().status(), 200);
    server.stop().await;
}

#[tokio::test]
async fn tags_have_a_path_of_their_own_with_the_arn_encoded_or_not() {
    let server = Server::start().await;
    let encoded = server.a.replace(':', "%3A").replace('/', "%2F");
    let tagged = server.tags(Method::POST, &encoded, json!({"tags": {"k 1": "v", "x": "y"}})).await;
    assert_eq!((tagged.status, tagged.body), (200, Value::Null));
    for path in [&encoded, &server.a] {
        assert_eq!(
            server.tags(Method::GET, path, json!({})).await.body,
            json!({"tags": {"k 1": "v", "x": "y"}})
        );
    }
    let untag = format!("{encoded}?tagKeys=k%201&tagKeys=never");
    assert_eq!(server.tags(Method::DELETE, &untag, json!({})).await.status, 200);
    assert_eq!(server.tags(Method::GET, &encoded, json!({})).await.body, json!({"tags": {"x": "y"}}));

    let no_keys = server.tags(Method::DELETE, &encoded, json!({})).await;
    assert_eq!(no_keys.error().1, "ValidationException");
    let no_arn = server.tags(Method::GET, "nonsense", json!({})).await;
    assert_eq!(no_arn.error().1, "ValidationException");
    let reserved = server.tags(Method::POST, &encoded, json!({"tags": {"aws:x": "y"}})).await;
    assert_eq!(reserved.error().1, "ValidationException");
    let unknown = server.tags(Method::GET, &format!("{encoded}x"), json!({})).await;
    assert_eq!(unknown.error().1, "ResourceNotFoundException");
    server.stop().await;
}

#[tokio::test]
async fn a_token_leads_to_the_next_page_and_a_wrong_one_nowhere() {
    let server = Server::start().await;
    for number in 0..5 {
        server.call("CreateStage", json!({"name": format!("s{number}")})).await;
    }
    let (mut names, mut token) = (Vec::new(), Value::Null);
    loop {
        let page = server.call("ListStages", json!({"maxResults": 3, "nextToken": token})).await.body;
        names.extend(
            page["stages"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()),
        );
        token = page["nextToken"].clone();
        if token.is_null() {
            break;
        }
        assert!(!token.as_str().unwrap().contains("arn"), "it is opaque");
    }
    assert_eq!(names, ["A", "B", "s0", "s1", "s2", "s3", "s4"]);
    let answer = server.call("ListStages", json!({"nextToken": "AAAA"})).await;
    assert_eq!(answer.error(), (400, "ValidationException", "The nextToken is invalid"));
    server.stop().await;
}

#[tokio::test]
async fn the_control_plane_plays_a_participant_and_shows_what_came_of_it() {
    let server = Server::start().await;
    let input =
        json!({"stageArn": server.a, "participantId": "p", "userId": "ann", "attributes": {"k": "v"}});
    let published = server.post("publish", input).await.body;
    assert_eq!(published["participantId"], "p");
    assert_eq!(published["sessionId"].as_str().unwrap().len(), 16);
    assert_eq!(server.call("StartParticipantReplication", server.replication()).await.status, 200);

    let state = server.sim(Method::GET, "state", "").await.body;
    assert_eq!(state["replications"][0]["phase"], "LIVE");
    assert_eq!(state["stages"][0]["activeSessionId"], published["sessionId"]);
    let participant = &state["stages"][0]["sessions"][0]["participants"][0];
    assert_eq!((&participant["userId"], &participant["publishing"]), (&json!("ann"), &json!(true)));

    assert_eq!(
        server.post("unpublish", json!({"stageArn": server.a, "participantId": "p"})).await.status,
        200
    );
    assert_eq!(server.post("leave", json!({"stageArn": server.a, "participantId": "p"})).await.status, 200);
    let events = server.sim(Method::GET, "events", "").await.body;
    let names: Vec<&str> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["detail"]["event_name"].as_str().unwrap())
        .collect();
    let expected = [
        "Participant Published",
        "Participant Replication Start",
        "Participant Published",
        "Participant Unpublished",
        "Participant Replication End",
        "Participant Unpublished",
    ];
    assert_eq!(names, expected);

    let ledger = server.sim(Method::GET, "ledger", "").await.body;
    assert_eq!(ledger.as_array().unwrap().len(), 1, "the control plane is not in it");
    assert_eq!(ledger[0]["operation"], "StartParticipantReplication");
    assert_eq!(ledger[0]["key"], format!("{} p {}", server.a, server.b));
    assert_eq!((&ledger[0]["status"], &ledger[0]["errorCode"]), (&json!(200), &Value::Null));
    assert_eq!(ledger[0]["time"], "2026-01-01T00:00:00.2Z");
    let filtered = server.sim(Method::GET, "ledger?operation=GetStage", "").await.body;
    assert_eq!(filtered, json!([]));
    server.stop().await;
}

#[tokio::test]
async fn the_control_plane_says_what_is_wrong_and_changes_nothing() {
    let server = Server::start().await;
    let a = server.a.clone();
    let long = "x".repeat(1025);
    let cases = [
        ("publish", json!({}), "stageArn", json!(null)),
        ("publish", json!({"stageArn": "x"}), "stageArn", json!("x")),
        ("publish", json!({"stageArn": a, "participantId": "a b"}), "participantId", json!("a b")),
        ("publish", json!({"stageArn": a, "participantId": 7}), "participantId", json!(7)),
        ("publish", json!({"stageArn": a, "attributes": {"k": long}}), "attributes", json!({"k": long})),
        ("publish", json!({"stageArn": a, "colour": "red"}), "colour", json!("red")),
        ("unpublish", json!({"stageArn": a}), "participantId", json!(null)),
        ("leave", json!({"participantId": "p"}), "stageArn", json!(null)),
        ("leave", json!([]), "body", json!([])),
    ];
    for (path, body, field, value) in cases {
        let answer = server.post(path, body.clone()).await;
        assert_eq!(answer.status, 400, "{path} {body}");
        assert_eq!((&answer.body["field"], &answer.body["value"]), (&json!(field), &value), "{path}");
        assert!(!answer.body["allowed"].as_str().unwrap().is_empty(), "{path} {body}");
        assert!(answer.body["error"].as_str().unwrap().contains(field), "{path} {body}");
    }
    let garbage = server.sim(Method::POST, "publish", "{").await;
    assert_eq!((garbage.status, &garbage.body["field"]), (400, &json!("body")));
    let unknown = server.post("publish", json!({"stageArn": format!("{a}x")})).await;
    assert_eq!((unknown.status, &unknown.body["code"]), (404, &json!("ResourceNotFoundException")));
    let absent = server.post("leave", json!({"stageArn": a, "participantId": "p"})).await;
    assert_eq!(absent.status, 404);
    for (method, path, status) in
        [(Method::GET, "nothing", 404), (Method::GET, "publish", 405), (Method::POST, "faults", 405)]
    {
        let answer = server.sim(method, path, "").await;
        assert_eq!(answer.status, status);
        assert!(answer.body["error"].is_string());
    }
    let state = server.sim(Method::GET, "state", "").await.body;
    assert_eq!(state["stages"][0]["sessions"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn the_thirteenth_publisher_is_refused() {
    let server = Server::start().await;
    for number in 0..12 {
        server.publish(&server.a, &format!("p{number}")).await;
    }
    let answer = server.post("publish", json!({"stageArn": server.a, "participantId": "p12"})).await;
    assert_eq!((answer.status, &answer.body["code"]), (402, &json!("ServiceQuotaExceededException")));
    let events = server.sim(Method::GET, "events", "").await.body;
    assert_eq!(events[12]["detail"]["error_code"], "QUOTA_EXCEEDED");
    server.stop().await;
}

#[tokio::test]
async fn faults_are_merged_and_answered_in_full() {
    let server = Server::start().await;
    let put = async |body: Value| server.sim(Method::PUT, "faults", &body.to_string()).await;
    let set = put(json!({"events": {"loss": 0.25}, "dialect": {"same_stage": "conflict"}, "seed": 7})).await;
    assert_eq!(set.status, 200);
    let set = put(json!({"events": {"delay_ms": 10}})).await.body;
    assert_eq!((&set["events"]["loss"], &set["events"]["delay_ms"]), (&json!(0.25), &json!(10)));
    assert_eq!((&set["dialect"]["same_stage"], &set["seed"]), (&json!("conflict"), &json!(7)));
    for (body, field) in [
        (json!({"events": {"loss": 1.5}}), "events.loss"),
        (json!({"calls": {"latency_ms": "x"}}), "calls.latency_ms"),
        (json!({"dialect": {"same_stage": "maybe"}}), "dialect.same_stage"),
        (json!({"dialect": {"mood": "good"}}), "dialect.mood"),
        (json!({"weather": {}}), "weather"),
    ] {
        let answer = put(body).await;
        assert_eq!((answer.status, &answer.body["field"]), (400, &json!(field)));
        assert!(answer.body["allowed"].is_string());
    }
    assert_eq!(server.sim(Method::GET, "faults", "").await.body, set);
    let switches = server.sim(Method::GET, "dialect", "").await.body;
    assert!(switches.as_array().unwrap().iter().any(|switch| switch["name"] == "same_stage"));
    server.stop().await;
}

#[tokio::test]
async fn a_dropped_call_closes_the_connection_after_it_took_effect() {
    let server = Server::start().await;
    server.publish(&server.a, "p").await;
    server.sim(Method::PUT, "faults", r#"{"calls": {"drop_rate": 1}}"#).await;
    let request = server
        .client
        .post(format!("{}/StartParticipantReplication", server.url))
        .header("authorization", SIGNATURE);
    let error = request.body(server.replication().to_string()).send().await.unwrap_err();
    assert!(error.is_request(), "{error:?}");
    let state = server.sim(Method::GET, "state", "").await.body;
    assert_eq!(state["replications"].as_array().unwrap().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn what_is_due_happens_without_a_call() {
    let clock = Arc::new(VirtualClock::default());
    let simulator = Simulator::new(Config::default(), clock.clone());
    let stage = simulator.create_stage("A", BTreeMap::new());
    simulator.merge_settings(&json!({"events": {"delay_ms": 60_000}})).unwrap();
    let mut events = simulator.subscribe();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, simulator.clone(), async move { drop(stopped.await) }));
    let publish = ivs_sim::Publish { stage_arn: stage, ..Default::default() };
    simulator.publish(publish).unwrap();
    assert!(events.try_recv().is_err());
    clock.advance(SignedDuration::from_secs(60));
    let event = events.recv().await.unwrap();
    assert_eq!(event["detail"]["event_name"], "Participant Published");
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stage_of_a_recorded_event_can_be_put_into_the_account() {
    let server = Server::start().await;
    let arn = "arn:aws:ivs:us-east-1:123456789012:stage/oWXSOfbOLMte";
    let stage = json!({"stageArn": arn, "name": "recorded", "tags": {"role": "main"}});
    assert_eq!(server.post("stage", stage.clone()).await.status, 200);
    let found = server.call("GetStage", json!({"arn": arn})).await.body;
    assert_eq!(found["stage"]["tags"], json!({"role": "main"}));
    server.publish(arn, "p").await;

    assert_eq!(server.post("stage", stage).await.status, 409, "there is one already");
    let elsewhere = json!({"stageArn": "arn:aws:ivs:us-west-2:123456789012:stage/oWXSOfbOLMte"});
    assert_eq!(server.post("stage", elsewhere).await.status, 400, "another Region");
    server.stop().await;
}
