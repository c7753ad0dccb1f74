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
        let pace = Pace { look: Duration::from_millis(50), settle: Duration::from_millis(500) };
        Console { deployment: Deployment { pace, ..Deployment::new(self.connection(), place) } }
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
        let pace = Pace { look: Duration::from_millis(200), settle: Duration::from_secs(5) };
        Self { deployment: Deployment { pace, ..Deployment::new(Connection::new(options).await, place) } }
    }

    /// The operator's command on a world, where what is beside the table and IVS is at this address.
    pub async fn with_aws(world: &World, aws: &str) -> Self {
        let [dynamodb, ivs] = world.urls().map(str::to_owned);
        let options = ConnectionOptions {
            region: Some("us-east-1".to_owned()),
            profile: None,
            dynamodb_endpoint: Some(dynamodb),
            ivs_endpoint: Some(ivs),
            aws_endpoint: Some(aws.to_owned()),
            any_credentials: true,
        };
        let place = world.console().deployment.place;
        Self { deployment: Deployment::new(Connection::new(options).await, place) }
    }

    /// Runs a command line, without the command's name, where nobody can be asked.
    pub async fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(None, arguments).await
    }

    /// The same at a terminal, where a person answers this.
    pub async fn answering(&self, answer: &str, arguments: &[&str]) -> Said {
        self.run_with(Some(answer), arguments).await
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
