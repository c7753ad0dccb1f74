//! Taking over a replica that somebody else started.

use replication::{Owner, ReplicationKey, Standing, View};
use tracing::info;

use crate::control::MAX_CONFLICTS;
use crate::{Activity, Controller, Error, Handled, Invocation, Order, StoreError, Write};

/// A replica that cannot be adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// Nothing is known of it.
    #[error("{0} is not known; a sweep finds what runs between stages that a rule concerns")]
    Unknown(ReplicationKey),
    /// It does not run, as far as is known.
    #[error("{0} does not run")]
    NotRunning(ReplicationKey),
    /// It is ours already.
    #[error("{0} is Stagelink's already")]
    Ours(ReplicationKey),
    /// It could not be read or written, or what follows could not be planned.
    #[error(transparent)]
    Controller(#[from] Error),
}

impl Controller {
    /// Makes a running replica that somebody else started our own, because somebody asks for it. From then on it is treated as
    /// any other: it is kept while a rule wants it, and stopped if none does.
    ///
    /// # Errors
    /// [`AdoptError`]. After [`AdoptError::Controller`] it may be ours already; asking again is safe.
    pub async fn adopt(
        &self,
        key: &ReplicationKey,
        order: &Order,
        invocation: &Invocation,
    ) -> Result<Handled, AdoptError> {
        let publisher = key.publisher();
        for _ in 0..=MAX_CONFLICTS {
            let view = self.store.load(&publisher).await.map_err(Error::from)?;
            let write = self.adopted(&view, key, order)?;
            match self.store.write(&write).await {
                Ok(()) => {
                    info!(replica = %key, "adopted");
                    return Ok(self.reconcile(&publisher, None, invocation).await?);
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(Error::from(error).into()),
            }
        }
        Err(Error::Contended { publisher }.into())
    }

    fn adopted(&self, view: &View, key: &ReplicationKey, order: &Order) -> Result<Write, AdoptError> {
        let known = view.replica(&key.destination).ok_or_else(|| AdoptError::Unknown(key.clone()))?;
        if known.evidence.standing() != Standing::On {
            return Err(AdoptError::NotRunning(key.clone()));
        }
        if known.owner_if_running() == Owner::Stagelink {
            return Err(AdoptError::Ours(key.clone()));
        }
        let mut adopted = known.clone();
        adopted.adopt(self.clock.now());
        let activity = Activity {
            at: self.clock.now(),
            stage: key.source.clone(),
            participant: Some(key.participant.clone()),
            destination: Some(key.destination.clone()),
            operation: "Adopt",
            rule: known.rule.as_ref().map(|rule| rule.id.clone()),
            outcome: "ok".to_owned(),
            reason: order.reason.clone(),
            request_id: None,
            caller: order.by.clone(),
        };
        Ok(Write { replicas: vec![adopted], activity: vec![activity], ..Write::default() })
    }
}
