//! What a change of rules would do: a plan.

use std::collections::BTreeMap;

use replication::Holder;
use replication::forecast::{self, Effect, Obstacle};
use serde::Serialize;

use crate::Pause;
use crate::rule::Rule;
use crate::time;

/// What a change of rules would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Forecast {
    /// When it was made.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub at: String,
    /// Names it: 12 hexadecimal digits. Another one is made as soon as a rule, or what follows from it, is another.
    pub fingerprint: String,
    /// Rules that are added, changed or deleted, by id.
    pub rules: Vec<RuleChange>,
    /// Rules that say the same as before.
    pub unchanged_rules: usize,
    /// What becomes of each replication for which something changes.
    pub replications: Vec<ReplicationChange>,
    /// Running replicas for which nothing changes.
    pub staying: usize,
    /// Running replicas, without the change and with it.
    pub running: Running,
    /// Calls that the change costs, by IVS operation.
    pub calls: BTreeMap<&'static str, Cost>,
    /// Starts and stops that are due with the change and without it.
    pub backlog: Backlog,
    /// Stages whose setting for the recording of replicas is brought in line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schemars(default))]
    pub recordings: Vec<Recording>,
    /// What cannot be told yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schemars(default))]
    pub not_known: Vec<NotKnown>,
    /// That the brake on mass stops will hold some of the stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brake: Option<HeldBack>,
    /// The pause during which nothing of this happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
}

/// A rule that is added, changed or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RuleChange {
    /// The rule's id.
    pub id: String,
    /// What becomes of it.
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = ["added", "changed", "deleted"])))]
    pub change: &'static str,
    /// The revision that it has; not there if it is added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// What differs, field by field.
    pub fields: Vec<FieldChange>,
    /// The rule as it is; not there if it is added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Rule>,
    /// The rule as it will be; not there if it is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Rule>,
}

/// A field in which a rule differs from itself before, its values in one line each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct FieldChange {
    /// Its path, as in the rules file.
    pub field: String,
    /// Its value; not there if it was not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Its new value; not there if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What becomes of one replication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ReplicationChange {
    /// The ARN of the source stage.
    pub source: String,
    /// The participant id.
    pub participant: String,
    /// The user id of its token; not there if there is none, or none is known.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "openapi", schemars(default))]
    pub user_id: String,
    /// The ARN of the destination stage.
    pub destination: String,
    /// The rule that wants it then, or wanted it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What happens: it is started, stopped, stopped for one that is more important, stopped and started again, not to be had, not
    /// wanted any more before it ran, not stopped although it was to be; or it runs on, and something else changes.
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = EFFECTS)))]
    pub effect: &'static str,
    /// Why, in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Why it is not to be had; of `block` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_reason: Option<&'static str>,
    /// The destination stages that have the participant's slots.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schemars(default))]
    pub slots_taken_by: Vec<String>,
    /// Who has the destination's places: a participant, with its source stage if it is a replica.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schemars(default))]
    pub places_taken_by: Vec<Occupant>,
    /// When it ends by itself, if its rule has an end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub until: Option<String>,
    /// Fields that its rule says otherwise than it was started with: they count when it is started next.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schemars(default))]
    pub as_started: Vec<&'static str>,
}

/// The words for what happens to a replication.
#[cfg(feature = "openapi")]
const EFFECTS: [&str; 8] = ["start", "stop", "preempt", "restart", "block", "withdraw", "spare", "run_on"];

/// Somebody who has a place on a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Occupant {
    /// The participant id.
    pub participant: String,
    /// The ARN of its source stage, if it is a replica.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Running replicas. Each is one replica-hour per hour.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Running {
    /// Without the change, once everything is done that is due.
    pub before: usize,
    /// With the change.
    pub after: usize,
    /// By how much the replica-hours of an hour change.
    pub replica_hours_per_hour: i64,
    /// Of those that are started, how many end by themselves.
    pub ending: usize,
    /// The replica-hours that these come to by then.
    pub replica_hours_until_end: f64,
}

/// What the calls of one operation cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Cost {
    /// How many.
    pub calls: usize,
    /// Seconds from the first to the last at the share of the quota, if nothing else needs it.
    pub seconds: f64,
}

/// Calls that are due anyway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Backlog {
    /// Starts.
    pub starts: usize,
    /// Stops.
    pub stops: usize,
}

/// A stage whose setting for the recording of replicas is brought in line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Recording {
    /// The ARN of the stage.
    pub stage: String,
    /// What it is set to.
    pub record_replicas: bool,
    /// The rule that wants it.
    pub rule: String,
}

/// What cannot be told from the table: whether a rule means a participant, who publishes on a source, which stages are destinations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct NotKnown {
    /// The rule.
    pub rule: String,
    /// What is not known.
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = ["publisher", "source", "destinations"])))]
    pub what: &'static str,
    /// The participant it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participant: Option<String>,
    /// The ARN of the stage it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Why, in one line.
    pub why: String,
}

