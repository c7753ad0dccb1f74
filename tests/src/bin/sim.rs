//! `cargo sim`: plays as many cases of the simulation as one likes, and one of them again with all that happened.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use stagelink_tests::simulation::{Case, Outcome, Play, Trouble, play, smallest};

/// Plays the whole system against a simulated IVS on a virtual clock, with everything going wrong that can.
///
/// The same seed always gives the same case. A case that fails is made smaller, and printed with the command that plays it
/// again. Exit code 1 if any promise was not kept.
#[derive(Debug, Parser)]
#[command(name = "cargo sim")]
struct Options {
    /// How many cases
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0, value_name = "SEED")]
    start_seed: u64,
    /// Begin no further case after so many minutes
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: Option<u64>,
    /// Go on after a case that fails
    #[arg(long)]
    keep_going: bool,
    /// Play one case again, and print what happened
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "start_seed", "minutes"])]
    replay: Option<u64>,
    /// With --replay: only these troubles [default: those of the seed]
    #[arg(long, value_name = "TROUBLE,…", requires = "replay", value_delimiter = ',', num_args = 0..=1)]
    troubles: Option<Vec<String>>,
    /// With --replay: only the actions of these numbers [default: all]
    #[arg(long, value_name = "NUMBER,…", requires = "replay", value_delimiter = ',')]
    actions: Option<Vec<usize>>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match options.replay {
        Some(seed) => match case(seed, &options) {
            Ok(case) => replay(&case),
            Err(problem) => {
                eprintln!("error: --troubles: {problem}");
                ExitCode::FAILURE
            }
        },
        None => many(&options),
    }
}

fn case(seed: u64, options: &Options) -> Result<Case, String> {
    let mut case = Case::of_seed(seed);
    if let Some(names) = &options.troubles {
        let named = names.iter().filter(|name| !name.is_empty());
        let troubles = named.map(|name| name.parse().map_err(|allowed| format!("{name:?}: {allowed}")));
        case = case.with_troubles(troubles.collect::<Result<BTreeSet<Trouble>, String>>()?);
    }
    if let Some(numbers) = &options.actions {
        case = case.with_actions(&numbers.iter().copied().collect());
    }
    Ok(case)
}

fn replay(case: &Case) -> ExitCode {
    let outcome = play(case, Play { traced: true, ..Play::default() });
    outcome.trace.iter().for_each(|line| println!("{line}"));
    println!();
    outcome.violations.iter().for_each(|violation| println!("{violation}"));
    println!("{} promises not kept", outcome.violations.len());
    if outcome.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What all cases came to together.
#[derive(Debug, Default)]
struct Sum {
    cases: u64,
    all: Outcome,
    slowest: Option<(u64, u64)>,
    failed: Vec<u64>,
}

impl Sum {
    fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.cases += 1;
        self.all.events += outcome.events;
        self.all.invocations += outcome.invocations;
        self.all.awaits += outcome.awaits;
        self.all.calls += outcome.calls;
        self.all.faults += outcome.faults;
        self.all.dead_letters += outcome.dead_letters;
        let settled = outcome.settled_seconds;
        if self.slowest.is_none_or(|(seconds, _)| seconds < settled) {
            self.slowest = Some((settled, seed));
        }
        if !outcome.violations.is_empty() {
            self.failed.push(seed);
        }
    }
}

fn many(options: &Options) -> ExitCode {
    let until = options.minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let bar = ProgressBar::new(options.seeds);
    #[allow(clippy::expect_used, reason = "the template is a constant")]
    bar.set_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} cases, {per_sec}, {eta} left {msg}")
            .expect("a template"),
    );
    let (next, over, sum) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::new(Sum::default()));
    let work = || {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let late = until.is_some_and(|until| Instant::now() >= until);
            if n >= options.seeds || late || over.load(Ordering::Relaxed) {
                return;
            }
            let seed = options.start_seed + n;
            let outcome = play(&Case::of_seed(seed), Play::default());
            let failed = !outcome.violations.is_empty();
            sum.lock().unwrap_or_else(PoisonError::into_inner).add(seed, &outcome);
            bar.inc(1);
            if failed && !options.keep_going {
                over.store(true, Ordering::Relaxed);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    bar.finish_and_clear();
    let Sum { cases, all, slowest, mut failed } = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.sort_unstable();
    println!(
        "{cases} cases: {} events, {} invocations with {} awaits, {} calls of IVS, {} faults, {} dead letters",
        all.events, all.invocations, all.awaits, all.calls, all.faults, all.dead_letters
    );
    if let Some((seconds, seed)) = slowest {
        println!(
            "all was as the rules want at most {seconds} s after nothing went wrong any more (seed {seed})"
        );
    }
    println!("{} cases in which a promise was not kept: {failed:?}", failed.len());
    let Some(seed) = failed.first() else { return ExitCode::SUCCESS };
    explain(*seed);
    ExitCode::FAILURE
}

/// Prints the smallest case that fails as this one does, and how to play it again.
fn explain(seed: u64) {
    let case = smallest(&Case::of_seed(seed), Play::default());
    let outcome = play(&case, Play { traced: true, ..Play::default() });
    println!("\nseed {seed}, as small as it gets:");
    outcome.trace.iter().for_each(|line| println!("{line}"));
    outcome.violations.iter().for_each(|violation| println!("{violation}"));
    let troubles: Vec<_> = case.troubles.iter().map(|trouble| trouble.name()).collect();
    let actions: Vec<_> = case.numbers().iter().map(usize::to_string).collect();
    println!("\ncargo sim --replay {seed} --troubles={} --actions={}", troubles.join(","), actions.join(","));
}
