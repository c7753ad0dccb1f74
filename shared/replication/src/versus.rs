//! Versus sessions: stages that replicate their publishers into each other for a while, all of them or none.
//!
//! A session is rules that expire together, one per stage, and a state. The rules do the work: what they want is started,
//! kept and stopped as for any other rule, and their end is the session's. [`judge()`] decides the state from what is known of
//! the publishers.
//!
//! ```text
//! Starting ──► Running ──► Ended
//!     └──────► Failed
//! ```
//!
//! # Guarantees
//! * A session that ended ran: every replication that its publishers needed was seen. One that did not run failed, and says
//!   for want of what.
//! * A session that is over has no rules.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::moment::later;
use crate::rule::{NAMELESS, NAMES};
use crate::{
    Destination, ParticipantFilter, Policy, ReconnectWindow, Rule, Source, StageArn, Status, VersusId,
};

pub mod judge;

pub use judge::{Failure, Verdict, judge, to_plan};

/// What a customer asks for. It never changes, and so tells a repeated request from another one of the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersusTerms {
    /// The customer's name for the session.
    pub id: VersusId,
    /// The stages whose publishers appear on all the others: 2–6, because a participant has 5 replications (IVS service
    /// quotas).
    pub stages: Vec<StageArn>,
    /// How long it lasts, in seconds: 1–86 400.
    pub duration_seconds: u32,
    /// The priority of its rules, 0–100.
    pub priority: u8,
    /// Whether it takes the slots of rules with a lower priority.
    pub preempt: bool,
    /// How long a replica waits for its publisher to come back.
    pub reconnect_window: ReconnectWindow,
    /// Which publishers of the stages are meant, all if empty.
    pub participants: ParticipantFilter,
    /// Attributes of the replica participants; at most 1 KB in total.
    pub attributes: BTreeMap<String, String>,
}

impl VersusTerms {
    /// The most stages.
    pub const MAX_STAGES: usize = 6;
    /// The longest session: 24 h, the longest a participant can publish (IVS service quotas).
    pub const MAX_DURATION_SECONDS: u32 = 86_400;
    /// The priority if nothing else is said: over rules of usual priority, with room above.
    pub const DEFAULT_PRIORITY: u8 = 90;

    /// A session of these stages for that long, and the usual in everything else.
    pub fn new(id: VersusId, stages: Vec<StageArn>, duration_seconds: u32) -> Self {
        Self {
            id,
            stages,
            duration_seconds,
            priority: Self::DEFAULT_PRIORITY,
            preempt: false,
            reconnect_window: ReconnectWindow::default(),
            participants: ParticipantFilter::default(),
            attributes: BTreeMap::new(),
        }
    }

    /// Checks what can be known without IVS.
    ///
    /// # Errors
    /// The first field that is not as it must be, with its value and what is allowed.
    pub fn validate(&self) -> Result<(), VersusError> {
        let error = |field, value: String, allowed| Err(VersusError::new(&self.id, field, value, allowed));
        if !(2..=Self::MAX_STAGES).contains(&self.stages.len()) {
            return error("stages", format!("{} entries", self.stages.len()), "2-6 entries");
        }
        for (i, stage) in self.stages.iter().enumerate() {
            if self.stages[..i].contains(stage) {
                return error("stages", stage.to_string(), "each stage once");
            }
            if stage.region() != self.stages[0].region() {
                return error("stages", stage.to_string(), "stages of one Region");
            }
        }
        if !(1..=Self::MAX_DURATION_SECONDS).contains(&self.duration_seconds) {
            return error("duration", format!("{} s", self.duration_seconds), "1-86400 s");
        }
        if self.priority > Rule::MAX_PRIORITY {
            return error("priority", self.priority.to_string(), "0-100");
        }
        if self.attributes.contains_key("") {
            return error("attributes", NAMELESS.to_owned(), NAMES);
        }
        let bytes: usize = self.attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > Rule::MAX_ATTRIBUTE_BYTES {
            let allowed = "at most 1024 bytes of keys and values together";
            return error("attributes", format!("{bytes} bytes"), allowed);
        }
        match self.participants.check() {
            Ok(()) => Ok(()),
            Err((value, allowed)) => error("participants.attributes", value, allowed),
        }
    }
}

/// A versus session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versus {
    /// What was asked for.
    pub terms: VersusTerms,
    /// When that was.
    pub starts_at: Timestamp,
    /// When it ends: at first after the duration that was asked for.
    pub ends_at: Timestamp,
    /// How it stands.
    pub state: VersusState,
    /// Grows with every change of its rules, from 1.
    pub revision: u64,
    /// The stored version this was read at; 0 if it is not stored yet.
    pub version: u64,
}

