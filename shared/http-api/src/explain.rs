//! Why a participant is where it is, and what happened on a stage.

use aws_adapters::DynamoStore;
use controller::History;
use controller::history::{HistoryKey, Part, Wanted};
use jiff::SignedDuration;
use replication::{ParticipantId, Policy, PublisherKey};

use crate::answer::Answer;
use crate::lists::page_of;
use crate::problem::Problem;
use crate::query::{cursor, token};
use crate::request::Call;

/// How far back history is told if nothing is said: an hour.
const LATELY: SignedDuration = SignedDuration::from_hours(1);

/// The participant on its stage, with all that concerns it. The stage has to be named, so that no answer costs a Scan.
pub(crate) async fn explain(call: &Call, store: &DynamoStore, policy: &Policy) -> Result<Answer, Problem> {
    let query = &call.query;
    let stage = query.needed_stage("stage", "the ARN of the stage on which the participant publishes")?;
    let participant: Option<ParticipantId> = query.id("participant")?;
    let participant =
        participant.ok_or_else(|| Problem::missing_parameter(&["participant"], "a participant id"))?;
    let destination = query.stage("destination")?;
    let publisher = PublisherKey { stage, participant };
    let explained = controller::explain::explain(store, &publisher, policy, call.now).await?;
    let explained = match destination {
        Some(destination) => explained.only(&destination),
        None => explained,
    };
    Ok(Answer::of(200, &views::Explanation::from(&explained)))
}

/// The history of a stage, the newest first.
pub(crate) async fn activity(call: &Call, store: &DynamoStore) -> Result<Answer, Problem> {
    let query = &call.query;
    let stage = query.needed_stage("stage", "the ARN of the stage")?;
    let wanted = Wanted {
        since: query.time("since")?.unwrap_or_else(|| call.now.checked_sub(LATELY).unwrap_or(call.now)),
        participant: query.id("participant")?,
        destination: query.stage("destination")?,
        rule: query.id("rule")?,
    };
    let before: Option<HistoryKey> = match query.text("next") {
        None => None,
        Some(text) => Some(cursor(text).ok_or_else(Problem::next)?),
    };
    if before.as_ref().is_some_and(|before| before.stage() != Some(&stage)) {
        return Err(Problem::next());
    }
    let part = Part { limit: query.limit()?, before: before.as_ref() };
    let page = store.history(Some(&stage), &wanted, part).await?;
    let found = page.found.iter().map(|entry| entry.line.as_ref().map(views::Activity::from));
    Ok(page_of("activity", found, page.next.as_ref().map(token)))
}
