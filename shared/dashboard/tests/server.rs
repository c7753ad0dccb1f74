//! The server as a browser finds it, on rows that a test changes.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use controller::history::{HistoryPage, Wanted};
use controller::{MemoryStore, Store, StoreError, Write};
use dashboard::{Reading, ServeError, Settings, Source, TableSource, serve};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use replication::{
    Explanation, Moment, Owner, Phase, Publisher, PublisherKey, Replica, ReplicationKey, StageArn,
};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const INTERVAL: Duration = Duration::from_millis(40);
const PATIENCE: Duration = Duration::from_secs(10);

fn stage(id: &str) -> StageArn {
    format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}").parse().unwrap()
}

/// The store in memory, with a count of the looks at it, and a switch that makes them fail.
struct Watched {
    table: TableSource<MemoryStore>,
    looks: AtomicUsize,
    fails: AtomicBool,
}

impl Source for Watched {
    fn look(&self) -> BoxFuture<'_, Result<Reading, StoreError>> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        if self.fails.load(Ordering::SeqCst) {
            let (code, message) = ("AccessDeniedException".into(), "no dynamodb:Scan".to_owned());
            let error = StoreError::Refused { table: "stagelink".to_owned(), code, message };
            return async { Err(error) }.boxed();
        }
        self.table.look()
    }

    fn explain<'a>(&'a self, publisher: &'a PublisherKey) -> BoxFuture<'a, Result<Explanation, StoreError>> {
        self.table.explain(publisher)
    }

    fn history<'a>(
        &'a self,
        stages: Vec<Option<StageArn>>,
        wanted: &'a Wanted,
        limit: usize,
    ) -> BoxFuture<'a, Result<HistoryPage, StoreError>> {
        self.table.history(stages, wanted, limit)
    }
}

/// How to end a server, and its end.
type Serving = (oneshot::Sender<()>, JoinHandle<Result<(), ServeError>>);

struct Scene {
    store: Arc<MemoryStore>,
    watched: Arc<Watched>,
    address: SocketAddr,
    server: Option<Serving>,
    versions: Mutex<BTreeMap<String, u64>>,
}

impl Scene {
    async fn start() -> Self {
        let store = Arc::new(MemoryStore::default());
        let table = TableSource::new(store.clone());
        let watched = Arc::new(Watched { table, looks: AtomicUsize::new(0), fails: AtomicBool::new(false) });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut scene = Self { store, watched, address, server: None, versions: Mutex::default() };
        scene.serve(listener);
        scene.put("p0", Phase::Active).await;
        scene
    }

    fn serve(&mut self, listener: TcpListener) {
        let settings = Settings {
            table: "stagelink".to_owned(),
            region: "us-east-1".to_owned(),
            place: "test".to_owned(),
            interval: INTERVAL,
            quota_share: 80,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = serve(listener, self.watched.clone(), settings, async { drop(stopped.await) });
        self.server = Some((stop, tokio::spawn(serving)));
    }

    async fn stop(&mut self) {
        let (stop, server) = self.server.take().unwrap();
        stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, server).await.unwrap().unwrap().unwrap();
    }

