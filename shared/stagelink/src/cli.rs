//! The command line.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use aws_adapters::{Connection, ConnectionOptions, name};
use clap::{Args, Parser, Subcommand};

use crate::screen::{Screen, Terminal};
use crate::{
    Deployment, Error, LocalStand, Place, activity, adopt, dashboard, dead_letters, doctor, drain, explain,
    get, manual, orders, plan, reconcile, rule, stages, versus, wait,
};

/// Says what Stagelink replicates, and why; changes its rules; and sees to its end.
///
/// Works on the table of one deployment, with the AWS credentials and the Region of the environment or of a profile; or, with
/// --local, on the local stand.
#[derive(Debug, Parser)]
#[command(name = "stagelink", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    connection: ConnectionArguments,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Where the deployment is")]
struct ConnectionArguments {
    /// Name of the deployment's table (output TableName of the stack) [default: stagelink, or the local stand's]
    #[arg(long, global = true, value_name = "NAME", env = "STAGELINK_TABLE", value_parser = name::table)]
    table: Option<String>,
    /// Profile of the AWS configuration files, whatever credentials the environment holds
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "local")]
    profile: Option<String>,
    /// Region of the deployment [default: AWS_REGION, or the profile's]
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "local", value_parser = name::region)]
    region: Option<String>,
    /// The local stand that `cargo local up` runs, instead of AWS
    #[arg(long, global = true)]
    local: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tells what a rules file would change, and what would follow: exit code 2 if anything, 0 if nothing
    Plan(plan::Plan),
    /// Replaces all rules by those of a file, after showing the plan; rules of versus sessions stay
    Apply(plan::Apply),
    /// Pauses, resumes, deletes or rolls back one rule, or tells its history
    #[command(subcommand)]
    Rule(rule::Command),
    /// Lists rules, stages, publishers, replicas, versus sessions, the call budget, or what is blocked
    Get(get::Get),
    /// Tells why a participant is, or is not, on the stages that rules mean, and what happens next
    Explain(explain::Explain),
    /// Tells what was called and ordered: who, what, why, how it went, and IVS's request id
    Activity(activity::Activity),
    /// Waits until something is so, for scripts
    Wait(wait::Wait),
    /// Starts, extends, ends and lists versus sessions: stages that replicate their publishers into each other
    #[command(subcommand)]
    Versus(versus::Command),
    /// Serves the live dashboard to a browser on this machine, until Ctrl-C; it reads only
    Dashboard(dashboard::Dashboard),
    /// Hands off: nothing is started or stopped any more, until `resume`
    Pause(orders::PauseArguments),
    /// Ends the pause
    Resume(orders::Resume),
    /// Takes the brake on mass stops off for a while
    ReleaseBrake(orders::ReleaseBrake),
    /// Creates, lists, shows and changes stages
    #[command(subcommand)]
    Stages(stages::Command),
    /// Makes running replicas Stagelink's own that somebody else started
    Adopt(adopt::Adopt),
    /// Has IVS looked at now, a stage or all of them, and shows what comes of it
    Reconcile(reconcile::Reconcile),
    /// Tells whether the installation is healthy, and if not, what to do about each thing that is not
    Doctor(doctor::Doctor),
    /// Lists, shows and redrives what could not be handled
    DeadLetters(dead_letters::DeadLetters),
    /// Before an uninstall: deletes all rules, ends all versus sessions, and waits until every replica of Stagelink's is stopped
    Drain(drain::Drain),
    /// Prints a script that completes this command in a shell
    Completions(manual::Completions),
    /// Prints the manual page, or writes one for each command
    Man(manual::Man),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything came about as asked: exit code 0.
    Done,
    /// Not everything did, and the screen says what: exit code 1, as for an [`Error`].
    NotDone,
    /// Nothing was to be done but to find out, and there is something to change: exit code 2. Of `plan` only.
    Changes,
}

impl From<bool> for Outcome {
    fn from(done: bool) -> Self {
        if done { Self::Done } else { Self::NotDone }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::NotDone => Self::FAILURE,
            Outcome::Changes => Self::from(2),
        }
    }
}

