//! `stagelink stages`: what it prints, what it sends to IVS, and when it changes nothing.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use aws_adapters::{Connection, ConnectionOptions};
use controller::sweep::port::SweepStore;
use controller::{Operator, Store, Write};
use ivs_sim::Publish;
use replication::sweep::{ListedStage, StageKnowledge};
use replication::{
    Blocked, BlockedReason, Evidence, Owner, Phase, Publisher, PublisherKey, Replica, ReplicationKey, Rule,
    RuleRef,
};
use serde_json::{Value, json};
use stagelink::{Deployment, Place};
use stagelink_tests::canned::{Answer, Canned};
use stagelink_tests::console::Console;
use stagelink_tests::rows::{self, stage};
use stagelink_tests::{Said, World, assert_golden};

const STORAGE: &str = "arn:aws:ivs:us-east-1:123456789012:storage-configuration/abcdABCDefgh";
const ON: &str = "autoParticipantRecordingConfiguration";

/// A recording that differs from every default, and says more than is known.
fn recording() -> Value {
    json!({
        "storageConfigurationArn": STORAGE,
        "mediaTypes": ["AUDIO_ONLY"],
        "thumbnailConfiguration":
            {"targetIntervalSeconds": 30, "storage": ["SEQUENTIAL", "LATEST"], "recordingMode": "INTERVAL"},
        "recordingReconnectWindowSeconds": 20,
        "hlsConfiguration": {"targetSegmentDurationSeconds": 4},
        "recordParticipantReplicas": true,
    })
}

fn place(world: &World, id: &str, name: &str, tags: &[(&str, &str)]) {
    let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    world.simulator.place_stage(stage(id).as_str(), name, tags).unwrap();
}

/// A stage A that records nobody, and B that does.
async fn studio() -> World {
    let world = World::start().await.unwrap();
    place(&world, "A", "main", &[("role", "main"), ("show", "a")]);
    place(&world, "B", "wall", &[]);
    set(&world, "B", &recording());
    world
}

fn set(world: &World, id: &str, recording: &Value) {
    let input = json!({"arn": stage(id).as_str(), ON: recording});
    world.simulator.call("UpdateStage", input).unwrap();
}

/// As it is now, read without a call: those of the commands use up the quota.
fn get(world: &World, id: &str) -> Value {
    let state = world.simulator.state();
    let stages = state["stages"].as_array().unwrap();
    stages.iter().find(|known| known["arn"] == stage(id).as_str()).unwrap().clone()
}

/// What went to IVS: the operations, with their bodies.
fn sent(world: &World) -> Vec<(String, Value)> {
    let to_ivs = |operation: &str| operation.ends_with("Stage") || operation.ends_with("Stages");
    let requests = world.recording.take().into_iter().filter(|request| to_ivs(&request.operation));
    requests.map(|request| (request.operation, serde_json::from_slice(&request.body).unwrap())).collect()
}

/// Commands one after the other with what they say, and without what differs from run to run.
struct Session<'a> {
    world: &'a World,
    text: String,
}

impl Session<'_> {
    async fn run(&mut self, code: u8, arguments: &[&str]) -> Said {
        let said = self.world.console().run(arguments).await;
        self.text += &format!("$ stagelink {}\n{}\n", shown(arguments), said.text);
        assert_eq!(said.code, code, "{}", said.text);
        said
    }

    fn assert_golden(&self, name: &str) {
        assert_golden(&format!("operator_stages/{name}.txt"), &masked(&self.text));
    }
}

