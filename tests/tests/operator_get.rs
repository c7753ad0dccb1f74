//! `stagelink get`, `wait` and `versus` on the embedded table: what an operator sees at night.

#![allow(clippy::unwrap_used)]

mod operator_table;

use std::time::Duration;

use controller::{Operator, Store, VersusStore, Write, versus};
use operator_table::{NOW, filled};
use replication::{Phase, Replica, VersusState, VersusTerms};
use serde_json::{Value, json};
use stagelink_tests::console::Console;
use stagelink_tests::rows::stage;
use stagelink_tests::{Said, assert_golden};

/// The commands with what they say, as they would stand on a screen.
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
async fn every_list_answers_its_question() {
    let table = filled().await;
    let console = table.console();
    let told = transcript(
        &console,
        &[
            "get rules",
            "get stages",
            "get stages wall",
            "get publishers",
            "get replicas",
            "get versus",
            "get budget",
            "get blocked",
        ],
    )
    .await;
    assert_golden("operator/get.txt", &told);
    for fact in [
        "host-1                     overflow     Stopping  2s",
        "DestinationFull",
        "held by the brake",
        "foreign: started by somebody else",
        "12/12",
        "2/5",
        "1 start, 1 backfill",
        "has a place, and nothing else is known of it",
    ] {
        assert!(told.contains(fact), "{fact}\n{told}");
    }
    assert!(!told.contains('\u{1b}'), "a user id reached the screen as it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn wide_lists_have_arns_and_everything_else() {
    let table = filled().await;
    let told = transcript(
        &table.console(),
        &[
            "get rules -o wide",
            "get stages -o wide",
            "get publishers --all -o wide",
            "get replicas --all -o wide",
            "get versus -o wide",
            "get budget -o wide",
        ],
    )
    .await;
    assert_golden("operator/get_wide.txt", &told);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_narrow_down_and_read_by_queries_what_is_given_by_arn() {
    let table = filled().await;
    let console = table.console();
    let (a, b) = (stage("A").to_string(), stage("B").to_string());
    let keys = async |arguments: &str| {
        let said =
            console.run(&format!("get replicas -o json {arguments}").split(' ').collect::<Vec<_>>()).await;
        assert_eq!(said.code, 0, "{}", said.text);
        let document: Value = serde_json::from_str(&said.text).unwrap();
        let rows = document["replicas"].as_array().unwrap().clone();
        rows.iter()
            .map(|row| {
                let destination = row["destination"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
                format!("{} {destination}", row["participant"].as_str().unwrap())
            })
            .collect::<Vec<_>>()
    };
    let all = keys("--source main").await;
    assert_eq!(all, ["p-1 B", "p-1 C", "p-2 B", "p-3 B"]);
    for same in [format!("--source {a}"), "--source A".to_owned()] {
        assert_eq!(keys(&same).await, all, "{same}");
    }
    let to_wall = keys("--destination wall").await;
    assert_eq!(to_wall, ["p-1 B", "p-2 B", "p-3 B"]);
    assert_eq!(keys(&format!("--destination {b}")).await, to_wall);
    assert_eq!(keys("--participant host-1").await, ["p-1 B", "p-1 C"]);
    assert_eq!(keys("host-1").await, ["p-1 B", "p-1 C"]);
    assert_eq!(keys("--rule main --phase blocked").await, ["p-2 B"]);
    assert_eq!(keys("--phase Stopped").await, ["p-2 C"]);

    // What is read by Queries has the same in it as what is read by a Scan.
    for (by_query, by_scan) in [
        (format!("get replicas --source {a}"), "get replicas --source main".to_owned()),
        (format!("get blocked --destination {b}"), "get blocked --destination wall".to_owned()),
        (format!("get publishers --source {a}"), "get publishers --source main".to_owned()),
        (format!("get stages {b}"), "get stages wall".to_owned()),
    ] {
        let said = async |command: &str| console.run(&command.split(' ').collect::<Vec<_>>()).await;
        assert_eq!(said(&by_query).await, said(&by_scan).await, "{by_query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_valid_is_said_to_be_so() {
    let table = filled().await;
    let told = transcript(
        &table.console(),
        &[
            "get rules --phase Active",
            "get budget --source main",
            "get replicas --phase Running",
            "get replicas --source nowhere",
            "get stages twin",
            "wait --for replicated",
            "wait --for converged p-1",
            "explain p-1 nowhere",
        ],
    )
    .await;
    assert_golden("operator/get_not_valid.txt", &told);
    assert_eq!(told.matches("(exit code 1)").count(), 8, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_get_documents() {
    let table = filled().await;
    let console = table.console();
    for kind in ["rules", "stages", "publishers", "replicas", "versus", "budget", "blocked"] {
        let json = console.run(&["get", kind, "-o", "json"]).await;
        let document: Value = serde_json::from_str(&json.text).unwrap();
        let rows = document[kind].as_array().unwrap();
        assert!(!rows.is_empty() && json.code == 0, "{kind}: {document}");
        let yaml = console.run(&["get", kind, "-o", "yaml"]).await;
        assert!(yaml.text.starts_with(&format!("{kind}:\n")), "{}", yaml.text);
        assert!(!json.text.contains('\u{1b}') && !yaml.text.contains('\u{1b}'), "{kind}");
    }
    let one = console.run(&["get", "stages", "wall", "-o", "json"]).await;
    let one: Value = serde_json::from_str(&one.text).unwrap();
    assert_eq!(
        (one["places_taken"].as_u64(), one["replicas"].as_array().map(Vec::len)),
        (Some(12), Some(3)),
        "{one}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_named_and_is_a_failure() {
    let table = filled().await;
    table.world.put(&json!({"pk": {"S": "STAGE#x"}, "sk": {"S": "REP#broken"}})).await.unwrap();
    let said = table.console().run(&["get", "replicas"]).await;
    assert!(said.code == 1 && said.text.contains("left out: item STAGE#x REP#broken"), "{}", said.text);
    let said = table.console().run(&["get", "replicas", "-o", "json"]).await;
    let document: Value = serde_json::from_str(&said.text).unwrap();
    assert_eq!((said.code, document["left_out"].as_array().map(Vec::len)), (1, Some(1)), "{document}");
}

/// Without a terminal, a list is written again when something in it changed, and not because time goes by.
#[tokio::test(flavor = "multi_thread")]
async fn a_watched_list_is_written_again_when_it_changes() {
    let table = filled().await;
    let mut console = table.console();
    console.deployment.now = jiff::Timestamp::now;
    let arguments = ["get", "replicas", "--source", "main", "--watch"];
    let said = console
        .run_during(&arguments, async |shown| {
            let tables = |text: &str| text.matches("SOURCE").count();
            shown.until(|text| tables(text) == 1).await;
            // The ages in it are others by now.
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            let stored = table.world.store.replicas().await.unwrap();
            let waits = stored.into_iter().find(|replica| replica.blocked().is_some()).unwrap();
            let runs = Replica { phase: Phase::Active, ..waits };
            table.world.store.write(&Write { replicas: vec![runs], ..Write::default() }).await.unwrap();
            shown.until(|text| tables(text) == 2).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        })
        .await;
    let tables: Vec<_> = said.split("SOURCE").skip(1).collect();
    assert_eq!(tables.len(), 2, "{said}");
    assert!(tables[0].contains("DestinationFull") && !tables[1].contains("DestinationFull"), "{said}");

    let mut console = table.console();
    console.redraws = true;
    let drawn = |text: &str| text.matches("\u{1b}[H\u{1b}[2JOPERATION").count();
    let said = console
        .run_during(&["get", "budget", "--watch"], async |shown| shown.until(|text| drawn(text) > 2).await)
        .await;
    assert!(said.contains("until Ctrl-C"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_waits_until_it_is_so_or_learns_what_is_missing() {
    let table = filled().await;
    let console = table.console();
    let told = transcript(
        &console,
        &[
            "wait --for replicated p-1 wall",
            "wait --for=replicated host-1 --timeout 1s",
            "wait --for=released p-2 overflow",
            "wait --for=released p-1 --timeout 1s",
            "wait --for=replicated nobody wall --timeout 1s",
            "wait --for=versus=over:Running",
            "wait --for=versus=duel:Running --timeout 1s",
            "wait --for=converged --timeout 1s",
        ],
    )
    .await;
    assert_golden("operator/wait.txt", &told);

    let waiting = console.run(&["wait", "--for", "replicated", "p-2", "wall", "--timeout", "20s"]);
    let replicates = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let stored = table.world.store.replicas().await.unwrap();
        let waits = stored.into_iter().find(|replica| replica.blocked().is_some()).unwrap();
        let runs = Replica { phase: Phase::Active, ..waits };
        table.world.store.write(&Write { replicas: vec![runs], ..Write::default() }).await.unwrap();
    };
    let (said, ()) = tokio::join!(waiting, replicates);
    assert_eq!((said.code, said.text.as_str()), (0, "It is so, after 0 s.\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_started_by_names_waited_for_and_written_down() {
    let table = filled().await;
    let (store, mut console) = (&table.world.store, table.console());
    console.deployment.now = jiff::Timestamp::now;
    let starting =
        console.run(&["versus", "start", "main", "wall", "--for", "5m", "--id", "match", "--wait"]);
    let judged = async {
        let id = "match".parse().unwrap();
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let Some(session) = store.versus(&id).await.unwrap() else { continue };
            let runs = replication::Versus { state: VersusState::Running, ..session };
            store.write_versus(&runs).await.unwrap();
            return runs;
        }
    };
    let (said, session) = tokio::join!(starting, judged);
    let expected = format!("match until {}: Running; {} {}\n", session.ends_at, stage("A"), stage("B"));
    assert_eq!((said.code, said.text), (0, expected));
    assert_eq!(console.run(&["versus", "end", "match"]).await.code, 0);
    let said = console.run(&["activity", "--since", "1m"]).await;
    for order in ["VersusStart  all stages  ok, match until", "VersusEnd  all stages  ok, match until"] {
        assert!(said.text.contains(order), "{}", said.text);
    }
    let said = console.run(&["versus", "extend", "nothing", "--for", "5m"]).await;
    assert!(said.code == 1 && said.text.contains("id nothing is not valid"), "{}", said.text);

    // Nobody judges it, so it never runs; its time is over first.
    let said = console.run(&["versus", "start", "main", "wall", "--for", "1s", "--wait"]).await;
    assert!(said.code == 1 && said.text.contains(": Starting; "), "{}", said.text);
    assert!(store.control().await.unwrap().pause.is_none());
    let terms = VersusTerms::new("last".parse().unwrap(), vec![stage("A"), stage("B")], 60);
    versus::start(store, terms, NOW.parse().unwrap()).await.unwrap();
}
