//! What is known of one replication, and how far Stagelink is with it.
//!
//! ```text
//! Pending ──► Starting ──► Active ──► Stopping ──► Stopped
//!    ▲            │           │           │           │
//!    └─ Blocked ◄─┴───────────┘           └► Active   └► Pending (wanted again)
//! ```

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use crate::moment::later;
use crate::{
    Braked, Evidence, Moment, Policy, ReconnectWindow, Rejection, ReplicationKey, RuleId, SessionId, Standing,
};

/// One replication: a row of the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Its identity.
    pub key: ReplicationKey,
    /// How far Stagelink is with it.
    pub phase: Phase,
    /// What Stagelink wants of it.
    pub desired: Desired,
    /// Whose it is.
    pub owner: Owner,
    /// The rule that wants it, or wanted it last.
    pub rule: Option<RuleRef>,
    /// The window it was, or will be, started with.
    pub reconnect_window: ReconnectWindow,
    /// The attributes it was, or will be, started with.
    pub attributes: BTreeMap<String, String>,
    /// News of it running (on) and of its end (off).
    pub evidence: Evidence,
    /// From the first to the last of our Starts that took effect, or may have, since a Stop of ours did; or to when a history told
    /// that it is ours. If it is found running after news of its end, the participant's history tells by this whether it is still
    /// ours.
    pub begun: Option<Moment>,
    /// The destination's stage session, once IVS has named it.
    pub destination_session: Option<SessionId>,
    /// Calls made for it since the last one that succeeded.
    pub attempts: u32,
    /// Not before this time is the next call made.
    pub next_attempt: Option<Timestamp>,
    /// When the rule that wants it expires; nothing if that has no end, or if nobody wants it.
    pub wanted_until: Option<Timestamp>,
    /// Whether its start makes up for what is over since long, and lets those go first who have just begun to publish.
    pub backfill: bool,
    /// Who is calling IVS for it right now, and until when that is believed.
    pub lease: Option<Lease>,
    /// Why the last call did not succeed.
    pub last_error: Option<LastError>,
    /// Whether it has to leave its place at the destination to somebody of a higher priority.
    pub gives_way: Option<GiveWay>,
    /// That the brake on mass stops holds it, or held it until a second witness agreed.
    pub braked: Option<Braked>,
    /// The stored version this was read at; 0 if it is not stored yet.
    pub version: u64,
}

impl Replica {
    /// A replication nobody has heard of yet.
    pub fn new(key: ReplicationKey) -> Self {
        Self {
            key,
            phase: Phase::Pending,
            desired: Desired::Released,
            owner: Owner::Nobody,
            rule: None,
            reconnect_window: ReconnectWindow::default(),
            attributes: BTreeMap::new(),
            evidence: Evidence::default(),
            begun: None,
            destination_session: None,
            attempts: 0,
            next_attempt: None,
            backfill: false,
            wanted_until: None,
            lease: None,
            last_error: None,
            gives_way: None,
            braked: None,
            version: 0,
        }
    }

    /// Whether somebody is calling IVS for it at `now`.
    pub fn is_leased(&self, now: Timestamp) -> bool {
        self.lease.as_ref().is_some_and(|lease| now < lease.until)
    }

    /// Whether it runs, and is ours to stop.
    pub fn runs_as_ours(&self) -> bool {
        self.owner == Owner::Stagelink && self.phase == Phase::Active
    }

    /// Whether it is not as the rules want and something is done about it: a start or a stop of it has to be made, is under
    /// way, or will be tried again, or the brake holds its stop. One that only waits for its publisher to come back is not.
    pub fn is_pending(&self, now: Timestamp) -> bool {
        match self.phase {
            Phase::Pending | Phase::Starting | Phase::Stopping => true,
            Phase::Blocked(_) => self.unfinished().is_some(),
            Phase::Stopped => false,
            Phase::Active if self.owner == Owner::Foreign => false,
            Phase::Active => {
                let expired = self.wanted_until.is_some_and(|end| end <= now);
                let unwanted = self.desired == Desired::Released || self.gives_way.is_some() || expired;
                let to_be_made = self.attempts > 0 || self.due().is_some_and(|due| due <= now);
                unwanted && to_be_made || self.is_held_by_brake()
            }
        }
    }

