//! How large things can be that somebody else says how large they are: DynamoDB takes items of 400 KB and keys of 1 KB, Lambda
//! answers of 6 MB. Whoever asks for more is told so, and no function fails of it.

#![allow(clippy::unwrap_used)]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use controller::rules::all_revisions;
use http_api::Api;
use lambda_kit::{EventSources, News, decode};
use replication::{Observation, Phase, Replica, RuleRef};
use serde_json::{Value, json};
use stagelink_tests::http::{Asked, api};
use stagelink_tests::rows::{replica, stage};
use stagelink_tests::{World, world::invoke};

/// The largest answer of Lambda, in bytes (AWS Lambda quotas).
const ANSWER: usize = 6 << 20;

async fn world() -> (World, Api) {
    let world = World::start().await.unwrap();
    let api = api(&world).await;
    (world, api)
}

/// As many bytes as a rule may have, of letters that take one byte and two in JSON.
fn largest_rule(id: &str) -> Value {
    let tags = |from: usize| {
        let tag = |i: usize| (format!("{i:03}{}", "k".repeat(125)), Value::from("é".repeat(256)));
        Value::Object((from..from + 10).map(tag).collect())
    };
    let destinations: Vec<Value> = (0..19).map(|i| json!({ "tags": tags(10 * i) })).collect();
    let patterns: serde_json::Map<_, _> =
        (0..31).map(|i| (format!("{i:02}"), Value::from("\u{1}".repeat(128)))).collect();
    json!({
        "id": id, "status": "paused", "source": { "any": true }, "destinations": destinations,
        "participants": { "user_id": "\u{2}".repeat(128), "attributes": patterns },
        "attributes": { "via": "\u{3}".repeat(1_000) },
        "reason": "\u{4}".repeat(256),
    })
}

/// An item as DynamoDB's JSON has it, of a rule as it stands in the table or in its history.
async fn item(world: &World, pk: &str, sk: &str) -> Value {
    let key = json!({ ":pk": { "S": pk }, ":sk": { "S": sk } });
    let query = json!({
        "TableName": world.table(), "KeyConditionExpression": "pk = :pk AND sk = :sk", "ExpressionAttributeValues": key,
    });
    world.dynamodb("Query", &query).await.unwrap()["Items"][0].clone()
}

