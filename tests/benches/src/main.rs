//! `cargo infra bench` runs this with what it has built.
//!
//! Exit codes: 0 measured · 1 something failed, and stderr says what · 2 the command line is not valid.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use benches::contender::{Contender, Kind, Surroundings, Trust};
use benches::cost::Prices;
use benches::counts::{self, Counts};
use benches::measure::{CONDITIONS, Condition, Extent, Measured, NEAR, PLAIN, TLS, measure};
use benches::report::{Report, Size};
use benches::wire::{Authority, write_trust};
use benches::{Error, guard, plot};
use clap::Parser;
use serde::{Deserialize, Serialize};

/// Measures ours, what people would use instead, and a function that does nothing, side by side.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// What was built, as `cargo infra bench` writes it
    manifest: PathBuf,
    /// Where results go
    #[arg(long)]
    out: PathBuf,
    /// Processes of each contender in each condition [default: 5, or 1 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: Option<u32>,
    /// Warm events of each process [default: 100, or 30 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    events: Option<u32>,
    /// Only these contenders [default: all]
    #[arg(long, value_delimiter = ',', value_parser = kind)]
    only: Vec<Kind>,
    /// A short look: one round, without TLS, with it, and with back ends that take 5 ms
    #[arg(long)]
    quick: bool,
    /// No time is measured: what can be counted is held against this file
    #[arg(long, value_name = "BASELINE", conflicts_with_all = ["rounds", "events", "only", "quick"])]
    guard: Option<PathBuf>,
    /// Writes what was counted into that file
    #[arg(long, requires = "guard")]
    bless: bool,
}

/// What was built.
#[derive(Debug, Deserialize)]
struct Manifest {
    machine: BTreeMap<String, String>,
    contenders: Vec<Contender>,
    functions: BTreeMap<String, Size>,
    /// The public authorities.
    roots: PathBuf,
    /// What counts instructions and allocations, if it is there.
    valgrind: Option<PathBuf>,
    /// The benchmark of the core, for guards.
    planner: Option<PathBuf>,
}

/// Everything, for programs.
#[derive(Serialize)]
struct Results<'a> {
    machine: &'a BTreeMap<String, String>,
    extent: Extent,
    conditions: &'a [Condition],
    measured: &'a Measured,
    counts: &'a BTreeMap<Kind, Counts>,
    functions: &'a BTreeMap<String, Size>,
    targets: Vec<benches::report::Target>,
}

// One thread for the stand, so that on two processors a contender has one for itself.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
            eprintln!("error: {}", causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}")));
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<String, Error> {
    let text = read(&cli.manifest)?;
    let name = cli.manifest.display().to_string();
    let mut manifest: Manifest = serde_json::from_str(&text).map_err(Error::unreadable(name))?;
    if !cli.only.is_empty() {
        manifest.contenders.retain(|contender| cli.only.contains(&contender.kind));
    }
    let logs = cli.out.join("logs");
    std::fs::create_dir_all(&logs).map_err(Error::io(format!("make {}", logs.display())))?;
    let authority = Authority::new()?;
    let trust = Trust { alone: cli.out.join("authority.pem"), bundle: cli.out.join("authorities.pem") };
    write_trust(&authority, &manifest.roots, &trust.alone, &trust.bundle)?;

    if let Some(baseline) = &cli.guard {
        return guarded(&manifest, (&authority, &trust), &logs, (baseline, cli.bless)).await;
    }
    let extent = cli.extent();
    let conditions: &[Condition] = if cli.quick { &[PLAIN, TLS, NEAR] } else { &CONDITIONS };
    let measured = measure(&manifest.contenders, extent, conditions, (&authority, &trust), &logs).await?;
    let surroundings = Surroundings { delay: Duration::ZERO, authority: None, trust: &trust, logs: &logs };
    let counts = counted(&manifest, surroundings).await?;
    let prices = Prices::read()?;
    let report = Report {
        machine: &manifest.machine,
        extent,
        contenders: &manifest.contenders,
        measured: &measured,
        counts: &counts,
        functions: &manifest.functions,
        prices: &prices,
    };
    for condition in conditions {
        plot::all(&measured, *condition, &cli.out)?;
    }
    let results = Results {
        machine: &manifest.machine,
        extent,
        conditions,
        measured: &measured,
        counts: &counts,
        functions: &manifest.functions,
        targets: report.targets(),
    };
    let json = serde_json::to_string_pretty(&results).map_err(Error::unreadable("what was measured"))?;
    write(&cli.out.join("results.json"), &json)?;
    let markdown = report.markdown();
    write(&cli.out.join("results.md"), &markdown)?;
    Ok(markdown)
}

