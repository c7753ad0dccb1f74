//! `stagelink explain`: why a participant is, or is not, where rules want it; and what happened to it last.
//!
//! The words are the core's (`replication::explain`), and the judgement is the planner's own.

use controller::history::{HistoryLine, Part, Wanted};
use controller::{History, StoreError};
use jiff::{SignedDuration, Timestamp};
use replication::explain::{Unknown, explain_in};
use replication::{Explanation, Policy, StageArn, plain};
use serde_json::json;

use crate::activity::Told;
use crate::output::Output;
use crate::sight::Sight;
use crate::stage_names::StageArgument;
use crate::{Deployment, Error, Screen};

/// How many lines of history belong to an explanation.
const LINES: usize = 10;

/// How far back they are looked for.
const SINCE: SignedDuration = SignedDuration::from_hours(24);

/// How many pages of history are read for them.
const PAGES: usize = 3;

#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// The participant's id, or the user id of its token
    participant: String,
    /// One destination stage only: its ARN, name or id
    #[arg(value_name = "DESTINATION")]
    destination: Option<StageArgument>,
    #[command(flatten)]
    output: Output,
}

impl Explain {
    pub(crate) async fn run(&self, deployment: &Deployment, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let sight = Sight::of_everything(deployment).await?;
        let publishers = sight.known_as(&self.participant);
        if publishers.is_empty() {
            let unknown = Unknown::of(&self.participant, &sight.inventory, sight.now);
            return Err(Error::UnknownParticipant(Box::new(unknown)));
        }
        let destination = sight.stage(self.destination.as_ref())?;
        let mut documents = Vec::new();
        for publisher in publishers {
            let told = explain_in(&sight.inventory, &publisher, &Policy::default(), sight.now);
            let told = match &destination {
                Some(stage) => told.only(stage),
                None => told,
            };
            let history = history(deployment, &told, destination.as_ref(), sight.now).await?;
            match self.output.is_document() {
                true => documents.push(document(&told, &history)),
                false => self.print(&told, &history, destination.as_ref(), &sight, screen)?,
            }
        }
        if self.output.is_document() {
            self.output.document(screen, &json!({ "explanations": documents }))?;
        }
        Ok(true)
    }

    fn print(
        &self,
        told: &Explanation,
        history: &[Result<HistoryLine, StoreError>],
        only: Option<&StageArn>,
        sight: &Sight,
        screen: &mut Screen<'_>,
    ) -> Result<(), Error> {
        for sentence in told.sentences() {
            screen.line(&sentence)?;
        }
        if let Some(stage) = only.filter(|_| told.replications.is_empty()) {
            let name = sight.names.short(stage);
            screen.line(format_args!(
                "  no rule leads to {} ({stage}), and nothing is replicated there",
                plain(name)
            ))?;
        }
        match history {
            [] => screen.line("  nothing was called for it within the last day"),
            _ => screen.line("  what was done last (`stagelink activity --participant` shows more):"),
        }?;
        for line in history {
            match line {
                Ok(line) => {
                    screen.line(format_args!("    {}", Told { line, names: &sight.names, wide: false }))?
                }
                Err(error) => screen.line(format_args!("    left out: {}", plain(&error.to_string())))?,
            }
        }
        Ok(())
    }
}

/// The last lines of history of a participant, the oldest of them first.
async fn history(
    deployment: &Deployment,
    told: &Explanation,
    destination: Option<&StageArn>,
    now: Timestamp,
) -> Result<Vec<Result<HistoryLine, StoreError>>, Error> {
    let since = now.checked_sub(SINCE).unwrap_or(Timestamp::MIN);
    let (stage, participant) = (&told.publisher.stage, told.publisher.participant.clone());
    let wanted =
        Wanted { participant: Some(participant), destination: destination.cloned(), ..Wanted::since(since) };
    let (mut lines, mut before) = (Vec::new(), None);
    for _ in 0..PAGES {
        let part = Part { limit: LINES - lines.len(), before: before.as_ref() };
        let page = deployment.store.history(Some(stage), &wanted, part).await?;
        lines.extend(page.found.into_iter().map(|entry| entry.line));
        before = page.next;
        if before.is_none() || lines.len() >= LINES {
            break;
        }
    }
    lines.reverse();
    Ok(lines)
}

fn document(told: &Explanation, history: &[Result<HistoryLine, StoreError>]) -> serde_json::Value {
    let mut value = serde_json::to_value(views::Explanation::from(told)).unwrap_or_default();
    let lines = history.iter().filter_map(|line| line.as_ref().ok());
    value["activity"] = lines.map(|line| json!(views::Activity::from(line))).collect();
    value
}
