//! The life of a replication: the replica appears, waits while its source is away, and goes.

use std::collections::BTreeMap;

use super::entities::{
    Ended, EventErrorCode, EventName, Origin, Participant, Phase, Replication, ReplicationKey, Stage,
};
use super::{Timer, World};
use crate::dialect::{Fate, ReconnectEvents, SourceStopEventOrder, StartEventOrder};

/// The three things that are told when a source's going ends a replication.
#[derive(Debug, Clone, Copy)]
enum Step {
    Unpublished,
    End,
    Replica,
}

impl World {
    /// The replications that are ACTIVE, in order of their keys.
    pub fn active_replications(&self) -> Vec<ReplicationKey> {
        let active = self.replications.iter().filter(|(_, replication)| replication.phase != Phase::Starting);
        active.map(|(key, _)| key.clone()).collect()
    }

    /// The replications that are, or will soon be.
    pub fn accepted_replications(&self) -> Vec<ReplicationKey> {
        self.replications.keys().cloned().collect()
    }

    /// The replications in the books that start from a participant of a stage.
    pub(super) fn replications_of(
        &self,
        stage_arn: &str,
        participant_id: &str,
    ) -> impl Iterator<Item = (&ReplicationKey, &Replication)> {
        of_participant(&self.replications, stage_arn, participant_id)
    }

    /// The replications that ended and started from a participant of a stage, oldest first for each key.
    pub(super) fn ended_of(
        &self,
        stage_arn: &str,
        participant_id: &str,
    ) -> impl Iterator<Item = (&ReplicationKey, &Vec<Ended>)> {
        of_participant(&self.ended, stage_arn, participant_id)
    }

    /// Takes a replication into the books; its replica appears after the dialect's delay, or now.
    pub(super) fn begin_replication(&mut self, key: ReplicationKey, replication: Replication) {
        let id = replication.id;
        self.replications.insert(key.clone(), replication);
        let delay = self.config.dialect.replication_start_delay_ms.duration();
        if delay.is_zero() {
            self.replica_due(&key, id);
        } else {
            self.set_timer(self.now + delay, Timer::ReplicaAppears { key, id });
        }
    }

    /// The replica is to appear for the first time; or it fails to, and the bus hears of it.
    pub(super) fn replica_due(&mut self, key: &ReplicationKey, id: u64) {
        let Some(found) = self.replications.get(key).filter(|it| it.id == id && it.phase == Phase::Starting)
        else {
            return;
        };
        let strikes = self.dice.roll(self.config.faults.calls.start_failure_rate);
        // A session is over once nobody was there: who comes to a later one is not whom the Start was for.
        let session = self.stages.get(&key.source_stage_arn).and_then(Stage::active_session);
        let is_same = session.is_some_and(|session| session.id == found.source_session);
        let source = self.present(&key.source_stage_arn, &key.participant_id);
        let publishing = is_same && source.is_some_and(|source| source.publishing);
        let obstacle = if !publishing {
            Some(EventErrorCode::PublisherNotFound)
        } else if strikes {
            Some(EventErrorCode::InternalServerException)
        } else {
            self.obstacle(key)
        };
        if let Some(code) = obstacle {
            self.fail_replica(key, code);
            self.replications.remove(key);
            return;
        }
        let destination_session = self.ensure_session(&key.destination_stage_arn);
        let source_session = self.ensure_session(&key.source_stage_arn);
        if let Some(source) = self.present_mut(&key.source_stage_arn, &key.participant_id) {
            source.source = true;
        }
        if let Some(replication) = self.replications.get_mut(key) {
            replication.phase = Phase::Live;
            replication.since = self.now;
            replication.source_session.clone_from(&source_session);
            replication.destination_session.clone_from(&destination_session);
        }
        let start_first = self.config.dialect.start_event_order == StartEventOrder::StartThenPublished;
        if !start_first {
            self.show_replica(key);
        }
        self.emit_replication_start(key, &source_session, &destination_session);
        let name = EventName::ReplicationStarted;
        let destination =
            Origin { stage_arn: key.destination_stage_arn.clone(), session_id: destination_session };
        self.note_replication(&key.source_stage_arn, &key.participant_id, name, destination);
        if start_first {
            self.show_replica(key);
        }
    }

