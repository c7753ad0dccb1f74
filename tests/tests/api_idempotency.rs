//! Function `api`: a POST that comes again under its `Idempotency-Key` is carried out once, and has its first answer.

#![allow(clippy::unwrap_used)]

use controller::VersusStore;
use controller::rules::all_revisions;
use http_api::Api;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use stagelink_tests::World;
use stagelink_tests::http::{Answered, Asked, api};
use stagelink_tests::rows::stage;

const WRITE: &str = "TransactWriteItems";

fn rule(id: &str) -> Value {
    json!({ "id": id, "source": { "stage": stage("A").as_str() }, "destinations": [{ "stage": stage("B").as_str() }] })
}

fn session() -> Value {
    json!({ "stages": [stage("A").as_str(), stage("B").as_str()], "duration_seconds": 300 })
}

async fn world() -> (World, Api) {
    let world = World::start().await.unwrap();
    let api = api(&world).await;
    (world, api)
}

/// The first answer again, byte by byte, and marked as such.
fn assert_replayed(first: &Answered, again: &Answered) {
    assert_eq!((again.status, again.raw()), (first.status, first.raw()));
    for header in ["etag", "location", "content-type"] {
        assert_eq!(again.header(header), first.header(header), "{header}");
    }
    assert_eq!(
        (first.header("idempotent-replayed"), again.header("idempotent-replayed")),
        (None, Some("true"))
    );
}

