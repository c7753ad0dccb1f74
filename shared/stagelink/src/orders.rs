//! `stagelink pause`, `resume` and `release-brake`: what an operator orders for all stages at once.

use std::time::Duration;

use aws_adapters::DynamoStore;
use controller::{Operator, Order};
use jiff::Timestamp;
use replication::{Pause, plain};

use crate::{Error, Screen, drain, ordered};

/// Who orders something, and why.
#[derive(Debug, clap::Args)]
pub(crate) struct ByWhom {
    /// Why; everybody sees it who looks at what follows from it
    #[arg(long, value_name = "TEXT", value_parser = some_text)]
    pub(crate) reason: String,
    /// Who orders it
    #[arg(long, value_name = "NAME", env = "USER", hide_env_values = true, default_value = "an operator", value_parser = some_text)]
    pub(crate) by: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PauseArguments {
    #[command(flatten)]
    order: ByWhom,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReleaseBrake {
    /// For how long, such as 10m; replicas that the brake holds are then stopped at the quota's pace
    #[arg(long = "for", value_name = "DURATION", value_parser = drain::duration)]
    span: Duration,
    #[command(flatten)]
    order: ordered::Optional,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    order: ordered::Optional,
}

impl PauseArguments {
    pub(crate) async fn run(&self, store: &DynamoStore, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let ByWhom { reason, by } = &self.order;
        let before = store.control().await?.pause;
        store.pause(&Pause { reason: reason.clone(), by: by.clone(), at: Timestamp::now() }).await?;
        if let Some(Pause { reason, by, at }) = before {
            screen.line(format_args!(
                "This replaces the pause by {} since {at} ({}).",
                plain(&by),
                plain(&reason)
            ))?;
        }
        screen.line(format_args!(
            "Paused. Within {} s nothing is started or stopped any more; what runs keeps running. `stagelink resume` ends it.",
            DynamoStore::SELECTOR_CACHE.as_secs()
        ))?;
        Ok(true)
    }
}

impl Resume {
    /// Ends the pause, if there is one.
    pub(crate) async fn run(&self, store: &DynamoStore, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let Some(Pause { reason, by, at }) = store.control().await?.pause else {
            screen.line("There is no pause.")?;
            return Ok(true);
        };
        store.resume(&self.order.now()).await?;
        screen.line(format_args!("The pause by {} since {at} ({}) is over.", plain(&by), plain(&reason)))?;
        Ok(true)
    }
}

impl ReleaseBrake {
    pub(crate) async fn run(&self, store: &DynamoStore, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let now = Timestamp::now();
        let until = now.checked_add(self.span).unwrap_or(Timestamp::MAX);
        store.release_brake(until, &self.order.now()).await?;
        screen.line(format_args!("The brake on mass stops is off until {until}."))?;
        Ok(true)
    }
}

/// An order of whoever is at this machine, now.
pub(crate) fn order(reason: Option<&str>) -> Order {
    let by = std::env::var("USER").ok().and_then(|name| some_text(&name).ok());
    Order {
        by: by.unwrap_or_else(|| "an operator".to_owned()),
        reason: reason.map(str::to_owned),
        at: Timestamp::now(),
    }
}

pub(crate) fn some_text(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.len() > 500 || text.chars().any(char::is_control) {
        return Err("allowed are 1-500 bytes without control characters".to_owned());
    }
    Ok(text.to_owned())
}
