//! Hours in milliseconds: a clock that jumps to the next sleeper when nobody has anything else to do, and the simulated IVS as the
//! controller's ports on that clock.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use controller::{Calls, Clock, GetParticipant, ListReplicas, StartReplication, StopReplication};
use futures::FutureExt;
use futures::future::{BoxFuture, poll_fn};
use ivs_sim::{ApiError, Simulator, VirtualClock};
use jiff::{SignedDuration, Timestamp};
use replication::{
    CallError, Listed, PublisherKey, Receipt, Refusal, Rejection, ReplicationKey, SessionId, StartRequest,
};
use serde_json::{Value, json};

/// A clock that stands still while anybody is working.
#[derive(Default)]
pub struct JumpingClock {
    /// The same time, as the simulator wants it.
    pub shown: Arc<VirtualClock>,
    sleepers: Mutex<BTreeMap<Timestamp, Vec<Waker>>>,
}

impl JumpingClock {
    /// Runs `work` to its end. Whenever all of it sleeps, time jumps to the first who wakes.
    ///
    /// # Panics
    /// When all of it waits for something that never comes.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let awake = Arc::new(Awake(AtomicBool::new(true)));
        let waker = Waker::from(awake.clone());
        let mut work = pin!(work);
        loop {
            while awake.0.swap(false, Ordering::SeqCst) {
                if let Poll::Ready(result) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return result;
                }
            }
            self.jump();
        }
    }

    fn jump(&self) {
        let first = self.sleepers().pop_first();
        let (at, wakers) = first.unwrap_or_else(|| panic!("everybody waits for ever"));
        self.shown.set(self.now().max(at));
        wakers.into_iter().for_each(Waker::wake);
    }

    fn sleepers(&self) -> MutexGuard<'_, BTreeMap<Timestamp, Vec<Waker>>> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Awake(AtomicBool);

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Clock for JumpingClock {
    fn now(&self) -> Timestamp {
        ivs_sim::Clock::now(&*self.shown)
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'_, ()> {
        poll_fn(move |context| {
            if self.now() >= at {
                return Poll::Ready(());
            }
            self.sleepers().entry(at).or_default().push(context.waker().clone());
            Poll::Pending
        })
        .boxed()
    }
}

/// The simulated IVS, each call taking a little time on the way there and on the way back.
#[derive(Clone)]
pub struct SimulatedIvs {
    /// IVS.
    pub simulator: Simulator,
    /// Time.
    pub clock: Arc<JumpingClock>,
    /// The time of one way, in ms.
    pub way_ms: i64,
}

impl SimulatedIvs {
    /// Every call but GetStage.
    pub fn calls(&self) -> Calls {
        Calls {
            start: Some(Arc::new(self.clone())),
            stop: Some(Arc::new(self.clone())),
            list: Some(Arc::new(self.clone())),
            participant: Some(Arc::new(self.clone())),
            ..Calls::default()
        }
    }

    async fn call(&self, operation: &str, input: Value) -> Result<Value, CallError> {
        let way = SignedDuration::from_millis(self.way_ms);
        self.clock.sleep_until(self.clock.now() + way).await;
        let answer = self.simulator.call(operation, input);
        self.clock.sleep_until(self.clock.now() + way).await;
        answer.map_err(|error| call_error(&error))
    }
}

/// As the adapter does it over the wire.
pub(crate) fn call_error(error: &ApiError) -> CallError {
    let code = error.code.to_string();
    let rejection = Rejection::ALL.into_iter().find(|rejection| rejection.code() == code);
    let refusal = match (rejection, code.as_str()) {
        (Some(rejection), _) => Refusal::Rejected(rejection),
        (None, "ThrottlingException") => Refusal::Throttled { retry_after: None },
        (None, "AccessDeniedException" | "PendingVerification") => Refusal::AccessDenied,
        (None, _) => Refusal::Unavailable,
    };
    CallError { refusal, code, message: error.message.clone(), request_id: None }
}

fn names(key: &ReplicationKey) -> Value {
    json!({
        "sourceStageArn": key.source.as_str(),
        "destinationStageArn": key.destination.as_str(),
        "participantId": key.participant.as_str(),
    })
}

impl StartReplication for SimulatedIvs {
    fn start_participant_replication<'a>(
        &'a self,
        request: &'a StartRequest,
    ) -> BoxFuture<'a, Result<Receipt, CallError>> {
        let mut input = names(&request.key);
        input["reconnectWindowSeconds"] = request.reconnect_window.seconds().into();
        async move { self.call("StartParticipantReplication", input).await.map(|_| Receipt::default()) }
            .boxed()
    }
}

impl StopReplication for SimulatedIvs {
    fn stop_participant_replication<'a>(
        &'a self,
        key: &'a ReplicationKey,
    ) -> BoxFuture<'a, Result<Receipt, CallError>> {
        async move { self.call("StopParticipantReplication", names(key)).await.map(|_| Receipt::default()) }
            .boxed()
    }
}

impl ListReplicas for SimulatedIvs {
    fn list_participant_replicas<'a>(
        &'a self,
        publisher: &'a PublisherKey,
    ) -> BoxFuture<'a, Result<Vec<Listed>, CallError>> {
        let input = json!({
            "sourceStageArn": publisher.stage.as_str(),
            "participantId": publisher.participant.as_str(),
        });
        async move {
            let answer = self.call("ListParticipantReplicas", input).await?;
            let rows = answer["replicas"].as_array().cloned().unwrap_or_default();
            let active = rows.iter().filter(|row| row["replicationState"] == "ACTIVE");
            let listed = active.filter_map(|row| {
                let destination = row["destinationStageArn"].as_str()?.parse().ok()?;
                let destination_session = row["destinationSessionId"].as_str().and_then(|id| id.parse().ok());
                Some(Listed { destination, destination_session })
            });
            Ok(listed.collect())
        }
        .boxed()
    }
}

impl GetParticipant for SimulatedIvs {
    fn get_participant<'a>(
        &'a self,
        publisher: &'a PublisherKey,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, CallError>> {
        let input = json!({
            "stageArn": publisher.stage.as_str(),
            "sessionId": session.as_str(),
            "participantId": publisher.participant.as_str(),
        });
        async move {
            let answer = self.call("GetParticipant", input).await?;
            Ok(serde_json::from_value(answer["participant"]["attributes"].clone()).unwrap_or_default())
        }
        .boxed()
    }
}
