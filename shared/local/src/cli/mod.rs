//! `cargo local`: what can be asked of the stand on the command line.
//!
//! Exit codes: 0 all as asked · 1 something failed, and stderr says what · 2 the command line is not valid.

mod demo;
mod replay;
mod rules;
mod up;
mod versus;

use std::{error::Error, io, process::ExitCode, time::Duration};

use aws_adapters::name;
use clap::{Args, Parser, Subcommand};

use crate::{
    stand::{Binaries, StandOptions},
    table::TableAddress,
};

/// The real function binaries on an embedded DynamoDB, EventBridge, Lambda and IVS Real-Time.
#[derive(Debug, Parser)]
#[command(name = "cargo local", bin_name = "cargo local", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plays scenes, from VS mode to a burst, and checks that everything was as it must be
    Demo(demo::Options),
    /// Runs the stand until Ctrl-C, with a live dashboard for the browser
    Up(up::Options),
    /// Replaces the rules in the table of a running stand
    Rules(rules::Options),
    /// Starts, extends, ends and lists versus sessions in the table of a running stand
    Versus(versus::Options),
    /// Puts EventBridge envelopes from files on the bus, and tells what each caused
    Replay(replay::Options),
}

/// What every stand can be told.
#[derive(Debug, Args)]
struct StandArguments {
    /// Build the functions in release mode
    #[arg(long)]
    release: bool,
    /// Print the functions' output to stderr as it comes
    #[arg(long)]
    logs: bool,
    /// Name of the table
    #[arg(long, value_name = "NAME", value_parser = name::table)]
    table: Option<String>,
    /// Region of the stages
    #[arg(long, default_value = "us-east-1", value_parser = name::region)]
    region: String,
    /// Seed of everything that is made up
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds until a failed invocation is tried again, first and second time (Lambda: 60,120)
    #[arg(long, value_name = "FIRST,SECOND", default_value = "1,2", value_parser = retry_delays)]
    retry_delays: RetryDelays,
    /// Execution environments per function at most
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=100))]
    concurrency: u16,
    /// Seconds from one tick of every schedule to the next, instead of what the template says
    #[arg(long, value_name = "SECONDS", value_parser = tick)]
    tick: Option<Duration>,
}

impl StandArguments {
    fn options(&self) -> StandOptions {
        let ivs = ivs_sim::Config { region: self.region.clone(), seed: self.seed, ..Default::default() };
        StandOptions {
            binaries: Binaries::Build { release: self.release },
            table: self.table.clone(),
            ivs,
            retry_delays: self.retry_delays.0,
            concurrency: self.concurrency.into(),
            tick: self.tick,
            print_logs: self.logs,
            ..StandOptions::default()
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct RetryDelays([Duration; 2]);

fn retry_delays(text: &str) -> Result<RetryDelays, String> {
    let allowed = || "allowed are two numbers of seconds from 0 to 3600, such as 1,2".to_owned();
    let delay = |text: &str| match text.trim().parse::<f64>() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(allowed()),
    };
    let (first, second) = text.split_once(',').ok_or_else(allowed)?;
    Ok(RetryDelays([delay(first)?, delay(second)?]))
}

fn tick(text: &str) -> Result<Duration, String> {
    match text.trim().parse::<f64>() {
        Ok(seconds) if (0.1..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("allowed is a number of seconds from 0.1 to 86400, such as 5".to_owned()),
    }
}

/// Where a running stand's table is.
#[derive(Debug, Args)]
struct TableOptions {
    /// Endpoint of the stand's DynamoDB
    #[arg(long, value_name = "URL", value_parser = url)]
    dynamodb: String,
    /// Name of the stand's table
    #[arg(long, value_name = "NAME", value_parser = name::table)]
    table: String,
    /// Region of the stand
    #[arg(long, default_value = "us-east-1", value_parser = name::region)]
    region: String,
}

impl TableOptions {
    fn address(self) -> TableAddress {
        TableAddress { dynamodb: self.dynamodb, table: self.table, region: self.region }
    }
}

fn url(text: &str) -> Result<String, String> {
    let allowed = "allowed is a URL such as http://127.0.0.1:8000";
    let parsed: reqwest::Url = text.parse().map_err(|error| format!("{error}; {allowed}"))?;
    if parsed.scheme() != "http" && parsed.scheme() != "https" {
        return Err(allowed.to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Runs the command line of this process.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    log();
    let outcome = match cli.command {
        Command::Demo(options) => options.run().await,
        Command::Up(options) => options.run().await,
        Command::Rules(options) => options.run().await,
        Command::Versus(options) => options.run().await,
        Command::Replay(options) => options.run().await,
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {}", controller::with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Whether everything was as asked, or why that could not be found out.
type Outcome = Result<bool, Box<dyn Error + Send + Sync>>;

/// The stand's own log goes to stderr; `RUST_LOG` says how much of it. Refused conditional writes are a matter of course
/// between functions that run beside each other, so the database is quiet.
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,dynoxide=error"));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    fn error(arguments: &[&str]) -> clap::Error {
        let arguments = ["cargo local"].iter().chain(arguments);
        Cli::try_parse_from(arguments).unwrap_err()
    }

    #[test]
    fn what_is_not_valid_is_named_with_what_is_allowed() {
        for (arguments, field, allowed) in [
            (&["demo", "--retry-delays", "1"][..], "--retry-delays", "two numbers of seconds"),
            (&["demo", "--retry-delays", "1,-2"], "--retry-delays", "two numbers of seconds"),
            (&["demo", "--region", "Mars"], "--region", "lower-case letters"),
            (&["demo", "--concurrency", "0"], "--concurrency", "1..=100"),
            (&["up", "--tick", "0"], "--tick", "seconds from 0.1"),
            (&["up", "--table", "a"], "--table", "3-255 letters"),
            (&["up", "--ivs-port", "70000"], "--ivs-port", "0..=65535"),
            (&["rules", "r.yaml", "--dynamodb", "ftp://x", "--table", "abc"], "--dynamodb", "a URL such as"),
            (&["replay", "e.json", "--control", "nowhere"], "--control", "a URL such as"),
        ] {
            let error = error(arguments);
            assert_eq!(error.exit_code(), 2);
            let text = error.to_string();
            assert!(text.contains(field) && text.contains(allowed), "{text}");
        }
    }

    #[test]
    fn a_running_stand_has_its_rules_already() {
        let text =
            error(&["replay", "e.json", "--control", "http://127.0.0.1:1", "--rules", "r.yaml"]).to_string();
        assert!(text.contains("cannot be used with"), "{text}");
    }

    #[test]
    fn functions_that_do_not_run_cannot_be_told_how() {
        for option in [&["--release"][..], &["--logs"], &["--tick", "5"]] {
            let text = error(&[&["up", "--no-functions"], option].concat()).to_string();
            assert!(text.contains("cannot be used with"), "{text}");
        }
    }

    #[test]
    fn delays_are_fractions_of_seconds_too() {
        let expected = [Duration::from_millis(500), Duration::from_secs(2)];
        assert_eq!(retry_delays("0.5, 2"), Ok(RetryDelays(expected)));
    }
}
