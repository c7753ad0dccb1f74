//! The doctor: that it knows the template, sees what is broken, and says what puts it right.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use controller::sweep::port::SweepStore;
use controller::{Operator, Store, Write};
use ivs_sim::Publish;
use jiff::{SignedDuration, Timestamp};
use local::template::{Deployment as Account, Template};
use local::{Stand, StandOptions};
use replication::{Blocked, BlockedReason, Braked, Pause, Phase, Replica, RuleRef};
use serde_json::{Value, json};
use stagelink::doctor::EXPECTED;
use stagelink::{Deployment, Place};
use stagelink_tests::aws_stub::{AwsStub, Stubbed};
use stagelink_tests::rows;
use stagelink_tests::{Console, Said, World, assert_golden};

/// Longer than everything that is waited for together.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn what_it_expects_is_what_the_template_deploys() {
    let account = Account {
        region: "us-east-1".to_owned(),
        account: "123456789012".to_owned(),
        parameters: BTreeMap::new(),
    };
    let template = local::stand::workspace().join("infra/template.yaml");
    let template = Template::read(&template, &account).unwrap();
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let mut names: Vec<_> = EXPECTED.iter().map(|expected| expected.name).collect();
    names.sort_unstable();
    let mut deployed: Vec<_> = template.functions.iter().map(|function| function.name.as_str()).collect();
    deployed.sort_unstable();
    assert_eq!(names, deployed);
    for function in &template.functions {
        let expected = EXPECTED.iter().find(|expected| expected.name == function.name).unwrap();
        let with_source = |pattern: &str| {
            let mut pattern = json(pattern);
            pattern["source"] = json(r#"["aws.ivs"]"#);
            pattern
        };
        // Those of one function have no order.
        let sorted = |mut patterns: Vec<Value>| {
            patterns.sort_by_key(Value::to_string);
            patterns
        };
        let patterns = sorted(expected.rules.iter().map(|(_, pattern)| with_source(pattern)).collect());
        let deployed = sorted(function.rules.iter().map(|rule| rule.pattern.clone()).collect());
        assert_eq!(patterns, deployed, "{}", function.name);
        let minutes = function.schedules.iter().map(|schedule| schedule.every.as_secs() / 60);
        let expected_minutes = expected.schedule.map(|schedule| {
            assert_eq!(schedule, "rate(1 minute)");
            1
        });
        assert!(minutes.eq(expected_minutes), "{}", function.name);
        let filters: Vec<_> = function.streams.iter().flat_map(|stream| stream.filters.clone()).collect();
        assert_eq!(expected.filter.map(json).into_iter().collect::<Vec<_>>(), filters, "{}", function.name);
    }
}

