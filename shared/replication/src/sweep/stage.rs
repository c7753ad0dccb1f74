//! What a look at a stage says: one answer of ListParticipants, to its end.

use std::collections::{BTreeMap, BTreeSet};

use super::{Inventory, ListedParticipant, Look, Role, SweepPolicy, Target, should_be_listed};
use crate::occupancy::PLACES;
use crate::{
    Moment, Observation, ParticipantId, PublisherKey, Publishing, ReplicationKey, SessionId, Standing,
};

/// What a look found, and what it left open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    /// News.
    pub observations: Vec<Observation>,
    /// Participants of this session whose history has to be read, with their user ids.
    pub histories: BTreeMap<ParticipantId, String>,
    /// Participants whose history of the session that is known of them tells whether their replicas are ours, with their user ids.
    pub owners: BTreeMap<ParticipantId, String>,
    /// Known publishers of other sessions: have these sessions ended?
    pub elsewhere: BTreeSet<ParticipantId>,
    /// Participants who are not connected any more.
    pub gone: BTreeSet<ParticipantId>,
    /// Publishers whose replications have to be listed, with those that should have been seen and were not.
    pub replications: BTreeMap<PublisherKey, BTreeSet<ReplicationKey>>,
    /// Running replicas that are not known to be ours.
    pub unowned: BTreeSet<ReplicationKey>,
}

/// Reads the participants of a stage who ever published in its session. The call took `took`.
pub fn read_stage(
    inventory: &Inventory,
    look: &Look,
    participants: &[ListedParticipant],
    took: Moment,
    policy: &SweepPolicy,
) -> Findings {
    // Who else publishes here matters only where there may be no place left.
    let crowded = inventory.occupants(&look.stage).is_some()
        && participants.iter().filter(|row| may_publish(row)).count() >= PLACES;
    let mut reading = Reading { inventory, look, took, policy, crowded, findings: Findings::default() };
    let mut running = BTreeSet::new();
    for row in participants {
        match &row.role {
            Role::Original { replicated } => reading.original(row, *replicated),
            Role::Replica { source, active } if *source != look.stage => {
                let participant = row.participant.clone();
                let key =
                    ReplicationKey { source: source.clone(), participant, destination: look.stage.clone() };
                if *active && row.connected != Some(false) {
                    reading.running(&key);
                    running.insert(key);
                }
            }
            Role::Replica { .. } | Role::Unknown => {}
        }
    }
    let listed: BTreeSet<_> = participants.iter().map(|row| &row.participant).collect();
    reading.not_listed(&listed);
    reading.not_running(&running);
    reading.perhaps_ours();
    reading.findings
}

struct Reading<'a> {
    inventory: &'a Inventory,
    look: &'a Look,
    took: Moment,
    policy: &'a SweepPolicy,
    crowded: bool,
    findings: Findings,
}

fn may_publish(row: &ListedParticipant) -> bool {
    let there = match row.role {
        Role::Original { .. } => true,
        Role::Replica { active, .. } => active,
        Role::Unknown => false,
    };
    there && row.connected != Some(false)
}

