//! What the answer to an IVS call means for a replication: the state machine's reactions.
//!
//! IVS does not document which error means "not publishing" or "already replicated". So a refusal is never taken as proof
//! of either: the replication stays in doubt, and the planner has it verified with ListParticipantReplicas.

use jiff::{SignedDuration, Timestamp};

use crate::moment::later;
use crate::{
    Blocked, BlockedReason, Desired, LastError, Lease, Moment, Observation, Owner, Phase, Policy,
    PublisherKey, Replica, ReplicationKey, SessionId, StageArn, Standing, View,
};

/// A call that did not succeed: one variant of [`Refusal`] per thing the controller does differently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct CallError {
    /// What it means.
    pub refusal: Refusal,
    /// IVS's own code, or ours for a failure without an answer (`Timeout`, `Connection`).
    pub code: String,
    /// IVS's own words.
    pub message: String,
    /// IVS's request id, if there was an answer.
    pub request_id: Option<String>,
}

/// What a failed call means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// IVS refused; the state behind it has to be verified.
    Rejected(Rejection),
    /// IVS does not let us; somebody has to change a policy or credentials.
    AccessDenied,
    /// IVS asked to slow down; the call had no effect.
    Throttled {
        /// How long it asked to wait, if it said so.
        retry_after: Option<SignedDuration>,
    },
    /// No answer, or a failure on IVS's side: the call may have taken effect.
    Unavailable,
}

/// The four modelled refusals whose cause IVS leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// ValidationException, 400.
    Validation,
    /// ResourceNotFoundException, 404.
    NotFound,
    /// ConflictException, 409.
    Conflict,
    /// ServiceQuotaExceededException, 402.
    QuotaExceeded,
}

impl Rejection {
    /// Every rejection.
    pub const ALL: [Self; 4] = [Self::Validation, Self::NotFound, Self::Conflict, Self::QuotaExceeded];

    /// IVS's name for the error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Validation => "ValidationException",
            Self::NotFound => "ResourceNotFoundException",
            Self::Conflict => "ConflictException",
            Self::QuotaExceeded => "ServiceQuotaExceededException",
        }
    }
}

/// The answer to one step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// StartParticipantReplication was called for this replication.
    Start(ReplicationKey, Result<Receipt, CallError>),
    /// StopParticipantReplication was called for this replication.
    Stop(ReplicationKey, Result<Receipt, CallError>),
    /// ListParticipantReplicas was called for the publisher, because these replications were in doubt.
    Verify(Vec<ReplicationKey>, Result<Vec<Listed>, CallError>),
}

/// What IVS answers to a Start or Stop: nothing but that it took the call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipt {
    /// IVS's request id.
    pub request_id: Option<String>,
}

/// A running replication as ListParticipantReplicas lists it. Rows that are not `ACTIVE` are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Where the replica participant is.
    pub destination: StageArn,
    /// The destination's stage session.
    pub destination_session: Option<SessionId>,
}

impl Outcome {
    /// Why the call did not succeed, if it did not.
    pub fn error(&self) -> Option<&CallError> {
        match self {
            Self::Start(_, result) | Self::Stop(_, result) => result.as_ref().err(),
            Self::Verify(_, result) => result.as_ref().err(),
        }
    }

    /// Takes the answer into what is known. The call was made under `lease` and lasted from `took.earliest()` to
    /// `took.latest()`. Where the lease is held by somebody else by now, the answer is evidence and no more: what follows
    /// from it is theirs to decide.
    pub fn apply(&self, view: &mut View, lease: &Lease, took: Moment, policy: &Policy) {
        match self {
            Self::Start(key, result) => match held(view, key, lease) {
                Held::Ours(replica) => replica.started(result, took, policy),
                Held::Lost(replica) if result.is_ok() => replica.started_late(took),
                Held::Lost(_) | Held::Gone => {}
            },
            Self::Stop(key, result) => match held(view, key, lease) {
                Held::Ours(replica) => replica.stopped(result, took, policy),
                Held::Lost(replica) if result.is_ok() => replica.evidence.saw_off(took),
                Held::Lost(_) | Held::Gone => {}
            },
            Self::Verify(doubtful, Ok(listed)) => verified(view, doubtful, listed, lease, took, policy),
            Self::Verify(doubtful, Err(error)) => {
                for key in doubtful {
                    if let Held::Ours(replica) = held(view, key, lease) {
                        replica.not_verified(error, took.latest(), policy);
                    }
                }
            }
        }
    }
}

/// A replication that a call was made for, by whose lease it is under.
enum Held<'a> {
    Ours(&'a mut Replica),
    Lost(&'a mut Replica),
    Gone,
}

fn held<'a>(view: &'a mut View, key: &ReplicationKey, lease: &Lease) -> Held<'a> {
    match view.replicas.iter_mut().find(|replica| replica.key == *key) {
        Some(replica) if replica.lease.as_ref() == Some(lease) => Held::Ours(replica),
        Some(replica) => Held::Lost(replica),
        None => Held::Gone,
    }
}

