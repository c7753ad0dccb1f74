//! The core's own structures, written out: rules, rows, news, calls and their outcomes.

use std::collections::BTreeMap;

use replication::{
    Blocked, Braked, Control, Crowd, Evidence, GiveWay, LastError, Lease, Moment, Observation, Outcome,
    Publisher, PublisherKey, Replica, ReplicationKey, Rule, RuleRef, StageArn, StartRequest, Status, Step,
    StopRequest, View,
};

use super::Writer;

impl<'a> Writer<'a> {
    pub(super) fn rule(&mut self, rule: &Rule) {
        let Rule {
            id,
            revision,
            status,
            // They never change here.
            priority: _,
            source: _,
            participants: _,
            destinations: _,
            reconnect_window: _,
            attributes: _,
            preempt: _,
            record_replicas: _,
            expires_at,
        } = rule;
        self.text(id.as_str());
        self.number(i64::try_from(*revision).unwrap_or(i64::MAX));
        self.byte(u8::from(*status == Status::Enabled));
        self.maybe(*expires_at, Self::wait);
    }

    pub(super) fn key(&mut self, key: &ReplicationKey) {
        let ReplicationKey { source, participant, destination } = key;
        self.text(source.resource_id());
        self.text(participant.as_str());
        self.text(destination.resource_id());
    }

    pub(super) fn publisher_key(&mut self, key: &PublisherKey) {
        let PublisherKey { stage, participant } = key;
        self.text(stage.resource_id());
        self.text(participant.as_str());
    }

    pub(super) fn moment(&mut self, moment: Moment) {
        self.was(moment.earliest());
        self.was(moment.latest());
    }

    pub(super) fn evidence(&mut self, evidence: Evidence) {
        let Evidence { on, off } = evidence;
        self.maybe(on, Self::moment);
        self.maybe(off, Self::moment);
    }

    pub(super) fn publisher(&mut self, publisher: &Publisher) {
        let Publisher { key, session, user_id, attributes, evidence, version } = publisher;
        self.publisher_key(key);
        self.maybe(session.as_ref(), |writer, session| writer.text(session.as_str()));
        self.text(user_id);
        self.byte(u8::from(attributes.is_some()));
        self.evidence(*evidence);
        let stored = self.table.publishers.get(key).map(|stored| stored.version);
        self.version(stored, *version);
    }

    pub(super) fn replica(&mut self, replica: &'a Replica) {
        let Replica {
            key,
            phase,
            desired,
            owner,
            rule,
            reconnect_window,
            attributes,
            evidence,
            begun,
            // Nothing is decided by it.
            destination_session: _,
            attempts,
            next_attempt,
            wanted_until,
            backfill,
            lease,
            last_error,
            gives_way,
            braked,
            version,
        } = replica;
        self.key(key);
        self.text(phase.name());
        if let replication::Phase::Blocked(Blocked { reason, until }) = phase {
            self.text(reason.name());
            self.maybe(*until, Self::wait);
        }
        self.byte(*desired as u8);
        self.byte(*owner as u8);
        self.maybe(rule.as_ref(), |writer, RuleRef { id, revision, priority }| {
            writer.text(id.as_str());
            writer.number(i64::try_from(*revision).unwrap_or(i64::MAX));
            writer.byte(*priority);
        });
        self.number(i64::from(reconnect_window.seconds()));
        self.count(attributes.len());
        self.evidence(*evidence);
        self.maybe(*begun, Self::moment);
        self.byte(u8::from(*attempts > 0));
        self.maybe(*next_attempt, Self::wait);
        self.maybe(*wanted_until, Self::wait);
        self.byte(u8::from(*backfill));
        self.maybe(lease.as_ref(), Self::lease);
        self.maybe(last_error.as_ref(), |writer, error| {
            let LastError { rejection, code, message, request_id: _, at } = error;
            writer.maybe(*rejection, |writer, rejection| writer.text(rejection.code()));
            writer.text(code);
            writer.text(message);
            writer.was(*at);
        });
        self.maybe(gives_way.as_ref(), |writer, GiveWay { priority, until }| {
            writer.byte(*priority);
            writer.wait(*until);
        });
        // Since when is only told to people.
        self.maybe(*braked, |writer, Braked { since: _, confirmed_at }| {
            writer.byte(u8::from(confirmed_at.is_some()));
        });
        let stored = self.table.replicas.get(key).map(|stored| stored.version);
        self.version(stored, *version);
    }

