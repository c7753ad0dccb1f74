//! What there is to drain: everything that may start a replica, and every replica that is not at rest.

use std::collections::BTreeSet;

use aws_adapters::DynamoStore;
use controller::VersusStore;
use jiff::Timestamp;
use replication::{Owner, Phase, Policy, Replica, StageArn, Versus};

use super::count;
use crate::{Error, Screen, get};

/// What a Scan of the table found.
pub(super) struct Survey {
    /// The ids of the rules, those of versus sessions aside. Also of rules that cannot be read, which are deleted like all.
    pub(super) rules: BTreeSet<String>,
    /// Versus sessions that are not over.
    pub(super) sessions: Vec<Versus>,
    replicas: Vec<Replica>,
}

impl Survey {
    pub(super) async fn of(store: &DynamoStore) -> Result<Self, Error> {
        let rules = store.all_rules().await?.into_iter().filter_map(|rule| match rule {
            Ok(rule) => (!rule.id.is_of_versus()).then(|| rule.id.to_string()),
            Err(error) => Some(error.to_string()),
        });
        let rules = rules.collect();
        let mut sessions = store.all_versus().await?;
        sessions.retain(|session| !session.is_over());
        Ok(Self { rules, sessions, replicas: store.replicas().await? })
    }

    pub(super) fn is_drained(&self) -> bool {
        self.rules.is_empty() && self.sessions.is_empty() && self.left().next().is_none()
    }

    /// Replicas that are ours, or may be, and not at rest.
    pub(super) fn left(&self) -> impl Iterator<Item = &Replica> {
        self.replicas.iter().filter(|replica| is_left(replica))
    }

    /// Those of them that run, or may.
    pub(super) fn running(&self) -> impl Iterator<Item = &Replica> {
        self.left().filter(|replica| replica.holds_slot())
    }

    /// The stages that they come from.
    pub(super) fn sources(&self) -> BTreeSet<StageArn> {
        self.left().map(|replica| replica.key.source.clone()).collect()
    }

    /// Says what a drain will do.
    pub(super) fn announce(&self, screen: &mut Screen<'_>) -> Result<(), Error> {
        screen.line(format_args!("{} to delete", count(self.rules.len(), "rule")))?;
        screen.line(format_args!("{} to end", count(self.sessions.len(), "versus session")))?;
        let (running, left) = (self.running().count(), self.left().count());
        screen.line(format_args!(
            "{} to stop, {} more to withdraw",
            count(running, "replica"),
            left - running
        ))?;
        let Policy { brake_floor, brake_percent, .. } = Policy::default();
        if running > brake_floor {
            screen.line(format_args!(
                "The brake on mass stops holds for deleted rules too: at first {brake_percent} % of them a minute are stopped \
                 (BrakePercent of the stack), and at least {brake_floor}; the others once a sweep has seen for itself that no rule \
                 wants them, which may take some minutes."
            ))?;
        }
        self.announce_foreign(screen)
    }

    /// Names what somebody else started, and what is therefore left.
    pub(super) fn announce_foreign(&self, screen: &mut Screen<'_>) -> Result<(), Error> {
        let foreign: Vec<_> = self.replicas.iter().filter(|replica| is_foreign(replica)).collect();
        if !foreign.is_empty() {
            let they = count(foreign.len(), "replica");
            screen.line(format_args!("{they} that Stagelink did not start, and does not stop:"))?;
            get::replicas(foreign, Timestamp::now(), screen)?;
        }
        Ok(())
    }
}

/// Whether it has to come to rest before the functions may go.
pub(super) fn is_left(replica: &Replica) -> bool {
    replica.owner != Owner::Foreign && replica.phase != Phase::Stopped
}

fn is_foreign(replica: &Replica) -> bool {
    replica.owner == Owner::Foreign && replica.phase != Phase::Stopped
}
