//! `cargo sim`: plays as many cases of the simulation as one likes, and one of them again with all that happened.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use simulation::{Case, Play, many, play, story};

/// Plays the whole system against a simulated IVS on a virtual clock, with everything going wrong that can.
///
/// The same seed always gives the same case. A case that fails is made smaller, and printed with the command that plays it
/// again. Exit code 1 if any promise was not kept.
#[derive(Debug, Parser)]
#[command(name = "cargo sim")]
struct Options {
    /// How many cases
    #[arg(long, default_value_t = 1_000, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0, value_name = "SEED")]
    start_seed: u64,
    /// Begin no further case after so many minutes
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: Option<u64>,
    /// Draw the answers to what IVS leaves open from the seed, too
    #[arg(long)]
    any_dialect: bool,
    /// Go on after a case that fails
    #[arg(long)]
    keep_going: bool,
    /// Play one case again, and print what happened
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "start_seed", "minutes"])]
    replay: Option<u64>,
    /// With --replay: only these troubles, none if empty [default: those of the seed]
    #[arg(long, value_name = "TROUBLE,…", requires = "replay")]
    troubles: Option<String>,
    /// With --replay: only these answers to what IVS leaves open, the usual ones if empty [default: those of the seed]
    #[arg(long, value_name = "SWITCH=OPTION,…", requires = "replay")]
    dialect: Option<String>,
    /// With --replay: only the actions of these numbers [default: all]
    #[arg(long, value_name = "NUMBER,…", requires = "replay", value_delimiter = ',')]
    actions: Option<Vec<usize>>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let Some(seed) = options.replay else { return play_many(&options) };
    match one(seed, &options) {
        Ok(case) => replay(&case),
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn one(seed: u64, options: &Options) -> Result<Case, String> {
    let mut case = Case::of_seed(seed);
    let parts =
        |list: &str| list.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    if let Some(names) = &options.troubles {
        let troubles = parts(names).into_iter().map(|name| name.parse());
        let troubles = troubles.collect::<Result<BTreeSet<_>, String>>();
        case = case.with_troubles(troubles.map_err(|problem| format!("--troubles: {problem}"))?);
    }
    if let Some(switches) = &options.dialect {
        case = case.with_switches(&parts(switches)).map_err(|problem| format!("--dialect: {problem}"))?;
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
    println!("{} times a promise was not kept", outcome.violations.len());
    if outcome.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn play_many(options: &Options) -> ExitCode {
    let until = options.minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let bar = ProgressBar::new(options.seeds);
    #[allow(clippy::expect_used, reason = "the template is a constant")]
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} cases, {per_sec}, {eta} left")
        .expect("a template");
    bar.set_style(style);
    let seeds = options.start_seed..options.start_seed.saturating_add(options.seeds);
    let case = |seed| {
        let usual = Case::of_seed(seed);
        if options.any_dialect { usual.in_any_dialect() } else { usual }
    };
    let sum = many(seeds, case, Play::default(), |so_far| {
        bar.set_position(so_far.cases);
        let in_time = until.is_none_or(|until| Instant::now() < until);
        in_time && (options.keep_going || so_far.failed.is_empty())
    });
    bar.finish_and_clear();
    println!("{}", sum.report());
    let Some(seed) = sum.failed.keys().next() else { return ExitCode::SUCCESS };
    println!("\n{}", story(&case(*seed), Play::default()));
    ExitCode::FAILURE
}
