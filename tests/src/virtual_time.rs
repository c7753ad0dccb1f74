//! Hours in milliseconds: a clock that jumps to the next sleeper when nobody has anything else to do, and the simulated IVS as the
//! controller's ports on that clock.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use controller::{Calls, Clock};
use futures::FutureExt;
use futures::future::{BoxFuture, poll_fn};
use ivs_sim::{Simulator, VirtualClock};
use jiff::{SignedDuration, Timestamp};
use replication::CallError;
use serde_json::Value;
use simulation::ports::{Ports, Way, call_error};

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
        Calls { stage: None, ..Ports::by(Arc::new(self.clone())).every_call() }
    }
}

impl Way for SimulatedIvs {
    fn call(
        self: Arc<Self>,
        operation: &'static str,
        input: Value,
    ) -> BoxFuture<'static, Result<Value, CallError>> {
        async move {
            let way = SignedDuration::from_millis(self.way_ms);
            self.clock.sleep_until(self.clock.now() + way).await;
            let answer = self.simulator.call(operation, input);
            self.clock.sleep_until(self.clock.now() + way).await;
            answer.map_err(|error| call_error(&error))
        }
        .boxed()
    }
}
