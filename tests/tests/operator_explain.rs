//! `stagelink explain` and `activity` on the embedded table: why it is so, and what was done.

#![allow(clippy::unwrap_used)]

mod operator_table;

use std::time::Duration;

use controller::explain::explain;
use controller::sweep::port::SweepStore;
use controller::{Activity, Store, Write};
use jiff::{SignedDuration, Timestamp};
use operator_table::{NOW, filled};
use replication::explain::explain_in;
use replication::{Policy, PublisherKey};
use serde_json::{Value, json};
use stagelink_tests::console::Console;
use stagelink_tests::rows::{rule, stage};
use stagelink_tests::world::invoke;
use stagelink_tests::{Said, World, assert_golden};

async fn transcript(console: &Console, commands: &[&str]) -> String {
    let mut text = String::new();
    for command in commands {
        let arguments: Vec<_> = command.split(' ').collect();
        let Said { code, text: said } = console.run(&arguments).await;
        text += &format!("$ stagelink {command}\n{said}(exit code {code})\n\n");
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_chain_is_told_in_sentences() {
    let table = filled().await;
    let console = table.console();
    let told =
        transcript(&console, &["explain host-1", "explain p-2 wall", "explain p-3", "explain p-1 A"]).await;
    assert_golden("operator/explain.txt", &told);
    for fact in [
        "publishes, by news of 2026-06-29T16:40:32.123456Z, 9 min 27 s ago; no news says that it ever stopped",
        "wanted by rule main (priority 90, revision 1): its source is this stage, it names the destination",
        "it waits for the answer to StopParticipantReplication, called by request lambda-7",
        "last error: InternalServerException: try again\\u{1b}[2J",
        "request id r-1",
        "it is number 1 of those who wait for a place there",
        "next: at 2026-06-29T16:50:40Z, in 40 s",
        "rule by-tag does not apply: the rule's source has the tag zone=eu, and the stage has zone=us",
        "the user id \"\" does not match \"host-*\"",
        "no rule leads to main (arn:aws:ivs:us-east-1:123456789012:stage/A), and nothing is replicated there",
        "2026-06-29T16:40:33.500Z  StartParticipantReplication  p-1  main -> wall  ok  rule main  by lambda-1  request r-2",
    ] {
        assert!(told.contains(fact), "{fact}\n{told}");
    }
    assert!(!told.contains(['\u{1b}', '\u{202e}']), "{told}");
    let by_arn = console.run(&["explain", "p-1", stage("C").as_str()]).await;
    assert_eq!(by_arn, console.run(&["explain", "p-1", "overflow"]).await);
    assert!(!by_arn.text.contains("to wall"), "{}", by_arn.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_get_the_chain_as_a_document() {
    let table = filled().await;
    let said = table.console().run(&["explain", "p-1", "-o", "json"]).await;
    let document: Value = serde_json::from_str(&said.text).unwrap();
    let told = &document["explanations"][0];
    let expected = json!({ "stage_name": "main", "participant": "p-1", "publishing": "yes", "slots_taken": 2, "slots": 5 });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(told[field], *value, "{field}: {told}");
    }
    let replications = told["replications"].as_array().unwrap();
    assert_eq!(replications[0]["places"]["taken"], 12, "{told}");
    assert_eq!(
        (&replications[1]["slot"], &replications[1]["replica"]["last_error"]["request_id"]),
        (&json!(2), &json!("r-1"))
    );
    assert_eq!(told["activity"].as_array().map(Vec::len), Some(3), "{told}");
    assert!(!said.text.contains('\u{1b}'));
}

/// Somebody who is not known: what could be the case, by what is known of the stages.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_known_may_be_somewhere() {
    let nothing = World::start().await.unwrap();
    let mut console = nothing.console();
    console.deployment.now = || NOW.parse().unwrap();
    let mut told = transcript(&console, &["explain nobody"]).await;
    told += &transcript(&filled().await.console(), &["explain nobody"]).await;
    assert_golden("operator/explain_unknown.txt", &told);
    assert_eq!(told.matches("(exit code 1)").count(), 2);
}

/// By Queries for one participant, or out of everything: the same.
#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_is_the_same_however_it_is_read() {
    let table = filled().await;
    let (store, now) = (&table.world.store, NOW.parse().unwrap());
    let inventory = store.inventory().await.unwrap();
    for participant in ["p-1", "p-2", "p-3"] {
        let key = PublisherKey { stage: stage("A"), participant: participant.parse().unwrap() };
        let by_queries = explain(store, &key, &Policy::default(), now).await.unwrap();
        let by_scan = explain_in(&inventory, &key, &Policy::default(), now);
        // Replicas are read where a destination is full, and only there they are told of.
        assert_eq!(by_queries.to_string(), by_scan.to_string(), "{participant}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_told_with_who_why_and_how_it_went() {
    let table = filled().await;
    let console = table.console();
    let told = transcript(
        &console,
        &[
            "activity",
            "activity --since 1h --participant host-1",
            "activity --since 1h --destination overflow --limit 2",
            "activity --since 1h --source main --rule main -o wide",
            "activity --since 1s",
            "activity --participant gone-1 --since 7d",
            "activity --participant a/b",
        ],
    )
    .await;
    assert_golden("operator/activity.txt", &told);
    assert!(told.contains("Pause  all stages  ok  because: a drill") && !told.contains('\u{1b}'), "{told}");
    let said = console.run(&["activity", "--since", "1h", "-o", "json"]).await;
    let document: Value = serde_json::from_str(&said.text).unwrap();
    assert_eq!((document["activity"].as_array().map(Vec::len), &document["more"]), (Some(8), &json!(false)));
    let (by_arn, by_name) = (
        console.run(&["activity", "--since", "1h", "--source", stage("A").as_str()]).await,
        console.run(&["activity", "--since", "1h", "--source", "A"]).await,
    );
    assert_eq!(by_arn.text.lines().count(), by_name.text.lines().count());

    let pk = format!("STAGE#{}", stage("A"));
    let newer = json!({"pk": {"S": pk}, "sk": {"S": "ACT#2026-06-29T16:49:00.000000000Z#new#*"}, "schema": {"N": "9"}});
    table.world.put(&newer).await.unwrap();
    let said = console.run(&["activity"]).await;
    assert!(said.code == 1 && said.text.contains("left out: item STAGE#arn"), "{}", said.text);
}

/// Lines that are written late, of one time, and on a stage that nobody knew: each is printed, and only once.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_repeats_nothing_and_loses_nothing() {
    let table = filled().await;
    let mut console = table.console();
    console.deployment.now = Timestamp::now;
    let line = |ago: i64, of: &str, participant: &str| Activity {
        at: Timestamp::now() - SignedDuration::from_secs(ago),
        stage: stage(of),
        participant: Some(participant.parse().unwrap()),
        destination: None,
        operation: "StartParticipantReplication",
        rule: None,
        outcome: "ok".to_owned(),
        reason: None,
        request_id: None,
        caller: "f".to_owned(),
    };
    let write = async |lines: Vec<Activity>| {
        table.world.store.write(&Write { activity: lines, ..Write::default() }).await.unwrap();
    };
    write((0..10).map(|i| line(30 + i, "A", &format!("before-{i}"))).collect()).await;
    let arguments = ["activity", "--follow", "--since", "10m", "--limit", "3"];
    let said = console
        .run_during(&arguments, async |shown| {
            shown.until(|text| text.contains("before-0")).await;
            write(vec![line(0, "A", "now-1"), line(0, "B", "now-2")]).await;
            shown.until(|text| text.contains("now-1") && text.contains("now-2")).await;
            // An invocation that was slow to write; and a stage that is new.
            write(vec![line(75, "A", "late"), line(1, "F", "known-since")]).await;
            let known = replication::sweep::ListedStage {
                stage: stage("NEW"),
                name: "new".to_owned(),
                tags: std::collections::BTreeMap::new(),
                active_session: None,
            };
            let known = replication::sweep::StageKnowledge::new(known, Timestamp::now());
            table.world.store.remember_stage(&known).await.unwrap();
            write(vec![line(2, "NEW", "elsewhere")]).await;
            let all = ["late", "known-since", "elsewhere"];
            shown.until(|text| all.iter().all(|participant| text.contains(participant))).await;
            // Some more looks, in which nothing is new.
            tokio::time::sleep(Duration::from_millis(500)).await;
        })
        .await;
    for participant in
        ["before-0", "before-1", "before-2", "now-1", "now-2", "late", "known-since", "elsewhere"]
    {
        assert_eq!(said.matches(&format!("  {participant}  ")).count(), 1, "{participant}\n{said}");
    }
    assert!(!said.contains("before-3"), "only the newest of what was there before\n{said}");

    let arguments = ["activity", "-f", "-o", "json", "--since", "10m"];
    let document = console
        .run_during(&arguments, async |shown| shown.until(|text| text.lines().count() >= 14).await)
        .await;
    let lines: Vec<Value> = document.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        lines.len() >= 14 && lines.is_sorted_by_key(|line| line["at"].as_str().map(str::to_owned)),
        "{document}"
    );
}

/// The functions' own code on a simulated IVS that denies access: what an operator finds out by one command each.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_fails_is_found_with_ivs_s_own_request_id() {
    let mut world = World::start().await.unwrap();
    let (source, destination) = (world.stage("main"), world.stage("wall"));
    world.rules(&[rule("show", &source, &destination)]).await.unwrap();
    world.sweep().await.unwrap();
    world
        .simulator
        .merge_settings(&json!({ "calls": { "error_rate": 1.0, "error_code": "AccessDeniedException" } }))
        .unwrap();
    let participant = world.publish(&source).unwrap();
    let published = world.event("Participant Published").await.unwrap();
    let function = world.function("participant-published").await;
    drop(invoke(&function, published).await);

    let console = world.console();
    let explained = console.run(&["explain", &participant, "wall"]).await;
    let request = console.run(&["explain", &participant, "-o", "json"]).await;
    let request: Value = serde_json::from_str(&request.text).unwrap();
    let replica = &request["explanations"][0]["replications"][0]["replica"];
    let request = replica["last_error"]["request_id"].as_str().unwrap();
    for fact in [
        "to wall, arn:aws:ivs:us-east-1:",
        "Blocked(AccessDenied)",
        "wanted by rule show (priority 50, revision 1)",
        "it waits for somebody to allow the call: IVS denied access; it is tried again at",
        &format!("request id {request})"),
        &format!("request {request}"),
        "next: at ",
    ] {
        assert!(explained.text.contains(fact), "{fact}\n{}", explained.text);
    }
    let blocked = console.run(&["get", "blocked"]).await;
    assert!(blocked.text.contains("AccessDenied  main"), "{}", blocked.text);
    let activity = console.run(&["activity", "--participant", &participant]).await;
    assert!(
        activity.text.contains("StartParticipantReplication") && activity.text.contains(request),
        "{}",
        activity.text
    );
    let waited = console.run(&["wait", "--for", "replicated", &participant, "wall", "--timeout", "1s"]).await;
    assert!(waited.code == 1 && waited.text.contains("Blocked(AccessDenied)"), "{}", waited.text);
}
