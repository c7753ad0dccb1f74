//! Running versus sessions: begun, changed and ended by whoever may write the table, judged by the dispatcher.
//!
//! # Guarantees
//! * A session and its rules change together or not at all. What the rules want is done by those who do it for every rule.
//! * A session that is not over is due, so that one whose judge was killed is judged by the next.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::{join, join_all, try_join_all};
use jiff::Timestamp;
use replication::versus::{judge, to_plan};
use replication::{Policy, PublisherKey, Versus, VersusError, VersusId, VersusState, VersusTerms, View};
use tracing::{info, warn};

use crate::sweep::scout::Scout;
use crate::{Controller, Invocation, StoreError, control, with_causes};

pub mod port;

use port::VersusStore;

/// How often a lost race is run again.
const MAX_CONFLICTS: usize = 20;

/// Judges sessions, and before that looks at who is on their stages.
///
/// An event of a stage without rules is not kept, so that somebody who began to publish before the session is not known. One
/// look at each stage finds them, when the session's rules are in force and no further event is lost on them.
pub struct Judge {
    /// The sessions.
    pub store: Arc<dyn VersusStore>,
    /// Looks at IVS; without it only those count who are known.
    pub scout: Option<Scout>,
    /// Sessions whose stages this execution environment has looked at. Another one looks again, which does no harm.
    looked_at: Mutex<BTreeSet<VersusId>>,
}

impl Judge {
    /// A judge who has not looked at anything yet.
    pub fn new(store: Arc<dyn VersusStore>, scout: Option<Scout>) -> Self {
        Self { store, scout, looked_at: Mutex::default() }
    }

    /// Brings a session to where it should be, with everybody whom it concerns.
    ///
    /// # Errors
    /// As the loop's; the session stays due then, or those whom it concerns are.
    pub async fn attend(
        &self,
        id: &VersusId,
        controller: &Controller,
        invocation: &Invocation,
    ) -> Result<(), control::Error> {
        let reconcile = |publishers: Vec<PublisherKey>| async move {
            let each = publishers.iter().map(|publisher| controller.reconcile(publisher, None, invocation));
            join_all(each).await.into_iter().try_for_each(|done| done.map(drop))
        };
        let Some(versus) = self.store.versus(id).await? else { return Ok(()) };
        if let Some(scout) = self.scout.as_ref().filter(|_| self.is_new(&versus)) {
            let views = views(&*self.store, &versus).await?;
            let until = versus.start_deadline(&controller.policy).min(invocation.deadline);
            let look = async {
                let (found, mut complete) = scout.publishers(&versus, &views, until).await;
                for news in found {
                    if let Err(error) = controller.handle(&news, invocation).await {
                        warn!(error = with_causes(&error), versus = %id, "not taken in yet");
                        complete = false;
                    }
                }
                complete
            };
            let planned = reconcile(to_plan(&versus, &views, controller.clock.now()));
            let (complete, planned) = join(look, planned).await;
            if complete {
                self.looked_at().insert(id.clone());
            }
            planned?;
        }
        let concerned = judge_now(&*self.store, id, controller.clock.now(), &controller.policy).await?;
        reconcile(concerned).await
    }

    fn is_new(&self, versus: &Versus) -> bool {
        versus.state == VersusState::Starting && !self.looked_at().contains(&versus.terms.id)
    }

    fn looked_at(&self) -> MutexGuard<'_, BTreeSet<VersusId>> {
        self.looked_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that was not granted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not as it must be.
    #[error(transparent)]
    Invalid(#[from] VersusError),
    /// There is another session of that id, also if that is over: ids are free again a day after the end.
    #[error(
        "versus session {0}: id {0} is not valid: allowed is an id that no other session has had for a day"
    )]
    Taken(VersusId),
    /// There is no such session.
    #[error("versus session {0}: id {0} is not valid: allowed is the id of a session")]
    Unknown(VersusId),
    /// Others kept changing the session.
    #[error("versus session {0}: lost {MAX_CONFLICTS} races for it")]
    Contended(VersusId),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Starts a session. Asked for again on the same terms, it gives the session that there is, however that stands.