/// What ours takes, and what the floor does.
async fn counted(
    manifest: &Manifest,
    surroundings: Surroundings<'_>,
) -> Result<BTreeMap<Kind, Counts>, Error> {
    let mut counted = BTreeMap::new();
    let Some(valgrind) = &manifest.valgrind else {
        eprintln!("instructions and allocations are not counted: there is no valgrind here");
        return Ok(counted);
    };
    let compiled = |contender: &&Contender| matches!(contender.kind, Kind::Ours | Kind::Floor);
    for contender in manifest.contenders.iter().filter(compiled) {
        eprintln!("instructions and allocations: {}", contender.kind.title());
        let count = counts::count(contender, surroundings, valgrind).await?;
        counted.insert(contender.kind, count);
    }
    Ok(counted)
}

/// Counts what ours takes, and holds it against the baseline.
async fn guarded(
    manifest: &Manifest,
    (authority, trust): (&Authority, &Trust),
    logs: &Path,
    (path, bless): (&Path, bool),
) -> Result<String, Error> {
    let missing =
        |what: &str| Error::Unreadable { what: "the manifest".to_owned(), problem: format!("no {what}") };
    let valgrind = manifest.valgrind.as_deref().ok_or_else(|| missing("valgrind"))?;
    let planner = manifest.planner.as_deref().ok_or_else(|| missing("planner"))?;
    let extent = Extent { rounds: 1, events: 5 };
    let measured = measure(&manifest.contenders, extent, &[NEAR], (authority, trust), logs).await?;
    let surroundings = Surroundings { delay: Duration::ZERO, authority: None, trust, logs };
    let counts = counted(manifest, surroundings).await?;
    let (work, counts) =
        measured.work.get(&Kind::Ours).zip(counts.get(&Kind::Ours)).ok_or_else(|| missing("ours"))?;
    let mut found = guard::of_events(work, counts, &manifest.functions);
    found.extend(guard::of_planner(planner, valgrind)?);
    let baseline =
        serde_json::from_str(&read(path)?).map_err(Error::unreadable(path.display().to_string()))?;
    let verdict = guard::judge(&baseline, &found);
    if bless {
        let json = serde_json::to_string_pretty(&guard::blessed(&baseline, &found));
        write(path, &(json.map_err(Error::unreadable("what was counted"))? + "\n"))?;
        return Ok(verdict.table);
    }
    if verdict.wrong.is_empty() {
        return Ok(verdict.table);
    }
    eprintln!("{}", verdict.table);
    Err(Error::Grown(verdict.wrong))
}

impl Cli {
    fn extent(&self) -> Extent {
        let (rounds, events) = if self.quick { (1, 30) } else { (5, 100) };
        let or =
            |asked: Option<u32>, default| asked.and_then(|asked| asked.try_into().ok()).unwrap_or(default);
        Extent { rounds: or(self.rounds, rounds), events: or(self.events, events) }
    }
}

fn kind(name: &str) -> Result<Kind, String> {
    let allowed = || Kind::ALL.map(Kind::name).join(", ");
    Kind::ALL
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| format!("allowed is one of {}", allowed()))
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(Error::io(format!("read {}", path.display())))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(Error::io(format!("write {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_look_is_short_unless_more_is_asked() {
        let extent = |words: &str| Cli::parse_from(words.split(' ')).extent();
        assert_eq!(extent("benches m.json --out o"), Extent { rounds: 5, events: 100 });
        assert_eq!(extent("benches m.json --out o --quick --rounds 2"), Extent { rounds: 2, events: 30 });
    }

    #[test]
    fn contenders_are_named_as_in_files() {
        let cli = Cli::parse_from("benches m.json --out o --only ours,floor".split(' '));
        assert_eq!(cli.only, [Kind::Ours, Kind::Floor]);
        assert!(kind("java").unwrap_err().contains("ours, python, node, floor"));
    }
}
