//! The control plane under `/_sim`, for people and tests: it plays the participants, sets faults and tells what happened.
//!
//! | request | answer |
//! |---|---|
//! | `POST /_sim/stage {stageArn, name?, tags?}` | `{}`; the stage has this ARN, which CreateStage would make up |
//! | `POST /_sim/publish {stageArn, participantId?, userId?, attributes?}` | `{participantId, sessionId}` |
//! | `POST /_sim/unpublish {stageArn, participantId}`, `POST /_sim/leave {…}` | `{}` |
//! | `PUT /_sim/faults {seed?, events?, calls?, dialect?}`, `GET /_sim/faults` | the full setting |
//! | `GET /_sim/dialect` | every switch with question, options and default |
//! | `GET /_sim/ledger`, with `?operation=NAME` of one operation | the calls received, oldest first |
//! | `GET /_sim/events` | the events delivered, oldest first, at most 10 000 |
//! | `GET /_sim/state` | stages, sessions, participants, replications |
//!
//! A refusal answers `{"error": text}`; if a field is to blame, with `field`, `value` and what is `allowed`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::App;
use crate::dialect::Dialect;
use crate::error::{ApiError, SettingError};
use crate::faults::{object, unknown};
use crate::model::{Member, PLACE_STAGE, PRESENT_PARTICIPANT, PUBLISH, violations};
use crate::world::Publish;

/// The paths, each with its methods.
const PATHS: [(&str, &str); 9] = [
    ("stage", "POST"),
    ("publish", "POST"),
    ("unpublish", "POST"),
    ("leave", "POST"),
    ("faults", "PUT, GET"),
    ("dialect", "GET"),
    ("ledger", "GET"),
    ("events", "GET"),
    ("state", "GET"),
];

/// Answers every request under `/_sim`.
pub(super) async fn handle(
    State(app): State<App>,
    Path(path): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    method: Method,
    body: Bytes,
) -> Response {
    match dispatch(&app, method.as_str(), &path, &query, &body) {
        Ok(answer) => Json(answer).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

fn dispatch(
    app: &App,
    method: &str,
    path: &str,
    query: &[(String, String)],
    body: &[u8],
) -> Result<Value, Refusal> {
    let simulator = &app.simulator;
    match (method, path) {
        ("POST", "stage") => {
            let input = read(PLACE_STAGE, body)?;
            let text = |member: &str| input[member].as_str().unwrap_or_default();
            let tags = serde_json::from_value(input.get("tags").cloned().unwrap_or_else(|| json!({})));
            let tags = tags.map_err(|error| Refusal::body(&error))?;
            simulator.place_stage(text("stageArn"), text("name"), tags)?;
            Ok(json!({}))
        }
        ("POST", "publish") => {
            let input = read(PUBLISH, body)?;
            let publish: Publish = serde_json::from_value(input).map_err(|error| Refusal::body(&error))?;
            Ok(json!(simulator.publish(publish)?))
        }
        ("POST", "unpublish") => {
            let (stage_arn, participant_id) = read_present(body)?;
            simulator.unpublish(&stage_arn, &participant_id)?;
            Ok(json!({}))
        }
        ("POST", "leave") => {
            let (stage_arn, participant_id) = read_present(body)?;
            simulator.leave(&stage_arn, &participant_id)?;
            Ok(json!({}))
        }
        ("PUT", "faults") => Ok(simulator.merge_settings(&read_json(body)?)?),
        ("GET", "faults") => Ok(simulator.settings()),
        ("GET", "dialect") => Ok(json!(Dialect::switches())),
        ("GET", "ledger") => {
            let wanted = query.iter().find(|(name, _)| name == "operation").map(|(_, value)| value);
            let entries = simulator.ledger().into_iter();
            Ok(json!(
                entries
                    .filter(|entry| wanted.is_none_or(|name| *name == entry.operation))
                    .collect::<Vec<_>>()
            ))
        }
        ("GET", "events") => Ok(json!(app.events())),
        ("GET", "state") => Ok(simulator.state()),
        _ => Err(Refusal::unknown_path(method, path)),
    }
}

/// Reads a participant that is to be there.
fn read_present(body: &[u8]) -> Result<(String, String), Refusal> {
    let input = read(PRESENT_PARTICIPANT, body)?;
    let text = |member: &str| input[member].as_str().unwrap_or_default().to_owned();
    Ok((text("stageArn"), text("participantId")))
}

/// Reads a body that has these members and no others. A member that is null counts as absent.
fn read(members: &[Member], body: &[u8]) -> Result<Value, Refusal> {
    let mut input = read_json(body)?;
    for (field, value) in object(&input, "body")? {
        if members.iter().all(|member| member.name != field) {
            let names: Vec<&str> = members.iter().map(|member| member.name).collect();
            return Err(unknown(field, value, &names.join(", ")).into());
        }
    }
    if let Some(violation) = violations(members, &input, true).first() {
        let top = violation.path.split('.').next().unwrap_or_default();
        return Err(SettingError::new(&violation.path, &input[top], &violation.constraint).into());
    }
    if let Some(input) = input.as_object_mut() {
        input.retain(|_, value| !value.is_null());
    }
    Ok(input)
}

fn read_json(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::body(&error))
}

/// An answer that says no.
struct Refusal {
    status: StatusCode,
    body: Value,
}

impl Refusal {
    fn body(error: &serde_json::Error) -> Self {
        let body = json!({"error": format!("the body is not what is expected: {error}"), "field": "body"});
        Self { status: StatusCode::BAD_REQUEST, body }
    }

    fn unknown_path(method: &str, path: &str) -> Self {
        if let Some((_, methods)) = PATHS.iter().find(|(known, _)| *known == path) {
            let error = format!("/_sim/{path} takes {methods}, not {method}");
            return Self { status: StatusCode::METHOD_NOT_ALLOWED, body: json!({"error": error}) };
        }
        let known: Vec<&str> = PATHS.iter().map(|(path, _)| *path).collect();
        let error = format!("there is no /_sim/{path}; there is {}", known.join(", "));
        Self { status: StatusCode::NOT_FOUND, body: json!({"error": error}) }
    }
}

impl From<SettingError> for Refusal {
    fn from(error: SettingError) -> Self {
        let body = json!({"error": error.to_string(), "field": error.field, "value": error.value,
            "allowed": error.allowed});
        Self { status: StatusCode::BAD_REQUEST, body }
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, body: json!({"error": error.message, "code": error.code}) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}