impl Reading<'_> {
    /// Somebody on the stage by itself, who published at some time.
    fn original(&mut self, row: &ListedParticipant, replicated: bool) {
        let now = self.took.earliest();
        let key = PublisherKey { stage: self.look.stage.clone(), participant: row.participant.clone() };
        if !self.crowded && !self.inventory.matters(&key, &row.user_id, now) {
            return;
        }
        if replicated {
            self.replicated(&key);
        }
        let here = self.is_known_here(&key);
        if here && row.connected == Some(false) {
            self.findings.gone.insert(row.participant.clone());
        }
        let open = match (self.inventory.publishing(&key), row.connected) {
            (Publishing::Yes, Some(false)) => here,
            (Publishing::Yes, _) if !here => true,
            (Publishing::Yes, _) => {
                self.look.confirm
                    || self.inventory.is_said_not_to_publish(&key)
                    || !replicated && self.is_believed_replicated(&key)
            }
            (Publishing::Uncertain, _) => true,
            (Publishing::No | Publishing::Unknown, connected) => connected != Some(false),
        };
        if open {
            self.findings.histories.insert(row.participant.clone(), row.user_id.clone());
        }
        if !replicated && here {
            self.not_replicated(&key);
        }
    }

    /// IVS says that it is replicated. If no such replication is known, somebody has to say where.
    fn replicated(&mut self, key: &PublisherKey) {
        let mut known = self.inventory.replicas_of(key);
        if !known.any(|replica| replica.evidence.standing() == Standing::On) {
            self.findings.replications.entry(key.clone()).or_default();
        }
    }

    /// IVS does not say that it is replicated. If it should be, somebody else has to say so too.
    fn not_replicated(&mut self, key: &PublisherKey) {
        let known = self.inventory.replicas_of(key);
        let missing = known.filter(|replica| should_be_listed(replica, self.took.earliest(), self.policy));
        let missing: BTreeSet<_> = missing.map(|replica| replica.key.clone()).collect();
        if !missing.is_empty() {
            self.findings.replications.entry(key.clone()).or_default().extend(missing);
        }
    }

    fn is_known_here(&self, key: &PublisherKey) -> bool {
        let known = self.inventory.publisher(key).and_then(|publisher| publisher.session.as_ref());
        known.is_some() && known == self.session()
    }

    fn is_believed_replicated(&self, key: &PublisherKey) -> bool {
        let now = self.took.earliest();
        self.inventory.replicas_of(key).any(|replica| should_be_listed(replica, now, self.policy))
    }

    fn session(&self) -> Option<&SessionId> {
        match &self.look.target {
            Target::Session(session) => Some(session),
            Target::Empty | Target::Unlisted => None,
        }
    }

    /// A replica is here and runs.
    fn running(&mut self, key: &ReplicationKey) {
        let known = self.inventory.replica(key);
        let standing = known.map_or(Standing::Unknown, |replica| replica.evidence.standing());
        let unrecorded = known.is_some_and(super::agenda::replica_in_doubt);
        if standing == Standing::On && !unrecorded {
            return;
        }
        let stopped = known.and_then(|replica| replica.evidence.off).map(|off| off.latest());
        let just_stopped =
            stopped.is_some_and(|at| self.took.earliest().duration_since(at) <= self.policy.settle);
        if just_stopped && !unrecorded {
            return;
        }
        if known.is_none_or(|replica| replica.owner != crate::Owner::Stagelink) {
            self.findings.unowned.insert(key.clone());
        }
        let destination_session = self.session().cloned();
        self.findings.observations.push(Observation::ReplicaActive {
            key: key.clone(),
            destination_session,
            at: self.took,
        });
    }

    /// Known publishers who are not listed. That proves nothing, so their history or their session has to be read; also of those
    /// who left by other news, while the brake waits for somebody else to say so.
    fn not_listed(&mut self, listed: &BTreeSet<&ParticipantId>) {
        for publisher in self.inventory.publishers_on(&self.look.stage) {
            let believed = matches!(publisher.publishing(), Publishing::Yes | Publishing::Uncertain);
            let believed = believed || self.inventory.is_braked(&publisher.key);
            if !believed || !self.inventory.matters(&publisher.key, &publisher.user_id, self.took.earliest())
            {
                continue;
            }
            let participant = &publisher.key.participant;
            if self.findings.histories.contains_key(participant) {
                continue;
            }
            if !self.is_known_here(&publisher.key) {
                self.findings.elsewhere.insert(participant.clone());
            } else if !listed.contains(participant) {
                self.findings.histories.insert(participant.clone(), publisher.user_id.clone());
            }
        }
    }

    /// Replicas from here that run as somebody else's and may be ours: their participants' histories tell.
    fn perhaps_ours(&mut self) {
        for replica in self.inventory.replicas_from(&self.look.stage).filter(|replica| replica.may_be_ours())
        {
            let user_id = self.inventory.publisher(&replica.key.publisher());
            let user_id = user_id.map_or_else(String::new, |publisher| publisher.user_id.clone());
            self.findings.owners.insert(replica.key.participant.clone(), user_id);
        }
    }

    /// Replicas that should be here. That they are not listed proves nothing, so a second list has to say so.
    fn not_running(&mut self, running: &BTreeSet<ReplicationKey>) {
        for replica in self.inventory.replicas_to(&self.look.stage) {
            let key = &replica.key;
            if should_be_listed(replica, self.took.earliest(), self.policy) && !running.contains(key) {
                self.findings.replications.entry(key.publisher()).or_default().insert(key.clone());
            }
        }
    }
}
