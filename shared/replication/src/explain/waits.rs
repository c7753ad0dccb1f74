//! What a replication waits for.

use std::fmt;

use jiff::Timestamp;

use crate::{BlockedReason, Control, Decision, Desired, Line, Operation, Phase, Replica};

/// What has to happen before something is done about a replication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitsFor {
    /// A call is under way.
    Call {
        /// Which.
        operation: Operation,
        /// By which Lambda request.
        holder: String,
        /// Since when.
        since: Timestamp,
        /// When it is given up.
        until: Timestamp,
    },
    /// It is due, and a function has to find a free call for it in the budget.
    Turn {
        /// The operation.
        operation: Operation,
        /// Since when it is due.
        since: Timestamp,
    },
    /// A function has to look at the participant: by its event, or in the next sweep.
    Look,
    /// IVS has to be asked whether it runs.
    Answer {
        /// When, if not at once.
        at: Option<Timestamp>,
    },
    /// The wait after a call that failed.
    Backoff {
        /// Calls so far.
        attempts: u32,
        /// When it is over.
        until: Timestamp,
    },
    /// Its participant may come back within the reconnect window.
    ReconnectWindow {
        /// When it is released.
        until: Timestamp,
    },
    /// It ended by itself: mostly its participant has just left, and that news is on its way.
    NewsOfEnd {
        /// When it is started again.
        until: Timestamp,
    },
    /// It gave its place to a rule of higher priority.
    GivenWay {
        /// That priority.
        priority: Option<u8>,
        /// When it may come back.
        until: Timestamp,
    },
    /// One of the participant's slots.
    Slot,
    /// A place at the destination.
    Place {
        /// When it asks again, if nobody wakes it before.
        until: Option<Timestamp>,
    },
    /// A sweep or an operator has to agree that it is stopped.
    Brake {
        /// Since when the brake holds it.
        since: Option<Timestamp>,
    },
    /// The pause has to end.
    Resume,
    /// The deployment has to be set to act.
    Enforce,
    /// The participant has to publish.
    Publisher,
    /// IVS has to let it, or somebody has to change a policy or a stage first.
    Refused {
        /// Why IVS did not.
        reason: BlockedReason,
        /// When it is tried again.
        until: Option<Timestamp>,
    },
}

/// What a replication waits for, by what would be done with it now.
pub(super) fn of(
    line: &Line,
    stored: Option<&Replica>,
    planned: Option<&Replica>,
    control: &Control,
    now: Timestamp,
) -> Option<WaitsFor> {
    let turn = |operation, wants| {
        let due = stored.filter(|stored| stored.desired == wants).and_then(|stored| stored.next_attempt);
        due.map_or(WaitsFor::Look, |since| WaitsFor::Turn { operation, since })
    };
    let hands_off = if control.pause.is_some() { Some(WaitsFor::Resume) } else { Some(WaitsFor::Enforce) };
    match line.decision {
        Decision::Keep | Decision::Foreign => None,
        Decision::Start => Some(turn(Operation::Start, Desired::Replicated)),
        Decision::Stop => Some(turn(Operation::Stop, Desired::Released)),
        Decision::Verify | Decision::Defer => Some(WaitsFor::Answer { at: None }),
        Decision::Brake => {
            let braked = planned.and_then(|planned| planned.braked);
            Some(WaitsFor::Brake { since: braked.map(|braked| braked.since) })
        }
        Decision::Hold => match planned.and_then(|planned| planned.next_attempt) {
            Some(until) => Some(WaitsFor::ReconnectWindow { until }),
            None => hands_off,
        },
        Decision::Block(BlockedReason::ParticipantSlotsFull) => Some(WaitsFor::Slot),
        Decision::Block(BlockedReason::DestinationFull) => {
            Some(WaitsFor::Place { until: planned.and_then(Replica::unfinished) })
        }
        Decision::Block(_) => hands_off,
        Decision::Rest => line.rule.is_some().then_some(WaitsFor::Publisher),
        Decision::Wait => wait(stored?, planned?, now),
    }
}