/// Stops that the brake on mass stops holds until a sweep agrees, or an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct HeldBack {
    /// Stops that count for the brake.
    pub stops: usize,
    /// How many of them are made at once.
    pub at_once: usize,
}

impl From<&replication::Forecast> for Forecast {
    fn from(made: &replication::Forecast) -> Self {
        let cost = |cost: &forecast::Cost| Cost { calls: cost.calls, seconds: cost.takes.as_secs_f64() };
        let recording = |due: &replication::sweep::RecordingDue| Recording {
            stage: due.stage.stage.to_string(),
            record_replicas: due.record_replicas,
            rule: due.rule.to_string(),
        };
        Self {
            at: made.at.to_string(),
            fingerprint: made.fingerprint.to_string(),
            rules: made.rules.iter().map(RuleChange::from).collect(),
            unchanged_rules: made.unchanged,
            replications: made.replications.iter().map(ReplicationChange::from).collect(),
            staying: made.staying,
            running: made.running.into(),
            calls: made.calls.iter().map(|(operation, calls)| (operation.name(), cost(calls))).collect(),
            backlog: Backlog { starts: made.backlog.starts, stops: made.backlog.stops },
            recordings: made.recordings.iter().map(recording).collect(),
            not_known: made.not_known.iter().map(NotKnown::from).collect(),
            brake: made.brake.map(|brake| HeldBack { stops: brake.stops, at_once: brake.at_once }),
            paused: made.paused.as_ref().map(Pause::from),
        }
    }
}

impl From<&replication::RuleChange> for RuleChange {
    fn from(change: &replication::RuleChange) -> Self {
        let field = |field: replication::FieldChange| {
            let replication::FieldChange { field, before, after } = field;
            FieldChange { field, before, after }
        };
        Self {
            id: change.id().map(ToString::to_string).unwrap_or_default(),
            change: change.kind().name(),
            revision: change.before.as_ref().map(|rule| rule.revision),
            fields: change.fields().into_iter().map(field).collect(),
            before: change.before.as_ref().map(Rule::from),
            after: change.after.as_ref().map(Rule::from),
        }
    }
}

impl From<&forecast::Change> for ReplicationChange {
    fn from(change: &forecast::Change) -> Self {
        let mut told = Self {
            source: change.key.source.to_string(),
            participant: change.key.participant.to_string(),
            user_id: change.user_id.clone(),
            destination: change.key.destination.to_string(),
            rule: change.rule.as_ref().map(ToString::to_string),
            effect: "start",
            why: change.effect.why(),
            blocked_reason: None,
            slots_taken_by: Vec::new(),
            places_taken_by: Vec::new(),
            until: None,
            as_started: Vec::new(),
        };
        match &change.effect {
            Effect::Start { until } => told.until = time(*until),
            Effect::Stop { wanted: false, .. } => told.effect = "stop",
            Effect::Stop { wanted: true, .. } => told.effect = "preempt",
            Effect::Restart { .. } => told.effect = "restart",
            Effect::Block { reason, by } => {
                told.effect = "block";
                told.blocked_reason = Some(reason.name());
                match by {
                    Obstacle::Slots(stages) => {
                        told.slots_taken_by = stages.iter().map(ToString::to_string).collect();
                    }
                    Obstacle::Places(there) => {
                        told.places_taken_by = there.iter().map(Occupant::from).collect()
                    }
                    Obstacle::Other => {}
                }
            }
            Effect::Withdraw => told.effect = "withdraw",
            Effect::Spare => told.effect = "spare",
            Effect::RunsOn(adjusted) => {
                told.effect = "run_on";
                told.as_started.clone_from(&adjusted.as_started);
                told.until = time(adjusted.ends.and_then(|(_, end)| end));
            }
        }
        told
    }
}

impl From<&Holder> for Occupant {
    fn from(holder: &Holder) -> Self {
        match holder {
            Holder::Replica(key) => {
                Self { participant: key.participant.to_string(), source: Some(key.source.to_string()) }
            }
            Holder::Publisher(key) => Self { participant: key.participant.to_string(), source: None },
        }
    }
}

impl From<forecast::Running> for Running {
    fn from(running: forecast::Running) -> Self {
        Self {
            before: running.before,
            after: running.after,
            replica_hours_per_hour: running.change(),
            ending: running.ending,
            replica_hours_until_end: running.until_end.as_secs_f64() / 3_600.0,
        }
    }
}

impl From<&forecast::NotKnown> for NotKnown {
    fn from(unknown: &forecast::NotKnown) -> Self {
        let (what, participant, stage) = match unknown {
            forecast::NotKnown::Publisher { publisher, .. } => {
                ("publisher", Some(publisher.participant.to_string()), Some(publisher.stage.to_string()))
            }
            forecast::NotKnown::Source { stage, .. } => {
                ("source", None, stage.as_ref().map(ToString::to_string))
            }
            forecast::NotKnown::Destinations { .. } => ("destinations", None, None),
        };
        Self { rule: unknown.rule().to_string(), what, participant, stage, why: unknown.to_string() }
    }
}
