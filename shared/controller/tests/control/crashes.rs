//! P4: killed at any await, nothing leaks and nothing is lost.

use std::sync::Arc;

use controller::Controller;
use replication::Observation;

use crate::world::{Answer, DONE_WITHOUT_ANSWER, Task, World, rule, to};
use crate::{assert_inventory, deliver, do_what_is_due, invocation};
use replication::{ParticipantFilter, Refusal, Rejection, Rule, Source};

/// Runs `handle` until it has been polled `polls` times, then drops it. Whether it was at its end before.
fn killed_after(polls: usize, world: &World, controller: &Controller, news: &Observation) -> bool {
    let invocation = invocation(world, "killed");
    let mut task = Task::new(controller.handle(news, &invocation));
    for _ in 0..polls {
        if task.poll(world).is_some() {
            return true;
        }
        if let Some(at) = task.asleep(world.now()) {
            world.advance_to(at);
        }
    }
    false
}

/// Kills the delivery at every await in turn; gives how many there were.
fn at_every_await(
    prepare: impl Fn() -> (Arc<World>, Observation),
    check: impl Fn(&Arc<World>, &Observation),
) -> usize {
    for polls in 0..500 {
        let (world, news) = prepare();
        let over = killed_after(polls, &world, &world.controller(true, true, true), &news);
        check(&world, &news);
        if over {
            return polls;
        }
    }
    panic!("it does not come to an end")
}

fn publishing(answers: &[Answer]) -> (Arc<World>, Observation) {
    let world = World::new(vec![rule("main", &["B", "C"])]);
    world.answer(answers.iter().copied());
    let news = world.publish();
    (world, news)
}

const ANSWERS: [&[Answer]; 4] = [
    &[],
    &[DONE_WITHOUT_ANSWER],
    &[Answer::Refused(Refusal::Throttled { retry_after: None })],
    &[Answer::Refused(Refusal::Rejected(Rejection::Validation))],
];

#[test]
fn a_killed_start_is_finished_by_the_next_delivery() {
    for answers in ANSWERS {
        let awaits = at_every_await(
            || publishing(answers),
            |world, news| {
                deliver(world, &world.controller(true, true, true), news).unwrap();
                do_what_is_due(world, news);
                assert_eq!(world.running(), [to("B"), to("C")]);
                assert_inventory(world);
            },
        );
        assert!(awaits > 8, "{awaits}");
    }
}

/// Killed, and its rule is gone before anybody looks again: what it may have started is stopped.
#[test]
fn a_killed_start_that_nobody_wants_any_more_does_not_leak() {
    for answers in ANSWERS {
        at_every_await(
            || publishing(answers),
            |world, news| {
                world.store.replace_rules(vec![]);
                let _ = deliver(world, &world.controller(true, true, true), news);
                do_what_is_due(world, news);
                assert!(world.running().is_empty());
                assert_inventory(world);
            },
        );
    }
}

/// The event does not come again: what the store says is due is enough.
#[test]
fn a_killed_start_is_finished_by_what_the_store_says_is_due() {
    for answers in ANSWERS {
        at_every_await(
            || publishing(answers),
            |world, news| {
                let intent_was_stored = !world.store.replicas().is_empty();
                do_what_is_due(world, news);
                if intent_was_stored {
                    assert_eq!(world.running(), [to("B"), to("C")]);
                }
                assert_inventory(world);
            },
        );
    }
}

#[test]
fn a_killed_stop_is_finished() {
    for answers in ANSWERS {
        let prepare = || {
            let (world, news) = publishing(&[]);
            deliver(&world, &world.controller(true, true, true), &news).unwrap();
            world.answer(answers.iter().copied());
            world.store.replace_rules(vec![rule("main", &["C"])]);
            (world, news)
        };
        at_every_await(prepare, |world, news| {
            let _ = deliver(world, &world.controller(true, true, true), news);
            do_what_is_due(world, news);
            assert_eq!(world.running(), [to("C")]);
            assert_inventory(world);
        });
    }
}

/// Somebody else has it: the refused start is killed at every await, also while it asks IVS, and stays theirs.
#[test]
fn a_killed_start_never_takes_what_somebody_else_started() {
    let prepare = || {
        let (world, news) = publishing(&[]);
        world.somebody_else_starts("B");
        (world, news)
    };
    at_every_await(prepare, |world, news| {
        // Before the refusal is recorded nobody can know better; the intent must not have been made at all, or be refused.
        let refused = world.store.activity().iter().any(|line| line.outcome.contains("already replicated"));
        if !refused {
            return;
        }
        let _ = deliver(world, &world.controller(true, true, true), news);
        world.store.replace_rules(vec![]);
        let _ = deliver(world, &world.controller(true, true, true), news);
        do_what_is_due(world, news);
        assert_eq!(world.running(), [to("B")]);
    });
}

/// Killed while it asks: the next delivery asks for what is not stored, and starts.
#[test]
fn a_killed_question_is_asked_again() {
    let awaits = at_every_await(
        || {
            let host = [("role".to_owned(), "host".parse().unwrap())].into();
            let participants = ParticipantFilter { user_id: None, attributes: host };
            let source = Source::Tags([("role".to_owned(), "main".to_owned())].into());
            let world = World::new(vec![Rule { source, participants, ..rule("hosts", &["B", "C"]) }]);
            world.describe(&[("role", "main")], &[("role", "host")]);
            let news = world.publish();
            (world, news)
        },
        |world, news| {
            deliver(world, &world.controller(true, true, true), news).unwrap();
            do_what_is_due(world, news);
            assert_eq!(world.running(), [to("B"), to("C")]);
            assert_inventory(world);
            let asked = world.calls().iter().filter(|call| call.starts_with("get")).count();
            assert!((2..=4).contains(&asked), "{:?}", world.calls());
        },
    );
    assert!(awaits > 14, "{awaits}");
}
