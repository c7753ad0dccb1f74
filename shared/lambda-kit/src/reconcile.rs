//! The function that sweeps.

use std::sync::Arc;
use std::time::Duration;

use aws_adapters::Connection;
use controller::sweep::Sweep;
use controller::sweep::pace::SharedPace;
use controller::{Calls, CallsLeft, Controller, Patience};
use lambda_runtime::{Context, LambdaEvent};
use replication::sweep::SweepPolicy;
use serde_json::{Value, json};
use tracing::{Instrument, info_span};

use crate::function::{Failure, long_invocation};
use crate::{Config, Meter, SystemClock};

/// Sweeps what IVS says, whatever woke it.
pub struct ReconcileFunction {
    sweep: Sweep,
    meter: Arc<Meter>,
}

impl ReconcileFunction {
    /// A function on this table. It starts and stops nothing.
    pub fn new(config: &Config, connection: &Connection) -> Self {
        let clock = Arc::new(SystemClock);
        // Rules for any stage are read with every publisher, so that they are as those that were compared.
        let store = Arc::new(connection.store(&config.table).with_selector_cache(Duration::ZERO));
        let meter = Arc::new(Meter::new("reconcile", config, connection));
        let controller = Controller {
            store: store.clone(),
            clock: clock.clone(),
            calls: Calls::default(),
            policy: config.policy(),
            patience: Patience(Duration::ZERO),
            calls_left: CallsLeft::default(),
            measure: meter.clone(),
        };
        let pace = SharedPace::new(store.clone(), clock.clone(), config.quota_share);
        let sweep = Sweep {
            store,
            controller,
            reads: connection.ivs().for_sweeping(),
            recordings: connection.ivs().for_recording(),
            pace: Arc::new(pace),
            clock,
            policy: SweepPolicy::default(),
        };
        Self { sweep, meter }
    }

    /// What measures its invocations.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Sweeps until everything is looked at, or the function's time is over.
    ///
    /// # Errors
    /// [`Failure`], if the table cannot be read.
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Failure> {
        let span = info_span!("sweep", request = event.context.request_id);
        let swept = self.run(&event.context).instrument(span).await.inspect_err(Failure::log);
        self.meter.write_measured();
        swept
    }

    async fn run(&self, context: &Context) -> Result<Value, Failure> {
        let swept = self.sweep.run(&long_invocation(context)).await.map_err(controller::Error::from)?;
        self.meter.write_swept(&swept);
        Ok(json!({
            "handled": "swept",
            "calls": swept.calls,
            "stages": swept.stages,
            "looked_at": swept.looked_at,
            "skipped": swept.skipped,
            "news": swept.news,
            "planned_again": swept.planned_again,
            "foreign": swept.foreign,
            "braked": swept.braked,
            "confirmed": swept.confirmed,
            "recordings_set": swept.recordings_set,
            "oldest_knowledge_seconds": swept.oldest_knowledge,
        }))
    }
}
