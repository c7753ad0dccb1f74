//! Function `api`: rules are created, changed and deleted under a condition, with a history of who did it and why.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use http_api::Api;
use serde_json::{Value, json};
use stagelink_tests::http::{Asked, CALLER, api};
use stagelink_tests::rows::stage;
use stagelink_tests::{World, assert_golden};

fn body(id: &str) -> Value {
    json!({ "id": id, "source": { "stage": stage("A").as_str() }, "destinations": [{ "stage": stage("B").as_str() }] })
}

/// A rule's JSON with these fields, too.
fn with(id: &str, more: Value) -> Value {
    let mut body = body(id);
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn world() -> (World, Api) {
    let world = World::start().await.unwrap();
    let api = api(&world).await;
    (world, api)
}

async fn create(api: &Api, body: &Value) -> Value {
    Asked::post("/rules", body).of(api).await.with(201)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_created_read_replaced_and_deleted() {
    let (world, api) = world().await;
    let created = Asked::post("/rules", &body("main")).of(&api).await;
    assert_eq!((created.header("etag"), created.header("location")), (Some("\"1\""), Some("/rules/main")));
    let rule = created.with(201);
    assert_eq!(
        (&rule["revision"], &rule["priority"], &rule["status"]),
        (&json!(1), &json!(50), &json!("enabled"))
    );

    let read = Asked::get("/rules/main", "").of(&api).await;
    assert_eq!((read.header("etag"), &read.body), (Some("\"1\""), &rule));

    // What was read can be sent back as it is, but for what shall change.
    let changed = with("main", json!({ "revision": 1, "priority": 60, "status": "paused" }));
    let replaced = Asked::new("PUT", "/rules/main").json(&changed).if_match(1).of(&api).await;
    assert_eq!(replaced.header("etag"), Some("\"2\""));
    assert_eq!(replaced.with(200)["priority"], 60);
    let listed = Asked::get("/rules", &format!("source={}", stage("A"))).of(&api).await.with(200);
    assert_eq!(
        (&listed["rules"][0]["revision"], &listed["rules"][0]["status"]),
        (&json!(2), &json!("paused"))
    );

    let query = "reason=the+show+is+over%21";
    let deleted = Asked::new("DELETE", "/rules/main").query(query).if_match(2).of(&api).await;
    assert_eq!(deleted.with(200)["revision"], 2, "the rule as it was");
    assert_eq!(Asked::get("/rules/main", "").of(&api).await.problem(), ("unknown-rule", "id"));

    let history = Asked::get("/rules/main/history", "").of(&api).await.with(200);
    let told = |revision: &Value| {
        (revision["revision"].clone(), revision["reason"].clone(), revision["rule"].is_object())
    };
    let told: Vec<_> = history["revisions"].as_array().unwrap().iter().map(told).collect();
    let expected = [
        (json!(3), json!("the show is over!"), false),
        (json!(2), Value::Null, true),
        (json!(1), Value::Null, true),
    ];
    assert_eq!(told, expected);
    assert!(history["revisions"].as_array().unwrap().iter().all(|revision| revision["by"] == CALLER));
    drop(world);
}

/// Who comes second is told, gets the rule as it is, and changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_an_older_revision_is_refused_with_the_present_one() {
    let (_world, api) = world().await;
    create(&api, &body("main")).await;
    let put = |revision| {
        Asked::new("PUT", "/rules/main").json(&with("main", json!({ "priority": 60 }))).if_match(revision)
    };
    put(1).of(&api).await.with(200);
    for late in [
        put(1),
        put(7),
        Asked::new("DELETE", "/rules/main").if_match(1),
        Asked::post("/rules/main/pause", &json!({})).if_match(1),
        Asked::post("/rules/main/resume", &json!({})).if_match(1),
        Asked::post("/rules/main/rollback", &json!({ "to_revision": 1 })).if_match(1),
    ] {
        let answered = late.of(&api).await;
        assert_eq!((answered.status, answered.problem()), (409, ("revision-moved", "If-Match")));
        assert_eq!(
            (&answered.body["current_revision"], &answered.body["rule"]["priority"]),
            (&json!(2), &json!(60))
        );
    }
    let again = Asked::post("/rules", &with("main", json!({ "priority": 70 }))).of(&api).await;
    assert_eq!((again.status, again.problem()), (409, ("rule-exists", "id")));
    assert_eq!((&again.body["current_revision"], &again.body["rule"]["priority"]), (&json!(2), &json!(60)));
    for unconditional in
        [Asked::new("PUT", "/rules/main").json(&body("main")), Asked::new("DELETE", "/rules/main")]
    {
        let answered = unconditional.of(&api).await;
        assert_eq!((answered.status, answered.problem()), (428, ("precondition-required", "If-Match")));
    }
    let rule = Asked::get("/rules/main", "").of(&api).await.with(200);
    assert_eq!((&rule["revision"], &rule["priority"]), (&json!(2), &json!(60)));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_changes_a_revision() {
    let (_world, api) = world().await;
    create(&api, &body("main")).await;
    let put = |priority| {
        Asked::new("PUT", "/rules/main")
            .json(&with("main", json!({ "priority": priority })))
            .if_match(1)
            .of(&api)
    };
    let all = futures::future::join_all((60..66).map(put)).await;
    let statuses: Vec<_> = all.iter().map(|answered| answered.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 5, "{statuses:?}");
    assert_eq!(Asked::get("/rules/main", "").of(&api).await.with(200)["revision"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_paused_resumed_and_brought_back() {
    let (_world, api) = world().await;
    create(&api, &body("main")).await;
    let order = async |what: &str, body: Value| {
        Asked::post(&format!("/rules/main/{what}"), &body).of(&api).await.with(200)
    };
    let paused = order("pause", json!({ "reason": "it echoes" })).await;
    assert_eq!((&paused["status"], &paused["revision"]), (&json!("paused"), &json!(2)));
    assert_eq!(order("pause", json!({})).await["revision"], 2, "it is paused already");
    let without_body = Asked::new("POST", "/rules/main/resume").if_match(2).of(&api).await.with(200);
    assert_eq!((&without_body["status"], &without_body["revision"]), (&json!("enabled"), &json!(3)));
    Asked::new("PUT", "/rules/main")
        .json(&with("main", json!({ "priority": 99 })))
        .if_match(3)
        .of(&api)
        .await
        .with(200);

    let back = order("rollback", json!({ "to_revision": 2, "reason": "too loud" })).await;
    let said = (&back["status"], &back["priority"], &back["revision"]);
    assert_eq!(said, (&json!("paused"), &json!(50), &json!(5)));
    assert_eq!(order("rollback", json!({})).await["priority"], 99, "what it said before");
    Asked::new("DELETE", "/rules/main").if_match(6).of(&api).await.with(200);
    assert_eq!(order("rollback", json!({})).await["revision"], 8, "a deleted rule comes back");
    let answered = Asked::post("/rules/main/rollback", &json!({ "to_revision": 70 })).of(&api).await;
    assert_eq!((answered.status, answered.problem()), (400, ("invalid-field", "to_revision")));
    let history = Asked::get("/rules/main/history", "").of(&api).await.with(200);
    let reasons: Vec<_> =
        history["revisions"].as_array().unwrap().iter().map(|revision| &revision["reason"]).collect();
    assert_eq!(reasons[3], "too loud");
    assert_eq!(reasons[6], "it echoes");
}

/// Bad input gets an error with field, value and what is allowed, and changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_rule_is_named_and_nothing_is_changed() {
    let (world, api) = world().await;
    create(&api, &body("main")).await;
    world.recording.take();
    let post = |body: Value| Asked::post("/rules", &body);
    let put = |body: Value| Asked::new("PUT", "/rules/main").json(&body).if_match(1);
    let mut text = String::new();
    for (what, asked) in [
        ("an unknown field", post(with("new", json!({ "colour": "red" })))),
        ("no id", post(with("new", json!({ "id": null })))),
        ("a wrong id", post(body("a b"))),
        ("the id of a session's rule", post(body("versus.duel.1"))),
        ("a wrong ARN", post(with("new", json!({ "source": { "stage": "arn:aws:s3:::a" } })))),
        ("its own source", post(with("new", json!({ "destinations": [{ "stage": stage("A").as_str() }] })))),
        ("a window of 301", post(with("new", json!({ "reconnect_window_seconds": 301 })))),
        ("a window in words", post(with("new", json!({ "reconnect_window_seconds": "30 s" })))),
        ("no destinations", post(with("new", json!({ "destinations": [] })))),
        ("a list", post(json!([]))),
        ("an empty reason", post(with("new", json!({ "reason": "" })))),
        ("a reason that is none", post(with("new", json!({ "reason": ["why"] })))),
        ("a contradiction", post(with("new", json!({ "preempt": true })))),
        ("another id than the path's", put(body("other"))),
        ("another revision than If-Match", put(with("main", json!({ "revision": 7 })))),
        ("a weak ETag", put(body("main")).header("if-match", "W/\"1\"")),
        ("no JSON", Asked::new("POST", "/rules").text("{").header("content-type", "application/json")),
        ("YAML", Asked::new("POST", "/rules").text("id: x").header("content-type", "application/yaml")),
        ("no content type", Asked::new("POST", "/rules").text("{}")),
        ("nothing", Asked::new("POST", "/rules")),
        (
            "a field twice",
            Asked::new("POST", "/rules")
                .text(r#"{"id": "a", "id": "b"}"#)
                .header("content-type", "application/json"),
        ),
        ("an unknown rule", Asked::new("PUT", "/rules/other").json(&body("other")).if_match(1)),
        ("a rule of a session", Asked::new("DELETE", "/rules/versus.duel.1").if_match(1)),
        ("an id that cannot be", Asked::get("/rules/a%20b", "")),
        ("an unknown field of an order", Asked::post("/rules/main/pause", &json!({ "because": "x" }))),
        ("a revision that is none", Asked::post("/rules/main/rollback", &json!({ "to_revision": -1 }))),
        ("a key that is none", post(body("new")).header("idempotency-key", "a b")),
        ("an unknown rule's history", Asked::get("/rules/other/history", "")),
    ] {
        let answered = asked.of(&api).await;
        assert!((400..500).contains(&answered.status), "{what}: {answered:?}");
        text.push_str(&format!("{what}\n{}\n", answered.shown()));
    }
    assert_golden("api/wrong_rules.txt", &text);
    let written =
        world.recording.take().into_iter().filter(|request| request.operation == "TransactWriteItems");
    assert_eq!(written.count(), 0);
}

/// A body that is too large is not even read.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_is_refused() {
    let (world, api) = world().await;
    let large = with("main", json!({ "reason": "x".repeat(1 << 20) }));
    let answered = Asked::post("/rules", &large).of(&api).await;
    assert_eq!((answered.status, answered.problem().0), (413, "body-too-large"));
    assert_eq!(world.recording.take().len(), 0);
}

/// What is asked of the table is what the role may: Query, Scan, PutItem and DeleteItem.
#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_asked_of_the_table_than_the_role_allows() {
    let (world, api) = world().await;
    create(&api, &body("main")).await;
    let elsewhere = with("main", json!({ "source": { "any": true } }));
    Asked::new("PUT", "/rules/main").json(&elsewhere).if_match(1).key("not needed").of(&api).await.with(200);
    Asked::post("/rules/main/pause", &json!({})).key("pause").of(&api).await.with(200);
    Asked::post("/rules/main/pause", &json!({})).key("pause again").of(&api).await.with(200);
    Asked::post("/rules/main/rollback", &json!({})).of(&api).await.with(200);
    Asked::new("DELETE", "/rules/main").if_match(4).of(&api).await.with(200);
    let (mut operations, mut writes) = (BTreeSet::new(), BTreeSet::new());
    for request in world.recording.take() {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        for item in body["TransactItems"].as_array().into_iter().flatten() {
            writes.extend(item.as_object().unwrap().keys().cloned());
        }
        operations.insert(request.operation);
    }
    assert_eq!(operations, ["Query", "Scan", "TransactWriteItems"].map(str::to_owned).into());
    assert_eq!(writes, ["Delete", "Put"].map(str::to_owned).into());
}

/// A rule from before there was a history is read, changed, and has one from then on.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_without_a_history_is_read_and_changed() {
    let (world, api) = world().await;
    let item = json!({
        "pk": { "S": format!("STAGE#{}", stage("A")) }, "sk": { "S": "RULE#old" }, "schema": { "N": "1" },
        "id": { "S": "old" }, "revision": { "N": "4" }, "priority": { "N": "50" }, "status": { "S": "enabled" },
        "source_stage": { "S": stage("A").as_str() }, "destination_stages": { "L": [{ "S": stage("B").as_str() }] },
        "reconnect_window_seconds": { "N": "0" }, "attributes": { "M": {} },
    });
    world.put(&item).await.unwrap();
    let read = Asked::get("/rules/old", "").of(&api).await;
    assert_eq!(read.header("etag"), Some("\"4\""));
    assert_eq!(Asked::get("/rules/old/history", "").of(&api).await.with(200)["revisions"], json!([]));
    Asked::post("/rules/old/pause", &json!({})).of(&api).await.with(200);
    let history = Asked::get("/rules/old/history", "").of(&api).await.with(200);
    let revisions: Vec<_> =
        history["revisions"].as_array().unwrap().iter().map(|revision| &revision["revision"]).collect();
    assert_eq!(revisions, [&json!(5), &json!(4)]);
}
