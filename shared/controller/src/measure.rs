//! What is measured of the calls that start and stop replications.

use std::sync::Arc;

use jiff::SignedDuration;
use replication::{Moment, Outcome, Refusal, Replica, Step, View};

use crate::Controller;

/// Takes in how starts and stops went. It must not wait.
pub trait Measure: Send + Sync {
    /// IVS accepted a Start, so long after its publisher began to publish
    /// ([`waiting_since`](replication::StartRequest::waiting_since)).
    fn replicated(&self, replica: &Replica, latency: SignedDuration);

    /// IVS refused a Start or a Stop, or gave no answer. One that was throttled has not failed: it comes again.
    fn failed(&self, replica: &Replica);
}

/// Measures nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unmeasured;

impl Unmeasured {
    /// For a [`Controller`] of which nobody wants to know.
    pub fn shared() -> Arc<dyn Measure> {
        Arc::new(Self)
    }
}

impl Measure for Unmeasured {
    fn replicated(&self, _: &Replica, _: SignedDuration) {}

    fn failed(&self, _: &Replica) {}
}

impl Controller {
    /// Tells how a call went that lasted from `took.earliest()` to `took.latest()`.
    pub(crate) fn tell(&self, step: &Step, outcome: &Outcome, took: Moment, view: &View) {
        let (key, waiting_since) = match step {
            Step::Start(request) => (&request.key, request.waiting_since),
            Step::Stop(request) => (&request.key, None),
            Step::Verify(_) => return,
        };
        let Some(replica) = view.replica(&key.destination) else { return };
        match (outcome.error().map(|error| error.refusal), waiting_since) {
            (None, Some(since)) => {
                // Another machine's clock may be ahead.
                let latency = took.latest().duration_since(since).max(SignedDuration::ZERO);
                self.measure.replicated(replica, latency);
            }
            (None, None) | (Some(Refusal::Throttled { .. }), _) => {}
            (Some(_), _) => self.measure.failed(replica),
        }
    }
}
