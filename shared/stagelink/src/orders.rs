//! `stagelink pause`, `resume` and `release-brake`: what an operator orders for all stages at once.

use std::time::Duration;

use aws_adapters::DynamoStore;
use controller::Operator;
use jiff::Timestamp;
use replication::Pause;

use crate::{Error, Screen, drain, ordered};

#[derive(Debug, clap::Args)]
pub(crate) struct PauseArguments {
    #[command(flatten)]
    ordered: ordered::Required,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    ordered: ordered::Optional,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReleaseBrake {
    /// For how long, such as 10m; replicas that the brake holds are then stopped at the quota's pace
    #[arg(long = "for", value_name = "DURATION", value_parser = drain::duration)]
    span: Duration,
    #[command(flatten)]
    ordered: ordered::Optional,
}

impl PauseArguments {
    pub(crate) async fn run(&self, store: &DynamoStore, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let before = store.control().await?.pause;
        store.pause(&self.ordered.pause()).await?;
        if let Some(Pause { reason, by, at }) = before {
            screen.line(format_args!("This replaces the pause by {by} since {at} ({reason})."))?;
        }
        screen.line(format_args!(
            "Paused. Within {} s nothing is started or stopped any more; what runs keeps running. `stagelink resume` ends it.",
            DynamoStore::SELECTOR_CACHE.as_secs()
        ))?;
        Ok(true)
    }
}

impl Resume {
    pub(crate) async fn run(&self, store: &DynamoStore, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let Some(Pause { reason, by, at }) = store.control().await?.pause else {
            screen.line("There is no pause.")?;
            return Ok(true);
        };
        store.resume(&self.ordered.now()).await?;
        screen.line(format_args!("The pause by {by} since {at} ({reason}) is over."))?;
        Ok(true)
    }
}

impl ReleaseBrake {
    pub(crate) async fn run(&self, store: &DynamoStore, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let now = Timestamp::now();
        let until = now.checked_add(self.span).unwrap_or(Timestamp::MAX);
        store.release_brake(until, &self.ordered.now()).await?;
        screen.line(format_args!("The brake on mass stops is off until {until}."))?;
        Ok(true)
    }
}
