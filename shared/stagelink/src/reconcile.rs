//! `stagelink reconcile`: has IVS looked at now, by the next sweep, and shows what came of it.
//!
//! The command writes what it asks for into the table. The next sweep looks at that first; what it finds wrong becomes due work, which
//! wakes `dispatch` by itself. So there is nothing to call here, and nothing to undo if the command is stopped.

mod changes;
mod wait;

use std::collections::BTreeSet;
use std::time::Duration;

use controller::sweep::port::{AskForLooks, SweepStore};
use controller::{History, HistoryLine, Operator};
use replication::sweep::{Answer, Asked};
use replication::{Pause, StageArn, plain};

use crate::drain::{count, duration};
use crate::stage_names::{StageArgument, StageNames};
use crate::{Deployment, Error, Screen, ordered};
use changes::changes;
use wait::{Heard, Wait};

/// How many stages are named, where there may be a thousand.
const NAMED: usize = 10;

#[derive(Debug, clap::Args)]
pub(crate) struct Reconcile {
    /// The stages to look at: ARN, name or id of each [default: every stage on which somebody is, and that rules or replicas concern]
    #[arg(value_name = "STAGE")]
    stages: Vec<StageArgument>,
    /// How long to wait, such as 5m [default: 3m, and 20m for every stage]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    ordered: ordered::Optional,
}

impl Reconcile {
    pub(crate) async fn run(&self, deployment: &Deployment, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let store = &deployment.store;
        if let Some(Pause { by, reason, at }) = store.control().await?.pause {
            screen.line(format_args!(
                "Paused by {} since {at} ({}): what is found is told, and nothing is started or stopped.",
                plain(&by),
                plain(&reason)
            ))?;
        }
        let before = store.inventory().await?;
        let names = StageNames::of(&before);
        let stages: BTreeSet<StageArn> =
            self.stages.iter().map(|stage| names.resolve(stage)).collect::<Result<_, _>>()?;
        let order = self.ordered.now();
        let asked = Asked { at: order.at, by: order.by.clone() };
        let line = order.line("Reconcile", "asked for a look".to_owned());
        if stages.is_empty() {
            store.ask_for_look(None, &asked).await?;
            store.note(&line).await?;
        }
        for stage in &stages {
            store.ask_for_look(Some(stage), &asked).await?;
            store.note(&HistoryLine { stage: Some(stage.clone()), ..line.clone() }).await?;
        }
        let whom = match stages.len() {
            0 => "every stage".to_owned(),
            some => count(some, "stage"),
        };
        screen
            .line(format_args!("Asked for a look at {whom}, before all else. Sweeps begin every minute."))?;
        let wait = Wait {
            store,
            pace: deployment.pace,
            asked: &asked,
            named: (!stages.is_empty()).then_some(&stages),
            timeout: self.timeout.unwrap_or(Duration::from_mins(if stages.is_empty() { 20 } else { 3 })),
        };
        let (heard, answers, took) = wait.until_answered(screen).await?;
        let of = |wanted: fn(&Answer) -> bool| {
            answers.iter().filter(move |(_, answer)| wanted(answer)).map(|(stage, _)| stage)
        };
        let looked_at: BTreeSet<StageArn> =
            of(|answer| matches!(answer, Answer::LookedAt(_))).cloned().collect();
        let waiting: Vec<_> = of(|answer| *answer == Answer::Waiting).collect();
        if heard == Heard::NoSweep {
            let seconds = took.as_secs();
            screen.line(match took >= deployment.pace.sweep {
                true => format!(
                    "No sweep has begun within {seconds} s. Is the schedule of function reconcile off, does it fail, or is this \
                     machine's clock wrong? Run `stagelink doctor`."
                ),
                false => format!("No sweep has begun within {seconds} s. Wait for longer: --timeout 2m, or more."),
            })?;
            screen.line("What was asked for stays so for half an hour, for a sweep that comes.")?;
            return Ok(false);
        }
        screen.line(format_args!(
            "Looked at {} of {} in {} s.",
            looked_at.len(),
            count(looked_at.len() + waiting.len(), "stage"),
            took.as_secs()
        ))?;
        for stage in of(|answer| *answer == Answer::Nobody) {
            screen.line(format_args!("{stage}: nobody is there, so there is nothing to look at."))?;
        }
        let missing = of(|answer| *answer == Answer::NoSuchStage).count();
        for stage in of(|answer| *answer == Answer::NoSuchStage) {
            screen.line(format_args!(
                "{stage}: IVS lists no such stage in this account and Region; `stagelink stages list` lists them."
            ))?;
        }
        if !looked_at.is_empty() {
            let after = wait.until_at_rest(&looked_at, screen).await?;
            let lines = changes(&before, &after, &looked_at);
            if lines.is_empty() {
                screen.line("All was as it was known: nothing has changed.")?;
            } else {
                screen.line(format_args!("{}:", count(lines.len(), "change")))?;
            }
            for line in &lines {
                screen.line(format_args!("  {line}"))?;
            }
        }
        if heard == Heard::TimeOver {
            screen.line("Time is over. Not looked at yet:")?;
            for stage in waiting.iter().take(NAMED) {
                screen.line(format_args!("  {stage}"))?;
            }
            if waiting.len() > NAMED {
                screen.line(format_args!("  and {} more", waiting.len() - NAMED))?;
            }
            screen.line(
                "They stay asked for, for half an hour. If a stage is never looked at, the log of function reconcile says why.",
            )?;
        }
        Ok(heard == Heard::All && missing == 0)
    }
}
