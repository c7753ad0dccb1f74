//! What a change of rules would do, before anybody makes it.
//!
//! The table is settled twice, under the rules as they are and under the new ones, each time by the planner itself and in the
//! order of `dispatch`. What differs is the change's doing; what is due anyway is the backlog, and no part of it.
//!
//! # Guarantees
//! * A set of rules that says the same as the present one forecasts nothing.
//! * Nobody gets a sixth replication and no destination a thirteenth publisher, whatever the rules say.
//!
//! # Assumptions
//! * No news comes meanwhile, IVS accepts every call, and calls under way do what they are for. A pause ends, and the brake lets go.
//!
//! # Caveats
//! * What the table does not know cannot be told: [`Forecast::not_known`] says what that is.
//! * A replica that is in doubt counts as what it is believed to be.
//! * Who gets the last place at a destination depends on who comes first, and on how many calls a second has: here stops come before
//!   starts, and the highest priority before the others. Where there is no crowd, it makes no difference.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use crate::policy::fnv1a;
use crate::sweep::{Inventory, RecordingDue};
use crate::{
    BlockedReason, Holder, Limit, Operation, ParticipantId, Pause, Policy, PublisherKey, Question,
    ReplicationKey, Rule, RuleChange, RuleId, StageArn, StopReason, Unmatched,
};

mod compare;
mod settle;
mod unknown;

/// What a forecast needs to know beside the table and the rules.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The present time.
    pub now: Timestamp,
    /// Limits and spans of time.
    pub policy: &'a Policy,
    /// The share of IVS's quotas that is ours, in percent, 1-100.
    pub share_percent: u32,
}

/// What a change of rules would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// When it was made.
    pub at: Timestamp,
    /// Rules that are added, changed or deleted, by id.
    pub rules: Vec<RuleChange>,
    /// Rules that say the same as before.
    pub unchanged: usize,
    /// What becomes of each replication for which something changes, by key.
    pub replications: Vec<Change>,
    /// Running replicas of ours for which nothing changes.
    pub staying: usize,
    /// Running replicas of ours, once everything is settled.
    pub running: Running,
    /// Calls that the change costs, of the operations that it needs.
    pub calls: BTreeMap<Operation, Cost>,
    /// Starts and stops that are due anyway, and may come first.
    pub backlog: Backlog,
    /// Stages whose setting for the recording of replicas is brought in line.
    pub recordings: Vec<RecordingDue>,
    /// What cannot be told yet.
    pub not_known: Vec<NotKnown>,
    /// That the brake on mass stops will hold some of the stops, if it will.
    pub brake: Option<Brake>,
    /// The pause during which nothing of this happens, if there is one.
    pub paused: Option<Pause>,
    /// What it rests on and comes to, in short.
    pub fingerprint: Fingerprint,
}

/// What becomes of one replication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The replication.
    pub key: ReplicationKey,
    /// The user id of its participant; empty if it has none, or none is known.
    pub user_id: String,
    /// The rule that wants it then; the one that wanted it last, if none does.
    pub rule: Option<RuleId>,
    /// What happens.
    pub effect: Effect,
}

/// What happens to a replication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// It is started.
    Start {
        /// When it ends by itself; nothing if its rule has no end.
        until: Option<Timestamp>,
    },
    /// It is stopped. If a rule still wants it, another one took its slot or its place: it was pre-empted.
    Stop {
        /// Why.
        reason: StopReason,
        /// Whether a rule still wants it.
        wanted: bool,
    },
    /// It is stopped, and started again.
    Restart {
        /// Why it is stopped.
        reason: StopReason,
    },
    /// It is wanted, and not to be had.
    Block {
        /// Why.
        reason: BlockedReason,
        /// What is in its way.
        by: Obstacle,
    },
    /// It was wanted, did not run yet, and is not wanted any more.
    Withdraw,
    /// It was to be stopped, and runs on.
    Spare,
    /// It runs on, and something else about it changes. It costs no call.
    RunsOn(Adjusted),
}

/// What is in the way of a replication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The participant's slots are taken by its replications to these stages.
    Slots(Vec<StageArn>),
    /// The destination's places are taken by these.
    Places(Vec<Holder>),
    /// Nothing that the rules have a say in.
    Other,
}

/// What changes about a replica that runs on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Adjusted {
    /// The rule under which it ran, if that is another one now.
    pub was_under: Option<RuleId>,
    /// Fields that the rule says otherwise than the replica was started with. They count when it is started next.
    pub as_started: Vec<&'static str>,
    /// When it ends by itself, before and now, if that changes.
    pub ends: Option<(Option<Timestamp>, Option<Timestamp>)>,
}

/// Running replicas of ours. A replica is billed like a participant, so that each is one replica-hour per hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Running {
    /// Under the rules as they are.
    pub before: usize,
    /// Under the new rules.
    pub after: usize,
    /// Of those that are started, how many end by themselves.
    pub ending: usize,
    /// The replica-time that these come to by then.
    pub until_end: SignedDuration,
}

/// What the calls of one operation cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// How many.
    pub calls: usize,
    /// From the first of them to the last, if nothing else needs the budget.
    pub takes: SignedDuration,
}

