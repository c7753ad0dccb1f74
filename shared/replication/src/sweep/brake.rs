//! The second witness of the brake: what a sweep says of replicas that should be stopped and were not yet.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Inventory;
use crate::brake::limit_for;
use crate::{
    Allowance, Capabilities, Context, Policy, PublisherKey, Publishing, Replica, SecondWitness, StageArn,
    plan,
};

impl Inventory {
    /// Replicas that the brake keeps running, and that nobody agreed yet should be stopped.
    pub fn held_by_brake(&self) -> impl Iterator<Item = &Replica> {
        self.replicas().filter(|replica| replica.is_held_by_brake())
    }

    /// Publishers of whom all rules say already, before any look, that the brake holds their replicas without need.
    pub fn confirmable(&self, now: Timestamp, policy: &Policy) -> Vec<(PublisherKey, SecondWitness)> {
        let publishers: BTreeSet<_> = self.held_by_brake().map(|replica| replica.key.publisher()).collect();
        let witnessed = publishers.into_iter().map(|publisher| {
            let witness = self.second_witness(&publisher, None, now, policy);
            (publisher, witness)
        });
        witnessed
            .filter(|(publisher, witness)| {
                let context = context(now, policy, Some(witness));
                !plan(&self.view(publisher), context).is_empty()
            })
            .collect()
    }

    /// What the sweep says of a publisher, and of whom a look found then that it left. If a rule cannot be read, nothing is said
    /// of what no rule wants.
    pub fn second_witness(
        &self,
        publisher: &PublisherKey,
        gone_at: Option<Timestamp>,
        now: Timestamp,
        policy: &Policy,
    ) -> SecondWitness {
        let report = plan(&self.view(publisher), context(now, policy, None)).report;
        let unwanted = report.lines.into_iter().filter(|line| line.rule.is_none() && !self.rules_incomplete);
        SecondWitness { unwanted: unwanted.map(|line| line.destination).collect(), gone_at }
    }

    /// Running replicas of our own, if that is not as it was remembered: if the brake would let a tenth more or less pass.
    pub fn running_to_remember(&self, policy: &Policy) -> Option<usize> {
        let running = self.replicas().filter(|replica| replica.runs_as_ours()).count();
        let (before, after) = (limit_for(policy, self.control.running), limit_for(policy, Some(running)));
        (before.abs_diff(after) > before / 10).then_some(running)
    }

    /// Whether the brake keeps a replica of this publisher running.
    pub(super) fn is_braked(&self, publisher: &PublisherKey) -> bool {
        self.replicas_of(publisher).any(Replica::is_held_by_brake)
    }

    /// Whether a look at this stage is what the brake waits for: it holds replicas of somebody who left.
    pub(super) fn is_waited_for_by_brake(&self, stage: &StageArn) -> bool {
        let left = self.publishers_on(stage).filter(|publisher| publisher.publishing() == Publishing::No);
        left.map(|publisher| &publisher.key).any(|publisher| self.is_braked(publisher))
    }
}

/// As somebody plans who may call nobody.
pub(super) fn context<'a>(
    now: Timestamp,
    policy: &'a Policy,
    witness: Option<&'a SecondWitness>,
) -> Context<'a> {
    let (can, allowance) = (Capabilities::default(), Allowance::UNLIMITED);
    Context { now, policy, can, allowance, holder: "", witness }
}
