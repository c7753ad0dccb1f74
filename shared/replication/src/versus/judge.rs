//! How a versus session stands, by what is known of the publishers on its stages.

use std::fmt;

use jiff::Timestamp;

use super::{Versus, VersusState};
use crate::{
    BlockedReason, Desired, Match, Owner, ParticipantId, Phase, Policy, PublisherKey, Publishing, Replica,
    ReplicationKey, StageArn, Standing, View,
};

/// What a session comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It stays as it is. While it starts, any news can change that; at this time it changes by itself.
    Wait(Timestamp),
    /// All replications run.
    Running,
    /// It cannot be, or not all of it was there in time.
    Failed(Failure),
    /// Its time is over.
    Ended,
}

/// What was missing of a session that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nobody who is meant publishes on this stage.
    NoPublisher(StageArn),
    /// A replication was not to be had.
    Blocked(ReplicationKey, BlockedReason),
    /// A replication did not run in time.
    Late(ReplicationKey),
}

/// Judges a session by the views of everybody on its stages.
///
/// While it starts, every stage needs a publisher, and every publisher's replications to all other stages have to run,
/// whoever started them. What is missing fails the session when the time to start is over, and at once if it is blocked for a
/// reason that does not pass by itself.
pub fn judge(versus: &Versus, views: &[View], now: Timestamp, policy: &Policy) -> Verdict {
    match &versus.state {
        VersusState::Starting => judge_start(versus, views, now, policy),
        VersusState::Running if now < versus.ends_at => Verdict::Wait(versus.ends_at),
        VersusState::Running | VersusState::Ended => Verdict::Ended,
        VersusState::Failed(failure) => Verdict::Failed(failure.clone()),
    }
}

/// Publishers who have to be planned for the session's sake, because nothing says that somebody will: they have no
/// replication yet that a starting session wants, or one still that it does not want any more.
pub fn to_plan(versus: &Versus, views: &[View], now: Timestamp) -> Vec<PublisherKey> {
    let of_session = |replica: &Replica| is_of(versus, replica);
    let forgotten = |view: &&View| match versus.state {
        VersusState::Starting => {
            lacks_of(versus, view).any(|lack| lack.replica.is_none_or(|replica| !of_session(replica)))
        }
        VersusState::Running => false,
        VersusState::Ended | VersusState::Failed(_) => view.replicas.iter().any(|replica| {
            let due = replica.due().is_some_and(|due| due <= now);
            of_session(replica) && replica.desired == Desired::Replicated && !due
        }),
    };
    views.iter().filter(forgotten).map(|view| view.key.clone()).collect()
}

fn judge_start(versus: &Versus, views: &[View], now: Timestamp, policy: &Policy) -> Verdict {
    let deadline = versus.start_deadline(policy);
    let mut first = None;
    for stage in &versus.terms.stages {
        let publishers = || views.iter().filter(|view| view.key.stage == *stage && is_meant(versus, view));
        if publishers().next().is_none() {
            first.get_or_insert_with(|| Failure::NoPublisher(stage.clone()));
        }
        for lack in publishers().flat_map(|view| lacks_of(versus, view)) {
            if lack.will_stay(versus) {
                return Verdict::Failed(lack.failure());
            }
            first.get_or_insert_with(|| lack.failure());
        }
    }
    match first {
        Some(failure) if now >= deadline => Verdict::Failed(failure),
        Some(_) => Verdict::Wait(deadline),
        None if now >= versus.ends_at => Verdict::Ended,
        None => Verdict::Running,
    }
}

/// Whether the session means this publisher, who publishes as far as is known.
fn is_meant(versus: &Versus, view: &View) -> bool {
    view.publisher.as_ref().is_some_and(|publisher| {
        matches!(publisher.publishing(), Publishing::Yes | Publishing::Uncertain)
            && versus.terms.participants.matches(&publisher.user_id)
            && versus.terms.participants.matches_attributes(publisher.attributes.as_ref()) != Match::No
    })
}

/// A replication that the session needs and that does not run.
struct Lack<'a> {
    stage: &'a StageArn,
    participant: &'a ParticipantId,
    destination: &'a StageArn,
    /// What is known of it.
    replica: Option<&'a Replica>,
}

/// What a publisher of the session lacks, in the order of its stages.
fn lacks_of<'a>(versus: &'a Versus, view: &'a View) -> impl Iterator<Item = Lack<'a>> {
    let PublisherKey { stage, participant } = &view.key;
    let wanted = versus.others(stage).filter(move |_| is_meant(versus, view));
    wanted.filter_map(move |destination| {
        let replica = view.replicas.iter().find(|replica| replica.key.destination == *destination);
        let missing = !replica.is_some_and(runs);
        missing.then_some(Lack { stage, participant, destination, replica })
    })
}

/// Whether it runs, for us or for somebody else.
fn runs(replica: &Replica) -> bool {
    let stays = replica.desired == Desired::Replicated || replica.owner == Owner::Foreign;
    stays && replica.phase == Phase::Active && replica.evidence.standing() == Standing::On
}

/// Whether it was planned by a rule of the session.
fn is_of(versus: &Versus, replica: &Replica) -> bool {
    let place = versus.terms.stages.iter().position(|stage| *stage == replica.key.source);
    let rule = place.map(|place| versus.terms.id.rule(place + 1));
    rule.is_some() && replica.rule.as_ref().map(|rule| &rule.id) == rule.as_ref()
}

impl Lack<'_> {
    fn failure(&self) -> Failure {
        let key = ReplicationKey {
            source: self.stage.clone(),
            participant: self.participant.clone(),
            destination: self.destination.clone(),
        };
        match self.replica.map(|replica| &replica.phase) {
            Some(Phase::Blocked(blocked)) => Failure::Blocked(key, blocked.reason),
            _ => Failure::Late(key),
        }
    }

    /// Whether the session has been refused what it needs, for a reason that does not pass by itself. What was refused to
    /// another rule, or before the session began, says nothing.
    fn will_stay(&self, versus: &Versus) -> bool {
        let Some(replica) = self.replica.filter(|replica| is_of(versus, replica)) else { return false };
        let Phase::Blocked(blocked) = &replica.phase else { return false };
        let refused = replica.last_error.as_ref().is_none_or(|error| error.at >= versus.starts_at);
        match blocked.reason {
            // Who pre-empts waits until the slot is given up.
            BlockedReason::ParticipantSlotsFull => !versus.terms.preempt,
            BlockedReason::DestinationFull => refused && !versus.terms.preempt,
            BlockedReason::AccessDenied | BlockedReason::StageGone | BlockedReason::Rejected => refused,
            BlockedReason::NotPublishing
            | BlockedReason::Throttled
            | BlockedReason::Observing
            | BlockedReason::Paused => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPublisher(stage) => write!(f, "nobody to replicate publishes on {stage}"),
            Self::Blocked(key, reason) => write!(f, "{key} is blocked: {reason}"),
            Self::Late(key) => write!(f, "{key} did not run in time"),
        }
    }
}
