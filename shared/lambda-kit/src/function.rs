//! From a Lambda event to the controller and back.

use std::sync::Arc;

use aws_adapters::{Connection, DynamoStore, IVS_CALL_SECONDS};
use controller::{
    Calls, CallsLeft, Controller, Handled, Invocation, Patience, StoreError, Turn, with_causes,
};
use jiff::{SignedDuration, Timestamp};
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use replication::Observation;
use serde_json::{Value, json};
use tracing::{Instrument, info, info_span, warn};

use crate::envelope::shown;
use crate::{Config, EnvelopeError, EventSources, Ignored, Meter, Metric, News, SystemClock, decode};

/// What is left of the function's time for the answer itself.
const MARGIN: SignedDuration = SignedDuration::from_secs(1);

/// What is left of the time of a function that works until it is over: for a call that was made at the last moment, too, and for
/// what becomes of it.
const MARGIN_OF_A_RUN: SignedDuration = SignedDuration::from_secs(IVS_CALL_SECONDS as i64 + 1);

/// The longest that a function may run, in milliseconds (AWS Lambda quotas).
const LONGEST_MS: u64 = 900_000;

/// The time of a function whose runtime is emulated.
const EMULATED: SignedDuration = SignedDuration::from_mins(1);

/// How far ahead of this machine's clock an event may be. Later news would stand against all that is still to come.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// A function that reacts to IVS events.
pub struct Function {
    name: &'static str,
    sources: EventSources,
    controller: Controller,
    meter: Arc<Meter>,
}

impl Function {
    /// A function of this name, with the IVS calls it may make. Opens the connection to the table while the function
    /// starts, so that the first event does not wait for it.
    pub async fn new(name: &'static str, config: &Config, connection: &Connection, calls: Calls) -> Self {
        let store: DynamoStore = connection.store(&config.table).with_selector_cache(config.selector_cache);
        if let Err(error) = store.prime().await {
            warn!(%error, "the table could not be read at the start");
        }
        let meter = Arc::new(Meter::new(name, config, connection));
        let controller = Controller {
            store: Arc::new(store),
            clock: Arc::new(SystemClock),
            calls,
            policy: config.policy(),
            patience: Patience::default(),
            calls_left: CallsLeft::share(config.quota_share, Turn::Newcomer),
            measure: meter.clone(),
        };
        Self { name, sources: config.event_sources.clone(), controller, meter }
    }

    /// What measures its invocations.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Reacts to one EventBridge envelope.
    ///
    /// # Errors
    /// [`Failure`]; Lambda delivers the event again, and after the last attempt keeps it for people.
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Failure> {
        let LambdaEvent { payload, context } = event;
        let id = shown(payload.get("id").and_then(Value::as_str).unwrap_or_default());
        let span = info_span!("event", function = self.name, event = id, request = context.request_id);
        let handled = self.decode_and_handle(&payload, &context).instrument(span.clone()).await;
        self.meter.write_measured();
        span.in_scope(|| handled.inspect_err(Failure::log))
    }

    async fn decode_and_handle(&self, payload: &Value, context: &Context) -> Result<Value, Failure> {
        let observation = match decode(payload.clone(), &self.sources) {
            Ok(News::Observation(observation)) => not_from_the_future(observation),
            Ok(News::Ignored(ignored)) => {
                self.meter.count(Metric::EventsIgnored);
                let why = why(&ignored);
                info!(why, "event ignored");
                return Ok(json!({ "handled": "ignored", "why": why }));
            }
            Err(error) => Err(error),
        };
        let observation = observation.inspect_err(|_| self.meter.count(Metric::EventsMalformed))?;
        self.handle_news(&observation, context).await
    }

    async fn handle_news(&self, news: &Observation, context: &Context) -> Result<Value, Failure> {
        let publisher = news.publisher();
        let span = info_span!("reconcile", stage = %publisher.stage, participant = %publisher.participant);
        let handled = self.controller.handle(news, &invocation(context)).instrument(span).await?;
        Ok(match handled {
            Handled::Unconcerned => {
                info!("no rule speaks of this stage");
                json!({ "handled": "unconcerned" })
            }
            Handled::Settled(report) => json!({ "handled": "settled", "report": report.to_string() }),
            Handled::Deferred(report, due) => {
                json!({ "handled": "deferred", "due": due.to_string(), "report": report.to_string() })
            }
        })
    }
}

