//! A look at single stages between the sweeps, for who cannot wait for the next one.

use std::sync::Arc;

use jiff::Timestamp;
use replication::sweep::{Inventory, Look, SweepPolicy, Target};
use replication::{Observation, Versus, View};
use tracing::warn;

use super::port::{Pace, Reads};
use super::witness::Witness;
use crate::Clock;

/// Finds out who publishes on a stage: GetStage, ListParticipants, and ListParticipantEvents for who is not known to publish.
pub struct Scout {
    /// The reads.
    pub reads: Reads,
    /// When they may be made.
    pub pace: Arc<dyn Pace>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl Scout {
    /// The IAM actions that a look at one stage needs: all of the sweep's, but for the list of all stages.
    pub const IAM_ACTIONS: [&str; 5] = [
        "ivs:GetStage",
        "ivs:ListParticipantEvents",
        "ivs:ListParticipantReplicas",
        "ivs:ListParticipants",
        "ivs:ListStageSessions",
    ];

    /// News of those who publish on the stages of a session, beside what the views say, and whether every stage was looked at
    /// to the end. It ends at `until`.
    pub async fn publishers(
        &self,
        versus: &Versus,
        views: &[View],
        until: Timestamp,
    ) -> (Vec<Observation>, bool) {
        let mut inventory = Inventory { rules: versus.rules(), ..Inventory::default() };
        for view in views {
            view.publisher.iter().cloned().for_each(|publisher| inventory.put_publisher(publisher));
            view.replicas.iter().cloned().for_each(|replica| inventory.put_replica(replica));
        }
        let mut witness = Witness::new(&self.reads, &*self.pace, &*self.clock, until);
        let (mut found, mut complete) = (Vec::new(), true);
        for stage in &versus.terms.stages {
            let look =
                Look { stage: stage.clone(), target: Target::Unlisted, confirm: false, in_doubt: true };
            let answer = witness.look(&inventory, &look, &SweepPolicy::default()).await;
            if let Some(silence) = answer.silence {
                warn!(%silence, %stage, "not looked at to the end");
                complete = false;
            }
            // Of replicas only the sweep knows enough to judge.
            let of_publishers = |news: &Observation| {
                matches!(news, Observation::Published { .. } | Observation::Unpublished { .. })
            };
            found.extend(answer.news.into_iter().filter(of_publishers));
        }
        (found, complete)
    }
}
