//! `cargo scale`: how it grows. Bursts of 10 to 10,000 needed starts and rounds of sweeps over 100 to 10,000 active stages, at the
//! quota, on virtual time: the figures are the same on every machine.
//!
//! Exit codes: 0 played · 1 a file cannot be written, and stderr says why · 2 the command line is not valid.

#![allow(clippy::unwrap_used, reason = "what cannot be played is a fault of the program")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use benches::contender::Kind;
use benches::plot::{Curve, colour, curves_to};
use clap::Parser;
use serde::Serialize;
use serde_json::json;
use stagelink_tests::active_stages::{ActiveStages, Round};
use stagelink_tests::crowd::Crowd;

/// Plays bursts and sweeps of growing size, and prints what they took beside what the quota alone takes
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// How many starts are needed at once
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [10, 100, 1_000, 10_000],
        value_parser = clap::value_parser!(u16).range(2..=10_000))]
    starts: Vec<u16>,
    /// How many stages are active
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [100, 1_000, 10_000],
        value_parser = clap::value_parser!(u16).range(2..=10_000))]
    stages: Vec<u16>,
    /// Writes the figures as scale.json and plots of them into this folder, too
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// Calls of StartParticipantReplication that IVS allows in a second.
const QUOTA: f64 = 5.0;

/// What became of a burst.
#[derive(Debug, Serialize)]
struct Played {
    calls: usize,
    throttled: usize,
    /// Needed, and never replicated.
    lost: usize,
    /// From the publishes to the last call.
    seconds: f64,
}

/// A burst, by ours and by what people would use instead.
#[derive(Debug, Serialize)]
struct Burst {
    needed: usize,
    /// How long so many starts take at the quota, if nothing else does.
    limit_seconds: f64,
    ours: Played,
    direct: Played,
}

/// A round of sweeps, with everything known.
#[derive(Debug, Serialize)]
struct Sweeps {
    stages: usize,
    /// What any correct sweep needs.
    needed_calls: usize,
    calls: usize,
    seconds: i64,
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    println!(
        "needed  limit s    ours: s  /limit   calls  throttled  lost  direct: s   calls  throttled    lost"
    );
    let bursts: Vec<_> = options.starts.iter().map(|starts| burst(usize::from(*starts))).collect();
    println!("\nstages  needed calls   calls  /needed  minutes");
    let rounds: Vec<_> = options.stages.iter().map(|stages| round(usize::from(*stages))).collect();
    let Some(folder) = options.out else { return Ok(()) };
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("scale.json"), json!({ "bursts": bursts, "rounds": rounds }).to_string())?;
    draw(&bursts, &rounds, &folder)
}

fn burst(needed: usize) -> Burst {
    let ours = Crowd::publish(needed);
    ours.clock.clone().run(async {
        ours.deliver().await;
        ours.drain(1).await;
    });
    let direct = Crowd::publish(needed);
    direct.clock.clone().run(direct.deliver_directly());
    let burst = Burst {
        needed,
        limit_seconds: needed as f64 / QUOTA,
        ours: Played::of(&ours, needed),
        direct: Played::of(&direct, needed),
    };
    let Burst { limit_seconds, ours, direct, .. } = &burst;
    println!(
        "{needed:6} {limit_seconds:8.1} {:10.1} {:7.3} {:7} {:10} {:5} {:10.1} {:7} {:10} {:7}",
        ours.seconds,
        ours.seconds / limit_seconds,
        ours.calls,
        ours.throttled,
        ours.lost,
        direct.seconds,
        direct.calls,
        direct.throttled,
        direct.lost,
    );
    burst
}

impl Played {
    fn of(crowd: &Crowd, needed: usize) -> Self {
        Self {
            calls: crowd.starts().len(),
            throttled: crowd.throttled(),
            lost: needed - crowd.ivs.simulator.replicas().len(),
            seconds: crowd.took(),
        }
    }
}

/// The second round with everything known: in it, what is only done from time to time has come up.
#[tokio::main(flavor = "current_thread")]
async fn round(stages: usize) -> Sweeps {
    let active = ActiveStages::new(stages);
    active.round().await.unwrap();
    for _ in 0..3 {
        active.world.minute().await.unwrap();
    }
    active.round().await.unwrap();
    let (Round { calls, seconds }, needed_calls) = (active.round().await.unwrap(), active.needed(0));
    let (ratio, minutes) = (calls as f64 / needed_calls as f64, seconds as f64 / 60.0);
    println!("{stages:6} {needed_calls:13} {calls:7} {ratio:8.3} {minutes:8.1}");
    Sweeps { stages, needed_calls, calls, seconds }
}

/// A plot for each thing that grows.
fn draw(bursts: &[Burst], rounds: &[Sweeps], folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let curve = |name: &str, kind: Kind, points: Vec<(f64, f64)>| Curve {
        name: name.to_owned(),
        colour: colour(kind),
        points,
    };
    let of_bursts = |value: fn(&Burst, &Played) -> f64| {
        let points = |played: fn(&Burst) -> &Played| {
            bursts.iter().map(|burst| (burst.needed as f64, value(burst, played(burst)))).collect()
        };
        [
            curve("Stagelink", Kind::Ours, points(|burst| &burst.ours)),
            curve("a Lambda that calls IVS itself", Kind::Floor, points(|burst| &burst.direct)),
        ]
    };
    let replicated =
        of_bursts(|burst, played| 100.0 * (burst.needed - played.lost) as f64 / burst.needed as f64);
    let calls = of_bursts(|burst, played| played.calls as f64 / burst.needed as f64);
    let [took, _] = of_bursts(|burst, played| played.seconds / burst.limit_seconds);
    let starts = "needed starts at once";
    curves_to(
        &folder.join("burst-replicated.svg"),
        "what is replicated of a burst",
        (starts, "share, %"),
        &replicated,
    )?;
    curves_to(&folder.join("burst-calls.svg"), "calls of a burst", (starts, "calls for each"), &calls)?;
    curves_to(
        &folder.join("burst-time.svg"),
        "time of a burst",
        (starts, "times what the quota alone takes"),
        &[took],
    )?;
    let of_rounds =
        |value: fn(&Sweeps) -> f64| rounds.iter().map(|round| (round.stages as f64, value(round))).collect();
    let rounds = [
        curve("Stagelink", Kind::Ours, of_rounds(|round| round.calls as f64)),
        curve("any correct sweep", Kind::Floor, of_rounds(|round| round.needed_calls as f64)),
    ];
    Ok(curves_to(
        &folder.join("sweep-calls.svg"),
        "calls of a round of sweeps",
        ("active stages", "calls"),
        &rounds,
    )?)
}
