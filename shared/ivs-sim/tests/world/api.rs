//! The operations on stages, tags and participants, and their pages.

use ivs_sim::{Config, Limits, Operation};
use serde_json::{Value, json};

use crate::bench::{Bench, verdict};

#[test]
fn a_stage_begins_with_the_documented_defaults() {
    let bench = Bench::new();
    let stage = bench.call("GetStage", json!({"arn": bench.arn("A")})).unwrap()["stage"].clone();
    let expected = json!({
        "storageConfigurationArn": "", "mediaTypes": ["AUDIO_VIDEO"], "recordingReconnectWindowSeconds": 0,
        "thumbnailConfiguration": {"targetIntervalSeconds": 60, "storage": ["SEQUENTIAL"], "recordingMode": "DISABLED"},
        "hlsConfiguration": {"targetSegmentDurationSeconds": 6}, "recordParticipantReplicas": true,
    });
    assert_eq!(stage["autoParticipantRecordingConfiguration"], expected);
    assert!(stage["activeSessionId"].is_null());
    assert_eq!(stage["name"], "A");
    assert_eq!(stage["endpoints"].as_object().unwrap().len(), 4);
}

#[test]
fn create_stage_gives_the_tokens_it_is_asked_for() {
    let bench = Bench::new();
    let input = json!({"name": "n", "tags": {"role": "main"}, "participantTokenConfigurations":
        [{"userId": "ann", "duration": 5}, {"capabilities": []}]});
    let output = bench.call("CreateStage", input).unwrap();
    assert_eq!(output["stage"]["tags"], json!({"role": "main"}));
    let tokens = output["participantTokens"].as_array().unwrap();
    assert_eq!((&tokens[0]["userId"], &tokens[0]["duration"]), (&json!("ann"), &json!(5)));
    assert_eq!(tokens[1]["capabilities"], json!(["PUBLISH", "SUBSCRIBE"]));
    assert_ne!(tokens[0]["participantId"], tokens[1]["participantId"]);
    assert!(bench.call("CreateStage", json!({})).unwrap()["participantTokens"].is_null());
}

#[test]
fn update_stage_changes_what_it_names() {
    let bench = Bench::new();
    let arn = bench.arn("A");
    let storage = "arn:aws:ivs:us-east-1:123456789012:storage-configuration/abcdABCDefgh";
    let update = |configuration: Value| {
        let input = json!({"arn": arn, "autoParticipantRecordingConfiguration": configuration});
        bench.call("UpdateStage", input).unwrap()["stage"]["autoParticipantRecordingConfiguration"].clone()
    };
    let recording = update(json!({"storageConfigurationArn": storage, "recordParticipantReplicas": false}));
    assert_eq!(
        (&recording["recordParticipantReplicas"], &recording["storageConfigurationArn"]),
        (&json!(false), &json!(storage))
    );
    assert_eq!(recording["mediaTypes"], json!(["AUDIO_VIDEO"]));
    let renamed = bench.call("UpdateStage", json!({"arn": arn, "name": "new"})).unwrap();
    assert_eq!(renamed["stage"]["name"], "new");
    assert_eq!(renamed["stage"]["autoParticipantRecordingConfiguration"], recording);
    assert_eq!(
        update(json!({"storageConfigurationArn": "", "mediaTypes": ["NONE"]}))["mediaTypes"],
        json!(["AUDIO_VIDEO"])
    );
}

#[test]
fn what_does_not_exist_is_not_found() {
    let bench = Bench::new();
    let (arn, nowhere) = (bench.arn("A"), format!("{}x", bench.arn("A")));
    let session = "st-0123456789abc";
    let active = bench.publish("A", "p");
    let cases = [
        ("GetStage", json!({"arn": nowhere})),
        ("UpdateStage", json!({"arn": nowhere})),
        ("DeleteStage", json!({"arn": nowhere})),
        ("CreateParticipantToken", json!({"stageArn": nowhere})),
        ("DisconnectParticipant", json!({"stageArn": arn, "participantId": "q"})),
        ("GetStageSession", json!({"stageArn": arn, "sessionId": session})),
        ("GetParticipant", json!({"stageArn": arn, "sessionId": session, "participantId": "p"})),
        ("GetParticipant", json!({"stageArn": arn, "sessionId": active, "participantId": "q"})),
        (
            "StartParticipantReplication",
            json!({"sourceStageArn": arn, "destinationStageArn": nowhere, "participantId": "p"}),
        ),
        (
            "StartParticipantReplication",
            json!({"sourceStageArn": nowhere, "destinationStageArn": arn, "participantId": "p"}),
        ),
        (
            "StopParticipantReplication",
            json!({"sourceStageArn": nowhere, "destinationStageArn": arn, "participantId": "p"}),
        ),
        ("TagResource", json!({"resourceArn": nowhere, "tags": {}})),
        ("UntagResource", json!({"resourceArn": nowhere, "tagKeys": ["k"]})),
        ("ListTagsForResource", json!({"resourceArn": nowhere})),
    ];
    for (operation, input) in cases {
        assert_eq!(verdict(&bench.call(operation, input.clone()))[..3], *"404", "{operation} {input}");
    }
}

