//! The stand's control plane over HTTP: what its functions did, and a way to put events on the bus.
//!
//! | request | answer |
//! |---|---|
//! | `GET /functions` | name, pids, invocations, errors, restarts |
//! | `GET /functions/{name}/logs` | the function's last output, as text |
//! | `GET /deliveries` | recent attempts: envelope id, function, attempt, outcome, milliseconds |
//! | `GET /dead-letters` | events whose retries are used up |
//! | `POST /events` | puts an envelope on the bus: which functions matched; with `?wait=true` how it ended |

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    delivery::{Delivery, Failure},
    event_bus::{EventBus, InvalidEnvelope},
    lambda::{FunctionReport, Functions},
};

/// What the control plane shows.
#[derive(Clone)]
pub(crate) struct Control {
    pub(crate) functions: Arc<Functions>,
    pub(crate) bus: Arc<EventBus>,
}

/// The answer to `POST /events`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PutEvent {
    /// The envelope's `id`.
    pub id: String,
    /// The functions that the event goes to.
    pub functions: Vec<String>,
    /// How it went, if that was waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliveries: Option<Vec<Delivery>>,
}

/// One line of `GET /deliveries`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeliveryLine {
    /// The envelope's `id`.
    pub event_id: String,
    /// `detail.event_name`.
    pub event_name: Option<String>,
    /// The function.
    pub function: String,
    /// The rule that matched.
    pub rule: String,
    /// Which attempt, from 1.
    pub attempt: usize,
    /// `ok` or `error`.
    pub outcome: String,
    /// Why there is no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// When it began, as an RFC 3339 timestamp.
    pub at: String,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// Serves the control plane until dropped.
pub(crate) async fn serve(listener: TcpListener, control: Control) -> std::io::Result<()> {
    let router = Router::new()
        .route("/functions", get(functions))
        .route("/functions/{name}/logs", get(logs))
        .route("/deliveries", get(deliveries))
        .route("/dead-letters", get(dead_letters))
        .route("/events", post(events))
        .fallback(async || refusal(StatusCode::NOT_FOUND, "path", "", PATHS))
        .with_state(control);
    axum::serve(listener, router).await
}

const PATHS: &str = "GET /functions, /functions/{name}/logs, /deliveries, /dead-letters; POST /events";

async fn functions(State(control): State<Control>) -> Json<Vec<FunctionReport>> {
    Json(control.functions.reports())
}

async fn logs(State(control): State<Control>, Path(name): Path<String>) -> Response {
    match control.functions.logs(&name) {
        Some(lines) => lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_response(),
        None => {
            let names: Vec<_> = control.functions.reports().into_iter().map(|report| report.name).collect();
            refusal(StatusCode::NOT_FOUND, "name", &name, &names.join(", "))
        }
    }
}

async fn deliveries(State(control): State<Control>) -> Json<Vec<DeliveryLine>> {
    Json(control.bus.deliveries().recent().into_iter().flat_map(lines).collect())
}

async fn dead_letters(State(control): State<Control>) -> Json<Vec<Value>> {
    Json(control.bus.deliveries().dead_letters())
}

async fn events(
    State(control): State<Control>,
    Query(query): Query<Vec<(String, String)>>,
    body: Bytes,
) -> Response {
    let wait = match wait(&query) {
        Ok(wait) => wait,
        Err((name, value)) => {
            return refusal(StatusCode::BAD_REQUEST, &name, &value, "wait=true or wait=false");
        }
    };
    let envelope: Value = match serde_json::from_slice(&body) {
        Ok(envelope) => envelope,
        Err(error) => {
            return refusal(
                StatusCode::BAD_REQUEST,
                "body",
                &error.to_string(),
                "one EventBridge envelope as JSON",
            );
        }
    };
    match put(&control.bus, &envelope, wait).await {
        Ok(answer) => (StatusCode::ACCEPTED, Json(answer)).into_response(),
        Err(invalid) => refusal(StatusCode::BAD_REQUEST, invalid.field, &invalid.value, invalid.allowed),
    }
}

fn wait(query: &[(String, String)]) -> Result<bool, (String, String)> {
    query.iter().try_fold(false, |_, (name, value)| match (name.as_str(), value.as_str()) {
        ("wait", "true") => Ok(true),
        ("wait", "false") => Ok(false),
        _ => Err((name.clone(), value.clone())),
    })
}

async fn put(bus: &EventBus, envelope: &Value, wait: bool) -> Result<PutEvent, InvalidEnvelope> {
    let numbers = bus.put(envelope)?;
    let known = bus.deliveries();
    let deliveries = if wait { known.ended(&numbers).await } else { known.get(&numbers) };
    Ok(PutEvent {
        id: envelope["id"].as_str().unwrap_or_default().to_owned(),
        functions: deliveries.iter().map(|delivery| delivery.function.clone()).collect(),
        deliveries: wait.then_some(deliveries),
    })
}

fn lines(delivery: Delivery) -> Vec<DeliveryLine> {
    let attempts = delivery.attempts.iter().enumerate();
    attempts
        .map(|(index, attempt)| DeliveryLine {
            event_id: delivery.event_id.clone(),
            event_name: delivery.event_name.clone(),
            function: delivery.function.clone(),
            rule: delivery.rule.clone(),
            attempt: index + 1,
            outcome: if attempt.error.is_none() { "ok" } else { "error" }.to_owned(),
            error: attempt.error.clone(),
            at: attempt.at.clone(),
            ms: attempt.ms,
        })
        .collect()
}

fn refusal(status: StatusCode, field: &str, value: &str, allowed: &str) -> Response {
    let message = format!("field `{field}`: {value} is not valid: allowed is {allowed}");
    let body = json!({ "message": message, "field": field, "value": value, "allowed": allowed });
    (status, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn wait_is_true_or_false_and_nothing_else_is_known() {
        assert_eq!(wait(&query(&[])), Ok(false));
        assert_eq!(wait(&query(&[("wait", "true")])), Ok(true));
        assert_eq!(wait(&query(&[("wait", "1")])), Err(("wait".to_owned(), "1".to_owned())));
        assert!(wait(&query(&[("waits", "true")])).is_err());
    }
}