/// A wait that has an end.
fn wait(stored: &Replica, planned: &Replica, now: Timestamp) -> Option<WaitsFor> {
    if let Some(lease) = stored.lease.as_ref().filter(|lease| now < lease.until) {
        let operation = match stored.phase {
            Phase::Starting => Operation::Start,
            Phase::Stopping => Operation::Stop,
            _ => Operation::List,
        };
        let (holder, since, until) = (lease.holder.clone(), lease.since, lease.until);
        return Some(WaitsFor::Call { operation, holder, since, until });
    }
    let until = planned.unfinished()?;
    let gave_way = stored.gives_way.as_ref().filter(|_| !stored.holds_slot());
    Some(match &stored.phase {
        _ if gave_way.is_some() => {
            WaitsFor::GivenWay { priority: gave_way.map(|gives_way| gives_way.priority), until }
        }
        Phase::Blocked(blocked) => match blocked.reason {
            BlockedReason::DestinationFull => WaitsFor::Place { until: Some(until) },
            reason => WaitsFor::Refused { reason, until: Some(until) },
        },
        Phase::Starting | Phase::Stopping => WaitsFor::Answer { at: Some(until) },
        Phase::Active if stored.attempts == 0 && planned.phase == Phase::Pending => {
            WaitsFor::NewsOfEnd { until }
        }
        Phase::Active if stored.attempts == 0 => WaitsFor::Answer { at: Some(until) },
        Phase::Pending | Phase::Active | Phase::Stopped => {
            WaitsFor::Backoff { attempts: stored.attempts, until }
        }
    })
}

/// As the end of a sentence that begins with “it waits for”.
impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until = |until: &Option<Timestamp>| match until {
            Some(at) => format!("; it is tried again at {at}"),
            None => String::new(),
        };
        match self {
            Self::Call { operation, holder, since, until } => write!(
                f,
                "the answer to {operation}, called by request {holder} at {since}; if none is recorded by {until}, IVS is asked"
            ),
            Self::Turn { operation, since } => write!(
                f,
                "its turn since {since}: a free call of {operation} in the budget (`stagelink get budget`)"
            ),
            Self::Look => f.write_str(
                "a function to look at the participant: its event's, or else a sweep's, which come every minute",
            ),
            Self::Answer { at: None } => f.write_str("IVS to be asked whether it runs"),
            Self::Answer { at: Some(at) } => write!(f, "IVS to be asked whether it runs, at {at}"),
            Self::Backoff { attempts, until } => {
                let calls = if *attempts == 1 { "call" } else { "calls" };
                write!(f, "the end of a wait after {attempts} {calls}; it is tried again at {until}")
            }
            Self::ReconnectWindow { until } => {
                write!(f, "the participant to come back within the reconnect window; it is released at {until}")
            }
            Self::NewsOfEnd { until } => write!(
                f,
                "the news that its participant left, for it ended by itself; without that it is started again at {until}"
            ),
            Self::GivenWay { priority, until } => {
                let to = priority.map_or(String::new(), |priority| format!(" of priority {priority}"));
                write!(f, "the rule{to} that took its place at the destination; it is tried again at {until}")
            }
            Self::Slot => f.write_str(
                "one of the participant's slots: a rule of lower priority has to end, or this one has to pre-empt",
            ),
            Self::Place { until: at } => {
                write!(f, "a place at the destination{}", until(at))
            }
            Self::Brake { since } => {
                let since = since.map_or(String::new(), |at| format!(", which holds it since {at}"));
                write!(
                    f,
                    "the brake on mass stops{since}: a sweep has to agree, or an operator (`stagelink release-brake`)"
                )
            }
            Self::Resume => f.write_str("the pause to end (`stagelink resume`)"),
            Self::Enforce => f.write_str("the deployment to be set to act (Mode=enforce)"),
            Self::Publisher => f.write_str("the participant to publish"),
            Self::Refused { reason, until: at } => write!(f, "{}{}", what_helps(*reason), until(at)),
        }
    }
}

/// What has to be so before a refused start can succeed.
fn what_helps(reason: BlockedReason) -> &'static str {
    match reason {
        BlockedReason::ParticipantSlotsFull => "one of the participant's slots, which IVS says are all taken",
        BlockedReason::DestinationFull => "a place at the destination",
        BlockedReason::NotPublishing => "the participant to publish, which IVS says it does not",
        BlockedReason::StageGone => "nothing that can come: IVS does not know one of the stages any more",
        BlockedReason::AccessDenied => "somebody to allow the call: IVS denied access",
        BlockedReason::Throttled => "IVS, which asked to slow down",
        BlockedReason::Rejected => "IVS to accept what it rejected",
        BlockedReason::Observing => "the deployment to be set to act (Mode=enforce)",
        BlockedReason::Paused => "the pause to end (`stagelink resume`)",
    }
}
