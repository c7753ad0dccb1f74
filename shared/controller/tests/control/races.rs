//! Several functions on the same publisher, in many interleavings. A failure prints its seed.

use std::sync::Arc;

use controller::{Controller, Error, Handled, Invocation};
use jiff::{SignedDuration, Timestamp};
use replication::{Moment, Observation};

use crate::world::{Answer, DONE_WITHOUT_ANSWER, NO_ANSWER, THROTTLED, Task, World, rule, to};
use crate::{assert_inventory, deliver, do_what_is_due};
use replication::{Refusal, Rejection};

/// Numbers that look random (xorshift); the same seed gives the same ones.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

type Delivery<'a> = (Observation, Task<'a, Result<Handled, Error>>);

/// What a run of a race can contain beside plain deliveries.
#[derive(Clone, Copy, Default)]
struct Troubles {
    /// Calls are throttled, refused or not answered.
    faults: bool,
    /// Functions are killed at an await, and their news is delivered again.
    kills: bool,
    /// IVS keeps a replica whose publisher left, until it is stopped.
    kept: bool,
    /// Events carry whole seconds.
    coarse: bool,
    /// The rules change on the way.
    rules: bool,
}

/// Each function with the calls it is given.
struct Functions {
    published: Controller,
    unpublished: Controller,
    changed: Controller,
}

impl Functions {
    fn for_news(&self, news: &Observation) -> &Controller {
        match news {
            Observation::Published { .. } => &self.published,
            Observation::Unpublished { .. } => &self.unpublished,
            _ => &self.changed,
        }
    }
}

/// Lets a participant come, go and come again `changes` times while its events are delivered late, twice and in any order.
fn race(seed: u64, changes: usize, troubles: Troubles) -> Vec<String> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let world = World::new(vec![rule("main", &["B", "C"])]);
    let functions = Functions {
        published: world.controller(true, false, true),
        unpublished: world.controller(false, true, true),
        changed: world.controller(false, false, false),
    };
    let mut queue: Vec<Observation> = Vec::new();
    let coarse = |news| if troubles.coarse { in_whole_seconds(news) } else { news };
    let mut running: Vec<Delivery<'_>> = Vec::new();
    let mut left = changes;
    let mut wanted: &[&str] = &["B", "C"];
    let mut newest = crate::world::published(world.now());
    for step in 0.. {
        assert!(step < 50_000, "seed {seed}: it does not come to an end");
        match dice.below(8) {
            0 if left > 0 && dice.one_in(4) => {
                left -= 1;
                newest = change(&world, troubles, &mut queue, &mut dice);
            }
            1 if !queue.is_empty() => {
                let news = queue.swap_remove(dice.below(queue.len()));
                running.push((news.clone(), task(&world, &functions, coarse(news), step)));
            }
            2 if troubles.faults && dice.one_in(10) => {
                let refused = Answer::Refused(Refusal::Rejected(Rejection::Conflict));
                let faults = [THROTTLED, NO_ANSWER, DONE_WITHOUT_ANSWER, refused];
                if world.is_publishing() {
                    world.answer([faults[dice.below(faults.len())]]);
                }
            }
            3 if troubles.kills && !running.is_empty() && dice.one_in(40) => {
                let (news, killed) = running.swap_remove(dice.below(running.len()));
                drop(killed);
                queue.push(news);
            }
            4 if troubles.rules && dice.one_in(20) => {
                wanted = [&["B", "C"][..], &["C"], &["C", "D"], &[]][dice.below(4)];
                let rules = if wanted.is_empty() { vec![] } else { vec![rule("main", wanted)] };
                world.store.replace_rules(rules);
                queue.push(newest.clone());
            }
            _ if !running.is_empty() => {
                let i = dice.below(running.len());
                let (news, task) = &mut running[i];
                match task.poll(&world) {
                    Some(Ok(_)) => drop(running.swap_remove(i)),
                    Some(Err(_)) => {
                        queue.push(news.clone());
                        running.swap_remove(i);
                    }
                    None => {}
                }
            }
            _ => {}
        }
        let now = world.now();
        let wakes: Vec<_> = running.iter().map(|(_, task)| task.asleep(now)).collect();
        if let Some(at) = wakes.iter().copied().collect::<Option<Vec<_>>>().and_then(|w| w.into_iter().min())
        {
            world.advance_to(at);
        }
        if left == 0 && queue.is_empty() && running.is_empty() {
            break;
        }
    }
    world.forget_answers();
    do_what_is_due(&world, &newest);
    if troubles.kept {
        // Whose it is that runs on after its publisher was away, the next sweep reads in the participant's history.
        let at = Moment::exact(world.now());
        let ours = world.running().into_iter().map(|key| Observation::ReplicaOwner { key, ours: true, at });
        let controller = world.controller(true, true, true);
        ours.for_each(|news| assert!(deliver(&world, &controller, &news).is_ok(), "seed {seed}"));
        do_what_is_due(&world, &newest);
    }
    let expected: Vec<_> = wanted.iter().filter(|_| world.is_publishing()).map(|id| to(id)).collect();
    assert_eq!(world.running(), expected, "seed {seed}: {:#?}", world.store.replicas());
    assert_inventory(&world);
    world.calls()
}

