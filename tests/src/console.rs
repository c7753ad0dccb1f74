//! The operator's command, run within the test as its process would run it.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

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
            emulated: true,
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
            emulated: true,
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

    /// Runs a command that does not end by itself, until that is over which is done meanwhile; gives all that it wrote to its output.
    ///
    /// # Panics
    /// When that is no command line.
    #[allow(clippy::expect_used, reason = "a test that cannot go on shall panic")]
    pub async fn run_during(&self, arguments: &[&str], meanwhile: impl AsyncFnOnce(&Shown)) -> String {
        let cli = Cli::try_parse_from(["stagelink"].iter().chain(arguments)).expect("a command line");
        let shown = Shown::default();
        let (mut output, mut input) = (shown.clone(), std::io::empty());
        let terminal = Terminal { redraws: self.redraws, ..Terminal::default() };
        let mut screen = Screen { output: &mut output, input: &mut input, terminal };
        let command = async {
            // That it ended by itself is seen by what it wrote.
            drop(cli.run(&self.deployment, &mut screen).await);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = command => {}
            () = meanwhile(&shown) => {}
        }
        shown.text()
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

/// What a command has written to its output so far.
#[derive(Debug, Clone, Default)]
pub struct Shown(Arc<Mutex<Vec<u8>>>);

impl Shown {
    /// All of it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Waits until it is as wanted.
    ///
    /// # Panics
    /// When it is not within a minute.
    pub async fn until(&self, wanted: impl Fn(&str) -> bool) {
        let begun = Instant::now();
        while !wanted(&self.text()) {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "after a minute, it wrote only\n{}",
                self.text()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Write for Shown {
    fn write(&mut self, some: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(some)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