/// Runs it until it says so, or gives what it said last.
async fn until(console: &Console, arguments: &[&str], holds: impl Fn(&Said) -> bool) -> Said {
    let began = Instant::now();
    loop {
        let said = console.run(arguments).await;
        if holds(&said) || began.elapsed() > PATIENCE {
            return said;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

fn healthy(said: &Said) -> bool {
    said.code == 0
}

/// The lines that are not ok, with their remedies; the rest is what a healthy stand has.
fn of_note(said: &Said) -> String {
    let lines = said.text.lines().filter(|line| line.starts_with("  ") && !line.starts_with("  ok "));
    lines.map(|line| format!("{line}\n")).collect()
}

/// What differs between two runs of one test: ports, and times of files.
fn settled(text: &str, stand: &Stand) -> String {
    let aws = text.replace(stand.aws_url(), "http://AWS").replace(stand.dynamodb_url(), "http://DYNAMODB");
    let spans = [
        (", changed 2", ""),
        ("all changed within ", ""),
        ("the last sign of one is ", " old"),
        ("stopped for ", ", by order"),
        ("this machine's  ", " DynamoDB's"),
    ];
    let line = |line: &str| {
        let span = spans.iter().find_map(|(before, after)| {
            let begins = line.find(before)? + before.len();
            let ends = if after.is_empty() { line.len() } else { begins + line[begins..].find(after)? };
            Some(begins..ends)
        });
        span.map_or_else(
            || line.to_owned(),
            |span| format!("{}TIME{}", &line[..span.start], &line[span.end..]),
        )
    };
    aws.lines().map(|text| line(text) + "\n").collect()
}

/// A request that the AWS CLI would make.
async fn request(method: &str, url: String, target: &str, body: Value) {
    let method = method.parse().unwrap();
    let request = reqwest::Client::new().request(method, url).header("x-amz-target", target);
    let answer = request.json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

/// One stand, well at first, on which one thing after the other is broken, found, and put right as it was said.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_broken_on_a_stand_is_found_with_its_remedy() {
    let options = StandOptions { tick: Some(Duration::from_secs(2)), ..StandOptions::default() };
    let stand = Stand::start(options).await.unwrap();
    let console = Console::on(&stand).await;
    let said = until(&console, &["doctor"], healthy).await;
    assert_eq!(said.code, 0, "{}", said.text);
    assert_golden("doctor/healthy_stand.txt", &settled(&said.text, &stand));
    let document: Value = serde_json::from_str(&console.run(&["doctor", "-o", "json"]).await.text).unwrap();
    assert_eq!((&document["healthy"], &document["summary"]["failed"]), (&json!(true), &json!(0)));

    let (aws, mut found) = (stand.aws_url(), String::new());
    let rules = ["stagelink-ReconcileEveryMinute", "stagelink-ParticipantPublishedOriginalByAbsence"];
    let concurrency = format!("{aws}/2017-10-31/functions/stagelink-replication-changed/concurrency");
    let mappings = format!("{aws}/2015-03-31/event-source-mappings");
    let known: Value = reqwest::get(format!("{mappings}?FunctionName=stagelink-rule-changed"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let mapping = format!("{mappings}/{}", known["EventSourceMappings"][0]["UUID"].as_str().unwrap());
    for rule in rules {
        request("POST", aws.to_owned(), "AWSEvents.DisableRule", json!({ "Name": rule })).await;
    }
    request("PUT", concurrency.clone(), "", json!({ "ReservedConcurrentExecutions": 0 })).await;
    request("PUT", mapping.clone(), "", json!({ "Enabled": false })).await;
    console.run(&["pause", "--reason", "a fire drill", "--by", "kim"]).await;
    // Others have just used up the quota of ListStages, which says nothing about what is allowed.
    while stand.simulator().call("ListStages", json!({})).is_ok() {}
    let said = console.run(&["doctor", "--no-invoke"]).await;
    assert_eq!(said.code, 1);
    found += &format!("# switched off\n{}", of_note(&said));

    for rule in rules {
        request("POST", aws.to_owned(), "AWSEvents.EnableRule", json!({ "Name": rule })).await;
    }
    request("DELETE", concurrency, "", json!({})).await;
    request("PUT", mapping, "", json!({ "Enabled": true })).await;
    console.run(&["resume"]).await;
    let said = until(&console, &["doctor"], healthy).await;
    assert_eq!(said.code, 0, "{}", said.text);

    // Every event is lost, and the sweep finds them.
    let stages: Vec<_> =
        ["a", "b"].map(|name| stand.simulator().create_stage(name, BTreeMap::new())).into_iter().collect();
    let rule = rows::rule("all", &stages[0], &stages[1]);
    console.deployment.store.replace_rules(&[rule], &rows::ordered()).await.unwrap();
    stand.simulator().merge_settings(&json!({ "events": { "loss": 1.0 } })).unwrap();
    request("POST", aws.to_owned(), "AWSEvents.DisableRule", json!({ "Name": rules[0] })).await;
    let publish = Publish { stage_arn: stages[0].clone(), ..Publish::default() };
    stand.simulator().publish(publish).unwrap();
    tokio::time::sleep(Duration::from_secs(12)).await;
    request("POST", aws.to_owned(), "AWSEvents.EnableRule", json!({ "Name": rules[0] })).await;
    let lost = |said: &Said| said.text.contains("events are lost or late");
    let said = until(&console, &["doctor"], lost).await;
    assert!(lost(&said), "{}", said.text);
    assert_eq!(said.code, 0, "a warning is not a failure: {}", said.text);

    // A function whose process hangs answers nobody.
    let reports = stand.functions().reports();
    let report = reports.iter().find(|report| report.name == "participant-unpublished").unwrap();
    let pids = report.pids.iter().map(u32::to_string);
    assert!(std::process::Command::new("kill").arg("-STOP").args(pids).status().unwrap().success());
    let said = console.run(&["doctor"]).await;
    assert!(said.text.contains("participant-unpublished  invoked, it"), "{}", said.text);
    found += &format!("# a process that hangs\n{}", of_note_without_delays(&said));
    // The stand ends it when its time is over, as Lambda does, and starts another.
    let said = until(&console, &["doctor"], healthy).await;
    assert_eq!(said.code, 0, "{}", said.text);
    assert_golden("doctor/broken_stand.txt", &settled(&found, &stand));
    stand.shutdown().await;
}

/// How late replicas began differs between two runs.
fn of_note_without_delays(said: &Said) -> String {
    let text = of_note(said);
    let mut lines = text.lines();
    let mut kept = String::new();
    while let Some(line) = lines.next() {
        if line.contains("participant published") {
            lines.next();
            continue;
        }
        kept += &format!("{line}\n");
    }
    kept
}

fn ago(seconds: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_secs(seconds)
}

/// Everything that the table itself may tell, and what is not permitted said as such.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_table_tells_needs_nothing_else() {
    let world = World::start().await.unwrap();
    let stub = AwsStub::start(|_| Stubbed::Denies).await;
    let rule = |id: &str| RuleRef { id: id.parse().unwrap(), revision: 1, priority: 90 };
    let pause = Pause { reason: "fire\u{1b}[2J".to_owned(), by: "kim".to_owned(), at: ago(2 * 3_600 + 80) };
    world.store.pause(&pause).await.unwrap();
    world.store.remember_listing(ago(3 * 3_600 + 80)).await.unwrap();
    let refused = |reason| Phase::Blocked(Blocked { reason, until: None });
    let replicas = vec![
        Replica {
            braked: Some(Braked { since: ago(2 * 3_600 + 80), confirmed_at: None }),
            ..rows::replica(rule("main"), "p-1", "B", Phase::Active)
        },
        Replica {
            next_attempt: Some(ago(3_600 + 80)),
            ..rows::replica(rule("main"), "p-1", "C", Phase::Pending)
        },
        rows::replica(rule("main"), "p-2", "B", refused(BlockedReason::StageGone)),
        rows::replica(rule("main"), "p-3", "B", refused(BlockedReason::ParticipantSlotsFull)),
    ];
    world.store.write(&Write { replicas, ..Write::default() }).await.unwrap();
    let corrupt = json!({"pk": {"S": format!("STAGE#{}", rows::stage("A"))}, "sk": {"S": "RULE#bad"},
        "schema": {"N": "9"}});
    world.put(&corrupt).await.unwrap();
    let console = Console::with_aws(&world, &stub.url).await;
    let said = console.run(&["doctor"]).await;
    assert_eq!(said.code, 1);
    // The stand's database knows no recovery, and its Scan takes a moment.
    let differs = |line: &&str| line.contains("recovery") || line.contains("this machine's");
    let lines = said.text.lines().filter(|line| !differs(line));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    let text = text.replace(&stub.url, "http://AWS").replace(world.urls()[0], "http://DYNAMODB");
    assert_golden("doctor/table_alone.txt", &text);
    assert!(!text.contains('\u{1b}'), "nothing that a terminal obeys");
    for told in ["fire\\u{1b}[2J", "needs lambda:GetFunctionConfiguration", "STAGE#arn", "release-brake"] {
        assert!(text.contains(told), "{told}: {text}");
    }
    let said = console.run(&["dead-letters", "list"]).await;
    assert_eq!(said.code, 1);
    assert!(said.text.contains("next: allow lambda:GetFunctionEventInvokeConfig"), "{}", said.text);
}

/// One service that never answers costs its own findings.
#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_holds_up_nothing_else() {
    let world = World::start().await.unwrap();
    let hangs = |asked: &str| asked.contains("/configuration");
    let stub = AwsStub::start(move |asked| if hangs(asked) { Stubbed::Hangs } else { Stubbed::Denies }).await;
    let began = Instant::now();
    let said = Console::with_aws(&world, &stub.url).await.run(&["doctor"]).await;
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    assert!(said.text.contains("not checked  dispatch"), "{}", said.text);
    assert!(said.text.contains("Timeout"), "{}", said.text);
    assert!(said.text.contains("pause"), "{}", said.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_not_there_is_a_finding() {
    let world = World::start().await.unwrap();
    let stub = AwsStub::start(|_| Stubbed::Denies).await;
    let mut console = Console::with_aws(&world, &stub.url).await;
    console.deployment = Deployment::new(
        console.deployment.connection.clone(),
        Place { table: "none".to_owned(), ..console.deployment.place.clone() },
    );
    let said = console.run(&["doctor", "-o", "yaml"]).await;
    assert_eq!(said.code, 1);
    assert!(said.text.contains("name the stack's output TableName with --table"), "{}", said.text);
}
