//! The stand's control plane over HTTP: what its functions did, and a way to put events on the bus.
//!
//! | request | answer |
//! |---|---|
//! | `GET /functions` | name, pids, invocations, errors, restarts, throttles |
//! | `GET /functions/{name}/logs` | the function's last output, as text |
//! | `GET /deliveries` | recent attempts by rules, schedules and the stream: id, function, attempt, outcome, milliseconds |
//! | `GET /dead-letters` | events and changes whose retries are used up |
//! | `POST /events` | puts an envelope on the bus: which functions matched; with `?wait=true` how it ended |

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    delivery::{Delivery, Failure, Source},
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
    /// The envelope's `id`, or the `eventID` of the first change.
    pub event_id: String,
    /// `detail.event_name`, `Scheduled Event`, or how many changes of items.
    pub event_name: Option<String>,
    /// The function.
    pub function: String,
    /// `rule`, `schedule` or `stream`.
    pub source: Source,
    /// The name of the rule, schedule or event source mapping.
    pub trigger: String,
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
        .fallback(async |uri: Uri| refusal(StatusCode::NOT_FOUND, "path", uri.path(), PATHS))
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
            source: delivery.source,
            trigger: delivery.trigger.clone(),
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
    use std::{collections::BTreeMap, time::Duration};

    use futures::future::BoxFuture;

    use super::*;
    use crate::{
        delivery::{Answer, Deliveries, Host, Throttled},
        event_bus::tests::envelope,
        event_rules::EventRules,
        lambda::HostOptions,
        template::tests::ours,
    };

    /// Answers everything but a participant called `broken`.
    struct Answering;

    impl Host for Answering {
        fn invoke<'a>(&'a self, _: &'a str, event: &'a Value) -> BoxFuture<'a, Result<Answer, Throttled>> {
            let failure = Failure { error_type: "Test".to_owned(), error_message: "broken".to_owned() };
            let broken = event["detail"]["participant_id"] == "broken";
            Box::pin(async move { Ok(if broken { Err(failure) } else { Ok(json!("done")) }) })
        }
    }

    async fn control() -> String {
        let options = HostOptions {
            concurrency: 1,
            environment: BTreeMap::new(),
            region: "us-east-1".to_owned(),
            print_logs: false,
        };
        let functions = Arc::new(Functions::start(&[], &BTreeMap::new(), &options).await.unwrap());
        let deliveries = Deliveries::new(Arc::new(Answering), [Duration::from_millis(1); 2]);
        let rules = EventRules::new(&ours().functions).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, Control { functions, bus: Arc::new(EventBus::new(rules, deliveries)) }));
        url
    }

    async fn post(url: &str, body: &Value) -> (u16, Value) {
        let response = reqwest::Client::new().post(url).json(body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn get(url: &str) -> (u16, Value) {
        let response = reqwest::get(url).await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    #[tokio::test]
    async fn an_event_goes_to_the_functions_that_match() {
        let url = control().await;
        let (status, answer) = post(&format!("{url}/events"), &envelope()).await;
        assert_eq!((status, &answer["functions"]), (202, &json!(["participant-published"])));
        assert_eq!(answer.get("deliveries"), None);

        let (_, answer) = post(&format!("{url}/events?wait=true"), &envelope()).await;
        assert_eq!(answer["deliveries"][0]["status"], "delivered");
        let (_, deliveries) = get(&format!("{url}/deliveries")).await;
        assert_eq!(deliveries[1]["event_id"], envelope()["id"]);
        assert_eq!(deliveries[1]["source"], "rule");
        assert_eq!(deliveries[1]["trigger"], "ParticipantPublishedOriginalByAbsence");
        assert_eq!((&deliveries[1]["attempt"], &deliveries[1]["outcome"]), (&json!(1), &json!("ok")));
    }

    #[tokio::test]
    async fn what_cannot_be_delivered_is_a_dead_letter() {
        let url = control().await;
        let mut broken = envelope();
        broken["detail"]["participant_id"] = json!("broken");
        let (_, answer) = post(&format!("{url}/events?wait=true"), &broken).await;
        assert_eq!(answer["deliveries"][0]["status"], "dead_letter");
        let (_, deliveries) = get(&format!("{url}/deliveries")).await;
        assert_eq!(deliveries.as_array().map(Vec::len), Some(3));
        let (_, letters) = get(&format!("{url}/dead-letters")).await;
        assert_eq!(letters[0]["requestPayload"], broken);
    }

    #[tokio::test]
    async fn bad_input_is_refused_with_field_value_and_what_is_allowed() {
        let url = control().await;
        let (status, error) = post(&format!("{url}/events"), &json!({ "id": "e" })).await;
        assert_eq!((status, &error["field"]), (400, &json!("detail-type")));
        let (status, error) = post(&format!("{url}/events?wait=maybe"), &envelope()).await;
        assert_eq!((status, &error["field"], &error["value"]), (400, &json!("wait"), &json!("maybe")));
        let response = reqwest::Client::new().post(format!("{url}/events")).body("{").send().await.unwrap();
        assert_eq!(response.status(), 400);
        let (status, error) = get(&format!("{url}/function")).await;
        assert_eq!((status, &error["value"]), (404, &json!("/function")));
        let (status, error) = get(&format!("{url}/functions/nobody/logs")).await;
        assert_eq!((status, &error["value"]), (404, &json!("nobody")));
    }
}