///
/// # Errors
/// [`Error`]; then nothing was started.
pub async fn start(store: &dyn VersusStore, terms: VersusTerms, now: Timestamp) -> Result<Versus, Error> {
    terms.validate()?;
    for _ in 0..MAX_CONFLICTS {
        match store.versus(&terms.id).await? {
            Some(known) if known.terms == terms => return Ok(known),
            Some(_) => return Err(Error::Taken(terms.id)),
            None => {}
        }
        if let Some(stored) = written(store, Versus::new(terms.clone(), now)).await? {
            return Ok(stored);
        }
    }
    Err(Error::Contended(terms.id))
}

/// Gives a session another end, later or earlier, at most 24 h after its start.
///
/// # Errors
/// [`Error`], also if the session is over.
pub async fn extend(
    store: &dyn VersusStore,
    id: &VersusId,
    end: Timestamp,
    now: Timestamp,
) -> Result<Versus, Error> {
    change(store, id, |known| known.ending_at(end, now).map(Some)).await
}

/// Ends a session now. One that is over stays as it is. Who ends a session before it runs makes it fail.
///
/// # Errors
/// [`Error`], if there is no such session or the store fails.
pub async fn end_early(store: &dyn VersusStore, id: &VersusId, now: Timestamp) -> Result<Versus, Error> {
    let end = |known: &Versus| match known.is_over() || known.ends_at <= now {
        true => Ok(None),
        false => known.ending_at(now, now).map(Some),
    };
    change(store, id, end).await
}

/// Judges a session and writes what that changes. Gives the publishers who have to be reconciled now for the session's sake.
///
/// # Errors
/// [`StoreError`]; the session stays due then. A lost race is none: whoever won it has left the session as it should be, or
/// due.
pub async fn judge_now(
    store: &dyn VersusStore,
    id: &VersusId,
    now: Timestamp,
    policy: &Policy,
) -> Result<Vec<PublisherKey>, StoreError> {
    let Some(versus) = store.versus(id).await?.filter(|versus| !versus.is_over()) else {
        return Ok(Vec::new());
    };
    let views = views(store, &versus).await?;
    let after = versus.judged(&judge(&versus, &views, now, policy));
    if after.state != versus.state {
        match store.write_versus(&after).await {
            Err(StoreError::Conflict) => return Ok(Vec::new()),
            written => written?,
        }
        match &after.state {
            VersusState::Failed(failure) => warn!(versus = %id, %failure, "the session failed"),
            state => info!(versus = %id, %state, "the session changed"),
        }
    }
    Ok(to_plan(&after, &views, now))
}

/// Everybody on the stages of a session.
async fn views(store: &dyn VersusStore, versus: &Versus) -> Result<Vec<View>, StoreError> {
    let stages = versus.terms.stages.iter().map(|stage| store.views_on(stage));
    Ok(try_join_all(stages).await?.concat())
}

/// Changes a session as `changed` says, or leaves it.
async fn change(
    store: &dyn VersusStore,
    id: &VersusId,
    changed: impl Fn(&Versus) -> Result<Option<Versus>, VersusError>,
) -> Result<Versus, Error> {
    for _ in 0..MAX_CONFLICTS {
        let known = store.versus(id).await?.ok_or_else(|| Error::Unknown(id.clone()))?;
        let Some(after) = changed(&known)? else { return Ok(known) };
        if let Some(stored) = written(store, after).await? {
            return Ok(stored);
        }
    }
    Err(Error::Contended(id.clone()))
}

/// The session as it is stored now; nothing if somebody else was faster.
async fn written(store: &dyn VersusStore, versus: Versus) -> Result<Option<Versus>, StoreError> {
    match store.write_versus(&versus).await {
        Ok(()) => Ok(Some(Versus { version: versus.version + 1, ..versus })),
        Err(StoreError::Conflict) => Ok(None),
        Err(error) => Err(error),
    }
}
