//! Delivery of events to functions: Lambda's asynchronous invocation, with its retries and its on-failure destination.
//!
//! # Guarantees
//! Each event is tried until it succeeds or its retries are used up; then it is a dead letter. Nothing is dropped.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::event_rules::Target;

/// Runs one invocation of a function.
pub trait Host: Send + Sync + 'static {
    /// The function's answer, or why there is none.
    fn invoke<'a>(&'a self, function: &'a str, event: &'a Value) -> BoxFuture<'a, Result<Value, Failure>>;
}

/// A failed invocation, in the words of Lambda's error object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{error_type}: {error_message}")]
pub struct Failure {
    /// The kind, such as `Runtime.ExitError`, or the function's own.
    pub error_type: String,
    /// The text for people.
    pub error_message: String,
}

/// One event on its way to one function through one rule.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Delivery {
    /// A number that is unique in this stand.
    pub number: u64,
    /// The envelope's `id`.
    pub event_id: String,
    /// `detail.event_name`, for people.
    pub event_name: Option<String>,
    /// The function's name.
    pub function: String,
    /// The rule that matched.
    pub rule: String,
    /// What was tried so far.
    pub attempts: Vec<Attempt>,
    /// Where it stands.
    pub status: Status,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is being tried, or waits to be tried again.
    Pending,
    /// The function answered.
    Delivered,
    /// All attempts failed.
    DeadLetter,
}

/// One invocation of a delivery.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attempt {
    /// When it began, as an RFC 3339 timestamp.
    pub at: String,
    /// How long it took, in milliseconds, waiting for a free execution environment included.
    pub ms: u64,
    /// The function's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
    /// Why there is no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

/// All deliveries of a stand.
pub struct Deliveries {
    host: Arc<dyn Host>,
    retry_delays: [Duration; 2],
    history: Mutex<History>,
    pending: watch::Sender<usize>,
    stopped: watch::Sender<bool>,
}

/// How many deliveries that have come to an end are remembered. Dead letters are all kept.
const REMEMBERED: usize = 10_000;

#[derive(Default)]
struct History {
    next_number: u64,
    deliveries: BTreeMap<u64, Delivery>,
    ended: VecDeque<u64>,
    dead_letters: Vec<Value>,
}

impl Deliveries {
    /// Deliveries through this host. A failed invocation is tried again after each of the delays, as far as its target
    /// allows. Lambda waits one minute and then two.
    pub fn new(host: Arc<dyn Host>, retry_delays: [Duration; 2]) -> Arc<Self> {
        let history = Mutex::default();
        let (pending, stopped) = (watch::Sender::new(0), watch::Sender::new(false));
        Arc::new(Self { host, retry_delays, history, pending, stopped })
    }

    /// Begins to deliver an event to each of the targets, and returns the deliveries' numbers.
    pub fn begin(self: &Arc<Self>, event: &Value, targets: &[&Target]) -> Vec<u64> {
        let event = Arc::new(event.clone());
        targets.iter().map(|target| self.begin_one(&event, target)).collect()
    }

    /// Waits until these deliveries have come to an end, and returns them.
    pub async fn ended(&self, numbers: &[u64]) -> Vec<Delivery> {
        let is_ended = |history: &History| {
            let open = |number| history.deliveries.get(number).is_some_and(|d| d.status == Status::Pending);
            !numbers.iter().any(open)
        };
        // The count changes with every end, so each end is a chance to look.
        let _ = self.pending.subscribe().wait_for(|_| is_ended(&self.history())).await;
        self.get(numbers)
    }

    /// These deliveries as they stand, as far as they are remembered.
    pub fn get(&self, numbers: &[u64]) -> Vec<Delivery> {
        let history = self.history();
        numbers.iter().filter_map(|number| history.deliveries.get(number).cloned()).collect()
    }

    /// Waits until nothing is under way.
    pub async fn idle(&self) {
        let _ = self.pending.subscribe().wait_for(|pending| *pending == 0).await;
    }

    /// Every delivery that is remembered, oldest first.
    pub fn recent(&self) -> Vec<Delivery> {
        self.history().deliveries.values().cloned().collect()
    }

    /// What could not be delivered, oldest first, as the records that Lambda sends to an on-failure destination.
    pub fn dead_letters(&self) -> Vec<Value> {
        self.history().dead_letters.clone()
    }

