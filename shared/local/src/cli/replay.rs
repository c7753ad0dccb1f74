//! `cargo local replay`.

use std::path::PathBuf;

use super::{Outcome, StandArguments};
use crate::{
    replay::{self, Recorded, ReplayError},
    stand::Stand,
};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Files with EventBridge envelopes: one JSON document, a list, or one envelope per line
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Control endpoint of a running stand; without it, a stand is started for the replay
    #[arg(long, value_name = "URL", value_parser = super::url, conflicts_with = "rules")]
    control: Option<String>,
    /// Rules file for the stand that is started
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    #[command(flatten)]
    stand: StandArguments,
}

impl Options {
    pub(super) async fn run(self) -> Outcome {
        let files: Result<Vec<_>, ReplayError> = self.files.iter().map(|file| replay::read(file)).collect();
        let recorded: Vec<Recorded> = files?.concat();
        if let Some(control) = &self.control {
            return replay_into(control, &recorded).await;
        }
        let stand = Stand::start(self.stand.options()).await?;
        if let Some(rules) = &self.rules {
            stand.table().replace_rules_by_file(rules).await?;
        }
        let outcome = replay_into(stand.control_url(), &recorded).await;
        if outcome.is_ok() {
            tell_the_end(&stand).await?;
        }
        stand.shutdown().await;
        outcome
    }
}

/// Replays one envelope after the other; true if none became a dead letter.
async fn replay_into(control: &str, recorded: &[Recorded]) -> Outcome {
    let client = reqwest::Client::new();
    let (mut deliveries, mut dead_letters) = (0, 0);
    for envelope in recorded {
        let replayed = replay::put(&client, control, envelope).await?;
        println!("{replayed}");
        deliveries += replayed.deliveries.len();
        dead_letters += replayed.dead_letters();
    }
    println!("\nenvelopes: {}, deliveries: {deliveries}, dead letters: {dead_letters}", recorded.len());
    Ok(dead_letters == 0)
}

/// What the replay has left in IVS and in the table.
async fn tell_the_end(stand: &Stand) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let ledger = stand.simulator().ledger();
    println!("\nIVS calls: {}", ledger.len());
    for entry in ledger {
        println!(
            "    {} {} {} {}",
            entry.status,
            entry.operation,
            entry.key,
            entry.error.unwrap_or_default()
        );
    }
    let rows = stand.table().replications().await?;
    println!("Replications in the table: {}", rows.len());
    rows.iter().for_each(|row| println!("    {} {}", row.phase, row.key));
    Ok(())
}
