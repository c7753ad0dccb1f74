//! Values of the core, short to write. Every time is a time of day on 2026-01-01.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use replication::{
    Capabilities, Destination, Moment, ParticipantFilter, ParticipantId, PublisherKey, ReconnectWindow,
    ReplicationKey, Rule, SessionId, Source, StageArn, Status, Tags,
};

pub(crate) const ALL_CALLS: Capabilities =
    Capabilities { start: true, stop: true, verify: true, get_stage: true, get_participant: true };

/// `role=main show=7`
pub(crate) fn tags(text: &str) -> Tags {
    let pairs = text.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Every stage with these tags, and the same value as the source's in these keys.
pub(crate) fn tagged(text: &str, same: &[&str]) -> Destination {
    Destination::Tags { tags: tags(text), same: same.iter().map(|key| (*key).to_owned()).collect() }
}

pub(crate) fn stage(id: &str) -> StageArn {
    format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}").parse().unwrap()
}

pub(crate) fn participant() -> ParticipantId {
    "p1".parse().unwrap()
}

/// The publisher that every test is about: `p1` on stage `A`.
pub(crate) fn publisher() -> PublisherKey {
    PublisherKey { stage: stage("A"), participant: participant() }
}

/// The replication of that publisher to a stage.
pub(crate) fn to(destination: &str) -> ReplicationKey {
    ReplicationKey { source: stage("A"), participant: participant(), destination: stage(destination) }
}

pub(crate) fn session(id: &str) -> SessionId {
    id.parse().unwrap()
}

/// `00:00:05.5` on the day.
pub(crate) fn time(text: &str) -> Timestamp {
    format!("2026-01-01T{text}Z").parse().unwrap()
}

/// News of that time: as precise as it has digits.
pub(crate) fn moment(text: &str) -> Moment {
    format!("2026-01-01T{text}Z").parse().unwrap()
}

/// A rule for every publisher of stage `A`, with priority 50.
pub(crate) fn rule(id: &str, destinations: &[&str]) -> Rule {
    Rule {
        id: id.parse().unwrap(),
        revision: 1,
        priority: 50,
        status: Status::Enabled,
        source: Source::Stage(stage("A")),
        participants: ParticipantFilter::default(),
        destinations: destinations.iter().map(|id| Destination::Stage(stage(id))).collect(),
        reconnect_window: ReconnectWindow::default(),
        attributes: BTreeMap::new(),
        preempt: false,
        record_replicas: None,
        expires_at: None,
    }
}

pub(crate) fn window(seconds: u64) -> ReconnectWindow {
    ReconnectWindow::from_seconds(seconds).unwrap()
}
