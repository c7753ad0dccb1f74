//! What stands in the table, in its plainest form, for tests that say only what matters to them.

#![allow(clippy::expect_used, reason = "a test that cannot go on shall panic")]

use std::collections::BTreeMap;

use controller::Order;
use jiff::Timestamp;
use replication::{
    Desired, Destination, Owner, ParticipantFilter, Phase, ReconnectWindow, Replica, ReplicationKey, Rule,
    RuleRef, Source, StageArn, Status,
};

/// A stage of the account that tests use.
///
/// # Panics
/// When that is not the id of a stage.
pub fn stage(id: &str) -> StageArn {
    format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}").parse().expect("a stage's id")
}

/// A change of rules by a test, for no reason.
pub fn ordered() -> Order {
    Order { by: "a test".to_owned(), reason: None, at: Timestamp::UNIX_EPOCH }
}

/// A rule of the middle priority from one stage to another, both by their ARNs.
///
/// # Panics
/// When these are not the id of a rule and the ARNs of stages.
pub fn rule(id: &str, source: &str, destination: &str) -> Rule {
    Rule {
        id: id.parse().expect("a rule's id"),
        revision: 1,
        priority: 50,
        status: Status::Enabled,
        source: Source::Stage(source.parse().expect("a stage's ARN")),
        participants: ParticipantFilter::default(),
        destinations: vec![Destination::Stage(destination.parse().expect("a stage's ARN"))],
        reconnect_window: ReconnectWindow::default(),
        attributes: BTreeMap::new(),
        preempt: false,
        record_replicas: None,
        expires_at: None,
    }
}

/// A replica of ours that a rule wants, from stage `A`, in this phase.
///
/// # Panics
/// When these are not the ids of a participant and a stage.
pub fn replica(rule: RuleRef, participant: &str, destination: &str, phase: Phase) -> Replica {
    let key = ReplicationKey {
        source: stage("A"),
        participant: participant.parse().expect("a participant's id"),
        destination: stage(destination),
    };
    Replica {
        phase,
        owner: Owner::Stagelink,
        desired: Desired::Replicated,
        rule: Some(rule),
        ..Replica::new(key)
    }
}

/// An order of an operator's, at this time.
pub fn order(at: Timestamp) -> Order {
    Order { by: "kim".to_owned(), reason: Some("a fire drill".to_owned()), at }
}