/// How a session stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersusState {
    /// Its rules act, and not all of its replications are there yet.
    Starting,
    /// All of them were there. Who publishes from now on is replicated too, and cannot make it fail.
    Running,
    /// Its time is over.
    Ended,
    /// It did not come about, and what was there of it is withdrawn.
    Failed(Failure),
}

impl Versus {
    /// A session that starts now.
    pub fn new(terms: VersusTerms, now: Timestamp) -> Self {
        let ends_at = later(now, SignedDuration::from_secs(terms.duration_seconds.into()));
        Self { terms, starts_at: now, ends_at, state: VersusState::Starting, revision: 1, version: 0 }
    }

    /// Whether nothing more comes of it.
    pub fn is_over(&self) -> bool {
        matches!(self.state, VersusState::Ended | VersusState::Failed(_))
    }

    /// When it has to be judged: all the time while it starts, and at its end.
    pub fn due(&self) -> Option<Timestamp> {
        match self.state {
            VersusState::Starting => Some(self.starts_at),
            VersusState::Running => Some(self.ends_at),
            VersusState::Ended | VersusState::Failed(_) => None,
        }
    }

    /// Until when all of it has to run, or it fails.
    pub fn start_deadline(&self, policy: &Policy) -> Timestamp {
        later(self.starts_at, policy.versus_start).min(self.ends_at)
    }

    /// The rules by which it acts: from each stage to all the others until its end. Whether it still does is not asked.
    pub fn rules(&self) -> Vec<Rule> {
        let terms = &self.terms;
        let rule = |(i, stage): (usize, &StageArn)| Rule {
            id: terms.id.rule(i + 1),
            revision: self.revision,
            priority: terms.priority,
            status: Status::Enabled,
            source: Source::Stage(stage.clone()),
            participants: terms.participants.clone(),
            destinations: self.others(stage).cloned().map(Destination::Stage).collect(),
            reconnect_window: terms.reconnect_window,
            attributes: terms.attributes.clone(),
            preempt: terms.preempt,
            record_replicas: None,
            expires_at: Some(self.ends_at),
        };
        terms.stages.iter().enumerate().map(rule).collect()
    }

    /// The session with another end, later or earlier; `now` ends it.
    ///
    /// # Errors
    /// It is over, or the end is past or over 24 h from its start.
    pub fn ending_at(&self, end: Timestamp, now: Timestamp) -> Result<Self, VersusError> {
        if self.is_over() || self.ends_at <= now {
            let state = if self.is_over() { self.state.name() } else { "over" };
            return Err(VersusError::new(&self.terms.id, "state", state.to_owned(), "Starting, Running"));
        }
        let last = later(self.starts_at, SignedDuration::from_secs(VersusTerms::MAX_DURATION_SECONDS.into()));
        if end < now || end > last {
            let allowed = format!("from now ({now}) until 24 h after the start ({last})");
            return Err(VersusError::new(&self.terms.id, "ends_at", end.to_string(), allowed));
        }
        Ok(Self { ends_at: end, revision: self.revision + 1, ..self.clone() })
    }

    /// The session as the verdict leaves it.
    pub fn judged(&self, verdict: &Verdict) -> Self {
        let state = match verdict {
            Verdict::Wait(_) => self.state.clone(),
            Verdict::Running => VersusState::Running,
            Verdict::Failed(failure) => VersusState::Failed(failure.clone()),
            Verdict::Ended => VersusState::Ended,
        };
        Self { state, ..self.clone() }
    }

    /// All stages but one.
    fn others<'a>(&'a self, stage: &'a StageArn) -> impl Iterator<Item = &'a StageArn> {
        self.terms.stages.iter().filter(move |other| *other != stage)
    }
}

impl VersusState {
    /// The name of every state.
    pub const NAMES: [&'static str; 4] = ["Starting", "Running", "Ended", "Failed"];

    /// The state as one word, as stored, printed and counted.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Starting => "Starting",
            Self::Running => "Running",
            Self::Ended => "Ended",
            Self::Failed(_) => "Failed",
        }
    }
}

/// The state's name; for a failure, with its cause.
impl fmt::Display for VersusState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => write!(f, "Failed: {failure}"),
            other => f.write_str(other.name()),
        }
    }
}

/// A session that cannot be, or cannot be changed so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("versus session {versus}: {field} {value} is not valid: allowed is {allowed}")]
pub struct VersusError {
    /// The session's id.
    pub versus: VersusId,
    /// The field.
    pub field: &'static str,
    /// Its value, or a measure of it.
    pub value: String,
    /// What would have been accepted.
    pub allowed: String,
}

