//! A rule that expires: nobody waits for its end, and it comes on time.

use controller::{DueClass, Handled, Queue};
use jiff::SignedDuration;
use replication::{Phase, Replica, Rule};

use crate::world::{DONE_WITHOUT_ANSWER, NO_ANSWER, THROTTLED, Task, World, rule, time, to};
use crate::{assert_inventory, deliver, do_what_is_due};

/// Everybody on A appears on these stages, for the first seconds only.
fn until(seconds: i64, destinations: &[&str]) -> Rule {
    Rule { expires_at: Some(time(seconds)), ..rule("show", destinations) }
}

#[test]
fn an_event_does_not_wait_for_the_end_however_near_it_is() {
    for end in [5, 3_600] {
        let world = World::new(vec![until(end, &["B"])]);
        let news = world.publish();
        let handled = deliver(&world, &world.controller(true, true, true), &news).unwrap();
        assert!(matches!(handled, Handled::Deferred(_, due) if due == time(end)), "{handled:?}");
        assert!(world.now() < time(1), "it waited until {}", world.now());
        let queue = Task::new(world.store.due(time(end), 10)).run(&world).unwrap();
        let [due] = queue.as_slice() else { panic!("{queue:?}") };
        assert_eq!((due.class, due.at), (DueClass::Release, time(end)));
    }
}

#[test]
fn the_end_comes_on_time_whatever_the_start_met() {
    for answers in [&[][..], &[THROTTLED], &[NO_ANSWER], &[DONE_WITHOUT_ANSWER]] {
        let world = World::new(vec![until(60, &["B", "C"])]);
        world.answer(answers.iter().copied());
        let news = world.publish();
        deliver(&world, &world.controller(true, true, true), &news).unwrap();
        assert_eq!(world.running(), [to("B"), to("C")]);
        assert_eq!(world.store.replicas().iter().filter_map(Replica::due).min(), Some(time(60)));
        do_what_is_due(&world, &news);
        assert!(world.running().is_empty());
        assert!(world.now() < time(61), "{}", world.now());
        assert_inventory(&world);
    }
}

#[test]
fn an_end_that_moved_is_read_again_when_the_old_one_comes() {
    let world = World::new(vec![until(60, &["B"])]);
    let news = world.publish();
    let all = world.controller(true, true, true);
    deliver(&world, &all, &news).unwrap();
    world.store.replace_rules(vec![until(90, &["B"])]);
    world.advance_to(time(60));
    deliver(&world, &all, &news).unwrap();
    assert_eq!((world.calls(), world.running()), (vec!["start B".to_owned()], vec![to("B")]));
    do_what_is_due(&world, &news);
    assert!(world.running().is_empty() && world.now() < time(91));
}

/// The call for the replica is under way when the rule expires: its answer makes the replica due at once.
#[test]
fn a_start_under_way_at_the_end_is_stopped_after_its_answer() {
    let in_the_middle = time(0) + SignedDuration::from_millis(10);
    let world = World::new(vec![Rule { expires_at: Some(in_the_middle), ..rule("show", &["B"]) }]);
    let news = world.publish();
    let starts_only = world.controller(true, false, false);
    let handled = deliver(&world, &starts_only, &news).unwrap();
    assert!(matches!(handled, Handled::Deferred(_, due) if due <= world.now()), "{handled:?}");
    world.advance(1);
    do_what_is_due(&world, &news);
    assert_eq!(world.calls(), ["start B", "stop B"]);
    assert!(world.store.replicas().iter().all(|replica| replica.phase == Phase::Stopped));
}
