//! What scenes are played with: stages, hosts, and eyes on IVS and the table.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use ivs_sim::{ApiError, Faults, Publish};
use jiff::Timestamp;

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
    /// The simulator names a stage as IVS does not, or a scene something of its own.
    #[error(transparent)]
    Id(#[from] replication::IdError),
    /// A versus session cannot be started or read.
    #[error(transparent)]
    Versus(#[from] controller::versus::Error),
}

/// How long anything that has to happen at once may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// Until when something has to have happened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    patience: Duration,
}

impl Deadline {
    pub(super) fn after(patience: Duration) -> Self {
        Self { at: Instant::now() + patience, patience }
    }

    /// Waits until it is time to look again.
    pub(super) async fn wait(&self, wanted: &str) -> Result<(), SceneError> {
        if Instant::now() > self.at {
            return Err(SceneError::InVain { wanted: wanted.to_owned(), seconds: self.patience.as_secs() });
        }
        tokio::time::sleep(LOOK).await;
        Ok(())
    }
}

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
        let (count, done) = match replaced.put.len() {
            0 => (replaced.deleted.len(), "gone"),
            put => (put, "in force"),
        };
        let noun = if count == 1 { "rule is" } else { "rules are" };
        self.timeline.happened(&format!("{count} {noun} {done}"));
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
        let deadline = Deadline::after(PATIENCE);
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
            deadline.wait(&format!("{} of {} replicas of {}", count, of.len(), host.name)).await?;
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
        let deadline = Deadline::after(patience);
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
            deadline.wait(&format!("the end of {} replicas of {}", left.len(), host.name)).await?;
        }
        Ok(())
    }

    /// Lets many hosts begin to publish, one to each of these stages, at the same moment.
    pub(super) fn crowd<'s>(
        &self,
        name: &str,
        stages: impl IntoIterator<Item = &'s Stage>,
    ) -> Result<Vec<Host>, SceneError> {
        let numbered = stages.into_iter().enumerate();
        let crowd: Result<Vec<Host>, SceneError> =
            numbered.map(|(i, stage)| self.enter(&format!("{name}-{}", i + 1), stage, None)).collect();
        let crowd = crowd?;
        self.timeline.happened(&format!("{} hosts publish", crowd.len()));
        Ok(crowd)
    }

    /// Lets all of them leave, some at a time: a person's machine runs a few functions at once, where Lambda runs hundreds.
    pub(super) async fn disperse(&self, crowd: &[Host]) -> Result<(), SceneError> {
        self.timeline.happened(&format!("all {} leave", crowd.len()));
        for group in crowd.chunks(4) {
            for host in group {
                let left = self.stand.simulator().leave(&host.stage.arn, &host.participant);
                left.map_err(|source| refused(&host.name, source))?;
            }
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        Ok(())
    }

    /// Waits until so many of these replications are active as there have to be, and shows how many are. Gives the time it took.
    pub(super) async fn count_to(
        &self,
        wanted: usize,
        of: &[Replication],
        patience: Duration,
    ) -> Result<Duration, SceneError> {
        let (began, deadline) = (Instant::now(), Deadline::after(patience));
        let keys: BTreeSet<&str> = of.iter().map(|replication| replication.key.as_str()).collect();
        let progress = self.timeline.progress(of.len(), "replicated");
        loop {
            let count = self.active().iter().filter(|key| keys.contains(key.as_str())).count();
            progress.show(count);
            if count == wanted {
                return Ok(began.elapsed());
            }
            deadline.wait(&format!("{wanted} of {} replicas; there are {count}", of.len())).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the table has each of these replications in this phase.
    pub(super) async fn all_are(
        &self,
        phase: &str,
        of: &[Replication],
        patience: Duration,
    ) -> Result<(), SceneError> {
        let deadline = Deadline::after(patience);
        loop {
            let mut rows = self.stand.table().replications().await?;
            rows.retain(|row| row.phase == phase && of.iter().any(|replication| replication.key == row.key));
            if rows.len() == of.len() {
                return Ok(());
            }
            deadline.wait(&format!("{} of {} are {phase} in the table", rows.len(), of.len())).await?;
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// Waits until a replication is active, and tells how long that took; `since` says from what.
    pub(super) async fn is_there(&self, replication: &Replication, since: &str) -> Result<(), SceneError> {
        self.turns_out(replication, true, since).await
    }

    /// Waits until a replication is not active any more, and tells how long that took; `since` says from what.
    pub(super) async fn is_gone(&self, replication: &Replication, since: &str) -> Result<(), SceneError> {
        self.turns_out(replication, false, since).await
    }

    async fn turns_out(
        &self,
        replication: &Replication,
        active: bool,
        since: &str,
    ) -> Result<(), SceneError> {
        let (began, deadline) = (Instant::now(), Deadline::after(PATIENCE * 2));
        let how = if active { "appears in" } else { "is gone from" };
        let text = format!("{} {how} {}", replication.host, replication.destination);
        while self.is_active(replication) != active {
            deadline.wait(&text).await?;
        }
        self.timeline.measured(&text, began.elapsed(), since);
        Ok(())
    }

    /// From now on, this goes wrong between IVS and its clients.
    pub(super) fn faults(&self, faults: Faults) {
        let set = self.stand.simulator().set_faults(faults);
        debug_assert!(set.is_ok(), "{set:?}");
    }

    /// How many events of this name were handed to `participant-published` so far.
    pub(super) fn deliveries(&self, event_name: &str) -> usize {
        let recent = self.stand.deliveries().recent();
        let of_name = recent.iter().filter(|delivery| delivery.event_name.as_deref() == Some(event_name));
        of_name.filter(|delivery| delivery.function == "participant-published").count()
    }

    /// How many Start calls IVS has received so far.
    pub(super) fn starts(&self) -> usize {
        let ledger = self.stand.simulator().ledger();
        ledger.iter().filter(|entry| entry.operation == "StartParticipantReplication").count()
    }

    /// When IVS was told to stop a replication, and did so.
    pub(super) fn stopped_at(&self, replication: &Replication) -> Option<Timestamp> {
        let ledger = self.stand.simulator().ledger();
        let mut stops = ledger.iter().filter(|entry| {
            entry.operation == "StopParticipantReplication"
                && entry.key == replication.key
                && entry.status == 200
        });
        stops.next().map(|entry| entry.at)
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
        let deadline = Deadline::after(PATIENCE);
        loop {
            let mut rows = self.stand.table().replications().await?;
            rows.retain(|row| of.iter().any(|replication| replication.key == row.key));
            if wanted(&rows) {
                return Ok(rows);
            }
            let found: Vec<&str> = rows.iter().map(|row| row.phase.as_str()).collect();
            deadline.wait(&format!("{text}; the table has {found:?}")).await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn publish_as(&self, name: &str, stage: &Stage, participant: Option<String>) -> Result<Host, SceneError> {
        let again = if participant.is_some() { " again" } else { "" };
        let host = self.enter(name, stage, participant)?;
        self.timeline.happened(&format!("{name} publishes{again} to {}", stage.name));
        Ok(host)
    }

    fn enter(&self, name: &str, stage: &Stage, participant: Option<String>) -> Result<Host, SceneError> {
        let publish = Publish {
            stage_arn: stage.arn.clone(),
            participant_id: participant,
            user_id: Some(name.to_owned()),
            ..Publish::default()
        };
        let since = Instant::now();
        let published = self.stand.simulator().publish(publish).map_err(|source| refused(name, source))?;
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
        Expected { key: self.key.clone(), label: self.label.clone(), started, crowd: None }
    }

    /// One of many that are judged together, under this name.
    pub(super) fn expected_in(&self, crowd: &'static str) -> Expected {
        Expected { crowd: Some(crowd), ..self.expected(true) }
    }
}

/// The active replications, in the words of the ledger.
pub(super) fn active(stand: &Stand) -> Vec<String> {
    let keys = stand.simulator().replicas().into_iter();
    keys.map(|key| format!("{} {} {}", key.source_stage_arn, key.participant_id, key.destination_stage_arn))
        .collect()
}

fn refused(participant: &str, source: ApiError) -> SceneError {
    SceneError::Refused { participant: participant.to_owned(), source }
}
