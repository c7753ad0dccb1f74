//! Function `api`: why a participant is where it is, what happened on a stage, and what other rules would do.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use controller::history::HistoryLine;
use controller::{History, Store, Write};
use http_api::Api;
use jiff::{SignedDuration, Timestamp};
use replication::{Evidence, Moment, Phase, Publisher, PublisherKey, Replica, RuleRef};
use serde_json::{Value, json};
use stagelink_tests::World;
use stagelink_tests::http::{Asked, api};
use stagelink_tests::rows::{self, stage};

async fn world() -> (World, Api) {
    let world = World::start().await.unwrap();
    world.rules(&[rows::rule("main", stage("A").as_str(), stage("B").as_str())]).await.unwrap();
    let key = PublisherKey { stage: stage("A"), participant: "p-1".parse().unwrap() };
    let on = Some(Moment::exact(Timestamp::now() - SignedDuration::from_mins(5)));
    let evidence = Evidence { on, off: None };
    let publisher = Publisher { user_id: "host-1".to_owned(), evidence, ..Publisher::new(key) };
    let rule = RuleRef { id: "main".parse().unwrap(), revision: 1, priority: 50 };
    let replica = Replica { evidence, ..rows::replica(rule, "p-1", "B", Phase::Active) };
    let write = Write { publisher: Some(publisher), replicas: vec![replica], ..Write::default() };
    world.store.write(&write).await.unwrap();
    let api = api(&world).await;
    (world, api)
}

fn operations(world: &World) -> BTreeSet<String> {
    world.recording.take().into_iter().map(|request| request.operation).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_is_explained_by_queries_alone() {
    let (world, api) = world().await;
    let (a, b) = (stage("A"), stage("B"));
    let explained = Asked::get("/explain", &format!("stage={a}&participant=p-1")).of(&api).await.with(200);
    let sentences = explained.to_string();
    assert!(sentences.contains("wanted by rule main"), "{explained:#}");
    assert!(sentences.contains("host-1"), "{explained:#}");
    assert_eq!(explained["replications"][0]["replica"]["phase"], "Active");
    let one = Asked::get("/explain", &format!("stage={a}&participant=p-1&destination={b}"))
        .of(&api)
        .await
        .with(200);
    assert_eq!(one["replications"].as_array().unwrap().len(), 1);
    let c = stage("C");
    let none = Asked::get("/explain", &format!("stage={a}&participant=p-1&destination={c}"))
        .of(&api)
        .await
        .with(200);
    assert_eq!(none["replications"], json!([]));
    let unknown = Asked::get("/explain", &format!("stage={a}&participant=nobody")).of(&api).await.with(200);
    assert_eq!(unknown["publishing"], "unknown");
    assert_eq!(operations(&world), BTreeSet::from(["Query".to_owned()]));
    for (query, problem) in [
        ("participant=p-1".to_owned(), ("missing-parameter", "stage")),
        (format!("stage={a}"), ("missing-parameter", "participant")),
        (format!("stage={a}&participant=a%20b"), ("invalid-parameter", "participant")),
        (format!("stage={a}&participant=p-1&destination=b"), ("invalid-parameter", "destination")),
    ] {
        assert_eq!(Asked::get("/explain", &query).of(&api).await.problem(), problem, "{query}");
    }
}

fn line(ago: i64, participant: &str) -> HistoryLine {
    HistoryLine {
        at: Timestamp::now() - SignedDuration::from_secs(ago),
        stage: Some(stage("A")),
        participant: participant.parse().ok(),
        destination: Some(stage("B")),
        operation: "StartParticipantReplication".to_owned(),
        rule: "main".parse().ok(),
        outcome: "ok".to_owned(),
        reason: None,
        request_id: Some("r-1".to_owned()),
        caller: "request-1".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_of_a_stage_is_read_page_by_page() {
    let (world, api) = world().await;
    for ago in 0..7 {
        world.store.note(&line(ago * 60, &format!("p-{}", ago % 2))).await.unwrap();
    }
    world.store.note(&line(7200, "p-0")).await.unwrap();
    let a = stage("A");
    let get =
        async |more: &str| Asked::get("/activity", &format!("stage={a}{more}")).of(&api).await.with(200);
    let times = |body: &Value| -> Vec<Value> {
        body["activity"].as_array().unwrap().iter().map(|line| line["at"].clone()).collect()
    };
    let all = times(&get("").await);
    assert_eq!(all.len(), 7, "of the last hour");
    assert!(all.is_sorted_by(|a, b| a.as_str() >= b.as_str()), "{all:?}");
    assert_eq!(times(&get("&since=2020-01-01T00:00:00%2B00:00").await).len(), 8);
    assert_eq!(
        times(&get("&since=2020-01-01T00:00:00+00:00").await).len(),
        8,
        "a plus sign as people write it"
    );
    assert_eq!(times(&get("&participant=p-1&rule=main").await).len(), 3);
    assert_eq!(times(&get("&rule=other").await).len(), 0);
    let (mut together, mut next) = (Vec::new(), String::new());
    loop {
        let page = get(&format!("&limit=3{next}")).await;
        together.extend(times(&page));
        let Some(token) = page["next"].as_str() else { break };
        next = format!("&next={token}");
    }
    assert_eq!(together, all);
    assert_eq!(operations(&world), BTreeSet::from(["Query".to_owned()]));
    for (query, field) in [
        (String::new(), "stage"),
        (format!("stage={a}&since=yesterday"), "since"),
        (format!("stage={a}&next=here"), "next"),
        (format!("stage={}{next}", stage("B")), "next"),
    ] {
        let answered = Asked::get("/activity", &query).of(&api).await;
        assert_eq!((answered.status, answered.problem().1), (400, field), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_tells_what_rules_would_do_and_changes_nothing() {
    let (world, api) = world().await;
    let (a, b, c) = (stage("A"), stage("B"), stage("C"));
    let rule = |id: &str, to: &str| json!({ "id": id, "source": { "stage": a.as_str() }, "destinations": [{ "stage": to }] });
    let plan = async |rules: Value| Asked::post("/plan", &json!({ "rules": rules })).of(&api).await.with(200);
    let same = plan(json!([rule("main", b.as_str())])).await;
    assert_eq!((&same["rules"], &same["replications"]), (&json!([]), &json!([])));
    let other = plan(json!([rule("main", c.as_str())])).await;
    let effects: BTreeSet<_> = other["replications"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| (change["effect"].as_str().unwrap(), change["destination"].as_str().unwrap()))
        .collect();
    assert_eq!(effects, BTreeSet::from([("start", c.as_str()), ("stop", b.as_str())]), "{other:#}");
    assert_eq!(other["calls"]["StartParticipantReplication"]["calls"], 1);
    assert_ne!(same["fingerprint"], other["fingerprint"]);
    assert_eq!(plan(json!([])).await["rules"][0]["change"], "deleted");
    assert_eq!(operations(&world), BTreeSet::from(["Scan".to_owned()]));

    let mut wrong = rule("main", b.as_str());
    wrong["priority"] = 101.into();
    let both = json!([rule("x", b.as_str()), { "id": "y", "preempt": true, "source": { "any": true }, "destinations": [{ "stage": b.as_str() }] }]);
    for (rules, problem) in [
        (json!([wrong]), ("invalid-field", "priority")),
        (both, ("rules-contradict", "")),
        (json!(5), ("invalid-json", "")),
    ] {
        let answered = Asked::post("/plan", &json!({ "rules": rules })).of(&api).await;
        assert_eq!(answered.problem(), problem);
    }
    assert_eq!(operations(&world), BTreeSet::new(), "what is wrong with rules is known without the table");
}
