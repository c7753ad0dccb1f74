//! The operator's command, run within the test as its process would run it.

use std::time::Duration;

use aws_adapters::{Connection, ConnectionOptions};
use clap::Parser;
use local::Stand;
use local::table::TableAddress;
use stagelink::{Cli, Deployment, Outcome, Pace, Place, Screen, Terminal};

use crate::World;

/// The command on one world.
pub struct Console {
    /// What it works on.
    pub deployment: Deployment,
    /// Whether its output can be overwritten.
    pub redraws: bool,
}

/// How a command ended, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The exit code of the process.
    pub code: u8,
    /// What it wrote to its output; and behind that to stderr, if it failed.
    pub text: String,
}

impl World {
    /// The operator's command on this world. Whoever waits looks often.
    pub fn console(&self) -> Console {
        let place = Place {
            table: self.table().to_owned(),
            region: Some("us-east-1".to_owned()),
            profile: None,
            local: false,
        };
        let pace = Pace {
            look: Duration::from_millis(50),
            settle: Duration::from_millis(500),
            sweep: Duration::from_secs(1),
        };
        let deployment = Deployment { pace, ..Deployment::new(self.connection(), place) };
        Console { deployment, redraws: false }
    }
}

impl Console {
    /// The operator's command on a running stand, as `--local` runs it.
    pub async fn on(stand: &Stand) -> Self {
        let TableAddress { dynamodb, table, region } = stand.table().clone();
        let options = ConnectionOptions {
            region: Some(region.clone()),
            dynamodb_endpoint: Some(dynamodb),
            ivs_endpoint: Some(stand.ivs_url().to_owned()),
            aws_endpoint: Some(stand.aws_url().to_owned()),
            any_credentials: true,
            ..ConnectionOptions::default()
        };
        let place = Place { table, region: Some(region), profile: None, local: true };
        let (look, settle) = (Duration::from_millis(200), Duration::from_secs(5));
        let pace = Pace { look, settle, ..Pace::default() };
        let deployment = Deployment { pace, ..Deployment::new(Connection::new(options).await, place) };
        Self { deployment, redraws: false }
    }

    /// The operator's command on a world, where what is beside the table and IVS is at this address.
    pub async fn with_aws(world: &World, aws: &str) -> Self {
        let [dynamodb, ivs] = world.urls();
        Self::at(world, dynamodb, ivs, aws).await
    }

    /// The operator's command, where the table, IVS and what is beside them are at these addresses.
    pub async fn at(world: &World, dynamodb: &str, ivs: &str, aws: &str) -> Self {
        let options = ConnectionOptions {
            region: Some("us-east-1".to_owned()),
            profile: None,
            dynamodb_endpoint: Some(dynamodb.to_owned()),
            ivs_endpoint: Some(ivs.to_owned()),
            aws_endpoint: Some(aws.to_owned()),
            any_credentials: true,
        };
        let place = world.console().deployment.place;
        Self { redraws: false, deployment: Deployment::new(Connection::new(options).await, place) }
    }

    /// Runs a command line, without the command's name, where nobody can be asked.
    pub async fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(None, arguments).await
    }

    /// The same at a terminal, where a person answers this.
    pub async fn answering(&self, answer: &str, arguments: &[&str]) -> Said {
        self.run_with(Some(answer), arguments).await
    }

    /// Runs a command that does not end, for so long; gives what it wrote to its output.
    ///
    /// # Panics
    /// When that is no command line.
    #[allow(clippy::expect_used, reason = "a test that cannot go on shall panic")]
    pub async fn run_for(&self, time: Duration, arguments: &[&str]) -> String {
        let cli = Cli::try_parse_from(["stagelink"].iter().chain(arguments)).expect("a command line");
        let (mut output, mut input) = (Vec::new(), std::io::empty());
        let terminal = Terminal { redraws: self.redraws, ..Terminal::default() };
        let mut screen = Screen { output: &mut output, input: &mut input, terminal };
        // That it ended by itself is seen by what it wrote.
        drop(tokio::time::timeout(time, cli.run(&self.deployment, &mut screen)).await);
        String::from_utf8_lossy(&output).into_owned()
    }

    async fn run_with(&self, answer: Option<&str>, arguments: &[&str]) -> Said {
        let cli = match Cli::try_parse_from(["stagelink"].iter().chain(arguments)) {
            Ok(cli) => cli,
            Err(error) => return Said { code: u8::from(error.use_stderr()), text: error.to_string() },
        };
        let mut output = Vec::new();
        let mut input = answer.unwrap_or_default().as_bytes();
        let terminal = Terminal { asks: answer.is_some(), ..Terminal::default() };
        let mut screen = Screen { output: &mut output, input: &mut input, terminal };
        let outcome = cli.run(&self.deployment, &mut screen).await;
        let mut text = String::from_utf8_lossy(&output).into_owned();
        let code = match outcome {
            Ok(Outcome::Done) => 0,
            Ok(Outcome::NotDone) => 1,
            Ok(Outcome::Changes) => 2,
            Err(error) => {
                text += &error.told(&self.deployment.place);
                text.push('\n');
                1
            }
        };
        Said { code, text }
    }
}