    /// The source publishes again: what waited for it goes on.
    pub(super) fn resume_replications(&mut self, stage_arn: &str, participant_id: &str) {
        let waiting: Vec<ReplicationKey> = self
            .replications_of(stage_arn, participant_id)
            .filter(|(_, replication)| matches!(replication.phase, Phase::Held(_)))
            .map(|(key, _)| key.clone())
            .collect();
        for key in waiting {
            self.resume(&key);
        }
    }

    /// Ends the publishing of a participant or replica, and decides on each replication that starts from it.
    /// `for_good`: it cannot come back, so none waits.
    pub(super) fn cease_publishing(&mut self, stage_arn: &str, participant_id: &str, for_good: bool) {
        let Some(participant) = self.present_mut(stage_arn, participant_id) else { return };
        let was_publishing = std::mem::replace(&mut participant.publishing, false);
        let was_deferred = participant.unpublish_deferred;
        if !was_publishing && !for_good {
            return;
        }
        let (mut ends, mut held) = (Vec::new(), Vec::new());
        for (key, replication) in self.replications_of(stage_arn, participant_id) {
            match self.fate(replication, for_good) {
                Some(Phase::Held(until)) => held.push((key.clone(), until)),
                Some(_) => {}
                None => ends.push(key.clone()),
            }
        }
        for (key, until) in &held {
            self.hold(key, *until);
        }
        let events = self.config.dialect.reconnect_events;
        let defer = events == ReconnectEvents::Neither && held.iter().any(|(_, until)| until.is_some());
        if let Some(participant) = self.present_mut(stage_arn, participant_id) {
            participant.unpublish_deferred = defer;
        }
        let hidden: Vec<ReplicationKey> = held
            .into_iter()
            .filter(|(_, until)| until.is_none() || events == ReconnectEvents::Both)
            .map(|(key, _)| key)
            .collect();
        let announce = (was_publishing || was_deferred) && !defer;
        self.depart(stage_arn, participant_id, announce, &ends, &hidden);
    }

    /// Ends a replication that is in the books, whatever its source does.
    pub(super) fn end_replication(&mut self, key: &ReplicationKey) {
        if self.replications.get(key).is_some_and(|found| found.phase == Phase::Starting) {
            self.replications.remove(key);
            return;
        }
        let announce = self.release_deferred(key);
        self.depart(&key.source_stage_arn, &key.participant_id, announce, std::slice::from_ref(key), &[]);
    }

    pub(super) fn window_due(&mut self, key: &ReplicationKey, id: u64) {
        let Some(replication) = self.replications.get_mut(key).filter(|found| found.id == id) else { return };
        if !matches!(replication.phase, Phase::Held(Some(until)) if until <= self.now) {
            return;
        }
        match self.config.dialect.window_expires {
            Fate::Ends => self.end_replication(key),
            Fate::Stays => {
                replication.phase = Phase::Held(None);
                let announce = self.release_deferred(key);
                let hidden = std::slice::from_ref(key);
                self.depart(&key.source_stage_arn, &key.participant_id, announce, &[], hidden);
            }
        }
    }

    /// The phase that the source's going brings a replication to, or none if it ends.
    fn fate(&self, replication: &Replication, for_good: bool) -> Option<Phase> {
        match replication.phase {
            Phase::Starting => Some(Phase::Starting),
            _ if for_good => None,
            Phase::Held(until) => Some(Phase::Held(until)),
            Phase::Live if replication.reconnect_window_seconds > 0 => {
                let window = jiff::SignedDuration::from_secs(replication.reconnect_window_seconds.into());
                Some(Phase::Held(Some(self.now + window)))
            }
            Phase::Live => match self.config.dialect.source_stops {
                Fate::Ends => None,
                Fate::Stays => Some(Phase::Held(None)),
            },
        }
    }