/// Who asks, and how long there is time.
pub(crate) fn invocation(context: &Context) -> Invocation {
    invocation_before(context, MARGIN)
}

/// The same for a function that works until its time is over.
pub(crate) fn long_invocation(context: &Context) -> Invocation {
    invocation_before(context, MARGIN_OF_A_RUN)
}

fn invocation_before(context: &Context, margin: SignedDuration) -> Invocation {
    let deadline = deadline(context.deadline, Timestamp::now());
    let deadline = deadline.checked_sub(margin).unwrap_or(Timestamp::MIN);
    Invocation { id: context.request_id.clone(), deadline }
}

/// When the function's time is over, by the milliseconds since 1970 that the runtime tells. `cargo lambda watch` tells how much
/// time there is instead, always 600000. A minute of it is taken, as there is until the next run of a schedule.
fn deadline(milliseconds: u64, now: Timestamp) -> Timestamp {
    if milliseconds <= LONGEST_MS {
        return now.saturating_add(EMULATED).unwrap_or(Timestamp::MAX);
    }
    let deadline = i64::try_from(milliseconds).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
    deadline.unwrap_or(Timestamp::MAX)
}

fn not_from_the_future(observation: Observation) -> Result<Observation, EnvelopeError> {
    let now = Timestamp::now();
    if observation.at().earliest() <= now.saturating_add(AHEAD).unwrap_or(Timestamp::MAX) {
        return Ok(observation);
    }
    let problem =
        format!("{} is in the future: allowed is up to 5 minutes after {now}", observation.at().earliest());
    Err(EnvelopeError { field: "detail.event_time".to_owned(), problem })
}

fn why(ignored: &Ignored) -> String {
    match ignored {
        Ignored::Foreign { source, detail_type } => {
            format!("source {source:?} and detail-type {detail_type:?} are not for us")
        }
        Ignored::UnknownName(name) => format!("event_name {name:?} is not known"),
        Ignored::Irrelevant(why) => (*why).to_owned(),
    }
}

/// An event that could not be handled.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The event cannot be read. Delivering it again will not help.
    #[error(transparent)]
    Malformed(#[from] EnvelopeError),
    /// The controller could not finish. Delivering the event again later may help.
    #[error(transparent)]
    Controller(#[from] controller::Error),
}

impl Failure {
    /// All error types there are.
    pub const ERROR_TYPES: [&str; 7] = [
        "Malformed",
        "Contended",
        "Unsettled",
        "PlanForbidden",
        "StoreUnavailable",
        "StoreRefused",
        "StoreCorrupt",
    ];

    /// The failure as one word, out of [`Failure::ERROR_TYPES`].
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "Malformed",
            Self::Controller(controller::Error::Contended { .. }) => "Contended",
            Self::Controller(controller::Error::Unsettled { .. }) => "Unsettled",
            Self::Controller(controller::Error::Forbidden { .. }) => "PlanForbidden",
            Self::Controller(controller::Error::Store(error)) => match error {
                StoreError::Conflict | StoreError::DestinationFull { .. } => "Contended",
                StoreError::Unavailable { .. } => "StoreUnavailable",
                StoreError::Refused { .. } => "StoreRefused",
                StoreError::Corrupt { .. } => "StoreCorrupt",
            },
        }
    }

    /// What passes with time is a warning; what somebody has to look at is an error.
    pub(crate) fn log(&self) {
        let (error_type, error) = (self.error_type(), with_causes(self));
        match error_type {
            "Contended" | "Unsettled" | "StoreUnavailable" => warn!(error_type, error, "not handled"),
            _ => tracing::error!(error_type, error, "not handled"),
        }
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.error_type().to_owned(), error_message: with_causes(&failure) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_a_time_unless_it_can_only_be_a_duration() {
        let now: Timestamp = "2026-07-01T18:00:00Z".parse().unwrap();
        let told = now + SignedDuration::from_secs(15);
        assert_eq!(deadline(told.as_millisecond().unsigned_abs(), now), told);
        let past = now - SignedDuration::from_secs(1);
        assert_eq!(deadline(past.as_millisecond().unsigned_abs(), now), past, "too late is too late");
        assert_eq!(deadline(600_000, now), now + SignedDuration::from_mins(1));
        assert_eq!(deadline(u64::MAX, now), Timestamp::MAX);
    }
}