    /// The rule that it is counted under in metrics: those of versus sessions are one, `versus`, because each session has
    /// rules of its own; without a rule it is `none`.
    pub fn counted_under(&self) -> &str {
        match &self.rule {
            None => "none",
            Some(rule) if rule.id.is_of_versus() => "versus",
            Some(rule) => rule.id.as_str(),
        }
    }

    /// Why it is not to be had at the moment, if that is so.
    pub fn blocked(&self) -> Option<&Blocked> {
        match &self.phase {
            Phase::Blocked(blocked) => Some(blocked),
            _ => None,
        }
    }

    /// Whether it takes one of the participant's 5 replications, now or by an intent in flight.
    pub fn holds_slot(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Active | Phase::Stopping)
    }

    /// Whether the brake keeps it running, and nobody agreed yet that it should be stopped.
    pub fn is_held_by_brake(&self) -> bool {
        self.phase == Phase::Active && self.braked.is_some_and(|braked| braked.confirmed_at.is_none())
    }

    /// When there is something to do for it although no event comes; nothing if there is not. While a call is under way,
    /// its end comes first: what the rules want by then is asked after it.
    pub fn due(&self) -> Option<Timestamp> {
        match (&self.lease, self.unfinished(), self.wanted_until) {
            (None, Some(unfinished), Some(end)) => Some(unfinished.min(end)),
            (_, unfinished, end) => unfinished.or(end),
        }
    }

    /// When to go on with what is under way or waits; nothing if it is at rest. That it is wanted no longer than its rule
    /// lasts is rest.
    pub fn unfinished(&self) -> Option<Timestamp> {
        let retry = match &self.phase {
            Phase::Blocked(blocked) => blocked.until,
            _ => None,
        };
        self.lease.as_ref().map(|lease| lease.until).or(self.next_attempt).or(retry)
    }

    /// Whether it waits for something that is soon over, and keeps its slot meanwhile against rules of lower priority.
    pub(crate) fn will_be_tried_soon(&self) -> bool {
        match &self.phase {
            Phase::Pending => true,
            Phase::Blocked(blocked) => blocked.reason == BlockedReason::Throttled,
            _ => false,
        }
    }

    /// Whether IVS refused it because its participant had no slot left.
    pub(crate) fn was_refused_a_slot(&self) -> bool {
        let slots_full = self.blocked().is_some_and(|it| it.reason == BlockedReason::ParticipantSlotsFull);
        let last = self.last_error.as_ref().and_then(|last| last.rejection);
        slots_full && last == Some(Rejection::QuotaExceeded)
    }

    /// Whether it found no place at its destination.
    pub fn waits_for_place(&self) -> bool {
        matches!(&self.phase, Phase::Blocked(blocked) if blocked.reason == BlockedReason::DestinationFull)
    }

    /// Whether IVS refused it when it was tried last, and not only for the moment.
    pub(crate) fn was_refused(&self) -> bool {
        self.last_error.as_ref().is_some_and(|last| last.rejection.is_some() || last.code == "QUOTA_EXCEEDED")
    }

    /// Whether IVS refused it with the words that its participant does not publish.
    pub(crate) fn was_refused_as_not_publishing(&self) -> bool {
        self.last_error.as_ref().is_some_and(|last| last.rejection.is_some() && last.is_about_publishing())
    }

    /// Whether a Start of ours has neither an outcome nor a refusal: it may have taken effect.
    pub(crate) fn is_unrecorded_start(&self) -> bool {
        self.phase == Phase::Starting && self.lease.is_some() && self.last_error.is_none()
    }

    /// A Start of ours took effect, or may have.
    pub(crate) fn begin(&mut self, took: Moment) {
        self.begun = Some(self.begun.map_or(took, |begun| begun.hull(took)));
    }

    /// Whether it was seen running since our last Start, so that what is known to be absent has ended. If not, that Start may have
    /// taken effect, and only a list did not show it.
    pub(crate) fn has_ended(&self) -> bool {
        let started = self.begun.map(Moment::latest);
        self.evidence.on.is_some_and(|on| Some(on.latest()) >= started)
    }

    /// When our Starts were, if it runs.
    pub(crate) fn begun_if_running(&self) -> Option<Moment> {
        let Some(lease) = self.lease.as_ref().filter(|_| self.is_unrecorded_start()) else {
            return self.begun;
        };
        let call = Moment::between(lease.since, lease.until);
        Some(self.begun.map_or(call, |begun| begun.hull(call)))
    }

    /// Whether it runs as somebody else's, although it may be ours: it was, until there was news of its end.
    pub(crate) fn may_be_ours(&self) -> bool {
        self.owner == Owner::Foreign && self.begun.is_some() && self.evidence.standing() == Standing::On
    }

    /// Whose it is, if it runs. What nobody started is somebody else's. So is what runs although ours ended, in whatever order that
    /// became known; if it did not end, its history tells.
    pub fn owner_if_running(&self) -> Owner {
        let is_ours =
            self.owner == Owner::Stagelink || self.owner == Owner::Nobody && self.is_unrecorded_start();
        if is_ours && !self.ended_since_start() { Owner::Stagelink } else { Owner::Foreign }
    }

    /// Whether there is news of its end from after our last Start.
    fn ended_since_start(&self) -> bool {
        let started = self.begun_if_running().map(|begun| Moment::exact(begun.latest()));
        started.zip(self.evidence.off).is_some_and(|(started, off)| started.certainly_before(off))
    }

    /// Makes a running replication our own at `at`, because somebody asks for it.
    pub fn adopt(&mut self, at: Timestamp) {
        self.owner = Owner::Stagelink;
        if self.begun.is_some() {
            self.begin(Moment::exact(at));
        }
    }
}