    fn hold(&mut self, key: &ReplicationKey, until: Option<jiff::Timestamp>) {
        let Some(replication) = self.replications.get_mut(key) else { return };
        replication.phase = Phase::Held(until);
        let id = replication.id;
        if let Some(until) = until {
            self.set_timer(until, Timer::WindowExpires { key: key.clone(), id });
        }
    }

    fn resume(&mut self, key: &ReplicationKey) {
        let source_session = self.ensure_session(&key.source_stage_arn);
        if let Some(source) = self.present_mut(&key.source_stage_arn, &key.participant_id) {
            source.source = true;
        }
        if let Some(replication) = self.replications.get_mut(key) {
            replication.phase = Phase::Live;
            replication.source_session.clone_from(&source_session);
        }
        let replica = self.present_mut(&key.destination_stage_arn, &key.participant_id);
        if let Some(replica) = replica.filter(|replica| replica.publishing) {
            if let Some(origin) = &mut replica.origin {
                origin.session_id = source_session;
            }
            return;
        }
        match self.obstacle(key) {
            None => self.show_replica(key),
            Some(code) => {
                self.fail_replica(key, code);
                self.finish(key);
            }
        }
    }

    /// What keeps the replica from appearing.
    fn obstacle(&self, key: &ReplicationKey) -> Option<EventErrorCode> {
        if !self.stages.contains_key(&key.destination_stage_arn) || self.is_occupied(key) {
            Some(EventErrorCode::InternalServerException)
        } else if self.config.dialect.replicas_count_as_publishers && self.is_full(&key.destination_stage_arn)
        {
            Some(EventErrorCode::QuotaExceeded)
        } else {
            None
        }
    }

    /// Whether somebody of that id is in the destination who does not come from the source.
    pub(super) fn is_occupied(&self, key: &ReplicationKey) -> bool {
        let there = self.present(&key.destination_stage_arn, &key.participant_id);
        there.is_some_and(|there| {
            let ours = there.origin.as_ref().is_some_and(|origin| origin.stage_arn == key.source_stage_arn);
            there.connected && !ours
        })
    }

    /// Lets the replica join the destination, if it is not there, and publish.
    fn show_replica(&mut self, key: &ReplicationKey) {
        self.join_replica(key);
        let destination_session = self.ensure_session(&key.destination_stage_arn);
        if let Some(replication) = self.replications.get_mut(key) {
            replication.destination_session = destination_session;
        }
        self.begin_publishing(&key.destination_stage_arn, &key.participant_id);
    }

    /// Tells the destination that the replica could not publish.
    fn fail_replica(&mut self, key: &ReplicationKey, code: EventErrorCode) {
        if self.stages.contains_key(&key.destination_stage_arn) && !self.is_occupied(key) {
            self.join_replica(key);
            self.fail_to_publish(&key.destination_stage_arn, &key.participant_id, code);
            self.disconnect(&key.destination_stage_arn, &key.participant_id, false);
        }
    }

    fn join_replica(&mut self, key: &ReplicationKey) {
        let Some((session, source)) = self.latest(&key.source_stage_arn, &key.participant_id) else { return };
        let origin = Origin { stage_arn: key.source_stage_arn.clone(), session_id: session.id.clone() };
        let (user_id, mut attributes) = (source.user_id.clone(), source.attributes.clone());
        if let Some(replication) = self.replications.get(key) {
            attributes.extend(replication.attributes.clone());
        }
        self.join(&key.destination_stage_arn, &key.participant_id, user_id, attributes, Some(origin));
    }

