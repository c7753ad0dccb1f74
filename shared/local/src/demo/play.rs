//! What scenes are played with: stages, hosts, and eyes on IVS and the table.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use ivs_sim::{ApiError, Publish};

use super::{checks::Expected, timeline::Timeline};
use crate::{
    stand::Stand,
    table::{ReplicationRow, TableError},
};

/// The place where a scene is played.
pub(super) struct Play<'a> {
    pub(super) stand: &'a Stand,
    pub(super) timeline: &'a Timeline,
}

/// A stage in the simulated account.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub(super) arn: String,
    pub(super) name: String,
}

/// Somebody who publishes.
#[derive(Debug, Clone)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) stage: Stage,
    pub(super) participant: String,
    /// When the host began to publish, or stopped.
    pub(super) since: Instant,
}

/// One direction: a host replicated into a stage.
#[derive(Debug, Clone)]
pub(super) struct Replication {
    pub(super) key: String,
    pub(super) label: String,
    pub(super) host: String,
    pub(super) destination: String,
}

/// Why a scene could not be played to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SceneError {
    /// Something that had to happen did not.
    #[error("waited {seconds} s in vain: {wanted}")]
    InVain {
        /// What had to happen.
        wanted: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The simulator does not let a participant do this.
    #[error("the simulator refuses what `{participant}` does")]
    Refused {
        /// The participant.
        participant: String,
        /// The cause.
        #[source]
        source: ApiError,
    },
    /// The table cannot be used.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// How long anything that has to happen at once may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// How often IVS is looked at; the precision of all latencies.
const LOOK: Duration = Duration::from_millis(2);

impl Play<'_> {
    pub(super) fn stage(&self, name: &str) -> Stage {
        let arn = self.stand.simulator().create_stage(name, BTreeMap::new());
        Stage { arn, name: name.to_owned() }
    }

    /// Puts a rules file into the table, as `cargo local rules` does.
    pub(super) async fn rules(&self, yaml: &str) -> Result<(), SceneError> {
        let replaced = self.stand.replace_rules(yaml).await?;
        let noun = if replaced.put == 1 { "rule is" } else { "rules are" };
        self.timeline.happened(&format!("{} {noun} in force", replaced.put));
        Ok(())
    }

    pub(super) fn publish(&self, name: &str, stage: &Stage) -> Result<Host, SceneError> {
        self.publish_as(name, stage, None)
    }

    /// Lets a host publish again who unpublished.
    pub(super) fn republish(&self, host: &mut Host) -> Result<(), SceneError> {
        *host = self.publish_as(&host.name, &host.stage, Some(host.participant.clone()))?;
        Ok(())
    }

    pub(super) fn unpublish(&self, host: &mut Host) -> Result<(), SceneError> {
        let done = self.stand.simulator().unpublish(&host.stage.arn, &host.participant);
        done.map_err(|source| refused(&host.name, source))?;
        host.since = Instant::now();
        self.timeline.happened(&format!("{} stops publishing", host.name));
        Ok(())
    }

    pub(super) fn leave(&self, host: &mut Host) -> Result<(), SceneError> {
        let done = self.stand.simulator().leave(&host.stage.arn, &host.participant);
        done.map_err(|source| refused(&host.name, source))?;
        host.since = Instant::now();
        self.timeline.happened(&format!("{} leaves {}", host.name, host.stage.name));
        Ok(())
    }

    /// Waits until so many of these replications are active, tells the latency of each, and returns them.
    pub(super) async fn appear(
        &self,
        host: &Host,
        of: &[Replication],
        count: usize,
    ) -> Result<Vec<Replication>, SceneError> {
        let mut appeared: Vec<Replication> = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while appeared.len() < count {
            let active = self.active();
            let new = of.iter().filter(|replication| {
                active.contains(&replication.key)
                    && !appeared.iter().any(|known| known.key == replication.key)
            });
            for replication in new.cloned().collect::<Vec<_>>() {
                let text = format!("{} appears in {}", host.name, replication.destination);
                self.timeline.measured(&text, host.since.elapsed(), "after publishing");
                appeared.push(replication);
            }
            wait(deadline, &format!("{} of {} replicas of {}", count, of.len(), host.name)).await?;
        }
        Ok(appeared)
    }

    /// Waits until none of these replications is active.
    pub(super) async fn disappear(
        &self,
        host: &Host,
        of: &[Replication],
        patience: Duration,
    ) -> Result<(), SceneError> {
        let mut left: Vec<&Replication> = of.iter().collect();
        let deadline = Instant::now() + patience;
        while !left.is_empty() {
            let active = self.active();
            left.retain(|replication| {
                let here = active.contains(&replication.key);
                if !here {
                    let text = format!("{} is gone from {}", replication.host, replication.destination);
                    self.timeline.measured(&text, host.since.elapsed(), "after leaving");
                }
                here
            });
            wait(deadline, &format!("the end of {} replicas of {}", left.len(), host.name)).await?;
        }
        Ok(())
    }

    pub(super) fn is_active(&self, replication: &Replication) -> bool {
        self.active().contains(&replication.key)
    }

    /// The table's rows of these replications, as soon as they are what is wanted.
    pub(super) async fn table_has(
        &self,
        of: &[Replication],
        wanted: impl Fn(&[ReplicationRow]) -> bool,
        text: &str,
    ) -> Result<Vec<ReplicationRow>, SceneError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut rows = self.stand.table().replications().await?;
            rows.retain(|row| of.iter().any(|replication| replication.key == row.key));
            if wanted(&rows) {
                return Ok(rows);
            }
            let found: Vec<&str> = rows.iter().map(|row| row.phase.as_str()).collect();
            wait(deadline, &format!("{text}; the table has {found:?}")).await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn publish_as(&self, name: &str, stage: &Stage, participant: Option<String>) -> Result<Host, SceneError> {
        let publish = Publish {
            stage_arn: stage.arn.clone(),
            participant_id: participant.clone(),
            user_id: Some(name.to_owned()),
            ..Publish::default()
        };
        let since = Instant::now();
        let published = self.stand.simulator().publish(publish).map_err(|source| refused(name, source))?;
        let again = if participant.is_some() { " again" } else { "" };
        self.timeline.happened(&format!("{name} publishes{again} to {}", stage.name));
        Ok(Host { name: name.to_owned(), stage: stage.clone(), participant: published.participant_id, since })
    }

    fn active(&self) -> Vec<String> {
        active(self.stand)
    }
}

