//! `cargo infra fuzz`: libFuzzer on what others send, one target after the other, and how far it came.
//!
//! cargo-fuzz comes from crates.io, pinned, into `.tools/cargo`. The compiler is the workspace's own: a nightly one is needed for
//! sanitizers only, and the workspace forbids `unsafe`. What was found stays in `target/fuzz`, so that the next run goes on from there.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;

use crate::error::Error;
use crate::process;
use crate::workspace::Workspace;

/// The version of cargo-fuzz.
const VERSION: &str = "0.13.2";

/// The target that begins with the events that functions receive.
const OF_EVENTS: &str = "envelope";

/// The targets that work on a table: much code for each input, of which only is counted whether it was reached. How often would take
/// twice as long.
const ON_A_TABLE: [&str; 2] = ["http_api", "screen"];

/// The longest input, in bytes.
const LONGEST: usize = 16_384;

/// The longest time for one input, in seconds.
const SLOWEST: usize = 30;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only these targets [default: all]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Minutes for each target
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1440))]
    minutes: u32,
}

impl Options {
    pub(crate) fn run(self, workspace: &Workspace) -> Result<(), Error> {
        let fuzz = Fuzz::new(workspace)?;
        let all = fuzz.targets()?;
        if let Some(unknown) = self.targets.iter().find(|target| !all.contains(target)) {
            let all = all.join(", ");
            return Err(Error::Usage(format!("TARGET {unknown:?} is not valid: allowed is one of {all}")));
        }
        let targets = if self.targets.is_empty() { all } else { self.targets };
        process::run(fuzz.cargo("build").arg("--fuzz-dir").arg(&fuzz.folder).args(["--sanitizer", "none"]))?;
        let mut told = vec![Figures::HEAD.to_owned()];
        let mut failed = Vec::new();
        for target in targets {
            let figures = fuzz.run(&target, self.minutes)?;
            failed.extend(figures.failed.then(|| target.clone()));
            told.push(figures.line(&target));
        }
        told.iter().for_each(|line| println!("{line}"));
        if failed.is_empty() {
            return Ok(());
        }
        let artifacts = fuzz.folder.join("artifacts");
        Err(Error::Wrong(format!(
            "{} failed; the inputs are in {}, and what they did is above",
            failed.join(", "),
            artifacts.display()
        )))
    }
}

/// The package of the targets, and the tool that runs them.
struct Fuzz {
    root: PathBuf,
    folder: PathBuf,
    found: PathBuf,
    programs: PathBuf,
}

impl Fuzz {
    fn new(workspace: &Workspace) -> Result<Self, Error> {
        let root = workspace.root.clone();
        let (folder, found) = (root.join("tests/fuzz"), workspace.target.join("fuzz"));
        // The versions of the workspace, to which cargo adds what only the fuzzer needs.
        let (lock, copy) = (root.join("Cargo.lock"), folder.join("Cargo.lock"));
        fs::copy(&lock, &copy).map_err(Error::file("copy", &lock))?;
        let programs = installed(&root.join(".tools/cargo"))?;
        Ok(Self { root, folder, found, programs })
    }

    /// The names of the targets, as the package has them.
    fn targets(&self) -> Result<Vec<String>, Error> {
        let path = self.folder.join("Cargo.toml");
        let text = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
        let unreadable = |problem: String| Error::Unreadable { what: path.display().to_string(), problem };
        let manifest: toml::Table =
            text.parse().map_err(|error: toml::de::Error| unreadable(error.to_string()))?;
        let binaries = manifest.get("bin").and_then(toml::Value::as_array);
        let names = binaries.into_iter().flatten().filter_map(|binary| binary.get("name")?.as_str());
        Ok(names.map(str::to_owned).collect())
    }

    fn cargo(&self, command: &str) -> Command {
        let mut cargo = process::cargo(&self.root);
        cargo.env("PATH", process::path_with(&self.programs)).args(["fuzz", command]);
        cargo
    }

