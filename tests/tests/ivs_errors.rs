//! What the IVS adapter makes of every kind of answer, over the wire.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use aws_adapters::{CallCount, Connection, ConnectionOptions};
use jiff::SignedDuration;
use replication::sweep::Recording;
use replication::{
    CallError, Listed, Operation, PublisherKey, ReconnectWindow, Refusal, Rejection, ReplicationKey,
    StageArn, StartRequest,
};
use stagelink_tests::canned::{Answer, Canned};

fn stage(id: &str) -> StageArn {
    format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}").parse().unwrap()
}

fn key() -> ReplicationKey {
    ReplicationKey { source: stage("A"), participant: "p".parse().unwrap(), destination: stage("B") }
}

async fn connect(url: &str) -> Connection {
    Connection::new(ConnectionOptions {
        region: Some("us-east-1".to_owned()),
        ivs_endpoint: Some(url.to_owned()),
        emulated: true,
        ..ConnectionOptions::default()
    })
    .await
}

async fn start_at(url: &str) -> Result<(), CallError> {
    let calls = connect(url).await.ivs().for_starting();
    let request = StartRequest {
        key: key(),
        reconnect_window: ReconnectWindow::default(),
        attributes: Default::default(),
        waiting_since: None,
    };
    calls.start.unwrap().start_participant_replication(&request).await.map(drop)
}

async fn start(answer: Answer) -> CallError {
    let server = Canned::start(answer).await.unwrap();
    start_at(&server.url).await.unwrap_err()
}

/// An error as IVS sends it.
fn error(status: u16, code: &'static str, body: &'static str) -> Answer {
    let headers = vec![("x-amzn-ErrorType", code), ("x-amzn-RequestId", "request-1")];
    Answer { status, headers, body, ..Answer::default() }
}

