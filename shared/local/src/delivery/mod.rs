//! Delivery of events to functions: Lambda's asynchronous invocation, with its retries and its on-failure destination, and the
//! record of every other invocation.
//!
//! # Guarantees
//! Each event is tried until it succeeds or its retries are used up; then it is a dead letter. Nothing is dropped. An
//! invocation that a function's reserved concurrency has no room for waits, and that is no attempt.

mod history;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;

use self::history::History;
pub use self::history::{Attempt, Delivery, Status};
use crate::{dead_letters::DeadLetters, template::Function};

/// Runs one invocation of a function.
pub trait Host: Send + Sync + 'static {
    /// The function's answer, unless it was not invoked at all.
    fn invoke<'a>(&'a self, function: &'a str, event: &'a Value) -> BoxFuture<'a, Result<Answer, Throttled>>;
}

/// A function's answer, or why there is none.
pub type Answer = Result<Value, Failure>;

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

/// There was no invocation: as many run already as the function may have at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled;

/// What kind of trigger invokes a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// An event rule.
    Rule,
    /// A schedule.
    Schedule,
    /// An event source mapping on the table's stream.
    Stream,
}

/// A function, and what invokes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Of which kind.
    pub source: Source,
    /// The name of the rule, schedule or event source mapping.
    pub name: String,
    /// The function's name.
    pub function: String,
}

/// A trigger that invokes its function asynchronously.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The trigger.
    pub trigger: Trigger,
    /// The function's ARN.
    pub function_arn: String,
    /// How often a failed invocation is tried again, 0–2.
    pub maximum_retry_attempts: u32,
    /// How old an event may be when it is tried.
    pub maximum_event_age: Duration,
}

/// All deliveries of a stand.
pub struct Deliveries {
    host: Arc<dyn Host>,
    retry_delays: [Duration; 2],
    history: Mutex<History>,
    dead_letters: DeadLetters,
    /// Event rules, schedules and event source mappings that are switched off.
    off: Mutex<BTreeSet<String>>,
    pending: watch::Sender<usize>,
    stopped: watch::Sender<bool>,
}

/// A delivery that has not come to its end. It counts as pending as long as this lives.
pub(crate) struct UnderWay {
    deliveries: Arc<Deliveries>,
    number: u64,
    function: String,
}

impl Trigger {
    /// A trigger of this name, for the function of that name.
    pub fn new(source: Source, name: &str, function: &str) -> Self {
        Self { source, name: name.to_owned(), function: function.to_owned() }
    }
}

impl Target {
    /// A trigger with its function's settings.
    pub fn new(trigger: Trigger, function: &Function) -> Self {
        let (maximum_retry_attempts, maximum_event_age) =
            (function.maximum_retry_attempts, function.maximum_event_age);
        let function_arn = function.arn.clone();
        Self { trigger, function_arn, maximum_retry_attempts, maximum_event_age }
    }
}

impl Deliveries {
    /// Deliveries through this host. A failed invocation is tried again after each of the delays, as far as its target
    /// allows. Lambda waits one minute and then two.
    pub fn new(host: Arc<dyn Host>, retry_delays: [Duration; 2]) -> Arc<Self> {
        let (history, dead_letters, off) = Default::default();
        let (pending, stopped) = (watch::Sender::new(0), watch::Sender::new(false));
        Arc::new(Self { host, retry_delays, history, dead_letters, off, pending, stopped })
    }

    /// Begins to deliver an event to each of the targets, and returns the deliveries' numbers.
    pub fn begin(self: &Arc<Self>, event: &Value, targets: &[&Target]) -> Vec<u64> {
        let event = Arc::new(event.clone());
        targets.iter().map(|target| self.begin_one(&event, target)).collect()
    }

    /// Waits until these deliveries have come to an end, and returns them.
    pub async fn ended(&self, numbers: &[u64]) -> Vec<Delivery> {
        let is_ended = |history: &History| {
            let open = |number: &u64| history.get(*number).is_some_and(|d| d.status == Status::Pending);
            !numbers.iter().any(open)
        };
        // The count changes with every end, so each end is a chance to look.
        let _ = self.pending.subscribe().wait_for(|_| is_ended(&self.history())).await;
        self.get(numbers)
    }

    /// These deliveries as they stand, as far as they are remembered.
    pub fn get(&self, numbers: &[u64]) -> Vec<Delivery> {
        let history = self.history();
        numbers.iter().filter_map(|number| history.get(*number).cloned()).collect()
    }

    /// Waits until nothing is under way. Changes of the table that its stream has not brought yet are not.
    pub async fn idle(&self) {
        let _ = self.pending.subscribe().wait_for(|pending| *pending == 0).await;
    }

    /// Every delivery that is remembered, oldest first.
    pub fn recent(&self) -> Vec<Delivery> {
        self.history().all()
    }

    /// The last delivery by a trigger of this name, as far as it is remembered.
    pub(crate) fn last_of(&self, trigger: &str) -> Option<Delivery> {
        self.history().last_of(trigger).cloned()
    }

    /// What could not be delivered and was not deleted since, oldest first, as the records that Lambda sends to an on-failure
    /// destination.
    pub fn dead_letters(&self) -> Vec<Value> {
        self.dead_letters.bodies()
    }

