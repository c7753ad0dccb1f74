//! `cargo model`: explores small worlds to the end, and tells the story of the first promise that is not kept.

use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::ProgressBar;
use model::{Limits, Sabotage, Spec, Trouble, World, check, story};

/// Explores every state that small worlds can get into, with the real planner.
///
/// Whatever can happen happens in every order. The first promise that is not kept is told as a story, by a shortest way there. Exit
/// code 1 if there is one, or if a world has more states than allowed.
#[derive(Debug, Parser)]
#[command(name = "cargo model")]
struct Options {
    /// Which world: its name, or all
    #[arg(long, default_value = "all", value_name = "NAME", value_parser = named)]
    world: String,
    /// How often people do something [default: as in the tests]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(0..=20))]
    doings: Option<u8>,
    /// How often something goes wrong [default: as in the tests]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(0..=20))]
    faults: Option<u8>,
    /// Only this may go wrong [default: whatever goes wrong in the tests]
    #[arg(long, value_name = "TROUBLE,…", value_delimiter = ',')]
    troubles: Option<Vec<Trouble>>,
    /// No more states than this; a million of them take about half a gigabyte
    #[arg(long, default_value_t = 10_000_000, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..1 << 30))]
    states: u32,
    /// How many threads [default: as many as there are processors]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// A controller that is wrong in this way, to see it found
    #[arg(long, value_name = "NAME")]
    sabotage: Option<Sabotage>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let worlds = Spec::all().into_iter().filter(|spec| options.world == ALL || options.world == spec.name);
    println!("{HEAD}");
    let mut all_kept = true;
    for spec in worlds {
        let doings = options.doings.unwrap_or(spec.doings);
        let faults = options.faults.unwrap_or(spec.faults);
        let troubles =
            options.troubles.as_ref().map_or(spec.troubles.clone(), |only| only.iter().copied().collect());
        let spec = Spec { troubles, sabotage: options.sabotage, ..spec.with(doings, faults) };
        all_kept &= is_kept_in(&World::of(spec), &options);
    }
    if all_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

const ALL: &str = "all";
const HEAD: &str = "world     doings  faults     states  transitions  depth   ends  seconds";

/// Explores a world and says what came of it: whether every promise is kept in all of it.
fn is_kept_in(world: &World, options: &Options) -> bool {
    let processors = || available_parallelism().map_or(1, usize::from);
    let threads = options.threads.map_or_else(processors, usize::from);
    let limits = Limits { states: options.states as usize, threads };
    let Spec { name, about, doings, faults, .. } = *world.spec();
    let (began, bar) = (Instant::now(), ProgressBar::new_spinner());
    bar.enable_steady_tick(Duration::from_millis(200));
    let explored = check(world, limits, |states, depth| {
        bar.set_message(format!("{name}: {states} states, at most {depth} steps away"));
    });
    bar.finish_and_clear();
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{name:<8}  {doings:>6}  {faults:>6}  {:>9}  {:>11}  {:>5}  {:>5}  {seconds:>7.1}  {about}",
        explored.states, explored.transitions, explored.depth, explored.ends
    );
    if let Some(found) = &explored.found {
        println!("\n{}", story(world, found));
        return false;
    }
    if !explored.complete {
        println!("\nthere are more states than {}: --states allows more\n", options.states);
    }
    explored.complete
}

/// A name of a world that there is.
fn named(name: &str) -> Result<String, String> {
    let names: Vec<_> = Spec::all().iter().map(|spec| spec.name).chain([ALL]).collect();
    match names.contains(&name) {
        true => Ok(name.to_owned()),
        false => Err(format!("allowed is one of {}", names.join(", "))),
    }
}
