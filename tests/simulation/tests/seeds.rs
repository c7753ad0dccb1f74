//! P1–P14 with everything going wrong that can: two thousand seeds, each a case of its own. `cargo sim` plays more.

use replication::invariant::Invariant;
use simulation::{Case, Play, many, story};

/// How many cases, if `SEEDS` does not say.
const SEEDS: u64 = 2_000;

/// What the oracle looks at. Of plans, more is looked at before each is carried out.
const OF_THE_WORLD: [Invariant; 9] = [
    Invariant::Settles,
    Invariant::Stays,
    Invariant::IntentBeforeCall,
    Invariant::Budget,
    Invariant::ParticipantSlots,
    Invariant::NoLoops,
    Invariant::OwnOnly,
    Invariant::NoStopWithoutNews,
    Invariant::HandsOff,
];

#[test]
fn every_promise_is_kept_whatever_goes_wrong() {
    let seeds = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    let sum = many(0..seeds, Case::of_seed, Play::default(), |so_far| so_far.failed.is_empty());
    println!("{}", sum.report());
    if let Some(seed) = sum.failed.keys().next() {
        panic!("{}", story(&Case::of_seed(*seed), Play::default()));
    }
    for invariant in OF_THE_WORLD {
        let times = sum.all.checked.get(&invariant).copied().unwrap_or(0);
        assert!(times >= seeds.min(900) as usize, "{invariant} was looked at {times} times");
    }
}

/// What a failure prints must play the same case again.
#[test]
fn the_same_case_always_goes_the_same_way() {
    let traced = Play { traced: true, ..Play::default() };
    for seed in [3, 19, 111] {
        let case = Case::of_seed(seed);
        let first = play_again(&case, traced);
        assert_eq!(first, play_again(&case, traced), "seed {seed}");
        assert!(first.len() > 100, "seed {seed}");
    }
}

fn play_again(case: &Case, how: Play) -> Vec<String> {
    simulation::play(case, how).trace
}
