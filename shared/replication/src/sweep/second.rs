//! What the other witnesses say: the sessions of a stage, the replications of a publisher, and the refusal of a stage.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::agenda::replica_in_doubt;
use super::{Inventory, ListedSession, SweepPolicy};
use crate::{
    Listed, Moment, Observation, ParticipantId, PublisherKey, Publishing, ReplicationKey, SessionId,
    StageArn, Standing,
};

/// Which sessions of a stage have ended. Gives the news, and whose history has to be read all the same.
pub fn read_sessions(
    inventory: &Inventory,
    stage: &StageArn,
    publishers: &BTreeSet<ParticipantId>,
    sessions: &[ListedSession],
) -> (Vec<Observation>, Vec<(ParticipantId, SessionId)>) {
    let (mut news, mut open) = (Vec::new(), Vec::new());
    for participant in publishers {
        let key = PublisherKey { stage: stage.clone(), participant: participant.clone() };
        let Some(publisher) = inventory.publisher(&key) else { continue };
        let Some(session) = publisher.session.clone() else { continue };
        let ended = sessions.iter().find(|row| row.session == session).and_then(|row| row.ended);
        let mut after = publisher.evidence;
        ended.into_iter().for_each(|at| after.saw_off(at));
        match ended.filter(|_| after.standing() == Standing::Off) {
            Some(at) => {
                let user_id = publisher.user_id.clone();
                news.push(Observation::Unpublished { key, session, user_id, at });
            }
            None => open.push((participant.clone(), session)),
        }
    }
    (news, open)
}

/// The session that a stage had at a moment: the oldest that had not ended by then.
pub fn session_at(sessions: &[ListedSession], at: Moment) -> Option<&SessionId> {
    let there = sessions.iter().filter(|row| row.ended.is_none_or(|ended| at.earliest() <= ended.latest()));
    there.min_by_key(|row| row.ended.map_or(Timestamp::MAX, Moment::latest)).map(|row| &row.session)
}

/// What runs, by a list of all replications of a publisher. `missing` are those that their destination does not show.
pub fn read_replications(
    inventory: &Inventory,
    publisher: &PublisherKey,
    missing: &BTreeSet<ReplicationKey>,
    listed: &[Listed],
    took: Moment,
    policy: &SweepPolicy,
) -> (Vec<Observation>, BTreeSet<ReplicationKey>) {
    let (mut news, mut unowned) = (Vec::new(), BTreeSet::new());
    for row in listed.iter().filter(|row| row.destination != publisher.stage) {
        let PublisherKey { stage: source, participant } = publisher.clone();
        let key = ReplicationKey { source, participant, destination: row.destination.clone() };
        let known = inventory.replica(&key);
        let settled = known
            .and_then(|replica| replica.evidence.off)
            .is_none_or(|off| took.earliest().duration_since(off.latest()) > policy.settle);
        if known.is_some_and(|replica| replica.evidence.standing() == Standing::On) || !settled {
            continue;
        }
        if known.is_none_or(|replica| replica.owner != crate::Owner::Stagelink) {
            unowned.insert(key.clone());
        }
        let destination_session = row.destination_session.clone();
        news.push(Observation::ReplicaActive { key, destination_session, at: took });
    }
    let ended = missing.iter().filter(|key| !listed.iter().any(|row| row.destination == key.destination));
    news.extend(ended.map(|key| Observation::ReplicaEnded { key: key.clone(), at: took }));
    (news, unowned)
}

/// A stage that ListStages does not list, and that GetStage refuses as unknown: nobody publishes there, and nothing is
/// replicated from there. What is replicated to there has to be listed.
pub fn read_gone(inventory: &Inventory, stage: &StageArn, took: Moment) -> Vec<Observation> {
    let mut news = Vec::new();
    for publisher in inventory.publishers_on(stage) {
        let believed = matches!(publisher.publishing(), Publishing::Yes | Publishing::Uncertain);
        let Some(session) = publisher.session.clone().filter(|_| believed) else { continue };
        let (key, user_id) = (publisher.key.clone(), publisher.user_id.clone());
        news.push(Observation::Unpublished { key, session, user_id, at: took });
    }
    for replica in inventory.replicas_from(stage) {
        let standing = replica.evidence.standing();
        if matches!(standing, Standing::On | Standing::Uncertain) || replica_in_doubt(replica) {
            news.push(Observation::ReplicaEnded { key: replica.key.clone(), at: took });
        }
    }
    news
}