impl VersusError {
    fn new(versus: &VersusId, field: &'static str, value: String, allowed: impl Into<String>) -> Self {
        Self { versus: versus.clone(), field, value, allowed: allowed.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(id: usize) -> StageArn {
        format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}").parse().unwrap()
    }

    fn terms(stages: usize) -> VersusTerms {
        VersusTerms::new("duel".parse().unwrap(), (0..stages).map(stage).collect(), 60)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + second).unwrap()
    }

    #[test]
    fn every_stage_has_a_valid_rule_to_all_the_others_until_the_end() {
        for stages in 2..=6 {
            let versus = Versus::new(terms(stages), at(0));
            versus.terms.validate().unwrap();
            let rules = versus.rules();
            assert_eq!(rules.len(), stages);
            for (i, rule) in rules.iter().enumerate() {
                rule.validate().unwrap();
                assert_eq!(rule.source, Source::Stage(stage(i)));
                assert_eq!((rule.destinations.len(), rule.expires_at), (stages - 1, Some(at(60))));
                assert_eq!(rule.id.as_str(), format!("versus.duel.{}", i + 1));
            }
        }
    }

    #[test]
    fn what_is_not_valid_is_named_with_its_value_and_what_is_allowed() {
        let elsewhere = "arn:aws:ivs:eu-west-1:123456789012:stage/B".parse().unwrap();
        let twice = VersusTerms { stages: vec![stage(1), stage(2), stage(1)], ..terms(2) };
        let wordy = BTreeMap::from([("k".to_owned(), "v".repeat(1024))]);
        let nameless = BTreeMap::from([(String::new(), String::new())]);
        let pattern = |i: usize| (format!("{i}"), "ö".repeat(128).parse().unwrap());
        let participants = ParticipantFilter { attributes: (0..16).map(pattern).collect(), user_id: None };
        for (wrong, text) in [
            (terms(1), "stages 1 entries is not valid: allowed is 2-6 entries"),
            (terms(7), "stages 7 entries is not valid: allowed is 2-6 entries"),
            (
                VersusTerms { stages: vec![stage(1), elsewhere], ..terms(2) },
                "eu-west-1:123456789012:stage/B is not valid: allowed is stages of one Region",
            ),
            (twice, "stage/1 is not valid: allowed is each stage once"),
            (
                VersusTerms { duration_seconds: 0, ..terms(2) },
                "duration 0 s is not valid: allowed is 1-86400 s",
            ),
            (VersusTerms { duration_seconds: 86_401, ..terms(2) }, "duration 86401 s is not valid"),
            (VersusTerms { priority: 101, ..terms(2) }, "priority 101 is not valid: allowed is 0-100"),
            (VersusTerms { attributes: wordy, ..terms(2) }, "attributes 1025 bytes is not valid"),
            (VersusTerms { attributes: nameless, ..terms(2) }, "attributes an empty name is not valid"),
            (VersusTerms { participants, ..terms(2) }, "participants.attributes 4118 bytes is not valid"),
        ] {
            let error = wrong.validate().unwrap_err().to_string();
            assert!(error.starts_with("versus session duel: ") && error.contains(text), "{error}");
        }
    }

    #[test]
    fn an_end_moves_both_ways_within_a_day() {
        let versus = Versus::new(terms(2), at(0));
        let longer = versus.ending_at(at(600), at(10)).unwrap();
        assert_eq!((longer.ends_at, longer.revision), (at(600), 2));
        assert!(longer.rules().iter().all(|rule| (rule.expires_at, rule.revision) == (Some(at(600)), 2)));
        assert_eq!(versus.ending_at(at(10), at(10)).unwrap().ends_at, at(10));
        let error = versus.ending_at(at(86_401), at(10)).unwrap_err().to_string();
        assert!(error.contains("ends_at") && error.contains("until 24 h after the start"), "{error}");
        assert!(versus.ending_at(at(9), at(10)).is_err(), "it is past");
    }

    #[test]
    fn what_is_over_has_no_other_end() {
        let versus = Versus::new(terms(2), at(0));
        let error = versus.ending_at(at(90), at(60)).unwrap_err().to_string();
        assert!(error.contains("state over is not valid: allowed is Starting, Running"), "{error}");
        let failed = versus.judged(&Verdict::Failed(Failure::NoPublisher(stage(0))));
        for over in [versus.judged(&Verdict::Ended), failed] {
            assert!(over.is_over() && over.due().is_none());
            assert_eq!(over.ending_at(at(50), at(10)).unwrap_err().value, over.state.name());
        }
    }
}