/// The participant comes or goes; its events are queued, some twice. Gives the newest.
fn change(world: &World, troubles: Troubles, queue: &mut Vec<Observation>, dice: &mut Dice) -> Observation {
    let shortest = if troubles.coarse { 1_000 } else { 1 };
    world.advance(shortest + dice.below(3_000) as i64);
    let news = match world.is_publishing() {
        false => world.publish(),
        true if troubles.kept => world.unpublish_and_keep(),
        true => {
            let running = world.running();
            let (news, ended) = world.unpublish();
            let at = Moment::exact(world.now() - SignedDuration::from_millis(1));
            let begun = running.into_iter();
            queue.extend(begun.map(|key| Observation::ReplicaActive { key, destination_session: None, at }));
            queue.extend(ended);
            news
        }
    };
    queue.push(news.clone());
    if dice.one_in(2) {
        queue.push(news.clone());
    }
    world.advance(1);
    news
}

/// The same news as an event with whole seconds tells it.
fn in_whole_seconds(mut news: Observation) -> Observation {
    let (Observation::Published { at, .. }
    | Observation::Unpublished { at, .. }
    | Observation::Attributes { at, .. }
    | Observation::ReplicaActive { at, .. }
    | Observation::ReplicaEnded { at, .. }
    | Observation::ReplicaOwner { at, .. }
    | Observation::ReplicaFailed { at, .. }) = &mut news;
    let second = Timestamp::from_second(at.earliest().as_second()).unwrap();
    *at = second.to_string().parse().unwrap();
    news
}

fn task<'a>(
    world: &Arc<World>,
    functions: &'a Functions,
    news: Observation,
    step: usize,
) -> Task<'a, Result<Handled, Error>> {
    let invocation = Invocation {
        id: format!("invocation-{step}"),
        deadline: world.now() + SignedDuration::from_secs(15),
    };
    Task::new(async move { functions.for_news(&news).handle(&news, &invocation).await })
}

#[test]
fn a_publish_and_an_unpublish_in_every_seeded_order_end_as_the_rules_say() {
    for seed in 1..300 {
        race(seed, 2, Troubles::default());
    }
}

#[test]
fn coming_and_going_with_duplicates_ends_as_the_rules_say() {
    for seed in 1..300 {
        race(seed, 5, Troubles::default());
    }
}

#[test]
fn faults_and_kills_in_between_change_nothing_of_the_end() {
    for seed in 1..300 {
        race(seed, 4, Troubles { faults: true, kills: true, ..Troubles::default() });
    }
}

#[test]
fn what_ivs_keeps_is_released_all_the_same() {
    for seed in 1..300 {
        race(seed, 4, Troubles { kept: true, ..Troubles::default() });
    }
}

#[test]
fn whole_seconds_end_as_the_rules_say() {
    for seed in 1..300 {
        race(seed, 4, Troubles { coarse: true, faults: true, ..Troubles::default() });
    }
}

#[test]
fn rules_that_change_on_the_way_end_as_they_are_last() {
    for seed in 1..300 {
        race(seed, 3, Troubles { rules: true, ..Troubles::default() });
    }
}

#[test]
fn the_same_seed_makes_the_same_calls() {
    let troubles = Troubles { faults: true, kills: true, ..Troubles::default() };
    assert_eq!(race(7, 5, troubles), race(7, 5, troubles));
}
