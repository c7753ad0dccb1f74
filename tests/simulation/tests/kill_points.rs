//! P4: a function can be killed at any of its awaits, and nothing leaks and nothing is lost. All of them are tried, one by one.

use std::sync::atomic::{AtomicUsize, Ordering};

use simulation::{Case, Play, play};

#[test]
fn killed_at_any_await_nothing_leaks_and_nothing_is_lost() {
    let case = Case::short();
    let whole = play(&case, Play::default());
    assert_eq!(whole.violations, [], "nobody was killed");
    let points: Vec<_> = whole
        .awaits
        .iter()
        .enumerate()
        .flat_map(|(invocation, awaits)| (1..=*awaits).map(move |at| (invocation, at)))
        .collect();
    let (next, slowest) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        while let Some(kill) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = play(&case, Play { kill: Some(*kill), ..Play::default() });
            assert!(outcome.violations.is_empty(), "killed at {kill:?}: {:#?}", outcome.violations);
            slowest.fetch_max(usize::try_from(outcome.settled_seconds).unwrap_or(0), Ordering::Relaxed);
        }
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..processors).for_each(|_| drop(scope.spawn(work))));
    println!(
        "{} awaits of {} invocations, killed at each of them once: all as the rules want at most {} s later",
        points.len(),
        whole.awaits.len(),
        slowest.into_inner()
    );
    assert!(points.len() > 300, "{} awaits are few", points.len());
}
