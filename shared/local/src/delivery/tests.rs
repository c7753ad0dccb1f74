//! Asynchronous invocations: retries, throttles, dead letters.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Has no room for the first invocations, fails the next, then answers.
struct Failing {
    throttles: usize,
    failures: usize,
    calls: AtomicUsize,
}

impl Host for Failing {
    fn invoke<'a>(&'a self, function: &'a str, _: &'a Value) -> BoxFuture<'a, Result<Answer, Throttled>> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let outcome = match call.checked_sub(self.throttles) {
            None => Err(Throttled),
            Some(call) if call < self.failures => Ok(Err(Failure {
                error_type: "Test".to_owned(),
                error_message: format!("failure {}", call + 1),
            })),
            Some(_) => Ok(Ok(json!(function))),
        };
        Box::pin(async move { outcome })
    }
}

fn target(maximum_retry_attempts: u32) -> Target {
    let trigger = Trigger::new(Source::Rule, "R", "f");
    let function_arn = "arn:aws:lambda:us-east-1:123456789012:function:f".to_owned();
    Target { trigger, function_arn, maximum_retry_attempts, maximum_event_age: Duration::from_secs(60) }
}

const DELAYS: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(40)];

fn deliveries(failures: usize, delays: [Duration; 2]) -> Arc<Deliveries> {
    throttling(0, failures, delays)
}

fn throttling(throttles: usize, failures: usize, delays: [Duration; 2]) -> Arc<Deliveries> {
    let host = Failing { throttles, failures, calls: AtomicUsize::new(0) };
    Deliveries::new(Arc::new(host), delays)
}

async fn deliver(failures: usize, retries: u32) -> (Delivery, Vec<Value>, Duration) {
    let deliveries = deliveries(failures, DELAYS);
    let began = Instant::now();
    let event = json!({ "id": "e", "detail": { "event_name": "Participant Published" } });
    let numbers = deliveries.begin(&event, &[&target(retries)]);
    let delivery = deliveries.ended(&numbers).await.remove(0);
    (delivery, deliveries.dead_letters(), began.elapsed())
}

#[tokio::test]
async fn an_answer_ends_a_delivery() {
    let (delivery, dead_letters, _) = deliver(0, 2).await;
    assert_eq!((delivery.status, delivery.attempts.len()), (Status::Delivered, 1));
    assert_eq!(delivery.attempts[0].answer, Some(json!("f")));
    assert_eq!(delivery.event_name.as_deref(), Some("Participant Published"));
    assert_eq!(dead_letters, [] as [Value; 0]);
}

#[tokio::test]
async fn a_failure_is_tried_again_after_each_delay() {
    let (delivery, dead_letters, took) = deliver(2, 2).await;
    assert_eq!((delivery.status, delivery.attempts.len()), (Status::Delivered, 3));
    assert_eq!(dead_letters, [] as [Value; 0]);
    assert!(took >= DELAYS[0] + DELAYS[1], "{took:?}");
}

#[tokio::test]
async fn after_two_retries_the_event_is_a_dead_letter() {
    let (delivery, dead_letters, _) = deliver(9, 2).await;
    assert_eq!((delivery.status, delivery.attempts.len()), (Status::DeadLetter, 3));
    let [letter] = dead_letters.as_slice() else { panic!("{dead_letters:?}") };
    assert_eq!(letter["requestPayload"]["id"], "e");
    assert_eq!(letter["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(letter["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(letter["responsePayload"], json!({ "errorType": "Test", "errorMessage": "failure 3" }));
}

#[tokio::test]
async fn a_target_may_allow_fewer_retries() {
    let (delivery, dead_letters, _) = deliver(9, 0).await;
    assert_eq!((delivery.attempts.len(), dead_letters.len()), (1, 1));
}

#[tokio::test]
async fn each_target_has_a_delivery_of_its_own() {
    let deliveries = deliveries(0, DELAYS);
    let numbers = deliveries.begin(&json!({ "id": "e" }), &[&target(2), &target(2)]);
    assert_eq!(deliveries.ended(&numbers).await.len(), 2);
    assert_eq!(deliveries.recent().len(), 2);
}

#[tokio::test]
async fn idle_waits_for_retries() {
    let deliveries = deliveries(1, DELAYS);
    deliveries.idle().await;
    deliveries.begin(&json!({}), &[&target(2)]);
    deliveries.idle().await;
    assert_eq!(deliveries.recent()[0].status, Status::Delivered);
}

#[tokio::test]
async fn stop_gives_up_what_waits() {
    let deliveries = deliveries(9, [Duration::from_secs(60); 2]);
    deliveries.begin(&json!({}), &[&target(2)]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    deliveries.stop();
    deliveries.idle().await;
    assert_eq!(deliveries.recent()[0].attempts.len(), 1);
}

#[tokio::test]
async fn an_invocation_without_room_waits_and_that_is_no_attempt() {
    let deliveries = throttling(3, 1, [Duration::from_millis(1); 2]);
    let numbers = deliveries.begin(&json!({ "id": "e" }), &[&target(1)]);
    let delivery = deliveries.ended(&numbers).await.remove(0);
    assert_eq!((delivery.status, delivery.attempts.len(), delivery.throttles), (Status::Delivered, 2, 3));
}

#[tokio::test]
async fn an_event_without_room_for_longer_than_its_age_is_a_dead_letter() {
    let deliveries = throttling(usize::MAX, 0, [Duration::from_millis(1); 2]);
    let target = Target { maximum_event_age: Duration::ZERO, ..target(2) };
    let numbers = deliveries.begin(&json!({ "id": "e" }), &[&target]);
    let delivery = deliveries.ended(&numbers).await.remove(0);
    assert_eq!((delivery.status, delivery.attempts.len()), (Status::DeadLetter, 0));
    let letter = deliveries.dead_letters().remove(0);
    assert_eq!(letter["requestContext"]["condition"], "EventAgeExceeded");
    assert_eq!(letter["responseContext"], Value::Null);
}

#[tokio::test]
async fn nothing_begins_after_stop() {
    let deliveries = deliveries(0, DELAYS);
    deliveries.stop();
    let numbers = deliveries.begin(&json!({ "id": "e" }), &[&target(2)]);
    deliveries.idle().await;
    assert_eq!(deliveries.get(&numbers)[0].attempts.len(), 0);
}
