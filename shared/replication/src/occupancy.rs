//! Who publishes on a stage: IVS lets 12 publish there, replicas included (not adjustable, IVS service quotas).
//!
//! A destination keeps a set of its occupants. Whoever writes the intent to start a replica there takes a place in the same
//! write, if one is free; whoever writes that it ended leaves the place. So calls under way count, and no two can take the
//! last place. Participants who publish on the stage by themselves have theirs too, as far as they are known.

use std::cmp::Reverse;
use std::fmt;

use jiff::Timestamp;

use crate::{Desired, Owner, Phase, PublisherKey, Publishing, Replica, ReplicationKey, StageArn, View};

/// Publishers of one stage, replicas included.
pub const PLACES: usize = 12;

/// Somebody who publishes on a stage, by name: the participant, after the source stage's id if it is a replica.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Occupant(String);

impl Occupant {
    /// A replica, at its destination.
    pub fn replica(key: &ReplicationKey) -> Self {
        Self(format!("{}/{}", key.source.resource_id(), key.participant))
    }

    /// A participant, on its own stage.
    pub fn publisher(key: &PublisherKey) -> Self {
        Self(key.participant.to_string())
    }

    /// Whose name it is, on this stage: a replication to it, or a participant who publishes there.
    pub fn on(&self, stage: &StageArn) -> Option<Holder> {
        let Some((source, participant)) = self.0.split_once('/') else {
            let participant = self.0.parse().ok()?;
            return Some(Holder::Publisher(PublisherKey { stage: stage.clone(), participant }));
        };
        // IVS replicates within one account and Region: only the last part of the ARNs differs.
        let beside = stage.as_str().strip_suffix(stage.resource_id())?;
        Some(Holder::Replica(ReplicationKey {
            source: format!("{beside}{source}").parse().ok()?,
            participant: participant.parse().ok()?,
            destination: stage.clone(),
        }))
    }

    /// The name as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Occupant {
    fn from(stored: String) -> Self {
        Self(stored)
    }
}

impl fmt::Display for Occupant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who holds a place on a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A replica.
    Replica(ReplicationKey),
    /// A participant of the stage itself.
    Publisher(PublisherKey),
}

impl Holder {
    /// The publisher in whose view it is.
    pub fn publisher(&self) -> PublisherKey {
        match self {
            Self::Replica(key) => key.publisher(),
            Self::Publisher(key) => key.clone(),
        }
    }

    /// Whether it has a place, as far as is known.
    pub fn holds_place(&self, view: &View) -> bool {
        match self {
            Self::Replica(key) => {
                view.replicas.iter().any(|replica| replica.key == *key && replica.holds_slot())
            }
            Self::Publisher(_) => publishes(view),
        }
    }
}

/// Somebody comes to a stage, or leaves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceChange {
    /// The stage.
    pub stage: StageArn,
    /// Who.
    pub occupant: Occupant,
    /// What becomes of the place.
    pub kind: PlaceKind,
}

/// What becomes of a place on a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceKind {
    /// It is taken, but only if there is one: a replica is to be started.
    TakeIfFree,
    /// It is taken already: somebody was seen there.
    Take,
    /// It is free again.
    Leave,
}

/// The places that are taken and left when what is known of a publisher goes from `before` to `after`.
pub fn changes(before: &View, after: &View) -> Vec<PlaceChange> {
    let mut changes = Vec::new();
    for replica in &after.replicas {
        let known = before.replicas.iter().find(|known| known.key == replica.key);
        let kind = match (known.is_some_and(Replica::holds_slot), replica.holds_slot()) {
            (false, true) if replica.phase == Phase::Starting => PlaceKind::TakeIfFree,
            (false, true) => PlaceKind::Take,
            (true, false) => PlaceKind::Leave,
            _ => continue,
        };
        let (stage, occupant) = (replica.key.destination.clone(), Occupant::replica(&replica.key));
        changes.push(PlaceChange { stage, occupant, kind });
    }
    if after.is_destination && publishes(before) != publishes(after) {
        let kind = if publishes(after) { PlaceKind::Take } else { PlaceKind::Leave };
        let (stage, occupant) = (after.key.stage.clone(), Occupant::publisher(&after.key));
        changes.push(PlaceChange { stage, occupant, kind });
    }
    changes
}

fn publishes(view: &View) -> bool {
    view.publisher.as_ref().is_some_and(|publisher| publisher.publishing() == Publishing::Yes)
}

/// A destination that is full, as far as it matters to those who want to come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Crowd {
    /// Our own running replica there with the lowest priority, and that priority; nothing if there is none.
    pub weakest: Option<(ReplicationKey, u8)>,
}

impl Crowd {
    /// The crowd of a destination, by its replications.
    pub fn of<'a>(there: impl IntoIterator<Item = &'a Replica>) -> Self {
        let ours = there.into_iter().filter(|replica| {
            let is_at_rest = replica.lease.is_none() && replica.desired == Desired::Replicated;
            replica.phase == Phase::Active && replica.owner == Owner::Stagelink && is_at_rest
        });
        let weakest = ours.min_by_key(|replica| (priority(replica), Reverse(&replica.key)));
        Self { weakest: weakest.map(|replica| (replica.key.clone(), priority(replica))) }
    }
}

/// A running replica of somebody else has to give way, because its destination is full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eviction {
    /// Which.
    pub key: ReplicationKey,
    /// The priority of the rule that it gives way to.
    pub priority: u8,
}

/// Those who wait for a place on a destination at `now`, in the order in which they get one: the highest priority first.
pub fn in_line<'a>(replicas: impl IntoIterator<Item = &'a Replica>, now: Timestamp) -> Vec<&'a Replica> {
    let waits = |replica: &&Replica| {
        replica.waits_for_place() && replica.due() > Some(now) && replica.gives_way.is_none()
    };
    let mut line: Vec<_> = replicas.into_iter().filter(waits).collect();
    line.sort_by_key(|replica| (Reverse(priority(replica)), &replica.key));
    line
}

fn priority(replica: &Replica) -> u8 {
    replica.rule.as_ref().map_or(0, |rule| rule.priority)
}
