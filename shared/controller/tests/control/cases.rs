//! One invocation at a time.

use controller::{Error, Handled, Invocation};
use jiff::SignedDuration;
use replication::{BlockedReason, Moment, Observation, Phase, Refusal, Rejection};

use crate::world::{
    Answer, DONE_WITHOUT_ANSWER, NO_ANSWER, THROTTLED, Task, World, publisher, rule, stage, time, to,
};
use crate::{assert_inventory, deliver, do_what_is_due, invocation};

#[test]
fn a_publish_costs_one_read_one_intent_and_a_call_and_an_outcome_for_each_destination() {
    let world = World::new(vec![rule("main", &["B", "C", "D"])]);
    let news = world.publish();
    let handled = deliver(&world, &world.controller(true, false, true), &news).unwrap();
    assert!(matches!(handled, Handled::Settled(_)));
    assert_eq!(world.calls(), ["start B", "start C", "start D"]);
    assert_eq!(world.store.counts(), (1, 1 + 3));
    assert_inventory(&world);
}

#[test]
fn an_event_of_a_stage_without_rules_costs_one_read_and_no_write() {
    let world = World::new(vec![]);
    let news = world.publish();
    let handled = deliver(&world, &world.controller(true, true, true), &news).unwrap();
    assert_eq!(handled, Handled::Unconcerned);
    assert_eq!(world.store.counts(), (1, 0));
    assert!(world.calls().is_empty());
}

#[test]
fn repeated_news_changes_nothing_more() {
    let world = World::new(vec![rule("main", &["B", "C"])]);
    let news = world.publish();
    deliver(&world, &world.controller(true, true, true), &news).unwrap();
    let (_, writes) = world.store.counts();
    for _ in 0..3 {
        deliver(&world, &world.controller(true, true, true), &news).unwrap();
    }
    assert_eq!(world.store.counts().1, writes);
    assert_eq!(world.calls(), ["start B", "start C"]);
}

#[test]
fn a_function_without_calls_observes_and_makes_none() {
    let world = World::new(vec![rule("main", &["B"])]);
    let news = world.publish();
    let handled = deliver(&world, &world.controller(false, false, false), &news).unwrap();
    assert!(matches!(handled, Handled::Deferred(_, due) if due <= world.now()), "{handled:?}");
    assert!(world.calls().is_empty() && world.store.activity().is_empty());
    do_what_is_due(&world, &news);
    assert_inventory(&world);
    assert_eq!(world.running(), [to("B")]);
}

#[test]
fn a_throttled_start_is_tried_again_within_the_invocation() {
    let world = World::new(vec![rule("main", &["B"])]);
    world.answer([THROTTLED, THROTTLED, THROTTLED]);
    let news = world.publish();
    deliver(&world, &world.controller(true, false, true), &news).unwrap();
    assert_eq!(world.calls(), ["start B"; 4]);
    assert_inventory(&world);
}

#[test]
fn a_start_without_answers_comes_again_and_leaves_exactly_one_replica() {
    for silence in [NO_ANSWER, DONE_WITHOUT_ANSWER] {
        let world = World::new(vec![rule("main", &["B"])]);
        world.always(Some(silence));
        let news = world.publish();
        let controller = world.controller(true, false, false);
        let result = deliver(&world, &controller, &news);
        assert!(result.is_ok(), "it may not ask IVS, so there is nothing to wait for: {result:?}");
        world.always(None);
        do_what_is_due(&world, &news);
        assert_eq!(world.running(), [to("B")]);
        assert_inventory(&world);
    }
}

#[test]
fn what_is_never_answered_is_given_back_at_the_deadline() {
    let world = World::new(vec![rule("main", &["B"])]);
    world.always(Some(NO_ANSWER));
    let news = world.publish();
    let error = deliver(&world, &world.controller(true, false, true), &news).unwrap_err();
    let Error::Unsettled { publisher: who, next, why } = &error else { panic!("{error}") };
    assert_eq!((who, why.contains("Timeout: refused")), (&publisher(), true), "{why}");
    assert!(*next > world.now() && world.now() <= time(11));
    world.always(None);
    deliver(&world, &world.controller(true, false, true), &news).unwrap();
    assert_eq!(world.running(), [to("B")]);
    assert_inventory(&world);
}

#[test]
fn a_refusal_because_it_is_there_already_ends_in_foreign_and_is_never_stopped() {
    let world = World::new(vec![rule("main", &["B"])]);
    let news = world.publish();
    world.somebody_else_starts("B");
    let all = world.controller(true, true, true);
    deliver(&world, &all, &news).unwrap();
    assert_eq!(world.calls(), ["start B", "list"]);
    world.store.replace_rules(vec![]);
    deliver(&world, &all, &news).unwrap();
    assert_eq!(world.calls(), ["start B", "list"]);
    assert_eq!(world.running(), [to("B")]);
}

#[test]
fn every_refusal_of_a_start_ends_in_a_replica_of_ours() {
    let refusals = Rejection::ALL.map(Refusal::Rejected).into_iter().chain([
        Refusal::AccessDenied,
        Refusal::Unavailable,
        Refusal::Throttled { retry_after: None },
    ]);
    for refusal in refusals {
        let world = World::new(vec![rule("main", &["B"])]);
        world.answer([Answer::Refused(refusal)]);
        let news = world.publish();
        let _ = deliver(&world, &world.controller(true, true, true), &news);
        do_what_is_due(&world, &news);
        assert_eq!(world.running(), [to("B")], "{refusal:?}");
        assert_inventory(&world);
    }
}