impl Cli {
    /// Runs the command on a deployment. What did not come about as asked is on the screen.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn run(&self, deployment: &Deployment, screen: &mut Screen<'_>) -> Result<Outcome, Error> {
        let store = &deployment.store;
        let done = match &self.command {
            Command::Plan(command) => return command.run(store, screen).await,
            Command::Apply(command) => command.run(store, screen).await?,
            Command::Rule(command) => command.run(store, screen).await?,
            Command::Get(command) => command.run(deployment, screen).await?,
            Command::Explain(command) => command.run(deployment, screen).await?,
            Command::Activity(command) => command.run(deployment, screen).await?,
            Command::Wait(command) => command.run(deployment, screen).await?,
            Command::Versus(command) => command.run(deployment, screen).await?,
            Command::Dashboard(command) => command.run(deployment, screen).await?,
            Command::Pause(command) => command.run(store, screen).await?,
            Command::Resume(command) => command.run(store, screen).await?,
            Command::ReleaseBrake(command) => command.run(store, screen).await?,
            Command::Stages(command) => command.run(deployment, screen).await?,
            Command::Adopt(command) => command.run(deployment, screen).await?,
            Command::Reconcile(command) => command.run(deployment, screen).await?,
            Command::Doctor(command) => Box::pin(command.run(deployment, screen)).await?,
            Command::DeadLetters(command) => Box::pin(command.run(deployment, screen)).await?,
            Command::Drain(command) => command.run(deployment, screen).await?,
            Command::Completions(command) => command.run(screen)?,
            Command::Man(command) => command.run(screen)?,
        };
        Ok(done.into())
    }

    /// Whether the command needs no deployment.
    fn is_about_itself(&self) -> bool {
        matches!(self.command, Command::Completions(_) | Command::Man(_))
    }

    async fn connect_and_run(&self, place: &mut Place) -> Result<Outcome, Error> {
        let connection = Connection::new(self.connection.options(place)?).await;
        place.region = connection.region().map(str::to_owned);
        if !self.is_about_itself() {
            connection.check().await?;
        }
        let (input, output) = (io::stdin(), io::stdout());
        let terminal = Terminal {
            asks: input.is_terminal() && output.is_terminal(),
            shows_progress: io::stderr().is_terminal(),
            colours: output.is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            redraws: output.is_terminal(),
        };
        let mut screen = Screen { output: &mut output.lock(), input: &mut input.lock(), terminal };
        self.run(&Deployment::new(connection, place.clone()), &mut screen).await
    }
}

impl ConnectionArguments {
    fn place(&self) -> Place {
        Place {
            table: self.table.clone().unwrap_or_else(|| Place::TABLE.to_owned()),
            region: None,
            profile: self.profile.clone(),
            local: self.local,
        }
    }

    /// How to connect; the local stand says what it is called.
    fn options(&self, place: &mut Place) -> Result<ConnectionOptions, Error> {
        if !self.local {
            let (region, profile) = (self.region.clone(), self.profile.clone());
            return Ok(ConnectionOptions { region, profile, ..ConnectionOptions::default() });
        }
        let file = LocalStand::file().ok_or(Error::NoHome)?;
        let stand = LocalStand::read(&file).map_err(|source| Error::NoLocalStand { path: file, source })?;
        if self.table.is_none() {
            place.table = stand.table.clone();
        }
        Ok(stand.connection())
    }
}

/// Runs the command line of this process.
pub async fn main() -> ExitCode {
    let cli = match parsed(std::env::args_os()) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    log();
    let mut place = cli.connection.place();
    match cli.connect_and_run(&mut place).await {
        Ok(outcome) => outcome.into(),
        // Whoever reads the output has seen enough, as `head` does.
        Err(Error::Terminal(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error.told(&place));
            ExitCode::FAILURE
        }
    }
}

/// What is not valid has exit code 1, for 2 means that a plan has changes.
fn parsed(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, ExitCode> {
    Cli::try_parse_from(arguments).map_err(|error| {
        // Nobody to tell it to.
        drop(error.print());
        if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    })
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
            (&["get", "replicas", "--table", "a"][..], "--table", "3-255 letters"),
            (&["get", "replicas", "--region", "Mars"], "--region", "lower-case letters"),
            (&["get", "nothing"], "<KIND>", "replicas"),
            (&["get", "replicas", "--interval", "2s"], "--watch", "required"),
            (&["get", "replicas", "--source", "arn:aws:ivs:x"], "--source", "arn:aws:ivs:<region>"),
            (&["activity", "--since", "8d"], "--since", "1s to 7d"),
            (&["activity", "--limit", "0"], "--limit", "1..=10000"),
            (&["wait", "--for", "luck"], "--for", "versus=ID:STATE"),
            (&["drain", "--timeout", "soon"], "--timeout", "such as 10m"),
            (&["drain", "--timeout", "0s"], "--timeout", "1s to 24h"),
            (&["apply"], "--file", "required"),
            (&["pause", "--by", "me"], "--reason", "required"),
            (&["pause", "--by", "me", "--reason", " "], "--reason", "1-500 bytes"),
            (&["release-brake", "--for", "2d"], "--for", "1s to 24h"),
            (&["get", "replicas", "--local", "--region", "us-east-1"], "--region", "cannot be used with"),
        ] {
            let error = Cli::try_parse_from(["stagelink"].iter().chain(arguments)).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(field) && text.contains(allowed), "{text}");
        }
    }

    #[test]
    fn options_of_the_connection_stand_anywhere() {
        for arguments in [["--table", "mine", "get", "rules"], ["get", "rules", "--table", "mine"]] {
            let cli = Cli::try_parse_from(["stagelink"].iter().chain(&arguments)).unwrap();
            assert_eq!(cli.connection.table.as_deref(), Some("mine"));
        }
    }
}