    /// A participant publishes on stage A, and its replica on stage B is in this phase.
    async fn put(&self, participant: &str, phase: Phase) {
        let publisher = PublisherKey { stage: stage("A"), participant: participant.parse().unwrap() };
        let key = ReplicationKey {
            source: publisher.stage.clone(),
            participant: publisher.participant.clone(),
            destination: stage("B"),
        };
        let version = {
            let mut versions = self.versions.lock().unwrap();
            let version = versions.entry(participant.to_owned()).or_default();
            *version += 1;
            *version - 1
        };
        let mut known =
            Publisher { user_id: format!("user-{participant}"), version, ..Publisher::new(publisher) };
        known.evidence.saw_on(Moment::exact(Timestamp::now()));
        let replica = Replica { phase, owner: Owner::Stagelink, version, ..Replica::new(key) };
        let write = Write { publisher: Some(known), replicas: vec![replica], ..Write::default() };
        self.store.write(&write).await.unwrap();
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn get(&self, path: &str) -> Response {
        Client::new().get(self.url(path)).send().await.unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        self.get(path).await.json().await.unwrap()
    }

    fn looks(&self) -> usize {
        self.watched.looks.load(Ordering::SeqCst)
    }

    /// Listens to the events, from the one after `last` if that is given.
    async fn listen(&self, last: Option<&str>) -> Events {
        let mut request = Client::new().get(self.url("/api/events"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events { response, read: String::new() }
    }
}

/// An event stream, as the page's EventSource reads it.
struct Events {
    response: Response,
    read: String,
}

#[derive(Debug, Clone)]
struct Event {
    name: String,
    id: Option<String>,
    data: Value,
}

impl Events {
    /// The next event; nothing if the stream has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.read.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.read = rest;
                let field = |name: &str| {
                    let line = block.lines().find_map(|line| line.strip_prefix(name));
                    line.map(|value| value.trim_start().to_owned())
                };
                // A comment keeps the connection, and is no event.
                let Some(data) = field("data:") else { continue };
                let data = serde_json::from_str(&data).unwrap();
                return Some(Event { name: field("event:").unwrap(), id: field("id:"), data });
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.unwrap().ok()??;
            self.read.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next event of this name.
    async fn next_of(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().await.expect("the stream goes on");
            if event.name == name {
                return event;
            }
        }
    }
}

/// What the page does with a snapshot and changes.
fn apply(rows: &mut Value, change: &Value) {
    for (section, keys) in change["gone"].as_object().into_iter().flatten() {
        for key in keys.as_array().unwrap() {
            rows[section].as_object_mut().unwrap().remove(key.as_str().unwrap());
        }
    }
    for (section, put) in change["put"].as_object().into_iter().flatten() {
        for (key, row) in put.as_object().unwrap() {
            rows[section][key] = row.clone();
        }
    }
    rows.as_object_mut().unwrap().retain(|_, rows| rows.as_object().is_some_and(|rows| !rows.is_empty()));
}

#[tokio::test]
async fn the_page_and_its_files_come_with_a_strict_policy() {
    let scene = Scene::start().await;
    for (path, kind) in [("/", "text/html"), ("/app.js", "text/javascript"), ("/style.css", "text/css")] {
        let response = scene.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        let headers = response.headers();
        assert!(headers["content-type"].to_str().unwrap().starts_with(kind), "{path}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "img-src 'self' data:",
        ] {
            assert!(policy.split("; ").any(|directive| directive == part), "{part}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
    }
    let missing = scene.get("/etc/passwd").await;
    assert_eq!(missing.status(), 404);
    assert!(missing.headers().contains_key("content-security-policy"));
    assert_eq!(
        missing.json::<Value>().await.unwrap(),
        json!({ "error": "path \"/etc/passwd\" is not known" })
    );
}

#[tokio::test]
async fn other_names_other_pages_and_writes_are_refused() {
    let scene = Scene::start().await;
    let client = Client::new();
    let get = |name: &'static str, value: &'static str| {
        client.get(scene.url("/api/state")).header(name, value).send()
    };
    let rebound = get("host", "evil.example").await.unwrap();
    assert_eq!(rebound.status(), 421);
    assert!(rebound.text().await.unwrap().contains("allowed is 127.0.0.1"));
    assert_eq!(get("sec-fetch-site", "cross-site").await.unwrap().status(), 403);
    let answered = get("origin", "http://evil.example").await.unwrap();
    assert!(!answered.headers().keys().any(|name| name.as_str().starts_with("access-control")));
    assert_eq!(client.post(scene.url("/api/state")).send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn a_listener_that_others_can_reach_is_refused() {
    let scene = Scene::start().await;
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let settings = Settings {
        table: String::new(),
        region: String::new(),
        place: String::new(),
        interval: INTERVAL,
        quota_share: 80,
    };
    let served = serve(listener, scene.watched.clone(), settings, std::future::pending()).await;
    assert!(served.unwrap_err().to_string().contains("allowed is one of loopback"));
}

#[tokio::test]
async fn the_state_holds_what_the_table_does() {
    let scene = Scene::start().await;
    scene.put("p1", Phase::Stopped).await;
    let state = scene.json("/api/state").await;
    let key = format!("{} p0 {}", stage("A"), stage("B"));
    let replica = &state["rows"]["replicas"][&key];
    assert_eq!((&replica["phase"], &replica["user_id"]), (&json!("Active"), &json!("user-p0")));
    assert_eq!(state["rows"]["replicas"].as_object().unwrap().len(), 1, "what has ended is at rest");
    assert_eq!(state["totals"]["phases"], json!({ "Active": 1 }));
    assert_eq!(state["totals"]["publishers"], 2);
    assert_eq!(state["settings"]["budget"], 4);
    assert!(state["now"].as_str().unwrap().parse::<Timestamp>().is_ok());
}

#[tokio::test]
async fn changes_applied_to_the_snapshot_give_the_latest_state() {
    let scene = Scene::start().await;
    let mut events = scene.listen(None).await;
    let snapshot = events.next_of("snapshot").await;
    assert_eq!(json!(snapshot.id), snapshot.data["id"]);
    let mut rows = snapshot.data["rows"].clone();
    let phases = [Phase::Pending, Phase::Starting, Phase::Active, Phase::Stopping, Phase::Stopped];
    for i in 0..25 {
        scene.put(&format!("p{}", i % 4), phases[i % phases.len()].clone()).await;
        if i % 3 == 0 {
            let change = events.next_of("change").await;
            assert!(change.id.is_some());
            apply(&mut rows, &change.data);
        }
    }
    let state = scene.json("/api/state").await;
    let mut waited = 0;
    while rows != state["rows"] {
        apply(&mut rows, &events.next_of("change").await.data);
        waited += 1;
        assert!(waited < 30, "{rows} {}", state["rows"]);
    }
}

#[tokio::test]
async fn who_comes_back_gets_what_he_missed_and_no_more() {
    let scene = Scene::start().await;
    let mut events = scene.listen(None).await;
    let last = events.next_of("snapshot").await.id.unwrap();
    let mut other = scene.listen(None).await;
    other.next_of("snapshot").await;
    drop(events);
    scene.put("late", Phase::Pending).await;
    other.next_of("change").await;
    let mut back = scene.listen(Some(&last)).await;
    let first = back.next().await.unwrap();
    assert_eq!(first.name, "change", "no snapshot: {first:?}");
    assert!(first.data.to_string().contains("user-late"));
    for unknown in ["1-1", "other", &format!("{}0", last)] {
        let mut stranger = scene.listen(Some(unknown)).await;
        assert_eq!(stranger.next().await.unwrap().name, "snapshot", "{unknown}");
    }
}

#[tokio::test]
async fn who_comes_back_to_another_server_gets_everything_anew() {
    let mut scene = Scene::start().await;
    let mut events = scene.listen(None).await;
    let last = events.next_of("snapshot").await.id.unwrap();
    scene.stop().await;
    while events.next().await.is_some() {}
    let listener = TcpListener::bind(scene.address).await.unwrap();
    scene.serve(listener);
    let mut events = scene.listen(Some(&last)).await;
    assert_eq!(events.next().await.unwrap().name, "snapshot");
}

#[tokio::test]
async fn the_table_is_looked_at_once_for_all_and_not_at_all_for_nobody() {
    let scene = Scene::start().await;
    tokio::time::sleep(4 * INTERVAL).await;
    assert_eq!(scene.looks(), 0, "nobody came");
    let mut many = Vec::new();
    for _ in 0..5 {
        many.push(scene.listen(None).await);
    }
    for events in &mut many {
        events.next_of("snapshot").await;
    }
    let (before, began) = (scene.looks(), std::time::Instant::now());
    for _ in 0..5 {
        many[0].next_of("sample").await;
    }
    let looked = scene.looks() - before;
    let most = began.elapsed().as_millis() / INTERVAL.as_millis() + 2;
    assert!(looked as u128 <= most, "{looked} looks, {most} at most, for five listeners");
    drop(many);
    tokio::time::sleep(4 * INTERVAL).await;
    let left = scene.looks();
    tokio::time::sleep(6 * INTERVAL).await;
    assert_eq!(scene.looks(), left, "everybody has gone");
    scene.put("meanwhile", Phase::Pending).await;
    let mut events = scene.listen(None).await;
    let snapshot = events.next_of("snapshot").await;
    assert!(snapshot.data.to_string().contains("user-meanwhile"), "what is old is not told");
}

#[tokio::test]
async fn a_table_that_cannot_be_read_is_told_and_what_is_known_stays() {
    let scene = Scene::start().await;
    let mut events = scene.listen(None).await;
    events.next_of("snapshot").await;
    scene.watched.fails.store(true, Ordering::SeqCst);
    let trouble = events.next_of("trouble").await;
    assert!(trouble.data["error"].as_str().unwrap().contains("AccessDeniedException: no dynamodb:Scan"));
    assert!(trouble.id.is_none(), "it is nothing to resume from");
    let state = scene.json("/api/state").await;
    assert_eq!(state["totals"]["phases"], json!({ "Active": 1 }));
    assert!(state["trouble"]["error"].is_string());
    scene.watched.fails.store(false, Ordering::SeqCst);
    events.next_of("sample").await;
    assert!(scene.json("/api/state").await["trouble"].is_null());
}

#[tokio::test]
async fn a_table_that_was_never_read_is_a_bad_gateway() {
    let scene = Scene::start().await;
    scene.watched.fails.store(true, Ordering::SeqCst);
    let response = scene.get("/api/state").await;
    assert_eq!(response.status(), 502);
    assert!(response.text().await.unwrap().contains("AccessDeniedException"));
    let mut events = scene.listen(None).await;
    assert_eq!(events.next().await.unwrap().name, "trouble");
}

#[tokio::test]
async fn an_explanation_is_told_in_sentences() {
    let scene = Scene::start().await;
    let told = |value: &Value| -> Vec<String> {
        value["lines"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| line["text"].as_str().unwrap().to_owned())
            .collect()
    };
    let path = format!("/api/explain?stage={}&participant=p0&destination={}", stage("A"), stage("B"));
    let lines = told(&scene.json(&path).await);
    assert!(lines[0].starts_with("p0 (user-p0) on "), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("stage/B: Active")), "{lines:?}");
    let by_user = told(&scene.json("/api/explain?participant=user-p0").await);
    assert!(by_user[0].starts_with("p0 (user-p0) on "), "{by_user:?}");
    let nobody = told(&scene.json("/api/explain?participant=nobody").await);
    assert!(nobody[0].starts_with("nobody is known as \"nobody\""), "{nobody:?}");
    for (path, error) in [
        ("/api/explain", "participant is missing"),
        ("/api/explain?participant=p&stage=x", "stage \"x\" is not valid: allowed is the ARN of a stage"),
        ("/api/activity?since=soon", "since \"soon\" is not valid: allowed is an RFC 3339 time"),
    ] {
        let response = scene.get(path).await;
        assert_eq!(response.status(), 400, "{path}");
        let told: Value = response.json().await.unwrap();
        assert!(told["error"].as_str().unwrap().starts_with(error), "{told}");
    }
}

#[tokio::test]
async fn what_happens_is_told_as_it_happens_and_afterwards() {
    let scene = Scene::start().await;
    let mut events = scene.listen(None).await;
    events.next_of("snapshot").await;
    let call = controller::Activity {
        at: Timestamp::now(),
        stage: stage("A"),
        participant: Some("p0".parse().unwrap()),
        destination: Some(stage("B")),
        operation: "StartParticipantReplication",
        rule: Some("main".parse().unwrap()),
        outcome: "ok".to_owned(),
        reason: None,
        request_id: Some("request-1".to_owned()),
        caller: "lambda-1".to_owned(),
    };
    scene.store.write(&Write { activity: vec![call], ..Write::default() }).await.unwrap();
    scene.put("p0", Phase::Active).await;
    let lines = events.next_of("activity").await;
    let line = &lines.data[0];
    assert_eq!(
        (&line["operation"], &line["rule"], &line["outcome"], &line["request_id"], &line["caller"]),
        (
            &json!("StartParticipantReplication"),
            &json!("main"),
            &json!("ok"),
            &json!("request-1"),
            &json!("lambda-1")
        )
    );
    scene.put("p0", Phase::Active).await;
    let mut looks = 0;
    while looks < 3 {
        let event = events.next().await.unwrap();
        assert_ne!(event.name, "activity", "nothing is told twice");
        looks += usize::from(event.name == "sample");
    }
    let listed = scene.json("/api/activity").await;
    assert_eq!(listed["activity"], json!([line]));
    let of = |participant: &str| format!("/api/activity?participant={participant}");
    assert_eq!(scene.json(&of("p0")).await["activity"], json!([line]));
    assert_eq!(scene.json(&of("p1")).await["activity"], json!([]));
    let later = Timestamp::now() + jiff::SignedDuration::from_secs(60);
    assert_eq!(scene.json(&format!("/api/activity?since={later}")).await["activity"], json!([]));
}
