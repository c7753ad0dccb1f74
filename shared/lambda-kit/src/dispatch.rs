//! The function that does what is due.

use std::sync::Arc;
use std::time::Duration;

use aws_adapters::Connection;
use controller::sweep::scout::Scout;
use controller::sweep::single_pace::SinglePace;
use controller::versus::Judge;
use controller::{CallsLeft, Controller, Dispatcher, Patience, Turn};
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use tracing::{Instrument, info, info_span};

use crate::function::{Failure, long_invocation};
use crate::{Config, Meter, SystemClock};

/// Does what is due, whatever woke it: the table's stream or the clock. What the event says does not matter.
pub struct DispatchFunction {
    dispatcher: Dispatcher,
    meter: Arc<Meter>,
}

impl DispatchFunction {
    /// A function on this table, with every call, and the reads that tell who is on the stages of a versus session.
    pub fn new(config: &Config, connection: &Connection) -> Self {
        // Rules for any stage are read with every publisher: what is done late must not be done by old rules.
        let store = Arc::new(connection.store(&config.table).with_selector_cache(Duration::ZERO));
        let clock = Arc::new(SystemClock);
        let meter = Arc::new(Meter::new("dispatch", config, connection));
        let controller = Controller {
            store: store.clone(),
            clock: clock.clone(),
            calls: connection.ivs().for_dispatch(),
            policy: config.policy(),
            patience: Patience(Duration::ZERO),
            calls_left: CallsLeft::share(config.quota_share, Turn::Queue),
            measure: meter.clone(),
        };
        let pace = SinglePace::new(store.clone(), clock.clone(), config.quota_share);
        let scout = Scout { reads: connection.ivs().for_sweeping(), pace: Arc::new(pace), clock };
        let versus = Judge::new(store.clone(), Some(scout));
        Self { dispatcher: Dispatcher { controller, queue: store, versus }, meter }
    }

    /// What measures its invocations.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Works until nothing is due before the function's time is over.
    ///
    /// # Errors
    /// [`Failure`], if the table cannot be read.
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Failure> {
        let span = info_span!("dispatch", request = event.context.request_id);
        let dispatched = self.dispatch(&event.context).instrument(span).await.inspect_err(Failure::log);
        self.meter.write_measured();
        dispatched
    }

    async fn dispatch(&self, context: &Context) -> Result<Value, Failure> {
        let done = self.dispatcher.run(&long_invocation(context)).await.map_err(controller::Error::from)?;
        info!(reconciled = done.reconciled, unfinished = done.unfinished, "dispatched");
        Ok(json!({ "handled": "dispatched", "reconciled": done.reconciled, "unfinished": done.unfinished }))
    }
}
