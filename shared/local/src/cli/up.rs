//! `cargo local up`.

use std::{io, path::PathBuf};

use serde_json::json;

use super::{Outcome, StandArguments};
use stagelink::LocalStand;

use crate::stand::{Binaries, Ports, Stand, StandOptions};
use crate::table::TableAddress;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    stand: StandArguments,
    /// Print one line of JSON when ready, and nothing else to stdout
    #[arg(long)]
    json: bool,
    /// Port of the IVS Real-Time API; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    ivs_port: u16,
    /// Port of DynamoDB; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    dynamodb_port: u16,
    /// Port of the control plane; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    control_port: u16,
    /// Port of Lambda, EventBridge, SQS and STS; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    aws_port: u16,
    /// Port of the dashboard; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    dashboard_port: u16,
    /// Folder that keeps the table; without it, the table is gone with the stand
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Run no functions: events and ticks go nowhere, and something like `cargo lambda watch` can run them on this world
    #[arg(long, conflicts_with_all = ["release", "logs", "tick"])]
    no_functions: bool,
    /// Rules file to begin with, instead of the rules in the table
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
}

impl Options {
    pub(super) async fn run(self) -> Outcome {
        // From here on, so that a signal while the stand starts ends it in order too.
        let interrupted = interrupted()?;
        tokio::pin!(interrupted);
        let stand = tokio::select! {
            stand = self.start() => stand?,
            () = &mut interrupted => return Ok(false),
        };
        if self.json {
            println!("{}", ready(&stand));
        } else {
            println!("{}", welcome(&stand));
        }
        let left = leave(&stand);
        interrupted.await;
        if let Some((addresses, file)) = left {
            // Whoever finds it is told that the stand does not answer.
            drop(addresses.remove(&file));
        }
        tell_dead_letters(&stand);
        stand.shutdown().await;
        Ok(true)
    }

    async fn start(&self) -> Result<Stand, Box<dyn std::error::Error + Send + Sync>> {
        let ports = Ports {
            ivs: self.ivs_port,
            dynamodb: self.dynamodb_port,
            control: self.control_port,
            aws: self.aws_port,
            dashboard: self.dashboard_port,
        };
        let mut options = StandOptions { ports, data: self.data.clone(), ..self.stand.options() };
        if self.no_functions {
            options.binaries = Binaries::None;
        }
        let stand = Stand::start(options).await?;
        if let Some(rules) = &self.rules {
            let replaced = stand.table().replace_rules_by_file(rules).await?;
            eprintln!("rules put: {}, deleted: {}", replaced.put.len(), replaced.deleted.len());
        }
        Ok(stand)
    }
}

/// Leaves the stand's addresses where `stagelink --local` finds them. Without, that must be told them in its environment.
fn leave(stand: &Stand) -> Option<(LocalStand, PathBuf)> {
    let TableAddress { dynamodb, table, region } = stand.table().clone();
    let (ivs, control) = (stand.ivs_url().to_owned(), stand.control_url().to_owned());
    let (pid, aws) = (std::process::id(), stand.aws_url().to_owned());
    let addresses = LocalStand { pid, table, region, dynamodb, ivs, control, aws };
    let file = LocalStand::file()?;
    match addresses.write(&file) {
        Ok(()) => Some((addresses, file)),
        Err(error) => {
            eprintln!(
                "`stagelink --local` will not find this stand: {} cannot be written: {error}",
                file.display()
            );
            None
        }
    }
}

fn ready(stand: &Stand) -> serde_json::Value {
    json!({
        "ivs": stand.ivs_url(),
        "dynamodb": stand.dynamodb_url(),
        "control": stand.control_url(),
        "aws": stand.aws_url(),
        "dashboard": stand.dashboard_url(),
        "table": stand.table().table,
        "region": stand.table().region,
        "functions": stand.function_names(),
    })
}

fn welcome(stand: &Stand) -> String {
    let (ivs, dynamodb, control) = (stand.ivs_url(), stand.dynamodb_url(), stand.control_url());
    let aws = stand.aws_url();
    let (table, region) = (&stand.table().table, &stand.table().region);
    let (functions, dashboard) = (stand.function_names().join(", "), stand.dashboard_url());
    format!(
        "The stand is up; Ctrl-C ends it.

  dashboard      {dashboard}
  IVS Real-Time  {ivs}
  DynamoDB       {dynamodb}  table {table}
  control plane  {control}  /functions /deliveries /dead-letters /events
  Lambda, EventBridge, SQS, STS
                 {aws}
  Region         {region}
  functions      {functions}

Look at it: stagelink doctor --local. Any credentials do:
  aws --endpoint-url {ivs} --region {region} ivs-realtime list-stages
  cargo local rules FILE --dynamodb {dynamodb} --table {table}
  cargo local replay FILE --control {control}"
    )
}

fn tell_dead_letters(stand: &Stand) {
    let dead_letters = stand.deliveries().dead_letters();
    if !dead_letters.is_empty() {
        eprintln!("dead letters: {}", dead_letters.len());
        dead_letters.iter().for_each(|letter| eprintln!("{letter}"));
    }
}

/// Ends with Ctrl-C, or with the signal that service managers and `kill` send.
pub(super) fn interrupted() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
