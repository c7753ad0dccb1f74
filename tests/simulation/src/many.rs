//! Many cases side by side, and what they come to together.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use replication::invariant::Invariant;

use crate::{Case, Outcome, Play, play};

/// What many cases came to together.
#[derive(Debug, Clone, Default)]
pub struct Sum {
    /// How many were played.
    pub cases: u64,
    /// Of these, how many had any trouble.
    pub troubled: u64,
    /// All their counts together, but for the awaits.
    pub all: Outcome,
    /// Awaits at which a function could have been killed.
    pub awaits: usize,
    /// The longest that one took until all was as the rules want, in seconds, and its seed.
    pub slowest: Option<(u64, u64)>,
    /// The seeds of those in which a promise was not kept, with the promises.
    pub failed: BTreeMap<u64, Vec<Invariant>>,
}

/// Plays the cases of these seeds, on all processors. `go_on` is asked before each with what there is so far.
pub fn many(
    seeds: Range<u64>,
    case: impl Fn(u64) -> Case + Sync,
    how: Play,
    go_on: impl Fn(&Sum) -> bool + Sync,
) -> Sum {
    let (next, sum) = (AtomicU64::new(seeds.start), Mutex::new(Sum::default()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end || !go_on(&sum.lock().unwrap_or_else(PoisonError::into_inner)) {
                return;
            }
            let case = case(seed);
            let outcome = play(&case, how);
            sum.lock().unwrap_or_else(PoisonError::into_inner).add(&case, &outcome);
        }
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..processors).for_each(|_| drop(scope.spawn(work))));
    sum.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl Sum {
    fn add(&mut self, case: &Case, outcome: &Outcome) {
        self.cases += 1;
        self.troubled += u64::from(!case.troubles.is_empty());
        self.all.events += outcome.events;
        self.all.invocations += outcome.invocations;
        self.awaits += outcome.awaits.iter().sum::<usize>();
        self.all.calls += outcome.calls;
        self.all.faults += outcome.faults;
        self.all.dead_letters += outcome.dead_letters;
        for (invariant, times) in &outcome.checked {
            *self.all.checked.entry(*invariant).or_default() += times;
        }
        let settled = outcome.settled_seconds;
        if self.slowest.is_none_or(|slowest| slowest < (settled, case.seed)) {
            self.slowest = Some((settled, case.seed));
        }
        if !outcome.violations.is_empty() {
            let broken = outcome.violations.iter().map(|violation| violation.invariant).collect();
            self.failed.insert(case.seed, broken);
        }
    }

    /// What it came to, in lines for people.
    pub fn report(&self) -> String {
        let Self { cases, troubled, all, awaits, slowest, failed } = self;
        let mut report = format!(
            "{cases} cases, {troubled} of them troubled: {} events, {} invocations with {awaits} awaits, {} calls of IVS, {} faults, {} \
             dead letters\n",
            all.events, all.invocations, all.calls, all.faults, all.dead_letters
        );
        if let Some((seconds, seed)) = slowest {
            report += &format!(
                "all was as the rules want at most {seconds} s after nothing went wrong any more (seed {seed})\n"
            );
        }
        let checked = all.checked.iter().map(|(invariant, times)| format!("{invariant} {times}"));
        report += &format!("times looked at: {}\n", checked.collect::<Vec<_>>().join(", "));
        report += &format!("{} cases in which a promise was not kept", failed.len());
        failed.iter().for_each(|(seed, broken)| report += &format!("\n  seed {seed}: {}", ids(broken)));
        report
    }
}

fn ids(broken: &[Invariant]) -> String {
    broken.iter().map(|invariant| invariant.id()).collect::<Vec<_>>().join(", ")
}
