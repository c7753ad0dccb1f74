//! What the page asks when somebody opens something.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use controller::history::Wanted;
use controller::{StoreError, with_causes};
use jiff::{SignedDuration, Timestamp};
use replication::explain::{Sentence, Unknown};
use replication::sweep::Inventory;
use replication::{ParticipantId, PublisherKey, StageArn};
use serde_json::{Value, json};

use crate::activity::{LINES, lines, with_history};
use crate::server::{Dashboard, problem};

/// How far back activity is told if nothing else is asked for.
const SINCE: SignedDuration = SignedDuration::from_mins(10);
/// People who are told of at once, if many have one user id.
const PEOPLE: usize = 20;

type Parameters = Query<BTreeMap<String, String>>;

/// A parameter that is not as it must be, or a table that cannot be read.
pub(crate) enum Refusal {
    Parameter(String),
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Parameter(words) => problem(StatusCode::BAD_REQUEST, &words),
            Self::Store(error) => problem(StatusCode::BAD_GATEWAY, &with_causes(&error)),
        }
    }
}

/// Why somebody is, or is not, where rules want it.
pub(crate) async fn explain(
    State(Dashboard { hub, .. }): State<Dashboard>,
    Query(parameters): Parameters,
) -> Result<Json<Value>, Refusal> {
    let stage: Option<StageArn> = parsed(&parameters, "stage", "the ARN of a stage")?;
    let destination: Option<StageArn> = parsed(&parameters, "destination", "the ARN of a stage")?;
    let name = parameters.get("participant").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Refusal::Parameter("participant is missing".to_owned()))?;
    let publishers = match stage {
        Some(stage) => BTreeSet::from([PublisherKey { stage, participant: participant(name)? }]),
        None => {
            let Some(reading) = hub.fresh(&mut hub.listen()).await.reading.clone() else {
                return Err(Refusal::Parameter("stage is missing: the table cannot be looked at".to_owned()));
            };
            let known = known_as(name, &reading.inventory);
            if known.is_empty() {
                let unknown = Unknown::of(name, &reading.inventory, Timestamp::now());
                return Ok(Json(story(&unknown.sentences())));
            }
            known
        }
    };
    let mut told = Vec::new();
    for publisher in publishers.iter().take(PEOPLE) {
        let explanation = hub.source().explain(publisher).await?;
        let explanation = match &destination {
            Some(destination) => explanation.only(destination),
            None => explanation,
        };
        told.extend(explanation.sentences());
    }
    Ok(Json(story(&told)))
}

/// The newest lines of history: of one stage, of the stages where a participant is known, or of all.
pub(crate) async fn activity(
    State(Dashboard { hub, .. }): State<Dashboard>,
    Query(parameters): Parameters,
) -> Result<Json<Value>, Refusal> {
    let since = parsed(&parameters, "since", "an RFC 3339 time, such as 2026-01-01T00:00:00Z")?;
    let since = since.unwrap_or_else(|| Timestamp::now() - SINCE);
    let stage: Option<StageArn> = parsed(&parameters, "stage", "the ARN of a stage")?;
    let wanted = Wanted {
        participant: parameters.get("participant").map(|name| participant(name)).transpose()?,
        destination: parsed(&parameters, "destination", "the ARN of a stage")?,
        ..Wanted::since(since)
    };
    let stages = match stage {
        Some(stage) => vec![Some(stage)],
        None => {
            let latest = hub.fresh(&mut hub.listen()).await;
            latest.reading.as_ref().map(|reading| with_history(&reading.inventory)).unwrap_or_default()
        }
    };
    let page = hub.source().history(stages, &wanted, LINES).await?;
    let more = page.next.is_some();
    let (activity, left_out) = lines(page);
    Ok(Json(json!({ "activity": activity, "left_out": left_out, "more": more })))
}

fn story(sentences: &[Sentence]) -> Value {
    let lines: Vec<Value> =
        sentences.iter().map(|told| json!({ "depth": told.depth, "text": told.text })).collect();
    json!({ "lines": lines })
}

/// The publishers with this participant id, or this user id.
fn known_as(name: &str, inventory: &Inventory) -> BTreeSet<PublisherKey> {
    let stages = inventory.stages.values();
    let publishers = stages.clone().flat_map(|items| items.publishers.values());
    let publishers = publishers
        .filter(|known| known.key.participant.as_str() == name || known.user_id == name)
        .map(|known| known.key.clone());
    let replicas = inventory.replicas().filter(|replica| replica.key.participant.as_str() == name);
    publishers.chain(replicas.map(|replica| replica.key.publisher())).collect()
}

fn participant(name: &str) -> Result<ParticipantId, Refusal> {
    name.parse().map_err(|error| not_valid("participant", &error))
}

fn parsed<T: FromStr>(
    parameters: &BTreeMap<String, String>,
    name: &'static str,
    allowed: &str,
) -> Result<Option<T>, Refusal> {
    let Some(value) = parameters.get(name) else { return Ok(None) };
    let wrong = |_| Refusal::Parameter(format!("{name} {value:?} is not valid: allowed is {allowed}"));
    value.parse().map(Some).map_err(wrong)
}

fn not_valid(name: &str, error: &dyn Display) -> Refusal {
    Refusal::Parameter(format!("{name}: {error}"))
}
