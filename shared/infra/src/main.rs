//! `cargo infra`: from source to a deployed stack, and the checks that it would work there.
//!
//! Exit codes: 0 all as asked · 1 something failed, and stderr says what · 2 the command line is not valid.

mod bench;
mod browser;
mod build;
mod deploy;
mod error;
mod fuzz;
mod process;
mod rehearse;
mod samconfig;
mod store;
mod tools;
mod validate;
mod watch;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Error;
use crate::workspace::Workspace;

/// Builds, validates and deploys the functions with their template. Tools come from PyPI, npm and crates.io, pinned, into .tools.
#[derive(Debug, Parser)]
#[command(name = "cargo infra", bin_name = "cargo infra", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Builds all functions to target/lambda, for arm64 if nothing else is said
    Build(build::Options),
    /// Validates infra/template.yaml with SAM and CloudFormation's linter
    Validate,
    /// Builds, packages and deploys, with the settings in infra/samconfig.toml
    Deploy(deploy::Options),
    /// Deploys to an AWS on this machine, and checks what it does there
    Rehearse(rehearse::Options),
    /// Tries the dashboard in a headless Chromium, which is fetched if there is none; pictures go to target/screenshots
    Browser(browser::Options),
    /// Tests what reads and writes the table on Amazon's DynamoDB Local, which is fetched
    Store(store::Options),
    /// Measures ours beside what people would use instead, which is fetched, and writes a table and plots to target/bench
    Bench(bench::Options),
    /// Counts instructions, allocations, requests and zips of ours, and holds them against what is committed
    Guard(bench::guard::Options),
    /// Fuzzes what reads the data of others, with libFuzzer, and prints how far it came
    Fuzz(fuzz::Options),
    /// Runs the functions under `cargo lambda watch` on the local stand, to invoke them with the files in events/
    Watch(watch::Options),
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error.words());
            ExitCode::from(if matches!(error, Error::Usage(_)) { 2 } else { 1 })
        }
    }
}

fn run(command: Command) -> Result<(), Error> {
    let workspace = Workspace::find()?;
    match command {
        Command::Build(options) => options.run(&workspace),
        Command::Validate => validate::validate(&workspace),
        Command::Deploy(options) => options.run(&workspace),
        Command::Rehearse(options) => options.run(&workspace),
        Command::Browser(options) => options.run(&workspace),
        Command::Store(options) => options.run(&workspace),
        Command::Bench(options) => options.run(&workspace),
        Command::Guard(options) => options.run(&workspace),
        Command::Fuzz(options) => options.run(&workspace),
        Command::Watch(options) => options.run(&workspace),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
