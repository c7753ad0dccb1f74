//! What a plan depends on and no event tells is asked of IVS, once.

use std::collections::BTreeMap;
use std::sync::Arc;

use controller::{CallsLeft, Controller, Handled, Store, Turn, Write};
use futures::FutureExt;
use jiff::SignedDuration;
use replication::budget::Book;
use replication::{Budget, Operation, ParticipantFilter, Question, Rule, Source};

use crate::world::{Task, World, publisher, rule, to};
use crate::{assert_inventory, deliver, invocation};

/// Hosts on main stages appear on B and C.
fn hosts() -> Rule {
    let pairs = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
    Rule {
        source: Source::Tags(pairs("role", "main")),
        participants: ParticipantFilter {
            user_id: None,
            attributes: [("role".to_owned(), "host".parse().unwrap())].into(),
        },
        ..rule("hosts", &["B", "C"])
    }
}

fn world(tags: &[(&str, &str)], attributes: &[(&str, &str)]) -> Arc<World> {
    let world = World::new(vec![hosts()]);
    world.describe(tags, attributes);
    world
}

const MAIN: [(&str, &str); 1] = [("role", "main")];
const HOST: [(&str, &str); 1] = [("role", "host")];
const GUEST: [(&str, &str); 1] = [("role", "guest")];

fn questions(handled: &Handled) -> Vec<Question> {
    let (Handled::Settled(report) | Handled::Deferred(report, _)) = handled else { return Vec::new() };
    report.questions().into_iter().collect()
}

#[test]
fn the_stage_is_asked_for_then_the_participant_and_what_is_known_is_not_asked_again() {
    let world = world(&MAIN, &HOST);
    let news = world.publish();
    let controller = world.controller(true, true, true);
    deliver(&world, &controller, &news).unwrap();
    assert_eq!(world.calls(), ["get stage", "get participant", "start B", "start C"]);
    assert_eq!(world.store.counts(), (1, 4), "the news, the intent with both answers, two outcomes");
    for _ in 0..3 {
        deliver(&world, &controller, &news).unwrap();
    }
    assert_eq!(world.calls().len(), 4);
    assert_inventory(&world);
}

#[test]
fn nobody_is_asked_about_a_participant_whose_stage_does_not_match() {
    let world = world(&[("role", "lobby")], &HOST);
    let news = world.publish();
    let controller = world.controller(true, true, true);
    deliver(&world, &controller, &news).unwrap();
    assert_eq!((world.calls(), world.running()), (vec!["get stage".to_owned()], vec![]));
}

#[test]
fn a_guest_is_asked_for_once_and_not_started() {
    let world = world(&MAIN, &GUEST);
    let news = world.publish();
    for _ in 0..3 {
        let handled = deliver(&world, &world.controller(true, true, true), &news).unwrap();
        assert_eq!(questions(&handled), []);
    }
    assert_eq!(
        (world.calls(), world.running()),
        (["get stage", "get participant"].map(str::to_owned).to_vec(), vec![])
    );
}

#[test]
fn a_question_without_an_answer_does_no_harm_and_is_asked_once_per_delivery() {
    let world = world(&MAIN, &HOST);
    world.mute(true);
    let news = world.publish();
    let handled = deliver(&world, &world.controller(true, true, true), &news).unwrap();
    assert_eq!((questions(&handled), world.calls()), (vec![Question::Tags], vec!["get stage".to_owned()]));
    world.mute(false);
    deliver(&world, &world.controller(true, true, true), &news).unwrap();
    assert_eq!(world.running(), [to("B"), to("C")]);
}

#[test]
fn a_function_that_may_not_ask_leaves_the_question() {
    let world = world(&MAIN, &HOST);
    let handled = deliver(&world, &world.controller(false, true, true), &world.publish()).unwrap();
    assert_eq!((questions(&handled), world.calls().len()), (vec![Question::Tags], 0));
}

/// Somebody else writes the publisher between the answer and the intent: everything is read again, and nobody asked again.
#[test]
fn a_lost_race_asks_nothing_again() {
    let world = world(&MAIN, &HOST);
    let news = world.publish();
    let controller = world.controller(true, true, true);
    let invocation = invocation(&world, "one");
    let mut task = Task::new(controller.handle(&news, &invocation));
    while !world.calls().contains(&"get participant".to_owned()) {
        assert!(task.poll(&world).is_none());
    }
    let publisher = world.store.load(&publisher()).now_or_never().unwrap().unwrap().publisher;
    let other = Write { publisher, ..Write::default() };
    world.store.write(&other).now_or_never().unwrap().unwrap();
    task.run(&world).unwrap();
    assert_eq!(world.calls(), ["get stage", "get participant", "start B", "start C"]);
    assert_inventory(&world);
}

/// Who is asked about first may have the higher priority: nothing is started before the answer.
#[test]
fn slots_wait_for_the_answer() {
    let low = Rule { priority: 10, ..rule("low", &["D", "E", "F", "G", "H"]) };
    let world = World::new(vec![low, Rule { priority: 90, ..hosts() }]);
    world.describe(&MAIN, &HOST);
    let news = world.publish();
    deliver(&world, &world.controller(true, true, true), &news).unwrap();
    assert_eq!(world.running(), ["B", "C", "D", "E", "F"].map(to));
}

#[test]
fn a_question_is_taken_from_the_budget_and_waits_for_its_turn() {
    let world = world(&MAIN, &HOST);
    let calls_left = CallsLeft::share(20, Turn::Newcomer);
    let limit = calls_left.limit.unwrap();
    let mut spent = Budget::default();
    spent.grant(world.now(), world.now(), limit).unwrap();
    calls_left.read(Book::from([(Operation::GetParticipant, spent)]));
    let controller = Controller { calls_left, ..world.controller(true, true, true) };
    let began = world.now();
    deliver(&world, &controller, &world.publish()).unwrap();
    assert_eq!(world.running(), [to("B")], "one call of each operation in a window");
    assert!(world.now().duration_since(began) >= limit.window, "one call in {}", limit.window);
    let free = controller.calls_left.next_free(Operation::GetParticipant, began + limit.window);
    assert!(free > began + limit.window, "and it was written down");
    assert!(world.now().duration_since(began) < SignedDuration::from_secs(10));
}
