//! Sweeps and dispatch draw from one budget of each read. On virtual time, with a table that is some milliseconds away.

#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::sync::Arc;

use controller::sweep::pace::SharedPace;
use controller::sweep::port::Pace;
use controller::{CallsLeft, Clock, MemoryStore, Store, StoreError, Turn, Write};
use futures::future::{join, join3};
use jiff::{SignedDuration, Timestamp};
use replication::Operation;
use stagelink_tests::distant_store::DistantStore;
use stagelink_tests::virtual_time::JumpingClock;

/// 4 calls in each window: the sweep's part is 2.
const SHARE: u32 = 80;

struct World {
    clock: Arc<JumpingClock>,
    store: Arc<DistantStore>,
    until: Timestamp,
}

impl World {
    fn lasting(seconds: i64) -> Self {
        let clock = Arc::new(JumpingClock::default());
        let store = Arc::new(DistantStore::new(MemoryStore::default(), clock.clone(), 3));
        let until = clock.now() + SignedDuration::from_secs(seconds);
        Self { clock, store, until }
    }

    fn pace(&self, share: u32) -> SharedPace {
        SharedPace::new(self.store.clone(), self.clock.clone(), share)
    }

    /// Calls as often as the pace lets it, until there is no more time.
    async fn sweep(&self, pace: &SharedPace, read: Operation, calls: &RefCell<Vec<Timestamp>>) {
        while pace.take(read, self.until).await {
            calls.borrow_mut().push(self.clock.now());
        }
    }

    /// Asks ListParticipantReplicas as often as the budget lets it, as the loop does: with a write for every call.
    async fn dispatch(&self, share: u32, calls: &RefCell<Vec<Timestamp>>) {
        let left = CallsLeft::share(share, Turn::Queue);
        for stamp in 1.. {
            let now = self.clock.now();
            if now >= self.until {
                return;
            }
            if left.allowance(now).list == 0 {
                self.clock.sleep_until(left.next_free(Operation::List, now)).await;
                continue;
            }
            let budgets = left.spend(&[Operation::List], now, stamp);
            match self.store.write(&Write { budgets: budgets.clone(), ..Write::default() }).await {
                Ok(()) => {
                    left.written(&budgets);
                    calls.borrow_mut().push(self.clock.now());
                }
                Err(StoreError::Conflict) => left.read(self.store.budgets().await.unwrap()),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn most_in_a_second(calls: &[Timestamp]) -> usize {
    let second = SignedDuration::from_secs(1);
    let within =
        |from: &Timestamp| calls.iter().filter(|at| *at >= from && at.duration_since(*from) < second).count();
    calls.iter().map(within).max().unwrap_or(0)
}

#[test]
fn two_sweeps_and_a_dispatch_at_once_stay_within_the_budget_of_every_read() {
    let world = World::lasting(58);
    let (one, two) = (world.pace(SHARE), world.pace(SHARE));
    let (swept, looked, dispatched) = <(RefCell<_>, RefCell<_>, RefCell<_>)>::default();
    world.clock.clone().run(join3(
        join(
            world.sweep(&one, Operation::List, &swept),
            world.sweep(&one, Operation::ListParticipants, &looked),
        ),
        join(
            world.sweep(&two, Operation::List, &swept),
            world.sweep(&two, Operation::ListParticipants, &looked),
        ),
        world.dispatch(SHARE, &dispatched),
    ));
    let (swept, looked, dispatched) = (swept.take(), looked.take(), dispatched.take());
    println!("ListParticipantReplicas: {} by sweeps, {} by dispatch", swept.len(), dispatched.len());
    println!("ListParticipants: {} by sweeps", looked.len());
    assert!(most_in_a_second(&[swept.clone(), dispatched.clone()].concat()) <= 4);
    assert!(most_in_a_second(&swept) <= 2 && most_in_a_second(&looked) <= 2);
    // Neither starves: 56 windows of 2 calls each.
    assert!(swept.len() >= 90 && looked.len() >= 90, "{} and {}", swept.len(), looked.len());
    assert!(dispatched.len() >= 2 * 50, "{}", dispatched.len());
}

#[test]
fn a_sweep_alone_uses_its_part_to_the_full_with_few_writes() {
    let world = World::lasting(58);
    let (pace, calls) = (world.pace(SHARE), RefCell::default());
    world.clock.clone().run(world.sweep(&pace, Operation::ListParticipants, &calls));
    let (calls, (_, writes)) = (calls.take().len(), world.store.table.counts());
    println!("{calls} calls in 58 s, {writes} writes");
    assert!(calls >= 110, "{calls} calls");
    assert!(writes <= 8, "{writes} writes");
    assert!(pace.calls_in(SignedDuration::from_secs(58)) >= calls - 4);
}

#[test]
fn a_budget_of_one_call_is_taken_in_turns() {
    let world = World::lasting(60);
    let (pace, (swept, dispatched)) = (world.pace(20), <(RefCell<_>, RefCell<_>)>::default());
    world
        .clock
        .clone()
        .run(join(world.sweep(&pace, Operation::List, &swept), world.dispatch(20, &dispatched)));
    let (swept, dispatched) = (swept.take(), dispatched.take());
    println!("one call per window: {} by the sweep, {} by dispatch", swept.len(), dispatched.len());
    assert!(most_in_a_second(&[swept.clone(), dispatched.clone()].concat()) <= 1);
    assert!(swept.len() >= 10 && dispatched.len() >= 10, "{} and {}", swept.len(), dispatched.len());
}

#[test]
fn a_throttled_read_slows_down_everybody_who_makes_it() {
    let world = World::lasting(20);
    let (one, calls, others) = (world.pace(SHARE), RefCell::default(), RefCell::default());
    world.clock.clone().run(async {
        assert!(one.take(Operation::List, world.until).await);
        for _ in 0..5 {
            one.throttled(Operation::List).await;
            world.clock.sleep_until(world.clock.now() + SignedDuration::from_secs(1)).await;
        }
        join(world.sweep(&one, Operation::List, &calls), world.dispatch(SHARE, &others)).await;
    });
    let (calls, others) = (calls.take().len(), others.take().len());
    println!("throttled, in 15 s: {calls} by the sweep, {others} by dispatch");
    assert!((1..20).contains(&calls), "{calls}");
    assert!((1..25).contains(&others), "{others}");
}
