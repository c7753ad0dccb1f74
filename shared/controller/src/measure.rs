//! What is measured of the calls that start and stop replications, and of plans that must not be carried out.

use std::sync::Arc;

use jiff::SignedDuration;
use replication::invariant::Invariant;
use replication::{Moment, Outcome, Refusal, Rejection, Replica, Step, View};

use crate::Controller;

/// Takes in how starts and stops went. It must not wait.
pub trait Measure: Send + Sync {
    /// IVS accepted a Start, so long after its publisher began to publish
    /// ([`waiting_since`](replication::StartRequest::waiting_since)).
    fn replicated(&self, replica: &Replica, latency: SignedDuration);

    /// IVS refused a Start or a Stop, or gave no answer. One that was throttled has not failed, for it comes again; nor has a Stop
    /// that found nothing to stop, because the replica ended by itself.
    fn failed(&self, replica: &Replica);

    /// A plan would have broken this, and was not carried out.
    fn forbidden(&self, invariant: Invariant);
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

    fn forbidden(&self, _: Invariant) {}
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
        if let Some(error) = outcome.error() {
            if is_failure(step, error.refusal) {
                self.measure.failed(replica);
            }
        } else if let Some(since) = waiting_since {
            // Another machine's clock may be ahead.
            let latency = took.latest().duration_since(since).max(SignedDuration::ZERO);
            self.measure.replicated(replica, latency);
        }
    }
}

fn is_failure(step: &Step, refusal: Refusal) -> bool {
    match refusal {
        Refusal::Throttled { .. } => false,
        Refusal::Rejected(Rejection::NotFound | Rejection::Conflict) => !matches!(step, Step::Stop(_)),
        Refusal::Rejected(_) | Refusal::AccessDenied | Refusal::Unavailable => true,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use replication::{ReconnectWindow, ReplicationKey, StartRequest, StopReason, StopRequest};

    use super::*;

    #[test]
    fn only_what_was_not_brought_about_has_failed() {
        let stage = |id: &str| format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}").parse().unwrap();
        let key =
            ReplicationKey { source: stage("A"), participant: "p".parse().unwrap(), destination: stage("B") };
        let stop =
            Step::Stop(StopRequest { key: key.clone(), reason: StopReason::Unwanted, confirmed: false });
        let start = Step::Start(StartRequest {
            key,
            reconnect_window: ReconnectWindow::default(),
            attributes: BTreeMap::new(),
            waiting_since: None,
        });
        let failures = |step: &Step| {
            let rejected = Rejection::ALL.into_iter().map(Refusal::Rejected);
            let others =
                [Refusal::AccessDenied, Refusal::Unavailable, Refusal::Throttled { retry_after: None }];
            rejected.chain(others).map(|refusal| is_failure(step, refusal)).collect::<Vec<_>>()
        };
        // Validation, not found, conflict, quota; access denied, unavailable, throttled.
        assert_eq!(failures(&start), [true, true, true, true, true, true, false]);
        assert_eq!(failures(&stop), [true, false, false, true, true, true, false]);
    }
}