/// Calls that are due with the change and without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// StartParticipantReplication.
    pub starts: usize,
    /// StopParticipantReplication.
    pub stops: usize,
}

/// What cannot be told from the table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotKnown {
    /// Whether a rule means this publisher: something about it, its stage or a destination has to be asked of IVS first.
    Publisher {
        /// Who.
        publisher: PublisherKey,
        /// The rule.
        rule: RuleId,
        /// What is not known.
        why: Unmatched,
    },
    /// Who else publishes on a source of this rule: no rule has meant all of them so far, so nobody has looked for them.
    Source {
        /// The rule.
        rule: RuleId,
        /// The stage, if the rule names one.
        stage: Option<StageArn>,
    },
    /// Which stages have the tags of this rule's destinations: no rule has asked for them so far.
    Destinations {
        /// The rule.
        rule: RuleId,
    },
}

/// Stops that the brake holds until a second witness agrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brake {
    /// Stops that count for the brake, with those that are due anyway.
    pub stops: usize,
    /// How many of them are made within a minute on one reading; the rest waits for a sweep, or for an operator.
    pub at_once: usize,
}

/// Forecasts what these rules would do in the place of the present ones. Rules of versus sessions stay.
pub fn forecast(inventory: &Inventory, rules: &[Rule], terms: Terms<'_>) -> Forecast {
    let Terms { now, policy, share_percent } = terms;
    let changes = RuleChange::between(&inventory.rules, rules);
    let after_rules = RuleChange::applied(&changes, &inventory.rules);
    let before = settle::settle(inventory, &inventory.rules, now, policy);
    let after = settle::settle(inventory, &after_rules, now, policy);
    let replications = compare::changes(inventory, &before, &after, &after_rules);
    let recordings = unknown::recordings(inventory, &after_rules, now);
    let mut calls = compare::calls(&before, &after);
    for (_, question) in after.questions.difference(&before.questions) {
        *calls.entry(Operation::answering(*question)).or_default() += 1;
    }
    if !recordings.is_empty() {
        *calls.entry(Operation::GetStage).or_default() += recordings.len();
        *calls.entry(Operation::UpdateStage).or_default() += recordings.len();
    }
    let limit = Limit::share(5, share_percent);
    let cost = |calls: usize| Cost { calls, takes: takes(calls, limit) };
    let calls: BTreeMap<_, _> =
        calls.into_iter().map(|(operation, calls)| (operation, cost(calls))).collect();
    let unchanged = inventory.rules.iter().filter(|rule| !rule.id.is_of_versus()).count()
        - changes.iter().filter(|change| change.before.is_some()).count();
    let mut forecast = Forecast {
        at: now,
        unchanged,
        staying: compare::staying(inventory, &before, &after),
        running: compare::running(&before, &after, &replications, now),
        calls,
        backlog: compare::backlog(&before, &after),
        recordings,
        not_known: unknown::not_known(inventory, &changes, &before, &after, now),
        brake: compare::brake(inventory, &before, &after, policy, now),
        paused: inventory.control.pause.clone(),
        replications,
        rules: changes,
        fingerprint: Fingerprint(0),
    };
    forecast.fingerprint = Fingerprint::of(&forecast, inventory);
    forecast
}

/// The table as it will be once everything is done that these rules ask for: what a forecast rests on.
pub fn settled(inventory: &Inventory, rules: &[Rule], terms: Terms<'_>) -> Inventory {
    let changes = RuleChange::between(&inventory.rules, rules);
    let rules = RuleChange::applied(&changes, &inventory.rules);
    let settled = settle::settle(inventory, &rules, terms.now, terms.policy);
    let mut after = Inventory { rules, ..inventory.clone() };
    for view in settled.views.into_values() {
        after.directory = view.directory;
        view.publisher.into_iter().for_each(|publisher| after.put_publisher(publisher));
        view.replicas.into_iter().for_each(|replica| after.put_replica(replica));
    }
    let is_destination = |stage: &StageArn| after.replicas_to(stage).any(|replica| replica.holds_slot());
    let places: Vec<_> = settled
        .occupants
        .into_iter()
        .filter(|(stage, _)| is_destination(stage) || after.occupants(stage).is_some())
        .collect();
    places.into_iter().for_each(|(stage, there)| after.put_occupants(stage, there));
    after
}

/// From the first to the last of so many calls: a full window may be spent at once.
fn takes(calls: usize, limit: Limit) -> SignedDuration {
    let windows = calls.saturating_sub(1) / limit.calls.max(1);
    limit.window.saturating_mul(i32::try_from(windows).unwrap_or(i32::MAX))
}

impl Forecast {
    /// Whether the new rules say the same as the present ones.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// How many replications have an effect like that.
    pub fn count(&self, is: impl Fn(&Effect) -> bool) -> usize {
        self.replications.iter().filter(|change| is(&change.effect)).count()
    }
}