/// Every listed replication runs. One that is *not* listed is taken as ended only if a call had left it in doubt: an empty
/// or short list must never stop anything.
fn verified(
    view: &mut View,
    doubtful: &[ReplicationKey],
    listed: &[Listed],
    lease: &Lease,
    took: Moment,
    policy: &Policy,
) {
    for row in listed {
        let PublisherKey { stage: source, participant } = view.key.clone();
        let key = ReplicationKey { source, participant, destination: row.destination.clone() };
        let destination_session = row.destination_session.clone();
        Observation::ReplicaActive { key, destination_session, at: took }.fold_into(view, policy);
    }
    for key in doubtful {
        let Held::Ours(replica) = held(view, key, lease) else { continue };
        if listed.iter().any(|row| row.destination == key.destination) {
            replica.seen_running(took, policy);
        } else {
            replica.seen_absent(listed.len(), took, policy);
        }
    }
}

impl Replica {
    fn started(&mut self, result: &Result<Receipt, CallError>, took: Moment, policy: &Policy) {
        self.lease = None;
        match result {
            Ok(_) => {
                self.owner = Owner::Stagelink;
                self.begin(took);
                self.evidence.saw_on(took);
                self.settle(Phase::Active);
            }
            Err(error) => self.start_failed(error, took, policy),
        }
    }

    /// A Start took effect after its lease was lost: it is ours, whatever the others made of it meanwhile.
    fn started_late(&mut self, took: Moment) {
        self.evidence.saw_on(took);
        self.begin(took);
        if self.owner == Owner::Nobody {
            self.owner = Owner::Stagelink;
        }
    }

    fn start_failed(&mut self, error: &CallError, took: Moment, policy: &Policy) {
        let now = took.latest();
        self.last_error = Some(LastError::of(error, now));
        let wait = policy.backoff(self.attempts, &self.key);
        match error.refusal {
            Refusal::Rejected(_) => self.next_attempt = Some(now),
            Refusal::AccessDenied => {
                self.block(BlockedReason::AccessDenied, later(now, policy.access_denied_retry));
            }
            Refusal::Throttled { retry_after } => {
                self.block(BlockedReason::Throttled, later(now, wait.max(retry_after.unwrap_or_default())));
            }
            Refusal::Unavailable => {
                self.owner = Owner::Stagelink;
                self.begin(took);
                self.next_attempt = Some(later(now, wait));
            }
        }
    }

    fn stopped(&mut self, result: &Result<Receipt, CallError>, took: Moment, policy: &Policy) {
        self.lease = None;
        let Err(error) = result else {
            self.evidence.saw_off(took);
            self.owner = Owner::Nobody;
            self.begun = None;
            self.settle(Phase::Stopped);
            return;
        };
        let now = took.latest();
        let wait = policy.backoff(self.attempts, &self.key);
        self.last_error = Some(LastError::of(error, now));
        match error.refusal {
            Refusal::Rejected(_) => self.next_attempt = Some(now),
            Refusal::Unavailable => self.next_attempt = Some(later(now, wait)),
            Refusal::AccessDenied => {
                self.phase = Phase::Active;
                self.next_attempt = Some(later(now, policy.access_denied_retry));
            }
            Refusal::Throttled { retry_after } => {
                self.phase = Phase::Active;
                self.next_attempt = Some(later(now, wait.max(retry_after.unwrap_or_default())));
            }
        }
    }

    /// ListParticipantReplicas shows it running, and a call had left it in doubt.
    fn seen_running(&mut self, took: Moment, policy: &Policy) {
        if self.owner == Owner::Nobody {
            self.owner = Owner::Foreign;
        }
        if self.phase != Phase::Stopping {
            return self.settle(Phase::Active);
        }
        self.lease = None;
        self.phase = Phase::Active;
        self.next_attempt = Some(later(took.latest(), policy.backoff(self.attempts, &self.key)));
    }

    /// ListParticipantReplicas does not show it, and a call had left it in doubt.
    fn seen_absent(&mut self, running: usize, took: Moment, policy: &Policy) {
        let now = took.latest();
        self.lease = None;
        self.evidence.saw_off(took);
        match (&self.phase, self.last_error.as_ref().and_then(|error| error.rejection)) {
            (Phase::Starting, Some(rejection)) => {
                let message = self.last_error.as_ref().map_or("", |error| &error.message);
                let reason = why_rejected(rejection, message, running, policy);
                if let (BlockedReason::ParticipantSlotsFull, Some(error)) = (reason, &mut self.last_error) {
                    // Whatever IVS calls it: it is remembered that a slot was all that was missing.
                    error.rejection = Some(Rejection::QuotaExceeded);
                }
                let wait = match reason {
                    BlockedReason::StageGone => policy.stage_gone_retry,
                    BlockedReason::DestinationFull | BlockedReason::ParticipantSlotsFull => {
                        policy.backoff_cap
                    }
                    // The event may be ahead of IVS: a moment later it publishes.
                    _ => policy.backoff(self.attempts, &self.key),
                };
                self.block(reason, later(now, wait));
            }
            (Phase::Starting, None) => {
                // Without an answer, it may be under way still.
                self.begin(took);
                self.phase = Phase::Pending;
                self.next_attempt = Some(now);
            }
            (Phase::Stopping, rejection) => {
                // What IVS refused to stop and does not list is not there, nor under way: who starts it from now on is somebody else.
                if rejection.is_some() {
                    self.begun = None;
                }
                self.owner = Owner::Nobody;
                self.settle(Phase::Stopped);
            }
            _ => {}
        }
    }

