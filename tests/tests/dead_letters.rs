//! Dead letters of a stand, from the failure to another try.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use ivs_sim::Publish;
use local::{Stand, StandOptions};
use serde_json::{Value, json};
use stagelink_tests::{Console, assert_golden, rows};

/// Asks DynamoDB of the stand, in its own protocol.
async fn dynamodb(stand: &Stand, operation: &str, body: Value) {
    let request = reqwest::Client::new()
        .post(stand.dynamodb_url())
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-date", "20260701T000000Z")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=local/20260701/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0");
    let answer = request.body(body.to_string()).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

async fn send(stand: &Stand, body: Value, attributes: &[(&str, &str)]) {
    let attributes: BTreeMap<_, _> = attributes
        .iter()
        .map(|(name, value)| (*name, json!({ "DataType": "String", "StringValue": value })))
        .collect();
    let message = json!({
        "QueueUrl": format!("{}/123456789012/stagelink-DeadLetters", stand.aws_url()),
        "MessageBody": body.to_string(),
        "MessageAttributes": attributes,
    });
    let request =
        reqwest::Client::new().post(stand.aws_url()).header("x-amz-target", "AmazonSQS.SendMessage");
    assert!(request.json(&message).send().await.unwrap().status().is_success());
}

/// The ids of the letters, oldest first.
async fn ids(console: &Console) -> Vec<String> {
    let document: Value =
        serde_json::from_str(&console.run(&["dead-letters", "list", "-o", "json"]).await.text).unwrap();
    let letters = document["dead_letters"].as_array().unwrap();
    letters.iter().map(|letter| letter["id"].as_str().unwrap().to_owned()).collect()
}

/// What differs between two runs of one test.
fn settled(text: &str, ids: &[String], others: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (number, id) in ids.iter().enumerate() {
        text = text.replace(id, &format!("ID-{number}{}", " ".repeat(id.len() - 4)));
    }
    for (value, name) in others {
        text = text.replace(value, name);
    }
    let is_seconds = |word: &str| word.strip_suffix('s').is_some_and(|number| number.parse::<u64>().is_ok());
    let aged = |line: &str| {
        let words = line.split(' ').map(|word| if is_seconds(word) { "Ns" } else { word });
        words.collect::<Vec<_>>().join(" ")
    };
    text.lines().map(|line| aged(line).trim_end().to_owned() + "\n").collect()
}

/// A publisher that cannot be read fails its function; the letter stays until that is put right, and is then done with.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_deleted_when_its_function_has_answered_and_not_before() {
    let options = StandOptions { retry_delays: [Duration::from_millis(50); 2], ..StandOptions::default() };
    let stand = Stand::start(options).await.unwrap();
    let console = Console::on(&stand).await;
    let said = console.run(&["dead-letters", "list"]).await;
    assert_eq!((said.code, said.text.as_str()), (0, "No dead letters.\n"));

    let stages: Vec<_> =
        ["a", "b"].map(|name| stand.simulator().create_stage(name, BTreeMap::new())).into_iter().collect();
    console
        .deployment
        .store
        .replace_rules(&[rows::rule("all", &stages[0], &stages[1])], &rows::ordered())
        .await
        .unwrap();
    let key = json!({ "pk": { "S": format!("STAGE#{}", stages[0]) }, "sk": { "S": "PUB#p-1" } });
    let mut corrupt = key.clone();
    corrupt["schema"] = json!({ "N": "9" });
    corrupt["participant"] = json!({ "S": "p-1" });
    let table = &stand.table().table;
    dynamodb(&stand, "PutItem", json!({ "TableName": table, "Item": corrupt })).await;
    let publish = Publish {
        stage_arn: stages[0].clone(),
        participant_id: Some("p-1".to_owned()),
        ..Publish::default()
    };
    stand.simulator().publish(publish).unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while stand.deliveries().dead_letters().is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "no dead letter");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let function = "arn:aws:lambda:us-east-1:123456789012:function:stagelink-replication-changed";
    let scheduled =
        json!({ "id": "t", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {} });
    send(
        &stand,
        scheduled,
        &[
            ("ERROR_CODE", "SDK_CLIENT_ERROR"),
            ("TARGET_ARN", &function.replace("replication-changed", "dispatch")),
        ],
    )
    .await;
    let foreign =
        json!({ "id": "f", "detail-type": "IVS Stage Update", "source": "aws.other", "detail": {} });
    send(&stand, foreign, &[("ERROR_CODE", "NO_PERMISSIONS"), ("TARGET_ARN", function)]).await;
    let stream = json!({
        "requestContext": { "functionArn": function.replace("replication-changed", "rule-changed"),
            "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 6 },
        "timestamp": (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1)).to_string(),
        "DDBStreamBatchInfo": { "startSequenceNumber": "800", "batchSize": 3 },
    });
    send(&stand, stream, &[]).await;
    send(&stand, json!("\u{1b}[31mhello"), &[]).await;

    let ids = ids(&console).await;
    assert_eq!(ids.len(), 5);
    let shown = [(stages[0].as_str(), "STAGE-A"), (stages[0].rsplit('/').next().unwrap(), "STAGE-A")];
    let settle = |text: &str| settled(text, &ids, &shown);
    let mut text = String::new();
    let said = console.run(&["dead-letters", "list"]).await;
    text += &settle(&format!("# list\n{}", said.text));
    assert!(!said.text.contains('\u{1b}'), "nothing that a terminal obeys");
    let of_p1 = &ids[1];
    let said = console.run(&["dead-letters", "show", of_p1, "-o", "json"]).await;
    let document: Value = serde_json::from_str(&said.text).unwrap();
    assert_eq!(document["event"]["detail"]["participant_id"], "p-1", "{}", said.text);
    assert_eq!(
        (&document["function"], &document["can_be_redriven"]),
        (&json!("participant-published"), &json!(true))
    );

    let said = console.run(&["dead-letters", "redrive", of_p1]).await;
    assert_eq!(said.code, 1, "{}", said.text);
    assert!(said.text.contains("it failed again: StoreCorrupt"), "{}", said.text);
    assert_eq!(stand.deliveries().dead_letters().len(), 5, "nothing is lost");

    let said = console.run(&["dead-letters", "redrive", "0f0f"]).await;
    assert_eq!(said.code, 1);
    text += &settle(&format!("# redrive of an id that is not there\n{}", said.text));

    dynamodb(&stand, "DeleteItem", json!({ "TableName": table, "Key": key })).await;
    let said = console.run(&["dead-letters", "redrive", "--all"]).await;
    assert_eq!(said.code, 1, "some cannot be redriven");
    text += &settle(&format!("# redrive\n{}", said.text));
    assert_eq!(stand.simulator().replicas().len(), 1, "the event was handled");
    assert_eq!(stand.deliveries().dead_letters().len(), 3);

    let said = console.run(&["dead-letters", "redrive", "--all", "--discard"]).await;
    text += &settle(&format!("# discard before any sweep\n{}", said.text));
    assert_eq!(
        stand.deliveries().dead_letters().len(),
        1,
        "of the stream's batch nobody knows yet that it was repaired"
    );
    controller::sweep::port::SweepStore::remember_listing(&console.deployment.store, jiff::Timestamp::now())
        .await
        .unwrap();
    let said = console.run(&["dead-letters", "redrive", "--all", "--discard"]).await;
    assert_eq!(said.code, 0, "{}", said.text);
    assert!(stand.deliveries().dead_letters().is_empty());
    assert_golden("dead_letters.txt", &text);
    stand.shutdown().await;
}
