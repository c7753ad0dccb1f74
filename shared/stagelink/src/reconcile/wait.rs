//! Waiting for sweeps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_adapters::DynamoStore;
use controller::sweep::port::{AskForLooks, SweepStore};
use futures::future::try_join_all;
use indicatif::ProgressBar;
use jiff::Timestamp;
use replication::sweep::{Answer, Asked, Inventory, SweepPolicy};
use replication::{Replica, StageArn};
use tokio::time::Instant;

use crate::{Error, Pace, Screen};

/// Stages that are read at the same time.
const SIDE_BY_SIDE: usize = 20;

/// What came of waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// There is an answer for every stage.
    All,
    /// No sweep has done anything since.
    NoSweep,
    /// Some stages wait still.
    TimeOver,
}

/// What is known of each stage that is meant.
pub(super) type Answers = BTreeMap<StageArn, Answer>;

/// Waiting for what was asked.
pub(super) struct Wait<'a> {
    pub(super) store: &'a DynamoStore,
    pub(super) pace: Pace,
    pub(super) asked: &'a Asked,
    /// The stages that are meant; every stage, if none are named.
    pub(super) named: Option<&'a BTreeSet<StageArn>>,
    pub(super) timeout: Duration,
}

impl Wait<'_> {
    /// Waits until every stage that is meant has an answer.
    pub(super) async fn until_answered(
        &self,
        screen: &Screen<'_>,
    ) -> Result<(Heard, Answers, Duration), Error> {
        let began = Instant::now();
        let waiting = |stage: &StageArn| (stage.clone(), Answer::Waiting);
        let mut answers: Answers = self.named.into_iter().flatten().map(waiting).collect();
        // Which stages every stage is, a sweep has to list first.
        let mut listed = false;
        let bar = screen.progress(answers.len() as u64, "stages looked at");
        let heard = loop {
            if !listed && self.store.listed_at().await?.is_some_and(|at| at >= self.asked.at) {
                listed = true;
                answers.extend(self.answers().await?);
            } else {
                self.look_again(&mut answers).await?;
            }
            let left = show(&answers, &bar);
            if left == 0 && (listed || self.named.is_some()) {
                break Heard::All;
            }
            let sign = listed || left < answers.len();
            if !sign && began.elapsed() >= self.pace.sweep {
                break Heard::NoSweep;
            }
            if began.elapsed() >= self.timeout {
                break if sign { Heard::TimeOver } else { Heard::NoSweep };
            }
            tokio::time::sleep(self.pace.look).await;
        };
        bar.finish_and_clear();
        Ok((heard, answers, began.elapsed()))
    }

    /// What all of the table says.
    async fn answers(&self) -> Result<Answers, Error> {
        let inventory = self.store.inventory().await?;
        let answers = inventory.answers(self.asked, self.named, Timestamp::now(), &SweepPolicy::default());
        Ok(answers.unwrap_or_default())
    }

    /// Reads those again that wait.
    async fn look_again(&self, answers: &mut Answers) -> Result<(), Error> {
        let waiting = answers.iter().filter(|(_, answer)| **answer == Answer::Waiting);
        let waiting: Vec<StageArn> = waiting.map(|(stage, _)| stage.clone()).collect();
        for some in waiting.chunks(SIDE_BY_SIDE) {
            for known in try_join_all(some.iter().map(|stage| self.store.knowledge(stage))).await? {
                let Some(known) = known else { continue };
                if let Some(at) = known.looked_at.filter(|at| *at >= self.asked.at) {
                    answers.insert(known.listed.stage, Answer::LookedAt(at));
                }
            }
        }
        Ok(())
    }

    /// Waits for what the looks led to, if that is due soon; and gives what all of the table says then. What waits longer, for IVS
    /// or for others, is not waited for.
    pub(super) async fn until_at_rest(
        &self,
        stages: &BTreeSet<StageArn>,
        screen: &Screen<'_>,
    ) -> Result<Inventory, Error> {
        let began = Instant::now();
        let until = Timestamp::now().checked_add(self.pace.settle).unwrap_or(Timestamp::MAX);
        let spinner = screen.spinner("putting right what was found");
        let inventory = loop {
            let inventory = self.store.inventory().await?;
            let is_meant = |replica: &&Replica| {
                stages.contains(&replica.key.source) || stages.contains(&replica.key.destination)
            };
            let is_under_way = |replica: &Replica| replica.unfinished().is_some_and(|due| due <= until);
            let under_way = inventory.replicas().filter(is_meant).any(is_under_way);
            if !under_way || inventory.control.pause.is_some() || began.elapsed() >= self.pace.settle {
                break inventory;
            }
            // Each time all of the table is read.
            tokio::time::sleep(self.pace.look.max(self.pace.settle / 6)).await;
        };
        spinner.finish_and_clear();
        Ok(inventory)
    }
}

/// Shows how far it is; gives how many wait.
fn show(answers: &Answers, bar: &ProgressBar) -> usize {
    let left = answers.values().filter(|answer| **answer == Answer::Waiting).count();
    bar.set_length(answers.len() as u64);
    bar.set_position((answers.len() - left) as u64);
    left
}