async fn revisions(world: &World, id: &str) -> usize {
    all_revisions(&world.store, &id.parse().unwrap()).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_again_has_the_first_answer_and_costs_one_query() {
    let (world, api) = world().await;
    let post = || Asked::post("/rules", &rule("main")).key("k-1");
    let first = post().of(&api).await;
    assert_eq!(first.status, 201);
    // Somebody changes the rule meanwhile: the first answer stays what it was.
    Asked::post("/rules/main/pause", &json!({})).of(&api).await.with(200);
    world.recording.take();
    let again = post().header("idempotency-key", "k-1").of(&api).await;
    assert_replayed(&first, &again);
    let operations: Vec<_> = world.recording.take().into_iter().map(|request| request.operation).collect();
    assert_eq!(operations, ["Query"]);
    assert_eq!(revisions(&world, "main").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_another_request_is_refused() {
    let (world, api) = world().await;
    Asked::post("/rules", &rule("main")).key("k-1").of(&api).await.with(201);
    world.recording.take();
    let mut other = rule("main");
    other["priority"] = 60.into();
    for other in [
        Asked::post("/rules", &other).key("k-1"),
        Asked::post("/rules/main/pause", &json!({})).key("k-1"),
        Asked::post("/versus", &session()).key("k-1"),
    ] {
        let answered = other.of(&api).await;
        assert_eq!((answered.status, answered.problem()), (422, ("key-reused", "Idempotency-Key")));
    }
    let about_another_revision = Asked::post("/rules/main/pause", &json!({})).key("k-2");
    about_another_revision.clone().if_match(1).of(&api).await.with(200);
    assert_eq!(about_another_revision.if_match(2).of(&api).await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_different_callers_have_nothing_to_do_with_each_other() {
    let (_world, api) = world().await;
    let role = "arn:aws:sts::123456789012:assumed-role/backend";
    let pause = |who: &str| Asked::post("/rules/main/pause", &json!({})).key("k-1").by(who).of(&api);
    Asked::post("/rules", &rule("main")).of(&api).await.with(201);
    let first = pause(&format!("{role}/i-1")).await;
    assert_replayed(&first, &pause(&format!("{role}/i-2")).await);
    let other = pause("arn:aws:sts::123456789012:assumed-role/other/i-1").await;
    assert_eq!((other.status, other.header("idempotent-replayed")), (200, None));
}

/// The function is killed after the table has made the change, and before anybody has the answer.
#[tokio::test(flavor = "multi_thread")]
async fn killed_between_the_write_and_the_answer_a_request_is_carried_out_once() {
    let (world, api) = world().await;
    let created = Asked::post("/rules", &rule("main")).key("create");
    for (asked, status) in [
        (created, 201),
        (Asked::post("/rules/main/pause", &json!({ "reason": "x" })).key("pause"), 200),
        (Asked::post("/rules/main/resume", &json!({})).key("resume"), 200),
        (Asked::post("/rules/main/rollback", &json!({})).key("rollback"), 200),
        // Without an id: a second one would be another session.
        (Asked::post("/versus", &session()).key("versus"), 201),
    ] {
        world.recording.take();
        world.recording.lose_answers(Some(WRITE));
        tokio::select! {
            answered = asked.clone().of(&api) => panic!("answered: {answered:?}"),
            () = world.recording.seen(WRITE) => {}
        }
        world.recording.lose_answers(None);
        world.recording.take();
        let again = asked.clone().of(&api).await;
        assert_eq!((again.status, again.header("idempotent-replayed")), (status, Some("true")), "{asked:?}");
        let writes = world.recording.take().into_iter().filter(|request| request.operation == WRITE);
        assert_eq!(writes.count(), 0, "{asked:?}");
        if let Some(id) = again.body["stages"].as_array().map(|_| again.body["id"].as_str().unwrap()) {
            let known = world.store.versus(&id.parse().unwrap()).await.unwrap().unwrap();
            assert_eq!(views::Versus::from(&known).ends_at, again.body["ends_at"].as_str().unwrap());
        }
    }
    assert_eq!(revisions(&world, "main").await, 4);
    assert_eq!(world.store.all_versus().await.unwrap().len(), 1);
}

/// Killed after an extension by seconds from now, the end is the one of the first request.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_moved_once() {
    let (world, api) = world().await;
    let mut terms = session();
    terms["id"] = "duel".into();
    Asked::post("/versus", &terms).of(&api).await.with(201);
    for (path, body) in
        [("/versus/duel/extend", json!({ "for_seconds": 900 })), ("/versus/duel/end", json!({}))]
    {
        let asked = Asked::post(path, &body).key(path);
        world.recording.take();
        world.recording.lose_answers(Some(WRITE));
        tokio::select! {
            answered = asked.clone().of(&api) => panic!("answered: {answered:?}"),
            () = world.recording.seen(WRITE) => {}
        }
        world.recording.lose_answers(None);
        let known = world.store.versus(&"duel".parse().unwrap()).await.unwrap().unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let again = asked.of(&api).await;
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.with(200)["ends_at"], known.ends_at.to_string(), "{path}");
        let after = world.store.versus(&"duel".parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(after, known);
    }
}

/// Of requests that overlap, one is carried out; the others have its answer, or are told to come again.
#[tokio::test(flavor = "multi_thread")]
async fn at_once_under_one_key_a_request_is_carried_out_once() {
    let (world, api) = world().await;
    for (asked, status) in [
        (Asked::post("/rules", &rule("main")).key("create"), 201),
        (Asked::post("/versus", &session()).key("versus"), 201),
    ] {
        let all = futures::future::join_all((0..8).map(|_| asked.clone().of(&api))).await;
        let first = all.iter().find(|answered| answered.header("idempotent-replayed").is_none());
        let first = first.filter(|first| first.status == status).unwrap().raw();
        for answered in &all {
            match answered.status {
                409 => assert_eq!(answered.problem().0, "request-in-progress"),
                same => assert_eq!((same, answered.raw()), (status, first)),
            }
        }
        assert_replayed_all(&api, &asked, first).await;
    }
    assert_eq!(revisions(&world, "main").await, 1);
    assert_eq!(world.store.all_versus().await.unwrap().len(), 1);
}

async fn assert_replayed_all(api: &Api, asked: &Asked, first: &str) {
    let again = asked.clone().of(api).await;
    assert_eq!((again.raw(), again.header("idempotent-replayed")), (first, Some("true")));
}

/// Nothing had to be changed: the answer stays the first one although the rule is another by then.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_request_that_changed_nothing_is_kept_too() {
    let (_world, api) = world().await;
    Asked::post("/rules", &rule("main")).of(&api).await.with(201);
    let resume = || Asked::post("/rules/main/resume", &json!({})).key("k-1");
    let first = resume().of(&api).await;
    assert_eq!(first.body["revision"], 1, "it is enabled already");
    Asked::post("/rules/main/pause", &json!({})).of(&api).await.with(200);
    assert_replayed(&first, &resume().of(&api).await);
    assert_eq!(Asked::get("/rules/main", "").of(&api).await.with(200)["status"], "paused");
}

/// A request that was refused changed nothing: its key is free for a better one.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_leaves_its_key_free() {
    let (_world, api) = world().await;
    let mut wrong = rule("main");
    wrong["reconnect_window_seconds"] = 301.into();
    assert_eq!(Asked::post("/rules", &wrong).key("k-1").of(&api).await.status, 400);
    Asked::post("/rules", &rule("main")).key("k-1").of(&api).await.with(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_forgotten_after_a_day() {
    let (world, _) = world().await;
    let now = Timestamp::now();
    let kept = |at, body: &str| aws_adapters::KeptAnswer {
        key: "k".to_owned(),
        request: "r".to_owned(),
        status: 200,
        headers: [("etag".to_owned(), "\"1\"".to_owned())].into(),
        body: body.to_owned(),
        at,
    };
    let old = kept(now - SignedDuration::from_hours(24), "old");
    world.store.keep_answer(&old).await.unwrap();
    assert_eq!(world.store.kept_answer("k", now).await.unwrap(), None);
    let before = now - SignedDuration::from_secs(1);
    assert_eq!(world.store.kept_answer("k", before).await.unwrap(), Some(old));
    let new = kept(now, "new");
    world.store.keep_answer(&new).await.unwrap();
    assert_eq!(world.store.kept_answer("k", now).await.unwrap(), Some(new.clone()));
    let again = world.store.keep_answer(&new).await.unwrap_err();
    assert!(matches!(again, controller::StoreError::Conflict), "{again}");
}
