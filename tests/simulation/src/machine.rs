//! A computer on which time stands still while anybody works, and jumps to the next who wakes when nobody does.
//!
//! Of all who could go on, the dice say who does: so every order of what happens at the same time comes up, and the same seed
//! gives the same order again.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures::FutureExt;
use futures::future::{BoxFuture, poll_fn};
use ivs_sim::{Clock as _, VirtualClock};
use jiff::{SignedDuration, Timestamp};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Number of a task.
type Id = u64;

/// Tasks, and the time they live in.
pub(crate) struct Machine {
    /// The time, as the simulated IVS wants it.
    pub(crate) time: Arc<VirtualClock>,
    state: Mutex<State>,
    ready: Arc<Mutex<Vec<Id>>>,
    last: AtomicU64,
}

struct State {
    tasks: BTreeMap<Id, BoxFuture<'static, ()>>,
    sleepers: BTreeMap<(Timestamp, Id), Waker>,
    dice: SmallRng,
}

struct Ready {
    id: Id,
    ready: Arc<Mutex<Vec<Id>>>,
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if !ready.contains(&self.id) {
            ready.push(self.id);
        }
    }
}

impl Machine {
    pub(crate) fn new(seed: u64) -> Self {
        let state =
            State { tasks: BTreeMap::new(), sleepers: BTreeMap::new(), dice: SmallRng::seed_from_u64(seed) };
        Self {
            time: Arc::default(),
            state: Mutex::new(state),
            ready: Arc::default(),
            last: AtomicU64::new(0),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.time.now()
    }

    /// Has somebody work, from now on.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let id = self.next_id();
        self.state().tasks.insert(id, work.boxed());
        self.ready().push(id);
    }

    /// Waits until `at`.
    pub(crate) fn sleep_until(self: &Arc<Self>, at: Timestamp) -> impl Future<Output = ()> + Send + use<> {
        let (machine, id) = (self.clone(), self.next_id());
        poll_fn(move |context| {
            if machine.now() >= at {
                return Poll::Ready(());
            }
            machine.state().sleepers.insert((at, id), context.waker().clone());
            Poll::Pending
        })
    }

    /// Waits for a time.
    pub(crate) fn sleep(self: &Arc<Self>, span: SignedDuration) -> impl Future<Output = ()> + Send + use<> {
        self.sleep_until(self.now() + span)
    }

    /// Lets everybody work until `end`. Whenever all of them wait, `between` is asked when something happens next by itself.
    pub(crate) fn run_until(&self, end: Timestamp, mut between: impl FnMut() -> Option<Timestamp>) {
        loop {
            while let Some(id) = self.next_ready() {
                self.poll(id);
            }
            let by_itself = between();
            if !self.ready().is_empty() {
                continue;
            }
            let first = self.state().sleepers.first_key_value().map(|((at, _), _)| *at);
            let Some(next) = first.into_iter().chain(by_itself).min().filter(|next| *next <= end) else {
                self.time.set(end);
                break;
            };
            self.time.set(next.max(self.now()));
            self.wake_sleepers();
        }
    }

    /// Ends all work. Whoever works knows the machine, so that neither would go while the other is there.
    pub(crate) fn stop(&self) {
        let mut state = self.state();
        let ended = (std::mem::take(&mut state.tasks), std::mem::take(&mut state.sleepers));
        drop(state);
        drop(ended);
    }

    fn wake_sleepers(&self) {
        let now = self.now();
        loop {
            let mut state = self.state();
            let Some(entry) = state.sleepers.first_entry().filter(|entry| entry.key().0 <= now) else {
                break;
            };
            let waker = entry.remove();
            drop(state);
            waker.wake();
        }
    }

    fn poll(&self, id: Id) {
        // Whoever works may spawn others, so it is not among the tasks meanwhile.
        let Some(mut work) = self.state().tasks.remove(&id) else { return };
        let waker = Waker::from(Arc::new(Ready { id, ready: self.ready.clone() }));
        if work.poll_unpin(&mut Context::from_waker(&waker)).is_pending() {
            self.state().tasks.insert(id, work);
        }
    }

    fn next_ready(&self) -> Option<Id> {
        let mut ready = self.ready();
        let many = ready.len();
        match many {
            0 => None,
            1 => ready.pop(),
            _ => Some(ready.remove(self.state().dice.random_range(0..many))),
        }
    }

    fn next_id(&self) -> Id {
        self.last.fetch_add(1, Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ready(&self) -> MutexGuard<'_, Vec<Id>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a piece of work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End<T> {
    Done(T),
    /// It was killed at this await.
    Killed(usize),
}

/// Runs `work`, and kills it at the await of that number, counted from 1. Tells how many there were.
pub(crate) async fn killed_at<T>(work: BoxFuture<'_, T>, at: Option<usize>) -> (End<T>, usize) {
    let (mut work, mut awaits) = (work, 0);
    let end = poll_fn(|context| match work.poll_unpin(context) {
        Poll::Ready(done) => Poll::Ready(End::Done(done)),
        Poll::Pending => {
            awaits += 1;
            if Some(awaits) == at { Poll::Ready(End::Killed(awaits)) } else { Poll::Pending }
        }
    })
    .await;
    drop(work);
    (end, awaits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(seed: u64) -> Vec<usize> {
        let machine = Arc::new(Machine::new(seed));
        let order = Arc::new(Mutex::new(Vec::new()));
        for n in 0..5 {
            let (order, sleep) = (order.clone(), machine.sleep(SignedDuration::from_secs(1)));
            machine.spawn(async move {
                sleep.await;
                order.lock().unwrap().push(n);
            });
        }
        machine.run_until(machine.now() + SignedDuration::from_secs(2), || None);
        Arc::try_unwrap(order).unwrap().into_inner().unwrap()
    }

    #[test]
    fn who_comes_first_is_diced_and_the_same_for_the_same_seed() {
        assert_eq!(order(7), order(7));
        assert_eq!(order(7).len(), 5);
        assert!((0..20).any(|seed| order(seed) != order(7)));
    }

    #[test]
    fn what_is_stopped_leaves_nothing_behind() {
        let machine = Arc::new(Machine::new(1));
        let gone = Arc::downgrade(&machine);
        let worker = machine.clone();
        machine.spawn(async move { worker.sleep(SignedDuration::from_secs(9)).await });
        machine.run_until(machine.now() + SignedDuration::from_secs(1), || None);
        machine.stop();
        drop(machine);
        assert!(gone.upgrade().is_none());
    }

    #[test]
    fn work_is_killed_at_the_await_that_was_named() {
        let machine = Arc::new(Machine::new(1));
        let ended = Arc::new(Mutex::new(Vec::new()));
        for at in [None, Some(1), Some(2), Some(3)] {
            let (sleeper, ended) = (machine.clone(), ended.clone());
            machine.spawn(async move {
                let work = async {
                    sleeper.sleep(SignedDuration::from_secs(1)).await;
                    sleeper.sleep(SignedDuration::from_secs(1)).await;
                    "done"
                };
                let ended_so = killed_at(work.boxed(), at).await;
                ended.lock().unwrap().push((at, ended_so));
            });
        }
        machine.run_until(machine.now() + SignedDuration::from_secs(5), || None);
        let mut ended = ended.lock().unwrap().clone();
        ended.sort_by_key(|(at, _)| *at);
        let expected = [
            (None, (End::Done("done"), 2)),
            (Some(1), (End::Killed(1), 1)),
            (Some(2), (End::Killed(2), 2)),
            (Some(3), (End::Done("done"), 2)),
        ];
        assert_eq!(ended, expected);
    }
}
