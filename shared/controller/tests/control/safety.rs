//! Pauses, the brake and adoption, as the loop meets them.

use controller::{Activity, AdoptError, Calls, CallsLeft, Controller, Invocation, Operator, Order, Turn};
use futures::FutureExt;
use replication::{Moment, Observation, Owner, Pause, Phase, SecondWitness};

use crate::world::{Task, World, publisher, rule, stage, to};
use crate::{deliver, invocation};

/// The store in memory waits for nothing.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap()
}

fn pause(world: &World) {
    let pause = Pause { reason: "a fire drill".to_owned(), by: "kim".to_owned(), at: world.now() };
    at_once(world.store.pause(&pause)).unwrap();
}

fn phase(world: &World, destination: &str) -> Phase {
    let replicas = world.store.replicas();
    replicas.iter().find(|replica| replica.key == to(destination)).unwrap().phase.clone()
}

/// Wherever the pause comes in: a call that began is finished and its outcome is in the table; none begins after it.
#[test]
fn a_pause_at_any_time_leaves_every_call_with_its_outcome() {
    let mut calls_made = Vec::new();
    for steps in 0..40 {
        let world = World::new(vec![rule("main", &["B", "C"])]);
        let controller = world.controller(true, true, true);
        let (news, invocation) = (world.publish(), invocation(&world, "one"));
        let mut task = Task::new(controller.handle(&news, &invocation));
        let done = (0..steps).any(|_| task.poll(&world).is_some());
        let intents = world.store.replicas().len();
        pause(&world);
        if !done {
            task.run(&world).unwrap();
        }
        let running = world.running().len();
        assert!(intents == 2 && running == 2 || intents == 0 && running <= 2, "{steps}: {intents} {running}");
        let stored = world.store.replicas();
        assert!(stored.iter().all(|replica| replica.due().is_none()), "{steps}: {stored:#?}");
        let active = stored.iter().filter(|replica| replica.phase == Phase::Active).count();
        assert_eq!(active, running, "{steps}");
        calls_made.push(running);
    }
    assert!(calls_made.contains(&0) && calls_made.contains(&2), "the pause came both before and after");
}

#[test]
fn what_a_pause_kept_is_done_when_it_ends() {
    let world = World::new(vec![rule("main", &["B"])]);
    let all = world.controller(true, true, true);
    let news = world.publish();
    deliver(&world, &all, &news).unwrap();
    pause(&world);
    world.store.replace_rules(vec![rule("main", &["C"])]);
    deliver(&world, &all, &news).unwrap();
    assert_eq!(
        (phase(&world, "B"), phase(&world, "C").to_string()),
        (Phase::Active, "Blocked(Paused)".into())
    );
    assert_eq!(world.calls(), ["start B"]);

    let order = Order { by: "kim".to_owned(), reason: None, at: world.now() };
    at_once(world.store.resume(&order)).unwrap();
    world.advance(1_000);
    deliver(&world, &all, &news).unwrap();
    let mut calls = world.calls();
    calls.sort();
    assert_eq!(calls, ["start B", "start C", "stop B"]);
}

/// A controller that counts its calls, as a new function with nothing in memory.
fn counting(world: &std::sync::Arc<World>) -> Controller {
    Controller { calls_left: CallsLeft::share(100, Turn::Queue), ..world.controller(true, true, true) }
}

/// The count is in the table: another function that never read it is told so by the write.
#[test]
fn the_brake_counts_what_others_stopped() {
    let world = World::new(vec![rule("main", &["B", "C", "D"])]);
    let news = world.publish();
    deliver(&world, &counting(&world), &news).unwrap();
    world.store.replace_rules(vec![rule("main", &["C", "D"])]);
    let floor = |controller: Controller| {
        let policy = replication::Policy { brake_floor: 1, ..controller.policy.clone() };
        Controller { policy, ..controller }
    };
    deliver(&world, &floor(counting(&world)), &news).unwrap();
    assert_eq!(world.running(), [to("C"), to("D")]);

    world.advance(30_000);
    world.store.replace_rules(vec![rule("main", &["D"])]);
    deliver(&world, &floor(counting(&world)), &news).unwrap();
    assert_eq!(world.running(), [to("C"), to("D")], "one was stopped half a minute ago");
    assert!(world.store.replicas().iter().any(|replica| replica.is_held_by_brake()));

    let witness = SecondWitness { unwanted: [stage("C")].into(), gone_at: None };
    let sweep = world.controller(false, false, false);
    let one = invocation(&world, "sweep");
    Task::new(sweep.confirm(&publisher(), &witness, &one)).run(&world).unwrap();
    assert_eq!(world.running(), [to("C"), to("D")], "it may not stop anything itself");
    deliver(&world, &floor(counting(&world)), &news).unwrap();
    assert_eq!(world.running(), [to("D")]);

    world.advance(80_000);
    world.store.replace_rules(vec![]);
    deliver(&world, &floor(counting(&world)), &news).unwrap();
    assert_eq!(world.running(), [], "a minute later the brake is off by itself");
}

fn adopt(world: &std::sync::Arc<World>, destination: &str) -> Result<(), AdoptError> {
    let controller = Controller { calls: Calls::default(), ..world.controller(false, false, false) };
    let operator = Invocation { id: "operator".to_owned(), ..invocation(world, "") };
    let order = Order { by: "kim".to_owned(), reason: Some("ours by right".to_owned()), at: world.now() };
    Task::new(controller.adopt(&to(destination), &order, &operator)).run(world).map(drop)
}

#[test]
fn a_running_replica_of_somebody_else_is_adopted_on_request_only() {
    let world = World::new(vec![rule("main", &["B"])]);
    world.somebody_else_starts("B");
    let news = world.publish();
    let seen = Observation::ReplicaActive {
        key: to("B"),
        destination_session: None,
        at: Moment::exact(world.now()),
    };
    let all = world.controller(true, true, true);
    deliver(&world, &all, &seen).unwrap();
    deliver(&world, &all, &news).unwrap();
    assert!(matches!(adopt(&world, "C"), Err(AdoptError::Unknown(key)) if key == to("C")));
    assert_eq!(world.store.replicas()[0].owner, Owner::Foreign);

    adopt(&world, "B").unwrap();
    let Activity { operation, outcome, caller, .. } = world.store.activity().pop().unwrap();
    assert_eq!((operation, outcome.as_str(), caller.as_str()), ("Adopt", "ok", "kim"));
    assert_eq!(world.store.replicas()[0].owner, Owner::Stagelink);
    assert_eq!(world.store.replicas()[0].rule.as_ref().unwrap().id.as_str(), "main", "planned at once");
    assert!(matches!(adopt(&world, "B"), Err(AdoptError::Ours(_))));

    let ended = Observation::ReplicaEnded { key: to("B"), at: Moment::exact(world.now()) };
    world.advance(1_000);
    let gone = world.unpublish().0;
    deliver(&world, &all, &ended).unwrap();
    deliver(&world, &all, &gone).unwrap();
    let error = adopt(&world, "B").unwrap_err();
    assert!(matches!(error, AdoptError::NotRunning(_)));
    assert!(error.to_string().ends_with("does not run"), "{error}");
}
