//! The Lambda Runtime API, for one contender: it polls, is given an event, and answers.
//!
//! Crate `lambda-simulator`, which the local stand is built on, tells telemetry of each invocation and not when the first poll came;
//! so this is one of its own, and measures nothing but the contender.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::Error;
use crate::wire::Server;

/// The longest that a contender may take for anything.
const LONGEST: Duration = Duration::from_secs(60);

/// How long a function has for an event, as the deployment template says.
const TIMEOUT: Duration = Duration::from_secs(15);

/// What a contender did, and when it was known here.
#[derive(Debug)]
enum Done {
    Polled(Instant),
    Given(Instant),
    Answered(Instant, Value),
    Failed(String),
}

/// The Runtime API.
pub struct Stand {
    server: Server,
    events: UnboundedSender<String>,
    done: UnboundedReceiver<Done>,
    number: u64,
}

#[derive(Clone)]
struct Api {
    events: Arc<Mutex<UnboundedReceiver<String>>>,
    done: UnboundedSender<Done>,
}

/// One event that was handled.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// From when the event left to when the answer was here.
    pub latency: Duration,
    /// What was answered.
    pub answer: Value,
}

impl Stand {
    /// Opens it.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start() -> Result<Self, Error> {
        let ((events, queue), (done, doings)) = (unbounded_channel(), unbounded_channel());
        let api = Api { events: Arc::new(Mutex::new(queue)), done };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failure))
            .route("/2018-06-01/runtime/init/error", post(failure))
            .with_state(api);
        Ok(Self { server: Server::start(router, None).await?, events, done: doings, number: 0 })
    }

    /// Host and port, for `AWS_LAMBDA_RUNTIME_API`.
    pub fn address(&self) -> String {
        self.server.address()
    }

    /// Waits until the contender polls.
    ///
    /// # Errors
    /// What it does instead.
    pub async fn polled(&mut self) -> Result<Instant, String> {
        match self.next_doing().await? {
            Done::Polled(at) => Ok(at),
            other => Err(format!("it should poll, and {other:?}")),
        }
    }

    /// Gives an event to the contender, which has polled, and waits for its answer.
    ///
    /// # Errors
    /// What it does instead.
    pub async fn invoke(&mut self, event: &Value) -> Result<Invocation, String> {
        let gone = || "the stand is gone".to_owned();
        self.events.send(event.to_string()).map_err(|_| gone())?;
        self.number += 1;
        let Done::Given(given) = self.next_doing().await? else { return Err("it polled twice".to_owned()) };
        match self.next_doing().await? {
            Done::Answered(at, answer) => Ok(Invocation { latency: at - given, answer }),
            other => Err(format!("it should answer event {}, and {other:?}", self.number)),
        }
    }

    async fn next_doing(&mut self) -> Result<Done, String> {
        let waiting = tokio::time::timeout(LONGEST, self.done.recv()).await;
        let done = waiting.map_err(|_| format!("it does nothing for {} s", LONGEST.as_secs()))?;
        match done.ok_or("the stand is gone")? {
            Done::Failed(said) => Err(format!("it says that it failed: {said}")),
            done => Ok(done),
        }
    }
}

async fn next(State(api): State<Api>) -> Response {
    // Nobody listens any more when the contender is about to be ended.
    let _ = api.done.send(Done::Polled(Instant::now()));
    let Some(event) = api.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + TIMEOUT;
    let headers = [
        ("content-type", "application/json".to_owned()),
        (
            "lambda-runtime-aws-request-id",
            format!("8476a536-e9f4-11e8-9739-{:012x}", deadline.as_micros() & 0xffff_ffff_ffff),
        ),
        ("lambda-runtime-deadline-ms", deadline.as_millis().to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:123456789012:function:benches".to_owned(),
        ),
        (
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0".to_owned(),
        ),
    ];
    let _ = api.done.send(Done::Given(Instant::now()));
    (headers, event).into_response()
}

async fn response(State(api): State<Api>, Path(_): Path<String>, body: Bytes) -> StatusCode {
    let at = Instant::now();
    let answer = serde_json::from_slice(&body).unwrap_or_default();
    let _ = api.done.send(Done::Answered(at, answer));
    StatusCode::ACCEPTED
}

async fn failure(State(api): State<Api>, body: String) -> StatusCode {
    let _ = api.done.send(Done::Failed(body));
    StatusCode::ACCEPTED
}