impl Host {
    /// The replication of this host into a stage.
    pub(super) fn replicated_into(&self, destination: &Stage) -> Replication {
        Replication {
            key: format!("{} {} {}", self.stage.arn, self.participant, destination.arn),
            label: format!("{}: {} → {}", self.name, self.stage.name, destination.name),
            host: self.name.clone(),
            destination: destination.name.clone(),
        }
    }
}

impl Replication {
    pub(super) fn expected(&self, started: bool) -> Expected {
        Expected { key: self.key.clone(), label: self.label.clone(), started }
    }
}

/// The active replications, in the words of the ledger.
pub(super) fn active(stand: &Stand) -> Vec<String> {
    let keys = stand.simulator().replicas().into_iter();
    keys.map(|key| format!("{} {} {}", key.source_stage_arn, key.participant_id, key.destination_stage_arn))
        .collect()
}

async fn wait(deadline: Instant, wanted: &str) -> Result<(), SceneError> {
    if Instant::now() > deadline {
        return Err(SceneError::InVain { wanted: wanted.to_owned(), seconds: PATIENCE.as_secs() });
    }
    tokio::time::sleep(LOOK).await;
    Ok(())
}

fn refused(participant: &str, source: ApiError) -> SceneError {
    SceneError::Refused { participant: participant.to_owned(), source }
}
