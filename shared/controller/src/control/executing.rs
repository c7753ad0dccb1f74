//! The calls of a plan: made at the same time, and each outcome recorded as it comes.

use futures::future::join_all;
use jiff::Timestamp;
use replication::{Lease, Moment, Operation, Outcome, PublisherKey, Refusal, Replica, Step, View};
use tracing::{info, warn};

use super::{Controller, Error, Invocation, MAX_CONFLICTS, not_allowed, stamp};
use crate::{Activity, StoreError, Write};

impl Controller {
    /// Makes the calls at the same time and records each outcome as it comes. Gives the view with all outcomes, or nothing
    /// if somebody else interfered and everything has to be read again.
    pub(super) async fn execute(
        &self,
        steps: &[Step],
        view: &View,
        planned: Timestamp,
        invocation: &Invocation,
    ) -> Result<Option<View>, Error> {
        let lease = Lease::taken(&invocation.id, planned, &self.policy);
        let done = join_all(steps.iter().map(|step| async {
            let (outcome, took) = self.call(step).await;
            self.tell(step, &outcome, took, view);
            let recorded = self.record(&outcome, took, &lease, view).await;
            if outcome.error().is_some_and(|error| matches!(error.refusal, Refusal::Throttled { .. })) {
                self.slow_down(Operation::of(step), took.latest(), invocation, &view.key).await?;
            }
            recorded
        }));
        let mut after = view.clone();
        let mut interfered = false;
        for recorded in done.await {
            let recorded = recorded?;
            interfered |= recorded.interfered;
            recorded.changed.into_iter().for_each(|replica| after.put(replica));
        }
        Ok((!interfered).then_some(after))
    }

    /// IVS throttled although the budget allowed the call: somebody else is calling, and everybody has to go slower.
    pub(super) async fn slow_down(
        &self,
        operation: Operation,
        now: Timestamp,
        invocation: &Invocation,
        publisher: &PublisherKey,
    ) -> Result<(), StoreError> {
        for _ in 0..MAX_CONFLICTS {
            let stamp = stamp(&invocation.id, publisher, now);
            let Some(budget) = self.calls_left.throttled(operation, now, stamp) else { return Ok(()) };
            let write = Write { budgets: vec![budget], ..Write::default() };
            match self.store.write(&write).await {
                Err(StoreError::Conflict) => self.calls_left.read(self.store.budgets().await?),
                Err(error) => return Err(error),
                Ok(()) => {
                    self.calls_left.written(&write.budgets);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn call(&self, step: &Step) -> (Outcome, Moment) {
        let sent = self.clock.now();
        let outcome = match step {
            Step::Start(request) => {
                let result = match &self.calls.start {
                    Some(start) => start.start_participant_replication(request).await,
                    None => Err(not_allowed()),
                };
                Outcome::Start(request.key.clone(), result)
            }
            Step::Stop(request) => {
                let result = match &self.calls.stop {
                    Some(stop) => stop.stop_participant_replication(&request.key).await,
                    None => Err(not_allowed()),
                };
                Outcome::Stop(request.key.clone(), result)
            }
            Step::Verify(keys) => {
                let result = match (&self.calls.list, keys.first()) {
                    (Some(list), Some(key)) => list.list_participant_replicas(&key.publisher()).await,
                    _ => Err(not_allowed()),
                };
                Outcome::Verify(keys.clone(), result)
            }
        };
        (outcome, Moment::between(sent, self.clock.now()))
    }

    /// Writes an outcome with its line of history. If an item changed meanwhile, the outcome is taken into what is stored
    /// now: an outcome is never dropped for a lost race.
    async fn record(
        &self,
        outcome: &Outcome,
        took: Moment,
        lease: &Lease,
        view: &View,
    ) -> Result<Recorded, StoreError> {
        let activity = Activity::of(outcome, view, took, &lease.holder);
        log_outcome(&activity, outcome);
        let mut before = view.clone();
        let mut conflicts = 0;
        loop {
            let mut after = before.clone();
            outcome.apply(&mut after, lease, took, &self.policy);
            let write = Write { activity: vec![activity.clone()], ..Write::between(&before, &after) };
            match self.store.write(&write).await {
                Ok(()) => {
                    self.placement().after(&write, &[]).await;
                    let stored = write.stored(View { replicas: Vec::new(), ..after });
                    return Ok(Recorded { changed: stored.replicas, interfered: conflicts > 0 });
                }
                Err(StoreError::Conflict) if conflicts < MAX_CONFLICTS => {
                    conflicts += 1;
                    before = self.store.load(&view.key).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// What recording an outcome came to.
struct Recorded {
    changed: Vec<Replica>,
    interfered: bool,
}

fn log_outcome(activity: &Activity, outcome: &Outcome) {
    let destination = activity.destination.as_ref().map(|stage| stage.as_str());
    let Activity { operation, outcome: text, request_id, .. } = activity;
    if outcome.error().is_some() {
        warn!(operation, destination, outcome = text, request_id, "the call failed");
    } else {
        info!(operation, destination, outcome = text, request_id, "called");
    }
}
