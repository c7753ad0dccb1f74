//! P1–P4, P6–P9, P12 and P14 in every state of small worlds: each is explored to its end. `cargo model` explores larger ones.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use model::{Limits, Spec, World, check, every_decision, story};
use replication::{BlockedReason, Decision};

/// How many states each world has at least, in round numbers. Fewer mean that something does not happen any more that did, and that
/// less is checked than it seems.
const STATES: [(&str, usize); 13] = [
    ("one", 30_000),
    ("takeover", 24_000),
    ("mutual", 120_000),
    ("deaf", 80_000),
    ("window", 70_000),
    ("lingers", 55_000),
    ("lenient", 30_000),
    ("others", 33_000),
    ("paused", 18_000),
    ("braked", 31_000),
    ("timed", 46_000),
    ("slots", 58_000),
    ("places", 19_000),
];

/// What no plan in these worlds comes to, and why.
const NEVER: [(Decision, &str); 6] = [
    (Decision::Block(BlockedReason::NotPublishing), TOLD_AS_WAIT),
    (Decision::Block(BlockedReason::StageGone), TOLD_AS_WAIT),
    (Decision::Block(BlockedReason::AccessDenied), TOLD_AS_WAIT),
    (Decision::Block(BlockedReason::Throttled), TOLD_AS_WAIT),
    (Decision::Block(BlockedReason::Rejected), TOLD_AS_WAIT),
    (Decision::Block(BlockedReason::Observing), "nobody only observes; to the planner that is a pause"),
];
const TOLD_AS_WAIT: &str = "a plan after a refusal waits, until it tries again";

#[test]
fn every_promise_is_kept_in_every_state() {
    let began = Instant::now();
    let (worlds, next) = (Spec::all().into_iter().map(World::of).collect::<Vec<_>>(), AtomicUsize::new(0));
    let told = Mutex::new(vec![None; worlds.len()]);
    let work = || {
        while let Some((number, world)) = worlds.iter().enumerate().nth(next.fetch_add(1, Ordering::Relaxed))
        {
            let (name, began) = (world.spec().name, Instant::now());
            let explored = check(world, Limits::default(), |_, _| {});
            if let Some(found) = &explored.found {
                panic!("{name}:\n{}", story(world, found));
            }
            assert!(explored.complete, "{name}");
            let seconds = began.elapsed().as_secs_f64();
            println!(
                "{name}: {} states, {} transitions, {seconds:.1} s",
                explored.states, explored.transitions
            );
            told.lock().unwrap()[number] = Some((name, explored.states, explored.transitions));
        }
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..processors).for_each(|_| drop(scope.spawn(work))));

    let told: Vec<_> = told.into_inner().unwrap().into_iter().flatten().collect();
    let states: usize = told.iter().map(|(_, states, _)| states).sum();
    let transitions: usize = told.iter().map(|(.., transitions)| transitions).sum();
    let (count, seconds) = (told.len(), began.elapsed().as_secs_f64());
    println!("{count} worlds: {states} states, {transitions} transitions, {seconds:.1} s");
    let names: Vec<_> = told.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, STATES.map(|(name, _)| name), "each world has a row in the table of states");
    for ((name, states, _), (_, least)) in told.iter().zip(STATES) {
        assert!(*states >= least, "{name} has {states} states, and should have {least}");
    }

    let seen: BTreeSet<_> = worlds.iter().flat_map(World::decisions).map(|it| it.to_string()).collect();
    for decision in every_decision() {
        let never = NEVER.iter().find(|(never, _)| *never == decision);
        let is_seen = seen.contains(&decision.to_string());
        assert_ne!(is_seen, never.is_some(), "{decision}: seen {is_seen}, {never:?}");
    }
}