    pub(super) fn lease(&mut self, lease: &'a Lease) {
        let Lease { holder, since, until } = lease;
        self.holder(holder);
        self.was(*since);
        self.wait(*until);
    }

    pub(super) fn view(&mut self, view: &'a View) {
        let View {
            key,
            publisher,
            tags,
            rules,
            unreadable_rules,
            directory,
            replicas,
            is_destination,
            full,
            control,
        } = view;
        self.publisher_key(key);
        self.maybe(publisher.as_ref(), Self::publisher);
        self.byte(u8::from(tags.is_some()));
        self.each(rules, Self::rule);
        self.count(unreadable_rules.len());
        self.count(directory.len());
        self.each(replicas, Self::replica);
        self.byte(u8::from(*is_destination));
        self.full(full);
        let Control { pause, brake_released_until, running } = control;
        self.byte(u8::from(pause.is_some()));
        self.maybe(*brake_released_until, Self::wait);
        self.maybe(*running, |writer, running| writer.count(running));
    }

    pub(super) fn full(&mut self, full: &BTreeMap<StageArn, Crowd>) {
        self.each(full, |writer, (stage, Crowd { weakest })| {
            writer.text(stage.resource_id());
            writer.maybe(weakest.as_ref(), |writer, (key, priority)| {
                writer.key(key);
                writer.byte(*priority);
            });
        });
    }

    pub(super) fn observation(&mut self, news: &Observation) {
        match news {
            Observation::Published { key, session, user_id, at }
            | Observation::Unpublished { key, session, user_id, at } => {
                self.byte(u8::from(matches!(news, Observation::Published { .. })));
                self.publisher_key(key);
                self.text(session.as_str());
                self.text(user_id);
                self.moment(*at);
            }
            Observation::ReplicaActive { key, destination_session: _, at } => {
                self.byte(2);
                self.key(key);
                self.moment(*at);
            }
            Observation::ReplicaEnded { key, at } => {
                self.byte(3);
                self.key(key);
                self.moment(*at);
            }
            Observation::ReplicaOwner { key, ours, at } => {
                self.byte(4);
                self.key(key);
                self.byte(u8::from(*ours));
                self.moment(*at);
            }
            Observation::ReplicaFailed { key, code, at } => {
                self.byte(5);
                self.key(key);
                self.text(code);
                self.moment(*at);
            }
            Observation::Attributes { key, attributes, at } => {
                self.byte(6);
                self.publisher_key(key);
                self.count(attributes.len());
                self.moment(*at);
            }
        }
    }

    pub(super) fn step(&mut self, step: &Step) {
        match step {
            // Since when it has been waited for is only measured.
            Step::Start(StartRequest { key, reconnect_window, attributes, waiting_since: _ }) => {
                self.byte(0);
                self.key(key);
                self.number(i64::from(reconnect_window.seconds()));
                self.count(attributes.len());
            }
            // Why is only told to people, once it is counted.
            Step::Stop(StopRequest { key, reason: _, confirmed: _ }) => {
                self.byte(1);
                self.key(key);
            }
            Step::Verify(keys) => {
                self.byte(2);
                self.each(keys, Self::key);
            }
        }
    }

    pub(super) fn outcome(&mut self, outcome: &Outcome) {
        if let Some(error) = outcome.error() {
            self.text(&error.code);
            self.text(&error.message);
        }
        if let Outcome::Verify(_, Ok(listed)) = outcome {
            self.each(listed, |writer, row| writer.text(row.destination.resource_id()));
        }
    }
}