fn shown(arguments: &[&str]) -> String {
    if arguments.len() > 30 {
        return format!("{} … and so on, {} times", arguments[..6].join(" "), (arguments.len() - 4) / 2);
    }
    let quoted = |argument: &&str| {
        if argument.contains(' ') { format!("{argument:?}") } else { (*argument).to_owned() }
    };
    arguments.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// Ids of sessions and requests, and the times of this minute.
fn masked(text: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut text = text.to_owned();
    for (before, mask) in [
        (" st-", "SESSION"),
        ("\"st-", "SESSION"),
        ("Request ", "REQUEST"),
        ("(request ", "REQUEST"),
        ("\"request_id\": \"", "REQUEST"),
    ] {
        let mut parts = text.split(before);
        let mut shown = parts.next().unwrap().to_owned();
        for part in parts {
            shown += before;
            shown += mask;
            shown += part.trim_start_matches(word);
        }
        text = shown;
    }
    text
}

/// A table in which somebody publishes on A and is on B, and rules speak of both.
async fn filled() -> World {
    let world = studio().await;
    let publish = Publish {
        stage_arn: stage("A").to_string(),
        participant_id: Some("p-1".to_owned()),
        ..Publish::default()
    };
    world.simulator.publish(publish).unwrap();
    let rules = [
        Rule {
            priority: 70,
            record_replicas: Some(false),
            ..rows::rule("to-wall", stage("A").as_str(), stage("B").as_str())
        },
        Rule {
            source: replication::Source::Any,
            ..rows::rule("of-any", stage("C").as_str(), stage("B").as_str())
        },
        Rule {
            status: replication::Status::Paused,
            ..rows::rule("back", stage("B").as_str(), stage("A").as_str())
        },
    ];
    world.rules(&rules).await.unwrap();
    let seen = |at: &str| Evidence { on: Some(at.parse().unwrap()), off: None };
    let key = |stage_id: &str, participant: &str| PublisherKey {
        stage: stage(stage_id),
        participant: participant.parse().unwrap(),
    };
    let rule = RuleRef { id: "to-wall".parse().unwrap(), revision: 1, priority: 70 };
    let full = Blocked { reason: BlockedReason::DestinationFull, until: None };
    let foreign =
        ReplicationKey { source: stage("C"), participant: "p-3".parse().unwrap(), destination: stage("B") };
    let replicas = vec![
        Replica {
            evidence: seen("2026-06-29T16:40:33Z"),
            ..rows::replica(rule.clone(), "p-1", "B", Phase::Active)
        },
        rows::replica(rule.clone(), "p-2", "B", Phase::Blocked(full)),
        rows::replica(rule, "p-4", "B", Phase::Stopped),
        Replica {
            owner: Owner::Foreign,
            phase: Phase::Active,
            evidence: seen("2026-06-29T16:41:00Z"),
            ..Replica::new(foreign)
        },
    ];
    let publisher = |key: PublisherKey, user: &str| Publisher {
        user_id: user.to_owned(),
        evidence: seen("2026-06-29T16:40:32.123456Z"),
        ..Publisher::new(key)
    };
    for known in [publisher(key("A", "p-1"), "host-1"), publisher(key("A", "p-2"), "\u{1b}[2Jhost")] {
        world.store.write(&Write { publisher: Some(known), ..Write::default() }).await.unwrap();
    }
    world.store.write(&Write { replicas, ..Write::default() }).await.unwrap();
    for (id, name) in [("A", "main"), ("B", "wall")] {
        let listed = ListedStage {
            stage: stage(id),
            name: name.to_owned(),
            tags: BTreeMap::new(),
            active_session: None,
        };
        let known = StageKnowledge::new(listed, "2026-06-29T16:00:00Z".parse().unwrap());
        let looked_at = (id == "A").then(|| "2026-06-29T16:42:00Z".parse().unwrap());
        world.store.remember_stage(&StageKnowledge { looked_at, ..known }).await.unwrap();
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn stages_are_listed_with_who_is_there() {
    let world = filled().await;
    let mut session = Session { world: &world, text: String::new() };
    session.run(0, &["stages", "list"]).await;
    session.run(0, &["stages", "list", "--recording", "-o", "wide"]).await;
    session.run(0, &["stages", "list", "--active"]).await;
    session.run(0, &["stages", "list", "--tag", "show=a", "-o", "yaml"]).await;
    session.run(0, &["stages", "list", "--tag", "show=b"]).await;
    session.run(0, &["stages", "list", "--recording", "-o", "json"]).await;
    session.assert_golden("list");
    assert!(!session.text.contains('\u{1b}'));
}

/// All pages, at the pace of the budget.
#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_listed() {
    let world = World::start().await.unwrap();
    for i in 0..201 {
        world.stage(&format!("s{i:03}"));
    }
    let said = world.console().run(&["stages", "list"]).await;
    assert_eq!((said.code, said.text.lines().count()), (0, 202), "{}", said.text);
    assert_eq!(sent(&world).len(), 3);
    let budgets = world.store.budgets().await.unwrap();
    assert_eq!(budgets[&replication::Operation::ListStages].grants.len(), 3, "taken from the one budget");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_is_shown_with_all_that_is_known() {
    let world = filled().await;
    let mut session = Session { world: &world, text: String::new() };
    session.run(0, &["stages", "show", "main"]).await;
    session.run(0, &["stages", "show", stage("B").as_str()]).await;
    session.run(0, &["stages", "show", stage("B").as_str(), "-o", "json"]).await;
    session.run(1, &["stages", "show", stage("Z").as_str()]).await;
    session.run(1, &["stages", "show", "arn:aws:ivs:us-east-1:123456789012:channel/A"]).await;
    session.assert_golden("show");
    assert!(!session.text.contains('\u{1b}'));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_changed_field_by_field() {
    let world = studio().await;
    let b = stage("B").to_string();
    let mut session = Session { world: &world, text: String::new() };
    world.recording.take();
    session
        .run(0, &["stages", "record", &b, "--replicas", "no", "--reconnect-window", "0", "--by", "kim"])
        .await;
    let mut expected = recording();
    expected["recordParticipantReplicas"] = json!(false);
    expected["recordingReconnectWindowSeconds"] = json!(0);
    let update = json!({"arn": b, ON: expected});
    assert_eq!(sent(&world)[1], ("UpdateStage".to_owned(), update), "both, which the SDK would drop");
    assert_eq!(get(&world, "B")[ON], expected);

    session.run(0, &["stages", "record", &b, "--replicas", "no"]).await;
    session.run(0, &["stages", "record", &b]).await;
    let calls: Vec<_> = sent(&world).into_iter().map(|(operation, _)| operation).collect();
    assert_eq!(calls, ["GetStage", "GetStage"], "what is so already is not called for");

    let all = [
        "stages",
        "record",
        &b,
        "--media-types",
        "audio_video",
        "--segment",
        "10",
        "--thumbnails",
        "disabled",
    ];
    session.run(0, &all).await;
    session.run(0, &["stages", "record", &b, "--off"]).await;
    assert_eq!(sent(&world)[3].1, json!({"arn": b, ON: {"storageConfigurationArn": ""}}));
    session.run(0, &["stages", "record", &b, "--off", "-o", "json"]).await;
    let again = [
        "stages",
        "record",
        &b,
        "--storage",
        STORAGE,
        "--thumbnails",
        "interval",
        "--thumbnail-interval",
        "5",
        "--thumbnail-storage",
        "latest,sequential",
        "--replicas",
        "no",
        "-o",
        "json",
    ];
    session.run(0, &again).await;
    session.assert_golden("record");
    let expected = json!({"storageConfigurationArn": STORAGE, "recordParticipantReplicas": false, "mediaTypes": ["AUDIO_VIDEO"],
        "recordingReconnectWindowSeconds": 0, "hlsConfiguration": {"targetSegmentDurationSeconds": 6},
        "thumbnailConfiguration": {"recordingMode": "INTERVAL", "targetIntervalSeconds": 5, "storage": ["LATEST", "SEQUENTIAL"]}});
    assert_eq!(get(&world, "B")[ON], expected);
}

/// What was done to a stage is in its history, the intent before the call.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_in_the_history_with_its_intent() {
    use controller::History;
    use controller::history::{Part, Wanted};
    let world = studio().await;
    let said = world
        .console()
        .run(&["stages", "record", stage("B").as_str(), "--segment", "9", "--by", "kim"])
        .await;
    assert_eq!(said.code, 0, "{}", said.text);
    let wanted = Wanted::since(jiff::Timestamp::UNIX_EPOCH);
    let page =
        world.store.history(Some(&stage("B")), &wanted, Part { limit: 10, before: None }).await.unwrap();
    let lines: Vec<_> = page.found.into_iter().map(|entry| entry.line.unwrap()).collect();
    let told: Vec<_> =
        lines.iter().map(|line| format!("{} {}: {}", line.caller, line.operation, line.outcome)).collect();
    assert_eq!(
        told,
        ["kim UpdateStage: ok", "kim UpdateStage: intent: hlsConfiguration.targetSegmentDurationSeconds 9"]
    );
    assert!(lines[0].request_id.is_some());
}

/// A rule that says otherwise will have its way: whoever changes it by hand is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_will_set_it_back_is_named() {
    let world = filled().await;
    let mut session = Session { world: &world, text: String::new() };
    session.run(0, &["stages", "record", stage("B").as_str(), "--replicas", "yes", "--segment", "5"]).await;
    session.run(0, &["stages", "record", stage("B").as_str(), "--replicas", "no"]).await;
    session.assert_golden("record_contrary");
    assert!(session.text.contains("rule to-wall wants them not to be"), "{}", session.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_is_created_with_everything_that_was_said() {
    let world = World::start().await.unwrap();
    world.recording.take();
    let arguments = [
        "stages",
        "create",
        "--name",
        "main",
        "--tag",
        "role=main",
        "--tag",
        "show=a=b",
        "--storage",
        STORAGE,
        "--replicas",
        "no",
        "--reconnect-window",
        "0",
        "--segment",
        "2",
        "--by",
        "kim",
    ];
    let said = world.console().run(&arguments).await;
    assert_eq!(said.code, 0, "{}", said.text);
    let arn = said.text.trim_end();
    assert!(arn.parse::<replication::StageArn>().is_ok(), "nothing but the ARN: {arn:?}");
    let body = json!({"name": "main", "tags": {"role": "main", "show": "a=b"}, ON: {"storageConfigurationArn": STORAGE,
        "recordParticipantReplicas": false, "recordingReconnectWindowSeconds": 0,
        "hlsConfiguration": {"targetSegmentDurationSeconds": 2}}});
    assert_eq!(sent(&world), [("CreateStage".to_owned(), body)]);
    let stage = world.simulator.call("GetStage", json!({"arn": arn})).unwrap()["stage"].clone();
    assert_eq!(
        (&stage["tags"]["show"], &stage[ON]["recordParticipantReplicas"]),
        (&json!("a=b"), &json!(false))
    );

    let plain = world.console().run(&["stages", "create", "--name", "", "-o", "json"]).await;
    let document: Value = serde_json::from_str(&plain.text).unwrap();
    assert_eq!(document["recording"], json!({"on": false}));
    assert_eq!(sent(&world), [("CreateStage".to_owned(), json!({}))], "what is not said is IVS's to decide");
}

/// Tokens are secrets: they are made and shown only if both are asked for.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_shown_only_when_asked_for() {
    let world = World::start().await.unwrap();
    let refused = world.console().run(&["stages", "create", "--name", "a", "--token", "host-1"]).await;
    assert!(refused.code == 1 && refused.text.contains("--show-tokens"), "{}", refused.text);
    assert_eq!(sent(&world), []);
    let arguments = [
        "stages",
        "create",
        "--name",
        "a",
        "--token",
        "host-1",
        "--token",
        "guest",
        "--token-minutes",
        "60",
        "--token-attribute",
        "role=host",
        "--token-can",
        "publish",
        "--show-tokens",
    ];
    let said = world.console().run(&arguments).await;
    assert_eq!(said.code, 0, "{}", said.text);
    let token = |user: &str| json!({"userId": user, "duration": 60, "attributes": {"role": "host"}, "capabilities": ["PUBLISH"]});
    let body = json!({"name": "a", "participantTokenConfigurations": [token("host-1"), token("guest")]});
    assert_eq!(sent(&world), [("CreateStage".to_owned(), body)]);
    let lines: Vec<_> = said.text.lines().collect();
    assert_eq!(lines.len(), 5, "{}", said.text);
    assert!(
        lines[1].starts_with("token for host-1, participant ") && lines[1].ends_with("; it is a secret:")
    );
    assert!(!lines[2].is_empty() && lines[2] != lines[4]);
}

/// Bad input gets the field, its value, what is allowed and what to do; nothing is called.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_valid_calls_nobody() {
    let world = studio().await;
    let before = (get(&world, "A"), get(&world, "B"));
    world.recording.take();
    let (a, b) = (stage("A").to_string(), stage("B").to_string());
    let tags: Vec<String> = (0..51).map(|i| format!("k{i}=v")).collect();
    let mut many = vec!["stages", "create", "--name", "a"];
    tags.iter().for_each(|tag| many.extend(["--tag", tag.as_str()]));
    let mut session = Session { world: &world, text: String::new() };
    for arguments in [
        &["stages", "create"][..],
        &["stages", "create", "--name", "a b"],
        &["stages", "create", "--name", "a", "--tag", "aws:x=y"],
        &["stages", "create", "--name", "a", "--tag", "role"],
        &["stages", "create", "--name", "a", "--tag", "role=a", "--tag", "role=b"],
        &many,
        &["stages", "create", "--name", "a", "--replicas", "no"],
        &["stages", "create", "--name", "a", "--storage", "arn:aws:s3:::bucket"],
        &["stages", "record", "arn:aws:ivs:us-east-1:123456789012:channel/B", "--replicas", "no"],
        &["stages", "record", "nobody", "--replicas", "no"],
        &["stages", "record", &b, "--reconnect-window", "301"],
        &["stages", "record", &b, "--segment", "1"],
        &["stages", "record", &b, "--thumbnail-interval", "0"],
        &["stages", "record", &b, "--media-types", "VIDEO"],
        &["stages", "record", &b, "--replicas", "maybe"],
        &["stages", "record", &b, "--thumbnail-storage", "latest,latest"],
        &["stages", "record", &b, "--off", "--replicas", "no"],
        &["stages", "record", &b, "--thumbnails", "disabled", "--thumbnail-interval", "5"],
        &["stages", "record", &a, "--replicas", "no"],
    ] {
        let said = session.run(1, arguments).await;
        let told = ["allowed is", "required", "cannot be used with", "possible values"];
        assert!(told.iter().any(|words| said.text.contains(words)), "{}", said.text);
    }
    session.assert_golden("not_valid");
    let calls: Vec<_> = sent(&world).into_iter().map(|(operation, _)| operation).collect();
    let reads = ["GetStage", "ListStages"];
    assert!(calls.iter().all(|operation| reads.contains(&operation.as_str())), "{calls:?}");
    assert_eq!((get(&world, "A"), get(&world, "B")), before);
}

/// While somebody there is recorded, IVS changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_stage_on_which_somebody_is_recorded_stays_as_it_is() {
    let world = studio().await;
    let publish = Publish { stage_arn: stage("B").to_string(), ..Publish::default() };
    world.simulator.publish(publish).unwrap();
    let before = get(&world, "B");
    let mut session = Session { world: &world, text: String::new() };
    session.run(1, &["stages", "record", stage("B").as_str(), "--replicas", "no"]).await;
    session.run(1, &["stages", "record", stage("Z").as_str(), "--replicas", "no"]).await;
    session.assert_golden("refused");
    assert_eq!(get(&world, "B"), before);
}

/// Everything IVS can say instead of doing it, with what to do next.
#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_says_what_to_do_next() {
    let world = World::start().await.unwrap();
    let mut text = String::new();
    for (status, code, header) in [
        (400, "ValidationException", None),
        (402, "ServiceQuotaExceededException", None),
        (403, "AccessDeniedException", None),
        (403, "ExpiredTokenException", None),
        (400, "ThrottlingException", None),
        (429, "TooManyRequestsException", Some(("x-amz-retry-after", "7000"))),
        (500, "InternalServerException", None),
        (409, "ConflictException", None),
    ] {
        let mut headers = vec![("x-amzn-ErrorType", code), ("x-amzn-RequestId", "r-1")];
        headers.extend(header);
        let body = r#"{"exceptionMessage":"in IVS's words \u001b[31m"}"#;
        let server = Canned::start(Answer { status, headers, body, ..Answer::default() }).await.unwrap();
        let console = at(&world, &server.url).await;
        for arguments in [&["stages", "create", "--name", "a"][..], &["stages", "list"]] {
            let said = console.run(arguments).await;
            assert_eq!(said.code, 1);
            text += &format!("$ stagelink {}    # {status} {code}\n{}\n", shown(arguments), said.text);
        }
    }
    let unbound = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", unbound.local_addr().unwrap());
    drop(unbound);
    let said = at(&world, &url).await.run(&["stages", "list"]).await;
    assert!(said.code == 1 && said.text.contains("gave no answer to ListStages"), "{}", said.text);
    assert!(said.text.contains("AWS_ENDPOINT_URL_IVS_REALTIME"), "{}", said.text);
    assert!(!text.contains('\u{1b}'));
    assert_golden("operator_stages/refusals.txt", &text);
}