    /// Tells of the source's going, of the replications that end with it, and of the replicas that go or fall silent,
    /// in the order of the dialect.
    fn depart(
        &mut self,
        stage_arn: &str,
        participant_id: &str,
        announce: bool,
        ends: &[ReplicationKey],
        hidden: &[ReplicationKey],
    ) {
        for step in steps(self.config.dialect.source_stop_event_order) {
            match step {
                Step::Unpublished if announce => self.announce_unpublished(stage_arn, participant_id),
                Step::Unpublished => {}
                Step::End => ends.iter().for_each(|key| self.finish(key)),
                Step::Replica => {
                    for key in ends {
                        self.remove_replica(key);
                    }
                    for key in hidden {
                        self.cease_publishing(&key.destination_stage_arn, &key.participant_id, false);
                    }
                }
            }
        }
        self.touch_session(stage_arn);
        for key in ends.iter().chain(hidden) {
            self.touch_session(&key.destination_stage_arn);
        }
    }

    /// Takes the replica out of the destination, if it is there.
    fn remove_replica(&mut self, key: &ReplicationKey) {
        if !self.is_occupied(key) {
            self.disconnect(&key.destination_stage_arn, &key.participant_id, false);
        }
    }

    /// Takes a replication out of the books, and tells of its end.
    fn finish(&mut self, key: &ReplicationKey) {
        let Some(replication) = self.replications.remove(key) else { return };
        let Replication { source_session, destination_session, since, .. } = replication;
        self.emit_replication_end(key, &source_session, &destination_session);
        let destination =
            Origin { stage_arn: key.destination_stage_arn.clone(), session_id: destination_session.clone() };
        let name = EventName::ReplicationStopped;
        self.note_replication(&key.source_stage_arn, &key.participant_id, name, destination);
        let (order, ended) = (self.next_order(), self.now);
        let rows = self.ended.entry(key.clone()).or_default();
        rows.retain(|row| {
            row.source_session != source_session || row.destination_session != destination_session
        });
        rows.push(Ended { order, source_session, destination_session, since, ended });
    }

    /// Whether the source's Unpublished waited for the window of this replication alone. Then it waits no more.
    fn release_deferred(&mut self, key: &ReplicationKey) -> bool {
        let waits = |(other, replication): (&ReplicationKey, &Replication)| {
            other != key && matches!(replication.phase, Phase::Held(Some(_)))
        };
        if self.replications_of(&key.source_stage_arn, &key.participant_id).any(waits) {
            return false;
        }
        let deferred =
            |participant: &mut Participant| std::mem::replace(&mut participant.unpublish_deferred, false);
        self.latest_mut(&key.source_stage_arn, &key.participant_id).is_some_and(deferred)
    }
}

fn steps(order: SourceStopEventOrder) -> [Step; 3] {
    use SourceStopEventOrder as Order;
    match order {
        Order::UnpublishedEndReplica => [Step::Unpublished, Step::End, Step::Replica],
        Order::UnpublishedReplicaEnd => [Step::Unpublished, Step::Replica, Step::End],
        Order::EndUnpublishedReplica => [Step::End, Step::Unpublished, Step::Replica],
        Order::EndReplicaUnpublished => [Step::End, Step::Replica, Step::Unpublished],
        Order::ReplicaUnpublishedEnd => [Step::Replica, Step::Unpublished, Step::End],
        Order::ReplicaEndUnpublished => [Step::Replica, Step::End, Step::Unpublished],
    }
}

/// The entries whose key starts from a participant of a stage.
fn of_participant<'a, T>(
    map: &'a BTreeMap<ReplicationKey, T>,
    stage_arn: &str,
    participant_id: &str,
) -> impl Iterator<Item = (&'a ReplicationKey, &'a T)> + use<'a, T> {
    let first = ReplicationKey {
        source_stage_arn: stage_arn.to_owned(),
        participant_id: participant_id.to_owned(),
        destination_stage_arn: String::new(),
    };
    let (stage_arn, participant_id) = (stage_arn.to_owned(), participant_id.to_owned());
    map.range(first..)
        .take_while(move |(key, _)| key.source_stage_arn == stage_arn && key.participant_id == participant_id)
}
