//! The command line.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use aws_adapters::{Connection, ConnectionOptions, DynamoStore, name};
use clap::{Args, Parser, Subcommand};

use crate::screen::{Screen, Terminal};
use crate::{Error, Pace, Place, drain, explain, orders, replicas, rules};

/// Says what Stagelink replicates, and sees to its rules and to its end.
///
/// Works on the table of one deployment, with the AWS credentials and the Region of the environment or of a profile.
#[derive(Debug, Parser)]
#[command(name = "stagelink", version)]
pub struct Cli {
    #[command(flatten)]
    connection: ConnectionArguments,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Where the deployment is")]
struct ConnectionArguments {
    /// Name of the deployment's table (output TableName of the stack)
    #[arg(long, global = true, value_name = "NAME", env = "STAGELINK_TABLE", default_value = "stagelink", value_parser = name::table)]
    table: String,
    /// Profile of the AWS configuration files, whatever credentials the environment holds
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
    /// Region of the deployment [default: AWS_REGION, or the profile's]
    #[arg(long, global = true, value_name = "NAME", value_parser = name::region)]
    region: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Replaces or lists the replication rules
    #[command(subcommand)]
    Rules(rules::Command),
    /// Lists the replications: who is replicated where, by which rule, and why not
    Replicas(replicas::Replicas),
    /// Tells why a participant is, or is not, on the stages that rules mean, and what happens next
    Explain(explain::Explain),
    /// Hands off: nothing is started or stopped any more, until `resume`
    Pause(orders::PauseArguments),
    /// Ends the pause
    Resume,
    /// Takes the brake on mass stops off for a while
    ReleaseBrake(orders::ReleaseBrake),
    /// Before an uninstall: deletes all rules, ends all versus sessions, and waits until every replica of Stagelink's is stopped
    Drain(drain::Drain),
}

impl Cli {
    /// Runs the command on a table. Gives whether everything came about as asked; what did not is on the screen.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn run(&self, store: &DynamoStore, pace: Pace, screen: &mut Screen<'_>) -> Result<bool, Error> {
        match &self.command {
            Command::Rules(command) => command.run(store, screen).await,
            Command::Replicas(command) => command.run(store, screen).await,
            Command::Explain(command) => command.run(store, screen).await,
            Command::Pause(command) => command.run(store, screen).await,
            Command::Resume => orders::resume(store, screen).await,
            Command::ReleaseBrake(command) => command.run(store, screen).await,
            Command::Drain(command) => command.run(store, pace, screen).await,
        }
    }

    async fn connect_and_run(&self, place: &mut Place) -> Result<bool, Error> {
        let ConnectionArguments { table, profile, region } = &self.connection;
        let options = ConnectionOptions {
            region: region.clone(),
            profile: profile.clone(),
            ..ConnectionOptions::default()
        };
        let connection = Connection::new(options).await;
        place.region = connection.region().map(str::to_owned);
        connection.check().await?;
        let terminal = Terminal {
            asks: io::stdin().is_terminal() && io::stdout().is_terminal(),
            shows_progress: io::stderr().is_terminal(),
        };
        let (mut output, mut input) = (io::stdout().lock(), io::stdin().lock());
        let mut screen = Screen { output: &mut output, input: &mut input, terminal };
        self.run(&connection.store(table), Pace::default(), &mut screen).await
    }
}

/// Runs the command line of this process.
pub async fn main() -> ExitCode {
    let cli = Cli::parse();
    log();
    let ConnectionArguments { table, profile, .. } = &cli.connection;
    let mut place = Place { table: table.clone(), region: None, profile: profile.clone() };
    match cli.connect_and_run(&mut place).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{}", error.told(&place));
            ExitCode::FAILURE
        }
    }
}

/// `RUST_LOG` says how much is logged, to stderr; of the SDK, nothing but what is an error already.
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("error,aws_adapters=warn"));
    // A second start changes nothing.
    drop(tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).try_init());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn what_is_not_valid_is_named_with_what_is_allowed() {
        for (arguments, field, allowed) in [
            (&["replicas", "--table", "a"][..], "--table", "3-255 letters"),
            (&["replicas", "--region", "Mars"], "--region", "lower-case letters"),
            (&["drain", "--timeout", "soon"], "--timeout", "such as 10m"),
            (&["drain", "--timeout", "0s"], "--timeout", "1s to 24h"),
            (&["rules", "apply"], "--file", "required"),
            (&["pause", "--by", "me"], "--reason", "required"),
            (&["pause", "--by", "me", "--reason", " "], "--reason", "1-500 bytes"),
            (&["release-brake", "--for", "2d"], "--for", "1s to 24h"),
        ] {
            let error = Cli::try_parse_from(["stagelink"].iter().chain(arguments)).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            let text = error.to_string();
            assert!(text.contains(field) && text.contains(allowed), "{text}");
        }
    }

    #[test]
    fn options_of_the_connection_stand_anywhere() {
        for arguments in [["--table", "mine", "rules", "list"], ["rules", "list", "--table", "mine"]] {
            let cli = Cli::try_parse_from(["stagelink"].iter().chain(&arguments)).unwrap();
            assert_eq!(cli.connection.table, "mine");
        }
    }
}
