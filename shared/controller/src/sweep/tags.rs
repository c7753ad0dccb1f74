//! What rules depend on beside events: the directory of stages that they can select, and the attributes of publishers.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use replication::sweep::Roster;
use replication::sweep::directory::{directory_changes, unlisted};
use replication::{Observation, PublisherKey, Question, StageArn};
use tracing::{info, warn};

use super::Sweeping;
use super::witness::Silence;
use crate::Handled;

/// Stages that one sweep asks for because the list lacks them: the looks must not wait long for this.
const MOST_UNLISTED: usize = 10;

impl Sweeping<'_> {
    /// Brings the directory to what is listed. A stage that is not listed stays, unless GetStage refuses it as unknown.
    pub(super) async fn keep_directory(&mut self, roster: &Roster) {
        let mut missing: Vec<StageArn> = unlisted(&self.inventory, roster).into_iter().cloned().collect();
        // Where there are too many, or some that cannot be asked for, another sweep asks for others.
        let first = usize::try_from(self.sweep.clock.now().as_second()).unwrap_or(0) % missing.len().max(1);
        missing.rotate_left(first);
        missing.truncate(MOST_UNLISTED);
        let mut gone = BTreeSet::new();
        for stage in missing {
            match self.witness.stage(&stage).await {
                Ok((None, _)) => drop(gone.insert(stage)),
                Ok((Some(_), _)) => warn!(%stage, "a stage is there that is not listed"),
                Err(silence) => warn!(%silence, %stage, "not known whether a stage is gone"),
            }
        }
        let changes = directory_changes(&self.inventory, roster, &gone);
        if changes.is_empty() {
            return;
        }
        if let Err(error) = self.sweep.store.remember_destinations(&changes).await {
            warn!(%error, "the directory of destinations is left as it was");
            return;
        }
        info!(changed = changes.len(), gone = gone.len(), "the directory of destinations changed");
        let directory = Arc::make_mut(&mut self.inventory.directory);
        for (stage, tags) in changes {
            match tags {
                Some(tags) => drop(directory.insert(stage, tags)),
                None => drop(directory.remove(&stage)),
            }
        }
    }

    /// Remembers to ask for a publisher's attributes, if a rule depends on them.
    pub(super) fn note_question(
        &mut self,
        publisher: &PublisherKey,
        news: Option<&Observation>,
        handled: &Handled,
    ) {
        let (Handled::Settled(report) | Handled::Deferred(report, _)) = handled else { return };
        if !report.questions().contains(&Question::Attributes) {
            return;
        }
        let session = match news {
            Some(Observation::Published { session, .. }) => Some(session),
            _ => self.inventory.publisher(publisher).and_then(|known| known.session.as_ref()),
        };
        if let Some(session) = session {
            self.open.push_back((publisher.clone(), session.clone()));
        }
    }

    /// Asks for the attributes of publishers, as long as there is leave to before `until`.
    pub(super) async fn ask(&mut self, until: Timestamp) {
        while let Some((publisher, session)) = self.open.pop_front() {
            match self.witness.attributes(&publisher, &session, until).await {
                Ok(news) => drop(self.reconcile(&publisher, Some(&news)).await),
                Err(Silence::OutOfTime) => return self.open.push_front((publisher, session)),
                Err(Silence::Failed(error)) => warn!(%error, %publisher, "attributes not known"),
            }
        }
    }
}
