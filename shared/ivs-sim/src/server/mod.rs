//! The HTTP server: the real REST protocol, and the control plane beside it.

mod connection;
mod control;
mod rest;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use self::connection::{Cut, CuttableListener};
use crate::simulator::Simulator;

/// How long the timer sleeps at most, should the clock be one that jumps.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// How many delivered events `GET /_sim/events` remembers.
const EVENTS_KEPT: usize = 10_000;

/// Serves the simulator until `shutdown` resolves and the requests under way are answered. Also keeps its time: what is
/// due happens and is delivered though nobody calls.
///
/// Beside the API (`POST /<Operation>`, `/tags/{resourceArn}`), which wants signed requests, there is a control plane that
/// wants none: `POST /_sim/publish`, `/_sim/unpublish` and `/_sim/leave`; `PUT` and `GET /_sim/faults`; `GET /_sim/ledger`,
/// `/_sim/events`, `/_sim/state` and `/_sim/dialect`.
///
/// # Errors
/// What the listener reports.
pub async fn serve(
    listener: TcpListener,
    simulator: Simulator,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let app = App::new(simulator);
    let router = Router::new()
        .route("/_sim/{*path}", any(control::handle))
        .route("/tags/{*resource_arn}", any(rest::tags))
        .fallback(rest::operation)
        .with_state(app.clone());
    let service = router.into_make_service_with_connect_info::<Cut>();
    let server = axum::serve(CuttableListener(listener), service).with_graceful_shutdown(shutdown);
    tokio::select! {
        served = server.into_future() => served,
        never = keep_time(app) => match never {},
    }
}

/// What every request handler shares.
#[derive(Clone)]
struct App {
    simulator: Simulator,
    events: Arc<Mutex<Events>>,
}

/// The latest events that were delivered.
struct Events {
    arriving: mpsc::UnboundedReceiver<Value>,
    kept: VecDeque<Value>,
}

impl App {
    fn new(simulator: Simulator) -> Self {
        let events = Events { arriving: simulator.subscribe(), kept: VecDeque::new() };
        Self { simulator, events: Arc::new(Mutex::new(events)) }
    }

    /// The latest delivered events, oldest first.
    fn events(&self) -> Vec<Value> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        while let Ok(event) = events.arriving.try_recv() {
            events.kept.push_back(event);
            if events.kept.len() > EVENTS_KEPT {
                events.kept.pop_front();
            }
        }
        events.kept.iter().cloned().collect()
    }
}

/// Wakes the simulator whenever something is due.
async fn keep_time(app: App) -> Infallible {
    loop {
        app.simulator.tick();
        let due = app.simulator.next_due().map(|due| due.duration_since(app.simulator.now()));
        let sleep = due.map_or(LONGEST_SLEEP, |due| due.unsigned_abs().min(LONGEST_SLEEP));
        tokio::select! {
            () = app.simulator.changed.notified() => {}
            () = tokio::time::sleep(sleep) => {}
        }
    }
}
