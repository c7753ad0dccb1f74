//! As many active stages as one likes, half of them replicated to the other half, and what a round of sweeps over them costs.

#![allow(clippy::unwrap_used, reason = "what cannot be set up is a fault of the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use controller::{Clock, StoreError};
use ivs_sim::{Config, Limits, Publish};
use replication::StageArn;

use crate::crowd::rule;
use crate::in_process::InProcess;

/// Somebody publishes on each of them, and the first half is replicated to the second.
pub struct ActiveStages {
    /// The system.
    pub world: Arc<InProcess>,
    stages: Vec<String>,
}

/// A round: sweeps until every stage has been looked at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// Calls of IVS.
    pub calls: usize,
    /// How long it took, in seconds.
    pub seconds: i64,
}

impl ActiveStages {
    /// So many stages, an even number; nobody has seen them yet.
    pub fn new(stages: usize) -> Self {
        // Each replica is a publisher, too.
        let publishers = (stages + stages / 2).max(10_000);
        let limits = Limits { stages: stages.max(1_000), publishers, ..Limits::default() };
        let world = InProcess::new(Config { limits, ..Config::default() });
        let stages: Vec<String> =
            (0..stages).map(|i| world.simulator.create_stage(&format!("s{i}"), BTreeMap::new())).collect();
        let arn = |i: usize| -> StageArn { stages[i].parse().unwrap() };
        let half = stages.len() / 2;
        world.rules((0..half).map(|i| rule(i, &[arn(i), arn(half + i)])).collect());
        for (i, arn) in stages.iter().enumerate() {
            let participant_id = Some(format!("p{i}"));
            let publish = Publish { stage_arn: arn.clone(), participant_id, ..Publish::default() };
            world.simulator.publish(publish).unwrap();
        }
        Self { world, stages }
    }

    /// What any correct sweep needs, told from the world: ListStages of 100 stages each, for there is no other way to learn of a
    /// new session; one ListParticipants for every hundred who ever published in an active session that a rule concerns, for it
    /// is the only operation that tells of somebody unknown, and it takes one session; and one ListParticipantEvents for
    /// each of the `unknown` found there of whom it is not known that they publish, for nothing else says so.
    pub fn needed(&self, unknown: usize) -> usize {
        self.stages.len().div_ceil(100) + self.stages.len() + unknown
    }

    /// Sweeps and does what is due, minute by minute, until every stage has been looked at once more.
    ///
    /// # Errors
    /// When a sweep fails.
    pub async fn round(&self) -> Result<Round, StoreError> {
        let began = self.world.now();
        let (mut looked_at, mut calls) = (BTreeSet::new(), 0);
        while looked_at.len() < self.stages.len() {
            let before = self.world.simulator.ledger().len();
            let swept = self.world.sweep().await?;
            let ledger = self.world.simulator.ledger().split_off(before);
            assert_eq!(swept.calls, ledger.len());
            for entry in ledger {
                if looked_at.len() == self.stages.len() {
                    break;
                }
                calls += 1;
                if entry.operation == "ListParticipants" {
                    looked_at.insert(entry.key.split(' ').next().unwrap_or_default().to_owned());
                }
            }
            self.world.dispatch().await?;
            self.world.next_minute();
        }
        Ok(Round { calls, seconds: self.world.now().duration_since(began).as_secs() })
    }
}