/// The command on the world's table, and on another IVS.
async fn at(world: &World, ivs: &str) -> Console {
    let connection = Connection::new(ConnectionOptions {
        region: Some("us-east-1".to_owned()),
        dynamodb_endpoint: Some(world.urls()[0].to_owned()),
        ivs_endpoint: Some(ivs.to_owned()),
        emulated: true,
        ..ConnectionOptions::default()
    });
    let place = Place {
        table: world.table().to_owned(),
        region: Some("us-east-1".to_owned()),
        profile: None,
        local: false,
    };
    Console {
        deployment: Deployment {
            pace: world.console().deployment.pace,
            ..Deployment::new(connection.await, place)
        },
        redraws: false,
    }
}

/// Settings that nobody here knows come back as they were, over the wire.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_survives_a_change() {
    const STAGE: &str = r#"{"stage":{"arn":"arn:aws:ivs:us-east-1:123456789012:stage/B","name":"wall",
        "autoParticipantRecordingConfiguration":{
            "storageConfigurationArn":"arn:aws:ivs:us-east-1:123456789012:storage-configuration/abcdABCDefgh",
            "hlsConfiguration":{"targetSegmentDurationSeconds":4,"lowLatency":true},"watermark":{"text":"x"}}}}"#;
    let world = World::start().await.unwrap();
    let server = Canned::start(Answer { status: 200, body: STAGE, ..Answer::default() }).await.unwrap();
    let recording = stagelink_tests::wire::Recording::default();
    let recorder = stagelink_tests::Recorder::start(&server.url, &recording).await.unwrap();
    let console = at(&world, &recorder.url).await;
    let shown = console.run(&["stages", "show", stage("B").as_str()]).await.text;
    assert!(
        shown.contains("watermark: {\"text\":\"x\"} (not known to this version; kept by every change)"),
        "{shown}"
    );
    assert!(shown.contains("replicas: recorded, too (by default)"), "{shown}");
    recording.take();
    let said = console.run(&["stages", "record", stage("B").as_str(), "--replicas", "no"]).await;
    // The server says the same to everything, so that it seems to have changed nothing.
    assert!(said.code == 1 && said.text.contains("IVS took the call, and says otherwise."), "{}", said.text);
    let body: Value = serde_json::from_slice(&recording.take()[1].body).unwrap();
    let expected = json!({"storageConfigurationArn": STORAGE, "recordParticipantReplicas": false,
        "hlsConfiguration": {"targetSegmentDurationSeconds": 4, "lowLatency": true}, "watermark": {"text": "x"}});
    assert_eq!(body[ON], expected);
}

/// Without a table there is no budget to take calls from, and that is what is said.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_missing_is_named() {
    let world = studio().await;
    let mut console = world.console();
    console.deployment.place.table = "nowhere".to_owned();
    console.deployment.store = console.deployment.connection.store("nowhere");
    let said = console.run(&["stages", "list"]).await;
    assert!(said.code == 1 && said.text.contains("--table \"nowhere\" is not valid"), "{}", said.text);
    assert!(world.store.control().await.unwrap().pause.is_none());
}