/// How far Stagelink is with a replication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Wanted, no call made yet.
    Pending,
    /// A Start is under way, or its outcome is not known.
    Starting,
    /// Running.
    Active,
    /// A Stop is under way, or its outcome is not known.
    Stopping,
    /// Not running, and nothing to do.
    Stopped,
    /// Wanted, and not to be had at the moment.
    Blocked(Blocked),
}

impl Phase {
    /// The name of every phase.
    pub const NAMES: [&'static str; 6] = ["Pending", "Starting", "Active", "Stopping", "Stopped", "Blocked"];

    /// The phase as one word, as stored, printed and counted.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Starting => "Starting",
            Self::Active => "Active",
            Self::Stopping => "Stopping",
            Self::Stopped => "Stopped",
            Self::Blocked(_) => "Blocked",
        }
    }
}

/// The phase's name, with the reason in parentheses: `Blocked(ParticipantSlotsFull)`.
impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocked(blocked) => write!(f, "Blocked({})", blocked.reason),
            other => f.write_str(other.name()),
        }
    }
}

/// Why a wanted replication is not to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The reason, out of a bounded set.
    pub reason: BlockedReason,
    /// When it is tried again by itself; nothing if only a change can help.
    pub until: Option<Timestamp>,
}

impl Blocked {
    /// The destination has no place left.
    pub const DESTINATION_FULL: Self = Self { reason: BlockedReason::DestinationFull, until: None };
}