#[tokio::test]
async fn the_words_of_a_modelled_error_are_in_exception_message() {
    for (status, code, rejection) in [
        (400, "ValidationException", Rejection::Validation),
        (404, "ResourceNotFoundException", Rejection::NotFound),
        (409, "ConflictException", Rejection::Conflict),
        (402, "ServiceQuotaExceededException", Rejection::QuotaExceeded),
    ] {
        let failed = start(error(status, code, r#"{"exceptionMessage":"p is not publishing"}"#)).await;
        assert_eq!(failed.refusal, Refusal::Rejected(rejection));
        assert_eq!((failed.code.as_str(), failed.message.as_str()), (code, "p is not publishing"));
        assert_eq!(failed.request_id.as_deref(), Some("request-1"));
    }
}

#[tokio::test]
async fn the_words_may_also_be_in_message_or_in_a_header() {
    let failed = start(error(403, "AccessDeniedException", r#"{"message":"no"}"#)).await;
    assert_eq!((failed.refusal, failed.message.as_str()), (Refusal::AccessDenied, "no"));
    let mut answer = error(409, "ConflictException", "");
    answer.headers.push(("x-amzn-errormessage", "in the header"));
    assert_eq!(start(answer).await.message, "in the header");
}

#[tokio::test]
async fn throttling_is_not_modelled_and_is_recognised_all_the_same() {
    let failed = start(error(400, "ThrottlingException", r#"{"message":"Rate exceeded"}"#)).await;
    assert_eq!(failed.refusal, Refusal::Throttled { retry_after: None });
    assert_eq!(failed.message, "Rate exceeded");
    let mut answer = error(429, "TooManyRequestsException", "{}");
    answer.headers.push(("x-amz-retry-after", "1500"));
    let wait = Some(SignedDuration::from_millis(1500));
    assert_eq!(start(answer).await.refusal, Refusal::Throttled { retry_after: wait });
}

#[tokio::test]
async fn failures_of_ivs_leave_the_effect_open() {
    for (status, code) in [
        (500, "InternalServerException"),
        (503, "ServiceUnavailable"),
        (502, ""),
        (408, "RequestTimeoutException"),
    ] {
        assert_eq!(start(error(status, code, "{}")).await.refusal, Refusal::Unavailable, "{status} {code}");
    }
}

#[tokio::test]
async fn no_answer_leaves_the_effect_open() {
    let silent = Answer { status: 200, delay: Duration::from_secs(3600), ..Answer::default() };
    let server = Canned::start(silent).await.unwrap();
    let failed = start_at(&server.url).await.unwrap_err();
    assert_eq!((failed.refusal, failed.code.as_str()), (Refusal::Unavailable, "Timeout"));

    let unbound = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", unbound.local_addr().unwrap());
    drop(unbound);
    let failed = start_at(&url).await.unwrap_err();
    assert_eq!((failed.refusal, failed.code.as_str()), (Refusal::Unavailable, "Connection"));
    assert!(failed.message.to_lowercase().contains("connect"), "{}", failed.message);
}

#[tokio::test]
async fn a_stop_has_no_conflict_in_the_model_and_still_means_one() {
    let answer = error(409, "ConflictException", r#"{"exceptionMessage":"busy"}"#);
    let server = Canned::start(answer).await.unwrap();
    let calls = connect(&server.url).await.ivs().for_stopping();
    let failed = calls.stop.unwrap().stop_participant_replication(&key()).await.unwrap_err();
    assert_eq!((failed.refusal, failed.message.as_str()), (Refusal::Rejected(Rejection::Conflict), "busy"));
}

#[tokio::test]
async fn only_active_rows_are_listed() {
    const BODY: &str = r#"{"replicas":[
        {"sourceStageArn":"arn:aws:ivs:us-east-1:123456789012:stage/A","participantId":"p","sourceSessionId":"st-1",
         "destinationStageArn":"arn:aws:ivs:us-east-1:123456789012:stage/B","destinationSessionId":"st-2",
         "replicationState":"ACTIVE"},
        {"sourceStageArn":"arn:aws:ivs:us-east-1:123456789012:stage/A","participantId":"p","sourceSessionId":"st-1",
         "destinationStageArn":"arn:aws:ivs:us-east-1:123456789012:stage/C","destinationSessionId":"st-3",
         "replicationState":"STOPPED"},
        {"sourceStageArn":"arn:aws:ivs:us-east-1:123456789012:stage/A","participantId":"p","sourceSessionId":"st-1",
         "destinationStageArn":"","destinationSessionId":"","replicationState":"ACTIVE"}]}"#;
    let server = Canned::start(Answer { status: 200, body: BODY, ..Answer::default() }).await.unwrap();
    let calls = connect(&server.url).await.ivs().for_starting();
    let publisher = PublisherKey { stage: stage("A"), participant: "p".parse().unwrap() };
    let listed = calls.list.unwrap().list_participant_replicas(&publisher).await.unwrap();
    assert_eq!(listed, [Listed { destination: stage("B"), destination_session: "st-2".parse().ok() }]);
}

#[tokio::test]
async fn calls_are_made_once_whatever_the_answer() {
    let server = Canned::start(error(500, "InternalServerException", "{}")).await.unwrap();
    let recording = stagelink_tests::wire::Recording::default();
    let recorder = stagelink_tests::Recorder::start(&server.url, &recording).await.unwrap();
    start_at(&recorder.url).await.unwrap_err();
    assert_eq!(recording.take().len(), 1);
    let calls = connect(&recorder.url).await.ivs().for_recording();
    let settings = Recording { on: true, replicas: true, settings: "{}".to_owned() };
    calls.set.set_record_replicas(&stage("A"), &settings, false).await.unwrap_err();
    assert_eq!(recording.take().len(), 1);
}

#[tokio::test]
async fn every_call_is_counted_by_operation_and_whether_it_was_throttled() {
    let throttled = error(429, "TooManyRequestsException", "{}");
    let server = Canned::start(throttled).await.unwrap();
    let connection = connect(&server.url).await;
    let reads = connection.ivs().for_sweeping();
    reads.stages.list_stages(None).await.unwrap_err();
    reads.stage.get_stage(&stage("A")).await.unwrap_err();
    connection.ivs().for_recording().get.get_recording(&stage("A")).await.unwrap_err();
    let counted = connection.tally().take();
    let one = |operation| (operation, CallCount { made: 1, throttled: 1 });
    let two = (Operation::GetStage, CallCount { made: 2, throttled: 2 });
    assert_eq!(counted, [one(Operation::ListStages), two].into());
    assert!(connection.tally().take().is_empty(), "it starts anew");

    let refused = Canned::start(error(404, "ResourceNotFoundException", "{}")).await.unwrap();
    let connection = connect(&refused.url).await;
    connection.ivs().for_stopping().stop.unwrap().stop_participant_replication(&key()).await.unwrap_err();
    let counted = connection.tally().take();
    assert_eq!(counted, [(Operation::Stop, CallCount { made: 1, throttled: 0 })].into());
}
