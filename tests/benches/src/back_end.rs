//! The DynamoDB and the IVS that contenders call: the same answers for all, at once or after a set time, and every request remembered.
//!
//! A Query finds one rule with one destination, or nothing where rules for any stage would be. Whatever is written is taken, whatever
//! its condition. So an event goes the whole way, and costs whoever handles it no more than the network.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::Error;
use crate::wire::{Authority, Server};

/// The stage whose participants publish.
pub const SOURCE: &str = "arn:aws:ivs:us-east-1:123456789012:stage/oWXSOfbOLMte";

/// Where the rule has them replicated.
pub const DESTINATION: &str = "arn:aws:ivs:us-east-1:123456789012:stage/XYZdef1G2hij";

/// The name of the table.
pub const TABLE: &str = "stagelink";

/// One request and its answer.
#[derive(Debug, Clone)]
pub struct Call {
    /// DynamoDB's or IVS's name for it.
    pub operation: String,
    /// What was sent.
    pub body: Value,
    /// What was answered.
    pub answer: Value,
    /// When it had arrived.
    pub began: Instant,
    /// When its answer left.
    pub ended: Instant,
}

impl Call {
    /// Whether it is of DynamoDB.
    pub fn is_of_dynamodb(&self) -> bool {
        self.operation != START
    }

    /// Whether it reads again what holds for all stages, which is kept for some seconds and no part of a single event.
    pub fn is_refresh(&self) -> bool {
        self.operation == "Query" && self.body["ExpressionAttributeValues"][":pk"]["S"] == "STAGE#*"
    }
}

/// The IVS call.
pub const START: &str = "StartParticipantReplication";

/// Both services, for one contender.
pub struct BackEnd {
    /// DynamoDB.
    pub dynamodb: Server,
    /// IVS.
    pub ivs: Server,
    calls: Calls,
}

type Calls = Arc<Mutex<Vec<Call>>>;

#[derive(Clone)]
struct Service {
    calls: Calls,
    delay: Duration,
}

impl BackEnd {
    /// Starts both, each on a port of its own: no connection serves the two.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(delay: Duration, authority: Option<&Authority>) -> Result<Self, Error> {
        let service = Service { calls: Calls::default(), delay };
        let router = || Router::new().fallback(answer).with_state(service.clone());
        Ok(Self {
            dynamodb: Server::start(router(), authority).await?,
            ivs: Server::start(router(), authority).await?,
            calls: service.calls.clone(),
        })
    }

    /// The requests since this was asked last, in the order in which they came.
    pub fn take(&self) -> Vec<Call> {
        let mut calls = std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner));
        calls.sort_by_key(|call| call.began);
        calls
    }
}

async fn answer(State(service): State<Service>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let began = Instant::now();
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.rsplit('.').next());
    let operation = operation.unwrap_or(uri.path().trim_start_matches('/')).to_owned();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut call = Call { operation, body, answer: Value::Null, began, ended: began };
    let Some(said) = said(&call) else {
        let problem = format!("{} is nothing that is answered here", call.operation);
        eprintln!("{problem}");
        service.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        return (StatusCode::BAD_REQUEST, problem).into_response();
    };
    if !service.delay.is_zero() {
        tokio::time::sleep(service.delay).await;
    }
    let (content_type, text) = match &said {
        Value::Null => ("application/json", String::new()),
        said => ("application/x-amz-json-1.0", said.to_string()),
    };
    call.answer = said;
    call.ended = Instant::now();
    service.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    let id = "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123";
    ([("content-type", content_type), ("x-amzn-requestid", id)], text).into_response()
}

/// The body of the answer: null is none, as IVS gives for a Start; nothing at all for what nobody should ask.
fn said(call: &Call) -> Option<Value> {
    match call.operation.as_str() {
        "Query" if call.is_refresh() => Some(json!({ "Count": 0, "Items": [], "ScannedCount": 0 })),
        "Query" => Some(json!({ "Count": 1, "Items": [rule()], "ScannedCount": 1 })),
        "PutItem" | "TransactWriteItems" => Some(json!({})),
        START => Some(Value::Null),
        _ => None,
    }
}

/// The rule, as the table has it.
pub fn rule() -> Value {
    json!({
        "pk": { "S": format!("STAGE#{SOURCE}") },
        "sk": { "S": "RULE#main-to-overflow" },
        "schema": { "N": "1" },
        "id": { "S": "main-to-overflow" },
        "revision": { "N": "1" },
        "priority": { "N": "50" },
        "status": { "S": "enabled" },
        "source_stage": { "S": SOURCE },
        "destination_stages": { "L": [{ "S": DESTINATION }] },
        "reconnect_window_seconds": { "N": "30" },
        "attributes": { "M": {} }
    })
}

/// How many round trips came one after the other before a call of this operation: who asks two things at once waits once.
pub fn round_trips_before(calls: &[Call], operation: &str) -> Option<usize> {
    let before = calls.iter().position(|call| call.operation == operation)?;
    let (mut trips, mut over): (usize, Option<Instant>) = (0, None);
    for call in &calls[..before] {
        if over.is_none_or(|over| over <= call.began) {
            trips += 1;
            over = Some(call.ended);
        }
    }
    Some(trips)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(operation: &str, began: Instant, from_ms: u64, to_ms: u64) -> Call {
        let (began, ended) = (began + Duration::from_millis(from_ms), began + Duration::from_millis(to_ms));
        Call { operation: operation.to_owned(), body: Value::Null, answer: Value::Null, began, ended }
    }

    #[test]
    fn what_is_asked_at_once_is_one_round_trip() {
        let now = Instant::now();
        let calls = [
            call("Query", now, 0, 5),
            call("Query", now, 1, 6),
            call("TransactWriteItems", now, 6, 9),
            call(START, now, 10, 12),
            call("TransactWriteItems", now, 13, 14),
        ];
        assert_eq!(round_trips_before(&calls, START), Some(2));
        assert_eq!(round_trips_before(&calls, "Query"), Some(0));
        assert_eq!(round_trips_before(&calls, "PutItem"), None);
    }

    #[test]
    fn only_what_contenders_ask_is_answered() {
        let now = Instant::now();
        for operation in ["Query", "PutItem", "TransactWriteItems", START] {
            assert!(said(&call(operation, now, 0, 0)).is_some(), "{operation}");
        }
        for operation in ["Scan", "GetStage", ""] {
            assert!(said(&call(operation, now, 0, 0)).is_none(), "{operation}");
        }
        let body = json!({ "ExpressionAttributeValues": { ":pk": { "S": "STAGE#*" } } });
        let refresh = Call { body, ..call("Query", now, 0, 0) };
        assert_eq!(said(&refresh).unwrap()["Count"], 0);
    }
}