/// The reasons for [`Phase::Blocked`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockedReason {
    /// The participant has all its 5 concurrent replications (not adjustable, IVS service quotas).
    ParticipantSlotsFull,
    /// The destination has all its 12 publishers (not adjustable, IVS service quotas).
    DestinationFull,
    /// IVS says the participant does not publish.
    NotPublishing,
    /// IVS does not know one of the stages.
    StageGone,
    /// IVS does not allow the call.
    AccessDenied,
    /// IVS asked to slow down.
    Throttled,
    /// IVS refused, for a reason it does not say.
    Rejected,
    /// Stagelink only observes.
    Observing,
    /// An operator paused everything.
    Paused,
}

impl BlockedReason {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::ParticipantSlotsFull,
        Self::DestinationFull,
        Self::NotPublishing,
        Self::StageGone,
        Self::AccessDenied,
        Self::Throttled,
        Self::Rejected,
        Self::Observing,
        Self::Paused,
    ];

    /// The reason as one word, as stored, printed and counted.
    pub fn name(self) -> &'static str {
        match self {
            Self::ParticipantSlotsFull => "ParticipantSlotsFull",
            Self::DestinationFull => "DestinationFull",
            Self::NotPublishing => "NotPublishing",
            Self::StageGone => "StageGone",
            Self::AccessDenied => "AccessDenied",
            Self::Throttled => "Throttled",
            Self::Rejected => "Rejected",
            Self::Observing => "Observing",
            Self::Paused => "Paused",
        }
    }

    /// What is the case then, as the beginning of a sentence that a reason for waiting is.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::ParticipantSlotsFull => "the participant has all its concurrent replications",
            Self::DestinationFull => "the destination had no place left",
            Self::NotPublishing => "IVS says that the participant does not publish",
            Self::StageGone => "IVS does not know one of the stages",
            Self::AccessDenied => "IVS denied access",
            Self::Throttled => "IVS asked to slow down",
            Self::Rejected => "IVS rejected the call",
            Self::Observing => "Stagelink only observed",
            Self::Paused => "everything was paused",
        }
    }

    /// Whether somebody has to make room, or to give leave: it waits neither for IVS nor for us.
    pub fn waits_for_others(self) -> bool {
        match self {
            Self::ParticipantSlotsFull | Self::DestinationFull | Self::Observing | Self::Paused => true,
            Self::NotPublishing | Self::StageGone | Self::AccessDenied | Self::Throttled | Self::Rejected => {
                false
            }
        }
    }

    /// The reason with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

impl fmt::Display for BlockedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What Stagelink wants of a replication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Desired {
    /// It should run.
    Replicated,
    /// It should not.
    Released,
}

/// Whose a replication is. Stagelink stops only its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Nobody's: no Start of ours can have taken effect, and nobody else's was seen.
    Nobody,
    /// A Start of ours took effect, or may have.
    Stagelink,
    /// Somebody else started it.
    Foreign,
}

/// The rule behind a replication, as it was when it was planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleRef {
    /// The rule.
    pub id: RuleId,
    /// Its revision.
    pub revision: u64,
    /// Its priority.
    pub priority: u8,
}

/// A replica leaves its place at a full destination to a rule of a higher priority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GiveWay {
    /// The other rule's priority.
    pub priority: u8,
    /// Until when it does not come back.
    pub until: Timestamp,
}

/// The right to call IVS for one replication, for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it: the Lambda request id.
    pub holder: String,
    /// When it was taken.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
}

impl Lease {
    /// A lease that `holder` takes at `since`, for as long as the policy says.
    pub fn taken(holder: &str, since: Timestamp, policy: &Policy) -> Self {
        Self { holder: holder.to_owned(), since, until: later(since, policy.lease) }
    }
}

/// Why the last call for a replication did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// What kind of refusal it was, if IVS refused: a quota, too, where IVS calls it otherwise and lists show that all slots are taken.
    pub rejection: Option<Rejection>,
    /// IVS's own code, or ours for a failure without an answer.
    pub code: String,
    /// IVS's own words.
    pub message: String,
    /// IVS's request id, if there was an answer.
    pub request_id: Option<String>,
    /// When.
    pub at: Timestamp,
}