    /// Runs one target for so long. What the fuzzer says goes to stderr, its progress aside.
    fn run(&self, target: &str, minutes: u32) -> Result<Figures, Error> {
        let found = self.found.join(target);
        fs::create_dir_all(&found).map_err(Error::file("make", &found))?;
        let mut fuzz = self.cargo("run");
        fuzz.arg("--fuzz-dir").arg(&self.folder).args(["--sanitizer", "none", target]);
        // What is new goes into the first folder; the others are only read.
        fuzz.arg(&found).arg(self.folder.join("seeds").join(target));
        if target == OF_EVENTS {
            fuzz.arg(self.root.join("events"));
        }
        let dictionary = self.folder.join(format!("{target}.dict"));
        fuzz.arg("--").arg(format!("-dict={}", dictionary.display()));
        fuzz.arg(format!("-max_total_time={}", minutes * 60)).arg(format!("-max_len={LONGEST}"));
        fuzz.arg(format!("-timeout={SLOWEST}")).args(["-rss_limit_mb=4096", "-print_final_stats=1"]);
        if ON_A_TABLE.contains(&target) {
            fuzz.arg("-use_counters=0");
        }
        eprintln!("$ {}", process::words(&fuzz));
        fuzz.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut running = fuzz.spawn().map_err(process::start_error(&fuzz))?;
        let mut figures = Figures::default();
        for line in running.stderr.take().map(BufReader::new).into_iter().flat_map(lines) {
            if !figures.read(&line) {
                eprintln!("{line}");
            }
        }
        figures.failed = !running.wait().map_err(process::start_error(&fuzz))?.success();
        Ok(figures)
    }
}

/// The lines of a program, whatever bytes it writes.
fn lines(said: impl BufRead) -> impl Iterator<Item = String> {
    said.split(b'\n').map_while(Result::ok).map(|line| String::from_utf8_lossy(&line).into_owned())
}

/// How far a target came.
#[derive(Debug, Default, PartialEq)]
struct Figures {
    /// By libFuzzer's words: `cov` edges of the code that were reached, `ft` of these with how often, `corp` inputs that lead there.
    progress: BTreeMap<String, String>,
    executions: u64,
    per_second: u64,
    failed: bool,
}

impl Figures {
    const HEAD: &str = "target        executions   per s    edges  features  inputs";

    /// Takes in a line of libFuzzer's; tells whether it is one of progress, which nobody has to see.
    fn read(&mut self, line: &str) -> bool {
        let number = |text: &str| text.trim().parse().unwrap_or(0);
        if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = number(count);
        }
        if let Some(count) = line.strip_prefix("stat::average_exec_per_sec:") {
            self.per_second = number(count);
        }
        if !line.starts_with('#') {
            return line.starts_with("stat::") || line.starts_with("INFO:");
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        for pair in words.windows(2) {
            if let Some(name) = pair[0].strip_suffix(':') {
                self.progress.insert(name.to_owned(), pair[1].to_owned());
            }
        }
        true
    }

    fn line(&self, target: &str) -> String {
        let of = |name: &str| {
            self.progress.get(name).map_or("-", |value| value.split('/').next().unwrap_or(value))
        };
        let Self { executions, per_second, .. } = self;
        format!(
            "{target:12} {executions:>11} {per_second:>7} {:>8} {:>9} {:>7}",
            of("cov"),
            of("ft"),
            of("corp")
        )
    }
}

/// The folder of cargo-fuzz, which is installed if it is not there in the version wanted.
fn installed(root: &Path) -> Result<PathBuf, Error> {
    let programs = root.join("bin");
    let mut version = Command::new(programs.join("cargo-fuzz"));
    let said = version.arg("--version").stderr(Stdio::null()).output();
    let is_there = said.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains(VERSION));
    if !is_there {
        let mut install = process::cargo(Path::new("."));
        install.args(["install", "--locked", "--version", VERSION, "--root"]).arg(root).arg("cargo-fuzz");
        process::run(&mut install)?;
    }
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_what_libfuzzer_says() {
        let mut figures = Figures::default();
        for (line, is_progress) in [
            ("INFO: Seed: 1", true),
            ("#2\tINITED cov: 3 ft: 4 corp: 1/1b exec/s: 0 rss: 60Mb", true),
            ("#65536\tpulse  cov: 3120 ft: 9004 corp: 812/210Kb lim: 4096 exec/s: 21845 rss: 90Mb", true),
            ("thread panicked at 'x'", false),
            ("stat::number_of_executed_units: 70000", true),
            ("stat::average_exec_per_sec:     1166", true),
        ] {
            assert_eq!(figures.read(line), is_progress, "{line}");
        }
        assert_eq!((figures.executions, figures.per_second), (70_000, 1_166));
        let expected = "envelope           70000    1166     3120      9004     812";
        assert_eq!(figures.line("envelope"), expected);
        assert_eq!(Figures::HEAD.len(), expected.len());
    }
}
