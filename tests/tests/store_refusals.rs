//! What the store makes of answers that DynamoDB gives and no stand-in for it does: transactions that meet each other, throttling, and
//! refusals for permissions and credentials.

#![allow(clippy::unwrap_used)]

use aws_adapters::{Connection, ConnectionOptions, DynamoStore};
use controller::{Store, StoreError, Write};
use replication::{Phase, PublisherKey, Replica, ReplicationKey, View};
use stagelink_tests::canned::{Answer, Canned};
use stagelink_tests::rows::stage;

/// A store whose DynamoDB gives this answer only.
async fn answered(status: u16, body: &'static str) -> (DynamoStore, Canned) {
    let headers = vec![("content-type", "application/x-amz-json-1.0"), ("x-amzn-requestid", "request-1")];
    let server = Canned::start(Answer { status, headers, body, ..Answer::default() }).await.unwrap();
    let connection = Connection::new(ConnectionOptions {
        region: Some("us-east-1".to_owned()),
        dynamodb_endpoint: Some(server.url.clone()),
        emulated: true,
        ..ConnectionOptions::default()
    });
    (connection.await.store("stagelink"), server)
}

/// A write of two items: a place at a destination, which is taken if it is free, and the replica that takes it.
fn write() -> Write {
    let key =
        ReplicationKey { source: stage("A"), participant: "p".parse().unwrap(), destination: stage("B") };
    let before = View::empty(key.publisher());
    let replica = Replica { phase: Phase::Starting, ..Replica::new(key) };
    let write = Write::between(&before, &View { replicas: vec![replica], ..before.clone() });
    assert_eq!((write.places.len(), write.replicas.len()), (1, 1));
    write
}

async fn written(status: u16, body: &'static str) -> StoreError {
    let (store, _server) = answered(status, body).await;
    store.write(&write()).await.unwrap_err()
}

macro_rules! cancelled {
    ($place:literal, $replica:literal) => {
        written(
            400,
            concat!(
                r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"Transaction cancelled","#,
                r#""CancellationReasons":[{"Code":""#, $place, r#"","Message":"why"},{"Code":""#, $replica, r#"","Message":"why"}]}"#
            ),
        )
        .await
    };
}

#[tokio::test]
async fn a_transaction_that_meets_another_one_is_a_lost_race() {
    for error in [
        cancelled!("None", "TransactionConflict"),
        cancelled!("TransactionConflict", "None"),
        cancelled!("None", "ConditionalCheckFailed"),
        cancelled!("TransactionConflict", "ConditionalCheckFailed"),
        cancelled!("ConditionalCheckFailed", "ConditionalCheckFailed"),
        // Whether the destination is full is asked again: what is in the way of the other item may be what takes the place.
        cancelled!("ConditionalCheckFailed", "TransactionConflict"),
    ] {
        assert!(matches!(error, StoreError::Conflict), "{error}");
    }
    let error = cancelled!("ConditionalCheckFailed", "None");
    assert!(
        matches!(&error, StoreError::DestinationFull { stages } if *stages == [stage("B")].into()),
        "{error}"
    );
}

#[tokio::test]
async fn what_passes_with_time_is_unavailable() {
    for error in [
        cancelled!("None", "ThrottlingError"),
        cancelled!("ProvisionedThroughputExceeded", "None"),
        written(400, r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow"}"#).await,
        written(400, r#"{"__type":"com.amazon.coral.availability#ThrottlingException","message":"slow down"}"#).await,
        written(400, r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionInProgressException","message":"wait"}"#).await,
        written(500, r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"oops"}"#).await,
        written(503, "").await,
    ] {
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    }
}

#[tokio::test]
async fn what_somebody_has_to_change_is_refused() {
    let error = cancelled!("None", "ValidationError");
    assert!(matches!(&error, StoreError::Refused { message, .. } if message.contains("why")), "{error}");
    for body in [
        r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"User is not authorized"}"#,
        r#"{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"The security token is invalid"}"#,
        r#"{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"The security token is expired"}"#,
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no such table"}"#,
        r#"{"__type":"com.amazon.coral.validate#ValidationException","message":"Item size has exceeded"}"#,
    ] {
        let (store, _server) = answered(400, body).await;
        let publisher = PublisherKey { stage: stage("A"), participant: "p".parse().unwrap() };
        for error in [store.write(&write()).await.unwrap_err(), store.load(&publisher).await.unwrap_err()] {
            assert!(
                matches!(&error, StoreError::Refused { table, .. } if table == "stagelink"),
                "{body}: {error}"
            );
        }
    }
}
