//! Sweeps and dispatch draw from one budget of each read. On virtual time, with a table that is some milliseconds away.

#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::sync::Arc;

use controller::sweep::pace::SharedPace;
use controller::sweep::port::Pace;
use controller::sweep::single_pace::SinglePace;
use controller::{CallsLeft, Clock, MemoryStore, Store, StoreError, Turn, Write};
use futures::future::{join, join_all, join3, select as select_first};
use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use replication::{Limit, Operation};
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
    most_within(calls, SignedDuration::from_secs(1))
}

fn most_within(calls: &[Timestamp], window: SignedDuration) -> usize {
    let within =
        |from: &Timestamp| calls.iter().filter(|at| *at >= from && at.duration_since(*from) < window).count();
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

// ---- any number of holders, whatever they do when -------------------------------------------------------------------

/// Somebody who calls IVS.
#[derive(Debug, Clone)]
struct Holder {
    kind: Kind,
    /// How long it waits before each of its looks, in ms; then from the beginning.
    pauses: Vec<i64>,
    /// When it is killed, in ms.
    killed: i64,
    /// After which of its calls it says that IVS throttled it.
    throttled: usize,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A sweep, with a lane.
    Sweep,
    /// Who makes few calls, each with a write of its own.
    Single,
    /// A function that makes so many calls at once, if the budget has as many, and works with what it read last.
    Function(Turn, usize),
}

fn holder() -> impl Strategy<Value = Holder> {
    let turn = select(vec![Turn::Newcomer, Turn::Queue]);
    let kind = prop_oneof![
        Just(Kind::Sweep),
        Just(Kind::Single),
        (turn, 1..7_usize).prop_map(|(turn, calls)| Kind::Function(turn, calls)),
    ];
    (kind, vec(0..900_i64, 1..6), 0..30_000_i64, 3..60_usize)
        .prop_map(|(kind, pauses, killed, throttled)| Holder { kind, pauses, killed, throttled })
}

impl Holder {
    /// Calls as often as it may, until it is killed or time is over.
    async fn live(&self, i: u64, world: &World, share: u32, calls: &RefCell<Vec<Timestamp>>) {
        let killed = world.clock.now() + SignedDuration::from_millis(self.killed);
        let work = async {
            let sweep = world.pace(share);
            let single = SinglePace::new(world.store.clone(), world.clock.clone(), share);
            let left = CallsLeft::share(
                share,
                if let Kind::Function(turn, _) = self.kind { turn } else { Turn::Queue },
            );
            let mut made = 0;
            for (stamp, pause) in (i << 32 | 1..).zip(self.pauses.iter().cycle()) {
                world.clock.sleep_until(world.clock.now() + SignedDuration::from_millis(*pause)).await;
                if world.clock.now() >= world.until {
                    return;
                }
                let now = match self.kind {
                    Kind::Sweep => usize::from(sweep.take(Operation::List, world.until).await),
                    Kind::Single => usize::from(single.take(Operation::List, world.until).await),
                    Kind::Function(_, at_once) => taken(&left, at_once, stamp, world).await,
                };
                let at = world.clock.now();
                calls.borrow_mut().extend(std::iter::repeat_n(at, now));
                let throttled = (made..made + now).any(|call| call % self.throttled == self.throttled - 1);
                made += now;
                match self.kind {
                    Kind::Sweep if throttled => sweep.throttled(Operation::List).await,
                    Kind::Single if throttled => single.throttled(Operation::List).await,
                    _ => {}
                }
            }
        };
        select_first(Box::pin(work), Box::pin(world.clock.sleep_until(killed))).await;
    }
}

/// So many calls out of the budget, or as many as it has; none, if somebody else was faster.
async fn taken(left: &CallsLeft, calls: usize, stamp: u64, world: &World) -> usize {
    let now = world.clock.now();
    let calls = calls.min(left.allowance(now).list);
    let budgets = left.spend(&vec![Operation::List; calls], now, stamp);
    if budgets.is_empty() {
        left.read(world.store.budgets().await.unwrap());
        return 0;
    }
    match world.store.write(&Write { budgets: budgets.clone(), ..Write::default() }).await {
        Ok(()) => left.written(&budgets),
        Err(StoreError::Conflict) => {
            left.read(world.store.budgets().await.unwrap());
            return 0;
        }
        Err(error) => panic!("{error}"),
    }
    calls
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// P5: in no second do all of them together call more often than the share allows.
    #[test]
    fn no_second_holds_more_calls_than_the_share(
        holders in vec(holder(), 1..6),
        share in prop_oneof![1 => 1..=100_u32, 1 => select(vec![19, 20, 40, 60, 80, 100])],
        way_ms in 0..=9_i64,
    ) {
        let clock = Arc::new(JumpingClock::default());
        let store = Arc::new(DistantStore::new(MemoryStore::default(), clock.clone(), way_ms));
        let until = clock.now() + SignedDuration::from_secs(20);
        let world = World { clock, store, until };
        let calls = RefCell::default();
        let numbered = holders.iter().zip(0..);
        world.clock.clone().run(join_all(numbered.map(|(holder, i)| holder.live(i, &world, share, &calls))));
        let calls = calls.take();
        let limit = Limit::share(5, share);
        // A call leaves when the answer to its write is there: up to 18 ms after its grant.
        let window = limit.window - SignedDuration::from_millis(20);
        prop_assert!(window >= SignedDuration::from_secs(1));
        let most = most_within(&calls, window);
        prop_assert!(most <= limit.calls, "{} of {:?}", most, limit);
    }
}