#[test]
fn every_refusal_of_a_stop_ends_without_a_replica() {
    let refusals = Rejection::ALL.map(Refusal::Rejected).into_iter().chain([
        Refusal::AccessDenied,
        Refusal::Unavailable,
        Refusal::Throttled { retry_after: None },
    ]);
    for refusal in refusals {
        for answer in [Answer::Refused(refusal), Answer::DoneBut(refusal)] {
            let world = World::new(vec![rule("main", &["B"])]);
            let news = world.publish();
            let all = world.controller(true, true, true);
            deliver(&world, &all, &news).unwrap();
            world.store.replace_rules(vec![]);
            world.answer([answer]);
            let _ = deliver(&world, &all, &news);
            do_what_is_due(&world, &news);
            assert!(world.running().is_empty(), "{answer:?}");
            assert_inventory(&world);
        }
    }
}

#[test]
fn who_leaves_is_released_after_the_grace_although_ivs_keeps_the_replica() {
    let world = World::new(vec![rule("main", &["B"])]);
    let news = world.publish();
    deliver(&world, &world.controller(true, true, true), &news).unwrap();
    world.advance(5_000);
    let left = world.unpublish_and_keep();
    deliver(&world, &world.controller(false, true, true), &left).unwrap();
    assert_eq!(world.calls(), ["start B", "stop B"]);
    assert!(world.running().is_empty());
    assert_inventory(&world);
}

#[test]
fn history_has_one_line_for_each_call() {
    let world = World::new(vec![rule("main", &["B", "C"])]);
    world.answer([THROTTLED, Answer::Refused(Refusal::Rejected(Rejection::Conflict))]);
    let news = world.publish();
    deliver(&world, &world.controller(true, true, true), &news).unwrap();
    let line = |activity: &controller::Activity| {
        let to = activity.destination.as_ref().map_or("-".to_owned(), |stage| stage.to_string());
        let to = to.rsplit('/').next().unwrap_or_default().to_owned();
        format!("{} {to}: {}", activity.operation, activity.outcome)
    };
    let history: Vec<_> = world.store.activity().iter().map(line).collect();
    assert_eq!(history.len(), world.calls().len());
    assert_eq!(
        history,
        [
            "StartParticipantReplication B: ThrottlingException: refused",
            "StartParticipantReplication C: ConflictException: refused",
            "ListParticipantReplicas -: ok, 0 running",
            "StartParticipantReplication C: ok",
            "StartParticipantReplication B: ok",
        ]
    );
}

#[test]
fn a_full_participant_blocks_the_rest_and_a_free_slot_is_given_on() {
    let world = World::new(vec![rule("main", &["B", "C", "D", "E", "F", "G"])]);
    let news = world.publish();
    let all = world.controller(true, true, true);
    deliver(&world, &all, &news).unwrap();
    assert_eq!(world.calls().len(), 5);
    let last = world.store.replicas().into_iter().find(|r| r.key.destination == stage("G")).unwrap();
    let Phase::Blocked(blocked) = &last.phase else { panic!("{last:?}") };
    assert_eq!((blocked.reason, blocked.until), (BlockedReason::ParticipantSlotsFull, None));
    world.store.replace_rules(vec![rule("main", &["C", "D", "E", "F", "G"])]);
    deliver(&world, &all, &news).unwrap();
    assert_eq!(world.running(), ["C", "D", "E", "F", "G"].map(to));
    assert_inventory(&world);
}

#[test]
fn times_at_the_end_of_time_are_taken_without_harm() {
    let world = World::new(vec![rule("main", &["B"])]);
    let news = world.publish();
    let all = world.controller(true, true, true);
    deliver(&world, &all, &news).unwrap();
    let end = Moment::exact(jiff::Timestamp::MAX);
    let key = to("B");
    let code = "INTERNAL_SERVER_EXCEPTION".to_owned();
    for strange in [
        crate::world::unpublished(jiff::Timestamp::MAX),
        Observation::ReplicaFailed { key: key.clone(), code, at: end },
        Observation::ReplicaEnded { key, at: end },
    ] {
        deliver(&world, &all, &strange).unwrap();
    }
}

/// Somebody else's call is under way until after the deadline, by who read the world before this news. The outcome will take
/// the due time out of the store, so the news has to come again.
#[test]
fn news_that_meets_a_call_under_way_until_its_deadline_comes_again() {
    let world = World::new(vec![rule("main", &["B"])]);
    let news = world.publish();
    let starting = world.controller(true, false, true);
    let caller = invocation(&world, "caller");
    let mut calling = Task::new(starting.handle(&news, &caller));
    while world.calls().is_empty() {
        assert!(calling.poll(&world).is_none());
    }
    world.advance(10);
    let left = world.unpublish_and_keep();
    let stopping = world.controller(false, true, false);
    let hurried =
        Invocation { id: "hurried".to_owned(), deadline: world.now() + SignedDuration::from_secs(1) };
    let given_back = Task::new(stopping.handle(&left, &hurried)).run(&world);
    assert!(matches!(given_back, Err(Error::Unsettled { .. })), "{given_back:?}");
    calling.run(&world).unwrap();
    deliver(&world, &stopping, &left).unwrap();
    do_what_is_due(&world, &left);
    assert!(world.running().is_empty());
    assert_inventory(&world);
}