    /// Gives up what is under way. Its invocations are cut off.
    pub fn stop(&self) {
        self.stopped.send_replace(true);
    }

    fn begin_one(self: &Arc<Self>, event: &Arc<Value>, target: &Target) -> u64 {
        let number = self.history().add(event, target);
        self.pending.send_modify(|pending| *pending += 1);
        let (deliveries, event, target) = (Arc::clone(self), Arc::clone(event), target.clone());
        tokio::spawn(async move {
            let mut stopped = deliveries.stopped.subscribe();
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => {}
                () = deliveries.deliver(number, &event, &target) => {}
            }
            deliveries.pending.send_modify(|pending| *pending -= 1);
        });
        number
    }

    async fn deliver(&self, number: u64, event: &Value, target: &Target) {
        let retries = self.retry_delays.iter().take(target.maximum_retry_attempts as usize);
        let delays = std::iter::once(&Duration::ZERO).chain(retries);
        for delay in delays {
            tokio::time::sleep(*delay).await;
            let (at, began) = (Timestamp::now().to_string(), Instant::now());
            let outcome = self.host.invoke(&target.function, event).await;
            let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            let delivered = outcome.is_ok();
            let (answer, error) = match outcome {
                Ok(answer) => (Some(answer), None),
                Err(failure) => (None, Some(failure)),
            };
            self.history().attempted(number, Attempt { at, ms, answer, error });
            if delivered {
                return self.history().end(number, Status::Delivered);
            }
        }
        let mut history = self.history();
        history.bury(number, event);
        history.end(number, Status::DeadLetter);
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl History {
    fn add(&mut self, event: &Value, target: &Target) -> u64 {
        self.next_number += 1;
        let number = self.next_number;
        let delivery = Delivery {
            number,
            event_id: event["id"].as_str().unwrap_or_default().to_owned(),
            event_name: event["detail"]["event_name"].as_str().map(str::to_owned),
            function: target.function.clone(),
            rule: target.rule.clone(),
            attempts: Vec::new(),
            status: Status::Pending,
        };
        self.deliveries.insert(number, delivery);
        number
    }

    fn attempted(&mut self, number: u64, attempt: Attempt) {
        if let Some(delivery) = self.deliveries.get_mut(&number) {
            delivery.attempts.push(attempt);
        }
    }

    fn end(&mut self, number: u64, status: Status) {
        if let Some(delivery) = self.deliveries.get_mut(&number) {
            delivery.status = status;
        }
        self.ended.push_back(number);
        if self.ended.len() > REMEMBERED
            && let Some(oldest) = self.ended.pop_front()
        {
            self.deliveries.remove(&oldest);
        }
    }

    /// Writes the dead letter, in the shape of Lambda's invocation record for destinations.
    fn bury(&mut self, number: u64, event: &Value) {
        let Some(delivery) = self.deliveries.get(&number) else { return };
        let failure = delivery.attempts.last().and_then(|attempt| attempt.error.as_ref());
        self.dead_letters.push(json!({
            "version": "1.0",
            "timestamp": Timestamp::now().to_string(),
            "requestContext": {
                "functionArn": delivery.function,
                "condition": "RetriesExhausted",
                "approximateInvokeCount": delivery.attempts.len(),
            },
            "requestPayload": event,
            "responseContext": { "statusCode": 200, "functionError": "Unhandled" },
            "responsePayload": failure,
        }));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Fails the first invocations, then answers.
    struct Failing {
        failures: usize,
        calls: AtomicUsize,
    }

    impl Host for Failing {
        fn invoke<'a>(&'a self, function: &'a str, _: &'a Value) -> BoxFuture<'a, Result<Value, Failure>> {
            let call = self.calls.fetch_add(1, Ordering::SeqCst);
            let failure =
                Failure { error_type: "Test".to_owned(), error_message: format!("failure {}", call + 1) };
            let outcome = if call < self.failures { Err(failure) } else { Ok(json!(function)) };
            Box::pin(async move { outcome })
        }
    }

    fn target(maximum_retry_attempts: u32) -> Target {
        Target { rule: "R".to_owned(), function: "f".to_owned(), maximum_retry_attempts }
    }

    const DELAYS: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(40)];

    fn deliveries(failures: usize, delays: [Duration; 2]) -> Arc<Deliveries> {
        let host = Failing { failures, calls: AtomicUsize::new(0) };
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
}