    /// The queue of these.
    pub(crate) fn queue(&self) -> &DeadLetters {
        &self.dead_letters
    }

    /// Switches an event rule, a schedule or an event source mapping on or off, by its name.
    pub(crate) fn switch(&self, trigger: &str, on: bool) {
        let mut off = self.off.lock().unwrap_or_else(PoisonError::into_inner);
        if on {
            off.remove(trigger)
        } else {
            off.insert(trigger.to_owned())
        };
    }

    /// Whether an event rule, a schedule or an event source mapping is switched on.
    pub(crate) fn is_on(&self, trigger: &str) -> bool {
        !self.off.lock().unwrap_or_else(PoisonError::into_inner).contains(trigger)
    }

    /// Gives up what is under way, and lets nothing begin any more. Invocations that run are cut off.
    pub fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Does something until it is done, or until the deliveries are stopped.
    pub(crate) async fn until_stopped(&self, work: impl Future<Output = ()>) {
        let mut stopped = self.stopped.subscribe();
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => {}
            () = work => {}
        }
    }

    /// Begins a delivery that the caller carries out.
    pub(crate) fn open(
        self: &Arc<Self>,
        trigger: &Trigger,
        event_id: String,
        event_name: Option<String>,
    ) -> UnderWay {
        let number = self.history().add(trigger, event_id, event_name);
        self.pending.send_modify(|pending| *pending += 1);
        UnderWay { deliveries: Arc::clone(self), number, function: trigger.function.clone() }
    }

    /// How long to wait before the next attempt, when so many have failed.
    pub(crate) fn backoff(&self, failed: u32) -> Duration {
        self.retry_delays[usize::from(failed > 1)]
    }

    /// How long to wait until there may be room for an invocation. Lambda begins with one second.
    pub(crate) fn throttled_delay(&self) -> Duration {
        self.retry_delays[0].max(Duration::from_millis(10))
    }

    fn begin_one(self: &Arc<Self>, event: &Arc<Value>, target: &Target) -> u64 {
        let event_id = event["id"].as_str().unwrap_or_default().to_owned();
        let name = event["detail"]["event_name"].as_str().or(event["detail-type"].as_str());
        let under_way = self.open(&target.trigger, event_id, name.map(str::to_owned));
        let (deliveries, event, target) = (Arc::clone(self), Arc::clone(event), target.clone());
        let number = under_way.number;
        tokio::spawn(async move {
            deliveries.until_stopped(deliveries.deliver(&under_way, &event, &target)).await;
        });
        number
    }

    async fn deliver(&self, under_way: &UnderWay, event: &Value, target: &Target) {
        let (began, mut failed) = (Instant::now(), 0);
        let (condition, failure) = loop {
            let last = match under_way.attempt(event).await {
                Ok(Ok(_)) => return under_way.end(Status::Delivered),
                Ok(Err(failure)) => {
                    failed += 1;
                    if failed > target.maximum_retry_attempts {
                        break ("RetriesExhausted", Some(failure));
                    }
                    tokio::time::sleep(self.backoff(failed)).await;
                    Some(failure)
                }
                Err(Throttled) => {
                    tokio::time::sleep(self.throttled_delay()).await;
                    None
                }
            };
            if began.elapsed() > target.maximum_event_age {
                break ("EventAgeExceeded", last);
            }
        };
        under_way.bury(&dead_letter(&target.function_arn, condition, failed, event, failure));
        under_way.end(Status::DeadLetter);
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// Invokes the function, and remembers how it went.
    pub(crate) async fn attempt(&self, event: &Value) -> Result<Answer, Throttled> {
        let (at, began) = (Timestamp::now().to_string(), Instant::now());
        let invoked = self.deliveries.host.invoke(&self.function, event).await;
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut history = self.deliveries.history();
        match &invoked {
            Ok(outcome) => {
                let (answer, error) = (outcome.clone().ok(), outcome.clone().err());
                history.attempted(self.number, Attempt { at, ms, answer, error });
            }
            Err(Throttled) => history.throttled(self.number),
        }
        invoked
    }

    /// Keeps what could not be delivered.
    pub(crate) fn bury(&self, letter: &Value) {
        self.deliveries.dead_letters.send(letter.to_string(), BTreeMap::new());
    }

    /// Says how the delivery has ended.
    pub(crate) fn end(&self, status: Status) {
        self.deliveries.history().end(self.number, status);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.deliveries.pending.send_modify(|pending| *pending -= 1);
    }
}

/// Lambda's invocation record for destinations.
fn dead_letter(
    function_arn: &str,
    condition: &str,
    invocations: u32,
    event: &Value,
    failure: Option<Failure>,
) -> Value {
    // Without an invocation there is no response.
    let unhandled =
        || json!({ "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" });
    let response = (invocations > 0).then(unhandled);
    json!({
        "version": "1.0",
        "timestamp": Timestamp::now().to_string(),
        "requestContext": {
            "functionArn": format!("{function_arn}:$LATEST"),
            "condition": condition,
            "approximateInvokeCount": invocations,
        },
        "requestPayload": event,
        "responseContext": response,
        "responsePayload": failure,
    })
}