/// A revision as if it were this one.
fn revised(item: &Value, revision: u64) -> Value {
    let mut item = item.clone();
    item["sk"]["S"] = format!("REV#{revision:010}").into();
    for path in ["/revision/N", "/rule/M/revision/N"] {
        *item.pointer_mut(path).unwrap() = revision.to_string().into();
    }
    item
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_rule_can_be_kept_with_its_history_and_its_answer() {
    let (world, api) = world().await;
    let body = largest_rule("huge");
    let made = Asked::post("/rules", &body).key("one").of(&api).await;
    assert_eq!(made.status, 201, "{}", made.shown());
    assert!(made.raw().len() > 125_000, "{}", made.raw().len());
    let again = Asked::post("/rules", &body).key("one").of(&api).await;
    assert_eq!((again.raw(), again.header("idempotent-replayed")), (made.raw(), Some("true")));
    let paused = Asked::new("POST", "/rules/huge/resume").key("two").of(&api).await;
    assert_eq!(paused.status, 200);
    assert_eq!(all_revisions(&world.store, &"huge".parse().unwrap()).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_is_larger_is_refused_with_its_field() {
    let (world, api) = world().await;
    let with = |field: &str, value: Value| {
        let mut body = json!({ "id": "huge", "source": { "any": true }, "destinations": [{ "stage": stage("B").as_str() }] });
        body[field] = value;
        body
    };
    let many = |count: usize, value: &str| -> Value {
        Value::Object((0..count).map(|i| (format!("{i:03}"), Value::from(value))).collect())
    };
    let letter = "𝒂".repeat(256);
    let tags: Vec<Value> = (0..20)
        .map(|i| {
            json!({ "tags": { format!("{i}"): letter, "b": letter, "c": letter, "d": letter,
        "e": letter, "f": letter, "g": letter, "h": letter } })
        })
        .collect();
    for (body, field) in [
        (with("attributes", many(1, &"v".repeat(1_025))), "attributes"),
        (
            with("participants", json!({ "attributes": many(32, &"*".repeat(128)) })),
            "participants.attributes",
        ),
        (with("participants", json!({ "user_id": "*".repeat(129) })), "participants.user_id"),
        (with("destinations", tags.into()), "(the rule)"),
        (with("reason", "r".repeat(257).into()), "reason"),
        (with("id", "i".repeat(65).into()), "id"),
    ] {
        let answered = Asked::post("/rules", &body).of(&api).await;
        assert_eq!(
            (answered.status, answered.problem()),
            (400, ("invalid-field", field)),
            "{}",
            answered.shown()
        );
    }
    let versus = json!({ "stages": [stage("A").as_str(), stage("B").as_str()], "duration_seconds": 60,
        "participants": { "attributes": many(40, &"*".repeat(128)) } });
    let answered = Asked::post("/versus", &versus).of(&api).await;
    assert_eq!(answered.problem(), ("invalid-field", "participants.attributes"), "{}", answered.shown());
    assert!(world.store.all_rules().await.unwrap().is_empty());
}

/// What a client made up comes back cut, wherever it stood.
#[tokio::test(flavor = "multi_thread")]
async fn a_problem_does_not_grow_with_what_was_asked() {
    let (_world, api) = world().await;
    let long = "x\"\\".repeat(20_000);
    let name = |name: &str| json!({ "id": "main", "source": { "any": true }, "destinations": [], name: 1 });
    for asked in [
        Asked::post("/rules", &name(&long)),
        Asked::post("/rules", &json!({ "id": long })),
        Asked::post(
            "/rules",
            &json!({ "id": "main", "source": { "tags": { &long: 1 } }, "destinations": [] }),
        ),
        Asked::post(
            "/rules",
            &json!({ "id": "main", "source": { "any": true }, "destinations": [], "status": long }),
        ),
        Asked::post("/versus", &json!({ &long: 1 })),
        Asked::post("/plan", &json!({ "rules": [], &long: long })),
        Asked::post("/rules", &Value::Null).text(&"[".repeat(1 << 20)),
        Asked::post("/rules", &Value::Null).text(&format!("{long}{long}{long}")),
        Asked::post("/rules", &Value::Null).text(&" ".repeat((1 << 20) + 1)),
        Asked::get("/rules", &format!("{}=1", "x".repeat(7_000))),
        Asked::get("/rules", &format!("source={}", "x".repeat(7_000))),
        Asked::get(&format!("/rules/{}", "x".repeat(7_000)), ""),
        Asked::new("DELETE", "/rules/main").query(&format!("reason={}", "x".repeat(7_000))).if_match(1),
        Asked::post("/rules", &name("y")).key(&"k".repeat(7_000)),
        Asked::post("/rules", &name("y")).header("content-type", &"t".repeat(7_000)),
    ] {
        let answered = asked.of(&api).await;
        assert!((400..500).contains(&answered.status), "{}", answered.shown());
        assert!(answered.raw().len() < 15_000, "{} bytes", answered.raw().len());
    }
}

/// The token of a page is a client's to send, and becomes part of a key.
#[tokio::test(flavor = "multi_thread")]
async fn a_made_up_token_is_refused_before_the_table_sees_it() {
    let (world, api) = world().await;
    let (a, pk) = (stage("A"), format!("STAGE#{}", stage("A")));
    let long = "p".repeat(1_200);
    for (path, query, place) in [
        ("/rules", String::new(), "  ".to_owned()),
        ("/rules", String::new(), format!("STAGE#* RULE#{long} ")),
        ("/publishers", format!("stage={a}&"), format!("{pk} PUB#{long} ")),
        ("/replicas", format!("destination={a}&"), format!(" #{a} Active")),
        ("/replicas", format!("destination={a}&"), format!("{pk} REP#{long}#{a} Active")),
        ("/replicas", format!("destination={a}&"), format!("{pk} REP#p#{a} {long}")),
        ("/activity", format!("stage={a}&"), format!("2026-01-01T00:00:00Z#{a}#{long}")),
        ("/rules/main/history", String::new(), "-1".to_owned()),
        ("/rules/main/history", String::new(), "99999999999999999999".to_owned()),
        ("/rules/main/history", String::new(), "RULE#".to_owned()),
    ] {
        let token = URL_SAFE_NO_PAD.encode(&place);
        let answered = Asked::get(path, &format!("{query}next={token}")).of(&api).await;
        assert_eq!(
            (answered.status, answered.problem()),
            (400, ("invalid-parameter", "next")),
            "{path} {place}"
        );
    }
    assert!(world.recording.take().is_empty(), "the table was asked");
}

/// A page ends where DynamoDB's own does, at 1 MB, and the next goes on.
#[tokio::test(flavor = "multi_thread")]
async fn pages_of_large_rules_and_of_a_long_history_fit_into_an_answer() {
    let (world, api) = world().await;
    Asked::post("/rules", &largest_rule("r-00")).of(&api).await.with(201);
    let rule = item(&world, "STAGE#*", "RULE#r-00").await;
    let revision = item(&world, "HISTORY#r-00", "REV#0000000001").await;
    for i in 1..12 {
        let mut rule = rule.clone();
        (rule["sk"]["S"], rule["id"]["S"]) = (format!("RULE#r-{i:02}").into(), format!("r-{i:02}").into());
        world.put(&rule).await.unwrap();
        world.put(&revised(&revision, i + 1)).await.unwrap();
    }
    for (path, list) in [("/rules", "rules"), ("/rules/r-00/history", "revisions")] {
        let (mut found, mut pages, mut next) = (Vec::new(), 0, String::new());
        loop {
            let answered = Asked::get(path, &format!("limit=100{next}")).of(&api).await;
            assert!(answered.raw().len() < ANSWER / 4, "{path}: {} bytes", answered.raw().len());
            let body = answered.with(200);
            found.extend(body[list].as_array().unwrap().iter().map(|one| one["revision"].as_u64().unwrap()));
            pages += 1;
            let Some(token) = body["next"].as_str() else { break };
            next = format!("&next={token}");
        }
        assert_eq!((found.len(), pages >= 2), (12, true), "{path}: {pages} pages");
    }
    // The newest first, and a rule of many revisions can be changed, and can go back to the first.
    let newest = Asked::get("/rules/r-00/history", "limit=1").of(&api).await.with(200);
    assert_eq!(newest["revisions"][0]["revision"], 12);
}

/// A rule of which nobody knows how often it was changed is not read as a whole to change it once more.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_reads_the_last_revision_and_no_other() {
    let (world, api) = world().await;
    let rule = json!({ "id": "main", "source": { "any": true }, "destinations": [{ "stage": stage("B").as_str() }] });
    Asked::post("/rules", &rule).of(&api).await.with(201);
    let first = item(&world, "HISTORY#main", "REV#0000000001").await;
    for i in 2..=250 {
        let mut revision = revised(&first, i);
        *revision.pointer_mut("/rule/M/priority/N").unwrap() = (i % 100).to_string().into();
        world.put(&revision).await.unwrap();
    }
    Asked::new("POST", "/rules/main/pause").key("k").of(&api).await.with(200);
    let asked = world.recording.take().into_iter().filter(|request| request.operation == "Query");
    let unbounded =
        asked.map(|request| serde_json::from_slice::<Value>(&request.body).unwrap()).filter(|query| {
            query["ExpressionAttributeValues"][":pk"]["S"] == "HISTORY#main" && query["Limit"] != 1
        });
    assert_eq!(unbounded.count(), 0);
    let back = |revision: u64| Asked::post("/rules/main/rollback", &json!({ "to_revision": revision }));
    assert_eq!(back(3).of(&api).await.with(200)["priority"], 3, "beyond the newest hundred");
    let answered = back(900).of(&api).await;
    assert_eq!((answered.problem(), answered.raw().len() < 4_000), (("invalid-field", "to_revision"), true));
}

/// What an event says is stored and logged as far as it may be that long.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_leaves_no_more_in_the_table_than_it_may() {
    let mut world = World::start().await.unwrap();
    let (source, destination) = (world.stage("source"), world.stage("destination"));
    world.rules(&[stagelink_tests::rows::rule("main", &source, &destination)]).await.unwrap();
    world.publish(&source).unwrap();
    let event = world.event("Participant Published").await.unwrap();
    let function = world.function("participant-published").await;
    let long = "ü".repeat(50_000);
    let with = |field: &str| {
        let mut event = event.clone();
        event["detail"][field] = long.as_str().into();
        event
    };
    for field in ["user_id", "participant_id", "session_id", "event_time_precise", "event_name"] {
        let told = match invoke(&function, with(field)).await {
            Ok(answer) => answer.to_string(),
            Err(failure) => failure.to_string(),
        };
        assert!(told.len() < 1_000, "{field}: {} bytes", told.len());
    }
    assert!(world.recording.take().iter().all(|request| request.operation != "TransactWriteItems"));

    let mut failed = event.clone();
    failed["resources"][0] = destination.as_str().into();
    for (field, value) in [
        ("event_name", json!("Participant Publish Error")),
        ("replica", json!(true)),
        ("source_stage_arn", json!(source)),
        ("error_code", json!(long)),
    ] {
        failed["detail"][field] = value;
    }
    let News::Observation(Observation::ReplicaFailed { code, .. }) =
        decode(failed, &EventSources::default()).unwrap()
    else {
        panic!("no failure")
    };
    assert_eq!(code.chars().count(), 200);
}

/// A hundred replications with the longest errors there are make one page.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_failures_fits_into_an_answer() {
    let (world, api) = world().await;
    let rule = RuleRef { id: "main".parse().unwrap(), revision: 1, priority: 50 };
    let error = |i: usize| replication::LastError {
        rejection: None,
        code: "\u{1}".repeat(100),
        message: "\u{1}".repeat(1_000),
        request_id: Some(format!("r-{i}")),
        at: jiff::Timestamp::UNIX_EPOCH,
    };
    let failed = |i: usize| Replica {
        last_error: Some(error(i)),
        ..replica(rule.clone(), &format!("p-{i}"), "B", Phase::Starting)
    };
    for some in (0..100).map(failed).collect::<Vec<_>>().chunks(25) {
        let write = controller::Write { replicas: some.to_vec(), ..Default::default() };
        controller::Store::write(&world.store, &write).await.unwrap();
    }
    let answered = Asked::get("/replicas", &format!("source={}&limit=100", stage("A"))).of(&api).await;
    assert!(answered.raw().len() < ANSWER / 2, "{}", answered.raw().len());
    assert_eq!(answered.with(200)["replicas"].as_array().unwrap().len(), 100);
}
