//! Function `api`: versus sessions are started, extended and ended.

#![allow(clippy::unwrap_used)]

use controller::VersusStore;
use http_api::Api;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use stagelink_tests::http::{Asked, api};
use stagelink_tests::rows::stage;
use stagelink_tests::{World, assert_golden};

fn terms() -> Value {
    json!({ "id": "duel", "stages": [stage("A").as_str(), stage("B").as_str()], "duration_seconds": 300 })
}

fn with(more: Value) -> Value {
    let mut terms = terms();
    terms.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    terms
}

async fn world() -> (World, Api) {
    let world = World::start().await.unwrap();
    let api = api(&world).await;
    (world, api)
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_started_extended_and_ended() {
    let (world, api) = world().await;
    let started = Asked::post("/versus", &terms()).of(&api).await;
    assert_eq!((started.header("location"), started.header("etag")), (Some("/versus/duel"), Some("\"1\"")));
    let session = started.with(201);
    let (starts, ends) = (time(&session["starts_at"]), time(&session["ends_at"]));
    assert_eq!(
        (&session["state"], ends.duration_since(starts)),
        (&json!("Starting"), SignedDuration::from_secs(300))
    );
    assert_eq!(Asked::get("/versus/duel", "").of(&api).await.with(200), session);
    assert_eq!(Asked::post("/versus", &terms()).of(&api).await.with(200), session, "it is the one asked for");
    let listed = Asked::get("/versus", "").of(&api).await.with(200);
    assert_eq!(listed["versus"], json!([session]));
    let rules = Asked::get("/rules", &format!("source={}", stage("A"))).of(&api).await.with(200);
    assert_eq!(rules["rules"][0]["id"], "versus.duel.1");

    let extended =
        Asked::post("/versus/duel/extend", &json!({ "for_seconds": 3600 })).of(&api).await.with(200);
    assert!(time(&extended["ends_at"]) > starts + SignedDuration::from_mins(59), "{extended}");
    assert_eq!(extended["revision"], 2);
    let end = (starts + SignedDuration::from_mins(10)).to_string();
    let at = Asked::post("/versus/duel/extend", &json!({ "ends_at": end })).of(&api).await.with(200);
    assert_eq!(at["ends_at"], end);

    let ended = Asked::new("POST", "/versus/duel/end").of(&api).await.with(200);
    assert!(time(&ended["ends_at"]) <= Timestamp::now(), "{ended}");
    assert_eq!(Asked::new("POST", "/versus/duel/end").of(&api).await.with(200), ended, "an end is an end");
    let late = Asked::post("/versus/duel/extend", &json!({ "for_seconds": 60 })).of(&api).await;
    assert_eq!((late.status, late.problem()), (409, ("versus-over", "state")));

    let stored = world.store.versus(&"duel".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(stored.revision, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_has_all_that_it_can_have() {
    let (world, api) = world().await;
    let full = with(json!({
        "priority": 70, "preempt": true, "reconnect_window_seconds": 20, "attributes": { "via": "duel" },
        "participants": { "user_id": "host-*", "attributes": { "role": "host" } },
    }));
    let session = Asked::post("/versus", &full).of(&api).await.with(201);
    for (field, value) in full.as_object().unwrap() {
        assert_eq!(&session[field], value, "{field}");
    }
    let made_up = Asked::post("/versus", &with(json!({ "id": null }))).of(&api).await.with(201);
    assert!(made_up["id"].as_str().unwrap().starts_with("vs-"), "{made_up}");
    assert_eq!(world.store.all_versus().await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_session_is_named_and_nothing_is_changed() {
    let (world, api) = world().await;
    Asked::post("/versus", &terms()).of(&api).await.with(201);
    world.recording.take();
    let start = |more: Value| Asked::post("/versus", &with(more));
    let extend = |body: Value| Asked::post("/versus/duel/extend", &body);
    let (a, b) = (stage("A"), stage("B"));
    let far = "2199-01-01T00:00:00Z";
    let mut text = String::new();
    for (what, asked) in [
        ("other terms", start(json!({ "duration_seconds": 60 }))),
        ("a wrong id", start(json!({ "id": "a b" }))),
        ("one stage", start(json!({ "id": "new", "stages": [a.as_str()] }))),
        ("a stage twice", start(json!({ "id": "new", "stages": [a.as_str(), b.as_str(), a.as_str()] }))),
        ("a wrong ARN", start(json!({ "id": "new", "stages": [a.as_str(), "B"] }))),
        ("a number for a stage", start(json!({ "id": "new", "stages": [a.as_str(), 5] }))),
        ("no time", start(json!({ "id": "new", "duration_seconds": 0 }))),
        ("over a day", start(json!({ "id": "new", "duration_seconds": 86_401 }))),
        ("a time in words", start(json!({ "id": "new", "duration_seconds": "5m" }))),
        ("a window of 301", start(json!({ "id": "new", "reconnect_window_seconds": 301 }))),
        ("a priority of 101", start(json!({ "id": "new", "priority": 101 }))),
        ("an empty pattern", start(json!({ "id": "new", "participants": { "user_id": "" } }))),
        ("an unknown field", start(json!({ "id": "new", "colour": "red" }))),
        ("no stages", Asked::post("/versus", &json!({ "duration_seconds": 60 }))),
        ("neither end", extend(json!({}))),
        ("both ends", extend(json!({ "ends_at": far, "for_seconds": 60 }))),
        ("an end in words", extend(json!({ "ends_at": "soon" }))),
        ("no seconds", extend(json!({ "for_seconds": 0 }))),
        ("an unknown session", Asked::new("POST", "/versus/other/end")),
        ("an unknown session to look at", Asked::get("/versus/other", "")),
        ("an id that cannot be", Asked::get("/versus/a.b", "")),
    ] {
        let answered = asked.of(&api).await;
        assert!((400..500).contains(&answered.status), "{what}: {answered:?}");
        text.push_str(&format!("{what}\n{}\n", answered.shown()));
    }
    assert_golden("api/wrong_versus.txt", &text);
    // Its detail tells the time.
    let answered = extend(json!({ "ends_at": far })).of(&api).await;
    assert_eq!((answered.status, answered.problem()), (400, ("invalid-field", "ends_at")));
    let written =
        world.recording.take().into_iter().filter(|request| request.operation == "TransactWriteItems");
    assert_eq!(written.count(), 0);
}