    fn not_verified(&mut self, error: &CallError, now: Timestamp, policy: &Policy) {
        let rejection = self.last_error.as_ref().and_then(|last| last.rejection);
        self.last_error = Some(LastError { rejection, ..LastError::of(error, now) });
        self.lease = None;
        self.attempts += 1;
        self.next_attempt = Some(match error.refusal {
            Refusal::AccessDenied => later(now, policy.access_denied_retry),
            _ => later(now, policy.backoff(self.attempts, &self.key)),
        });
    }

    /// A Publish Error of the replica participant: Start had succeeded, and the destination refused later. The news that
    /// the replication ended may have come first.
    pub(crate) fn failed_at_destination(&mut self, code: &str, at: Moment, policy: &Policy) {
        self.evidence.saw_off(at);
        let waited_for = matches!(self.phase, Phase::Active | Phase::Pending);
        let wanted = waited_for && self.desired == Desired::Replicated;
        let repeated =
            self.last_error.as_ref().is_some_and(|last| last.code == code && last.at == at.latest());
        if !wanted || repeated || self.evidence.standing() == Standing::On {
            return;
        }
        let reason = match code {
            "QUOTA_EXCEEDED" => BlockedReason::DestinationFull,
            "INSUFFICIENT_CAPABILITIES" => BlockedReason::AccessDenied,
            _ => BlockedReason::Rejected,
        };
        let message = "the replica participant could not publish at the destination".to_owned();
        self.last_error = Some(LastError {
            rejection: None,
            code: code.to_owned(),
            message,
            request_id: None,
            at: at.latest(),
        });
        self.attempts += 1;
        self.block(reason, later(at.latest(), policy.backoff_cap));
    }

    fn block(&mut self, reason: BlockedReason, until: Timestamp) {
        self.phase = Phase::Blocked(Blocked { reason, until: Some(until) });
        self.next_attempt = None;
    }

    /// Nothing is under way and nothing went wrong.
    pub(crate) fn settle(&mut self, phase: Phase) {
        if phase == Phase::Stopped {
            self.wanted_until = None;
        }
        self.phase = phase;
        self.lease = None;
        self.attempts = 0;
        self.next_attempt = None;
        self.last_error = None;
        self.braked = None;
    }
}

impl LastError {
    fn of(error: &CallError, at: Timestamp) -> Self {
        let rejection = match error.refusal {
            Refusal::Rejected(rejection) => Some(rejection),
            _ => None,
        };
        let CallError { code, message, request_id, .. } = error.clone();
        Self { rejection, code, message, request_id, at }
    }

    /// Whether it says that nobody publishes.
    pub(crate) fn is_about_publishing(&self) -> bool {
        is_about_publishing(&self.message.to_ascii_lowercase())
    }
}

/// The words "is not publishing" were seen in public code.
fn is_about_publishing(message: &str) -> bool {
    message.contains("publishing")
}

/// The likeliest cause of a rejected Start that left no replica behind. If it is not in the words, it follows from what the list
/// shows.
fn why_rejected(rejection: Rejection, message: &str, running: usize, policy: &Policy) -> BlockedReason {
    let message = message.to_ascii_lowercase();
    // A stage may be named, by an ARN that has that word, where something else is missing.
    let is_about =
        |about: &str| message.split_whitespace().any(|word| !word.contains("arn:") && word.contains(about));
    let slots_full = running >= policy.slots_per_participant;
    match rejection {
        Rejection::QuotaExceeded if slots_full => BlockedReason::ParticipantSlotsFull,
        Rejection::QuotaExceeded => BlockedReason::DestinationFull,
        _ if is_about_publishing(&message) => BlockedReason::NotPublishing,
        Rejection::NotFound if is_about("session") => BlockedReason::Rejected,
        Rejection::NotFound if message.contains("stage") && !is_about("participant") => {
            BlockedReason::StageGone
        }
        Rejection::NotFound => BlockedReason::NotPublishing,
        // No document says which error the quota of a participant has.
        Rejection::Conflict | Rejection::Validation if slots_full => BlockedReason::ParticipantSlotsFull,
        Rejection::Conflict | Rejection::Validation => BlockedReason::Rejected,
    }
}