#[test]
fn a_request_without_its_required_members_is_refused_by_every_operation_that_has_some() {
    let bench = Bench::new();
    for operation in Operation::ALL {
        let verdict = verdict(&bench.call(operation.name(), json!({})));
        let fine = ["CreateStage", "ListStages"].contains(&operation.name());
        assert_eq!(verdict.starts_with("400"), !fine, "{}: {verdict}", operation.name());
    }
}

#[test]
fn tags_come_and_go_within_their_limits() {
    let bench = Bench::new();
    let arn = bench.arn("A");
    let tags = || bench.call("ListTagsForResource", json!({"resourceArn": arn})).unwrap()["tags"].clone();
    bench.call("TagResource", json!({"resourceArn": arn, "tags": {"a": "1", "b": "2"}})).unwrap();
    bench.call("TagResource", json!({"resourceArn": arn, "tags": {"b": "3"}})).unwrap();
    assert_eq!(tags(), json!({"a": "1", "b": "3"}));
    bench.call("UntagResource", json!({"resourceArn": arn, "tagKeys": ["a", "never"]})).unwrap();
    assert_eq!(tags(), json!({"b": "3"}));
    let many: serde_json::Map<String, Value> = (0..50).map(|n| (format!("k{n}"), json!(""))).collect();
    let refused = bench.call("TagResource", json!({"resourceArn": arn, "tags": many}));
    assert!(verdict(&refused).starts_with("400"), "51 in all");
    assert_eq!(tags(), json!({"b": "3"}));
    let stages = bench.call("ListStages", json!({})).unwrap();
    assert_eq!(stages["stages"][0]["tags"], json!({"b": "3"}));
}

#[test]
fn lists_come_in_pages_that_join_without_gap() {
    let bench = Bench::new();
    let session = bench.publish("A", "p0");
    for number in 1..7 {
        bench.publish("A", &format!("p{number}"));
    }
    let base = json!({"stageArn": bench.arn("A"), "sessionId": session, "maxResults": 3});
    let (mut ids, mut sizes, mut input) = (Vec::new(), Vec::new(), base.clone());
    loop {
        let output = bench.call("ListParticipants", input.clone()).unwrap();
        let rows = output["participants"].as_array().unwrap();
        sizes.push(rows.len());
        ids.extend(rows.iter().map(|row| row["participantId"].as_str().unwrap().to_owned()));
        if output["nextToken"].is_null() {
            break;
        }
        input["nextToken"] = output["nextToken"].clone();
    }
    assert_eq!(sizes, [3, 3, 1]);
    assert_eq!(ids, ["p0", "p1", "p2", "p3", "p4", "p5", "p6"]);
    let mut foreign = base;
    foreign["nextToken"] = input["nextToken"].clone();
    foreign["filterByState"] = json!("CONNECTED");
    assert!(
        verdict(&bench.call("ListParticipants", foreign)).starts_with("400"),
        "a token of another request"
    );
}

#[test]
fn participants_can_be_filtered_by_one_thing_at_a_time() {
    let bench = Bench::new();
    let session = bench.publish("A", "p");
    bench.publish("A", "q");
    bench.leave("A", "q");
    let list = |filter: Value| {
        let mut input = json!({"stageArn": bench.arn("A"), "sessionId": session});
        input.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
        let output = bench.call("ListParticipants", input)?;
        let rows = output["participants"].as_array().unwrap().iter();
        Ok::<_, ivs_sim::ApiError>(
            rows.map(|row| row["participantId"].as_str().unwrap().to_owned()).collect::<Vec<_>>(),
        )
    };
    assert_eq!(list(json!({"filterByState": "CONNECTED"})).unwrap(), ["p"]);
    assert_eq!(list(json!({"filterByState": "DISCONNECTED"})).unwrap(), ["q"]);
    assert_eq!(list(json!({"filterByPublished": true})).unwrap(), ["p", "q"]);
    assert!(list(json!({"filterByPublished": false})).unwrap().is_empty());
    assert!(list(json!({"filterByUserId": "nobody"})).unwrap().is_empty());
    assert!(list(json!({"filterByRecordingState": "ACTIVE"})).unwrap().is_empty());
    assert_eq!(list(json!({"filterByUserId": "", "filterByState": "CONNECTED"})).unwrap_err().status, 400);
}

#[test]
fn the_account_has_room_for_so_many_stages_and_publishers() {
    let limits = Limits { stages: 9, publishers: 2, ..Limits::default() };
    let bench = Bench::with(Config { limits, ..Config::default() });
    bench.call("CreateStage", json!({})).unwrap();
    assert!(verdict(&bench.call("CreateStage", json!({}))).starts_with("402"));
    bench.publish("A", "p");
    bench.publish("B", "q");
    assert_eq!(bench.try_publish("C", "r").unwrap_err().status, 402);
}