/// A short name of a forecast: of the revisions of the rules that it was made from (but those of versus sessions), of what the new ones say, and of what
/// follows. Twelve hexadecimal digits; no secret, and no proof against somebody who wants two to be alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    fn of(forecast: &Forecast, inventory: &Inventory) -> Self {
        let own = inventory.rules.iter().filter(|rule| !rule.id.is_of_versus());
        let mut revisions: Vec<_> = own.map(|rule| (&rule.id, rule.revision)).collect();
        revisions.sort();
        let fields: Vec<_> =
            forecast.rules.iter().map(|change| (change.id(), change.kind(), change.fields())).collect();
        let Forecast { replications, not_known, .. } = forecast;
        let recordings: Vec<_> =
            forecast.recordings.iter().map(|due| (&due.stage.stage, due.record_replicas)).collect();
        // The words of Debug: the same for the same values in every build of one version, and that is how long a forecast lasts.
        let text = format!("{revisions:?} {fields:?} {replications:?} {recordings:?} {not_known:?}");
        Self(fnv1a(text.bytes()) >> 16)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

/// A text that is no fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not valid: allowed is 12 hexadecimal digits, as a plan prints them")]
pub struct NoFingerprint(String);

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        let digits =
            Some(text).filter(|text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_hexdigit()));
        let value = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        value.map(Self).ok_or_else(|| NoFingerprint(text.to_owned()))
    }
}

impl Running {
    /// By how much running replicas grow, and so the replica-hours of an hour.
    pub fn change(self) -> i64 {
        let count = |replicas: usize| i64::try_from(replicas).unwrap_or(i64::MAX);
        count(self.after) - count(self.before)
    }
}

impl Effect {
    /// What happens, as one word or two.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Stop { wanted: false, .. } => "stop",
            Self::Stop { wanted: true, .. } => "pre-empt",
            Self::Restart { .. } => "restart",
            Self::Block { .. } => "block",
            Self::Withdraw => "withdraw",
            Self::Spare => "spare",
            Self::RunsOn(_) => "run on",
        }
    }

    /// Why, or what about it, in one line; nothing if the name says it all.
    pub fn why(&self) -> Option<String> {
        match self {
            Self::Start { until } => until.map(|end| format!("until {end}")),
            Self::Stop { reason, .. } | Self::Restart { reason } => Some(reason.to_string()),
            Self::Block { reason, by } => Some(match by {
                Obstacle::Slots(stages) => {
                    let names: Vec<_> = stages.iter().map(StageArn::resource_id).collect();
                    format!("{reason}: its {} replications are to {}", stages.len(), names.join(", "))
                }
                Obstacle::Places(there) => {
                    let names: Vec<_> =
                        there.iter().map(|holder| holder.publisher().participant.to_string()).collect();
                    format!("{reason}: its {} publishers are {}", there.len(), names.join(", "))
                }
                Obstacle::Other => reason.to_string(),
            }),
            Self::Withdraw => Some("it does not run yet, and no rule wants it any more".to_owned()),
            Self::Spare => Some("it was to be stopped".to_owned()),
            Self::RunsOn(adjusted) => Some(adjusted.to_string()),
        }
    }
}

/// In one line.
impl fmt::Display for Adjusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.was_under.as_ref().map(|rule| format!("it ran for rule {rule}")));
        if !self.as_started.is_empty() {
            parts.push(format!(
                "{} as it was started, until it is started next",
                self.as_started.join(" and ")
            ));
        }
        parts.extend(self.ends.map(|(before, after)| {
            let end = |end: Option<Timestamp>| end.map_or("no end".to_owned(), |end| end.to_string());
            match after {
                Some(after) => format!("until {after} (before: {})", end(before)),
                None => format!("without an end (before: {})", end(before)),
            }
        }));
        f.write_str(&parts.join("; "))
    }
}

/// In one line, with what happens then.
impl fmt::Display for NotKnown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publisher { publisher, why, .. } => {
                write!(f, "whether it means {} on {}: {why}", publisher.participant, publisher.stage)
            }
            Self::Source { stage: Some(stage), .. } => {
                write!(f, "who publishes on {stage}, beside those known: the next sweep looks")
            }
            Self::Source { stage: None, .. } => {
                f.write_str("who publishes on stages that no rule has looked at so far: the next sweep looks")
            }
            Self::Destinations { .. } => {
                f.write_str("which stages have the tags of its destinations: the next sweep lists them")
            }
        }
    }
}

impl NotKnown {
    /// The rule of which something is not known.
    pub fn rule(&self) -> &RuleId {
        match self {
            Self::Publisher { rule, .. } | Self::Source { rule, .. } | Self::Destinations { rule } => rule,
        }
    }

    /// What IVS is asked, if it is asked for one publisher.
    pub fn question(&self) -> Option<Question> {
        match self {
            Self::Publisher { why: Unmatched::TagsUnknown, .. } => Some(Question::Tags),
            Self::Publisher { why: Unmatched::AttributesUnknown, .. } => Some(Question::Attributes),
            _ => None,
        }
    }

    /// Whom it is about, if it is one participant.
    pub fn participant(&self) -> Option<&ParticipantId> {
        match self {
            Self::Publisher { publisher, .. } => Some(&publisher.participant),
            _ => None,
        }
    }
}
