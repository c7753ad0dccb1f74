//! The server: the page, what it shows, and what changes.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` and the page's files | the page |
//! | `GET /api/state` | everything that the page shows, as JSON |
//! | `GET /api/events` | the same and then the changes, as server-sent events |
//! | `GET /api/explain?stage=…&participant=…[&destination=…]` | why a participant is, or is not, where rules want it, in sentences |
//! | `GET /api/explain?participant=…` | the same of everybody with this participant id or user id |
//! | `GET /api/activity[?since=…&stage=…&participant=…&destination=…]` | the newest lines of history |
//!
//! What cannot be answered has a field `error`. Events are `snapshot` and `change`, both with ids to resume from; `sample` with each
//! look, `trouble` with each that failed; and `activity`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use futures::Stream;
use futures::stream;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::guard::guard;
use crate::hub::{Hub, Latest};
use crate::{Settings, Source, ask, page};

/// How often an event stream says that it is there when there is nothing to say.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Why the dashboard is not served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener can be reached from other machines, and the dashboard asks nobody who he is.
    #[error("address {0} is not valid: allowed is one of loopback")]
    NotLoopback(SocketAddr),
    /// The server failed.
    #[error("the dashboard cannot be served")]
    Server(#[from] std::io::Error),
}

#[derive(Clone)]
pub(crate) struct Dashboard {
    pub(crate) hub: Arc<Hub>,
    stopped: watch::Receiver<bool>,
}

/// Serves the dashboard until `stop`. Event streams end then.
///
/// # Errors
/// [`ServeError`]
pub async fn serve(
    listener: TcpListener,
    source: Arc<dyn Source>,
    settings: Settings,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback(address));
    }
    let hub = Hub::new(source, settings);
    let (stopping, stopped) = watch::channel(false);
    let router = router(Dashboard { hub: hub.clone(), stopped });
    let stop = async move {
        stop.await;
        stopping.send_replace(true);
    };
    tokio::select! {
        served = async { axum::serve(listener, router).with_graceful_shutdown(stop).await } => Ok(served?),
        () = hub.run() => Ok(()),
    }
}

fn router(dashboard: Dashboard) -> Router {
    Router::new()
        .route("/api/state", get(state))
        .route("/api/events", get(events))
        .route("/api/explain", get(ask::explain))
        .route("/api/activity", get(ask::activity))
        .fallback(file)
        .layer(middleware::from_fn(guard))
        .with_state(dashboard)
}

async fn file(uri: Uri) -> Response {
    let not_found = || problem(StatusCode::NOT_FOUND, &format!("path {:?} is not known", uri.path()));
    page::file(uri.path()).unwrap_or_else(not_found)
}

pub(crate) fn problem(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

async fn state(State(Dashboard { hub, .. }): State<Dashboard>) -> Response {
    let latest = hub.fresh(&mut hub.listen()).await;
    match &latest.trouble {
        Some(trouble) if latest.revision == 0 => problem(StatusCode::BAD_GATEWAY, &trouble.error),
        _ => Json(hub.snapshot(&latest)).into_response(),
    }
}

async fn events(
    State(Dashboard { hub, stopped }): State<Dashboard>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let reader = Reader {
        revision: resumed.and_then(|id| hub.revision(id)),
        looks: 0,
        lines: 0,
        listener: hub.listen(),
        hub,
        stopped,
        waiting: VecDeque::new(),
    };
    let events = stream::unfold(reader, async |mut reader| Some((Ok(reader.next().await?), reader)));
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

/// Who reads the events of one connection.
struct Reader {
    hub: Arc<Hub>,
    listener: watch::Receiver<Arc<Latest>>,
    stopped: watch::Receiver<bool>,
    /// How far the rows were told; nothing if not at all.
    revision: Option<u64>,
    /// How far the looks were told.
    looks: u64,
    /// How far the history was told. What was before somebody came, he asks for.
    lines: u64,
    waiting: VecDeque<Event>,
}

impl Reader {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            let latest = if self.looks == 0 {
                let Self { hub, listener, stopped, .. } = self;
                tokio::select! {
                    latest = hub.fresh(listener) => latest,
                    _ = stopped.wait_for(|stopped| *stopped) => return None,
                }
            } else {
                let Self { listener, stopped, .. } = self;
                tokio::select! {
                    changed = listener.changed() => changed.ok()?,
                    _ = stopped.wait_for(|stopped| *stopped) => return None,
                }
                self.listener.borrow_and_update().clone()
            };
            self.tell(&latest);
        }
    }

    fn tell(&mut self, latest: &Latest) {
        if latest.looks == self.looks {
            return;
        }
        let first = std::mem::replace(&mut self.looks, latest.looks) == 0;
        if latest.revision > 0 && self.revision != Some(latest.revision) {
            self.tell_rows(latest);
        }
        match (&latest.trouble, latest.samples.back()) {
            (Some(trouble), _) => self.waiting.push_back(event("trouble", None, &trouble.for_the_page())),
            (None, Some(sample)) => self.waiting.push_back(event("sample", None, &**sample)),
            (None, None) => {}
        }
        let lines = std::mem::replace(&mut self.lines, latest.lines);
        if !first && lines < latest.lines {
            self.waiting.push_back(event("activity", None, &latest.lines_since(lines)));
        }
        // So that a browser that resumes knows at once how often to expect a sign.
        if first && self.waiting.is_empty() {
            self.waiting.push_back(Event::default().comment("nothing yet"));
        }
    }

    fn tell_rows(&mut self, latest: &Latest) {
        let known = self.revision.replace(latest.revision);
        let changes = known.and_then(|revision| latest.changes_since(revision));
        match changes {
            Some(changes) => {
                for (revision, change) in changes {
                    self.waiting.push_back(event("change", Some(self.hub.id(revision)), &**change));
                }
            }
            None => {
                let id = self.hub.id(latest.revision);
                self.waiting.push_back(event("snapshot", Some(id), &self.hub.snapshot(latest)));
            }
        }
    }
}

fn event(name: &str, id: Option<String>, data: &impl Serialize) -> Event {
    // JSON on one line has no line breaks, which alone could make this fail.
    let data = serde_json::to_string(data).unwrap_or_else(|_| Value::Null.to_string());
    let event = Event::default().event(name).data(data);
    match id {
        Some(id) => event.id(id),
        None => event,
    }
}
