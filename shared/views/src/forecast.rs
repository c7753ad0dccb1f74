//! What a change of rules would do.

use std::collections::BTreeMap;

use replication::forecast::{Adjusted, Change, Effect, NotKnown, Obstacle};
use serde::Serialize;

use crate::explanation::Holder;
use crate::{Pause, time};

/// What a change of rules would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Forecast {
    /// When it was made.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub at: String,
    /// What it rests on and comes to, in short: another one if the rules, or what follows from them, are others.
    pub fingerprint: String,
    /// Whether any rule changes.
    pub changes: bool,
    /// Rules that are added, changed or deleted, by id.
    pub rules: Vec<RuleChange>,
    /// Rules that say the same as before.
    pub unchanged: usize,
    /// What becomes of each replication for which something changes.
    pub replications: Vec<ReplicationChange>,
    /// Running replicas for which nothing changes.
    pub staying: usize,
    /// Running replicas, once everything is settled: replica-hours per hour.
    pub running: Running,
    /// Calls that the change costs, by IVS operation.
    pub calls: BTreeMap<String, Cost>,
    /// Starts and stops that are due anyway, and may come first.
    pub backlog: Backlog,
    /// Stages whose setting for the recording of replicas is brought in line.
    pub recordings: Vec<RecordingChange>,
    /// What cannot be told yet.
    pub not_known: Vec<Unclear>,
    /// That the brake on mass stops will hold some of the stops, if it will.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brake: Option<BrakedStops>,
    /// The pause during which nothing of this happens, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
}

/// A rule that is added, changed or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RuleChange {
    /// Its id.
    pub id: String,
    /// What becomes of it.
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = ["added", "changed", "deleted"])))]
    pub change: &'static str,
    /// The revision that it has; not there if it is added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_revision: Option<u64>,
    /// What differs; for a rule that is added or deleted, all that it says or said.
    pub fields: Vec<FieldChange>,
}

/// A field in which a rule differs from itself before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct FieldChange {
    /// Its path, as in the rules file.
    pub field: String,
    /// Its value before, in one line; not there if it was not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Its value then, in one line; not there if it is not said.
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
    /// Its user id; empty if it has none, or none is known.
    pub user_id: String,
    /// The ARN of the destination stage.
    pub destination: String,
    /// The rule that wants it then; the one that wanted it last, if none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What happens: it is started, stopped, stopped and started again, not to be had, not wanted any more before it ran, not
    /// stopped although it was to be, or it runs on and something else about it changes.
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = [
        "start", "stop", "restart", "block", "withdraw", "spare", "run_on"
    ])))]
    pub effect: &'static str,
    /// Why it is stopped, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Whether a rule still wants what is stopped: then another one took its slot or its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub still_wanted: Option<bool>,
    /// Why it is not to be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = replication::BlockedReason::ALL.map(replication::BlockedReason::name))))]
    pub reason: Option<&'static str>,
    /// The destinations that have the participant's slots, if these are in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots_taken_by: Option<Vec<String>>,
    /// Who has the destination's places, if these are in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub places_taken_by: Option<Vec<Holder>>,
    /// When it ends by itself, if it is started or that changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub until: Option<String>,
    /// The rule under which it ran, if that is another one then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was_under: Option<String>,
    /// Fields that the rule says otherwise than the replica was started with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schemars(default))]
    pub as_started: Vec<&'static str>,
}

/// Running replicas. Each is one replica-hour per hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Running {
    /// Under the rules as they are.
    pub before: usize,
    /// Under the new rules.
    pub after: usize,
    /// Of those that are started, how many end by themselves.
    pub ending: usize,
    /// The replica-seconds that these come to by then.
    pub seconds_until_end: i64,
}

/// What the calls of one operation cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Cost {
    /// How many.
    pub calls: usize,
    /// Seconds from the first of them to the last, if nothing else needs the budget, rounded up.
    pub seconds: i64,
}

/// Calls that are due whatever becomes of the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Backlog {
    /// StartParticipantReplication.
    pub starts: usize,
    /// StopParticipantReplication.
    pub stops: usize,
}

/// A stage whose setting for the recording of replicas is brought in line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RecordingChange {
    /// Its ARN.
    pub stage: String,
    /// What the setting becomes.
    pub record_replicas: bool,
    /// The rule that says so.
    pub rule: String,
}

/// What cannot be told from the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Unclear {
    /// The rule.
    pub rule: String,
    /// What is not known of it: whether it means this publisher, who publishes on its source, or which stages are its
    /// destinations.
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = ["publisher", "source", "destinations"])))]
    pub what: &'static str,
    /// The ARN of the stage that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The participant that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participant: Option<String>,
    /// Why, in words.
    pub why: String,
}

/// Stops that the brake holds until a second witness agrees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct BrakedStops {
    /// Stops that count for the brake.
    pub stops: usize,
    /// How many of them are made within a minute on one reading.
    pub at_once: usize,
}

impl From<&replication::Forecast> for Forecast {
    fn from(forecast: &replication::Forecast) -> Self {
        let calls = forecast.calls.iter().map(|(operation, cost)| {
            let seconds = cost.takes.as_secs() + i64::from(cost.takes.subsec_nanos() > 0);
            (operation.name().to_owned(), Cost { calls: cost.calls, seconds })
        });
        let recordings = forecast.recordings.iter().map(|due| RecordingChange {
            stage: due.stage.stage.to_string(),
            record_replicas: due.record_replicas,
            rule: due.rule.to_string(),
        });
        Self {
            at: forecast.at.to_string(),
            fingerprint: forecast.fingerprint.to_string(),
            changes: !forecast.is_empty(),
            rules: forecast.rules.iter().map(RuleChange::from).collect(),
            unchanged: forecast.unchanged,
            replications: forecast.replications.iter().map(ReplicationChange::from).collect(),
            staying: forecast.staying,
            running: Running {
                before: forecast.running.before,
                after: forecast.running.after,
                ending: forecast.running.ending,
                seconds_until_end: forecast.running.until_end.as_secs(),
            },
            calls: calls.collect(),
            backlog: Backlog { starts: forecast.backlog.starts, stops: forecast.backlog.stops },
            recordings: recordings.collect(),
            not_known: forecast.not_known.iter().map(Unclear::from).collect(),
            brake: forecast.brake.map(|brake| BrakedStops { stops: brake.stops, at_once: brake.at_once }),
            paused: forecast.paused.as_ref().map(Pause::from),
        }
    }
}

impl From<&replication::RuleChange> for RuleChange {
    fn from(change: &replication::RuleChange) -> Self {
        let fields = change.fields().into_iter();
        Self {
            id: change.id().map(ToString::to_string).unwrap_or_default(),
            change: change.kind().name(),
            current_revision: change.before.as_ref().map(|rule| rule.revision),
            fields: fields
                .map(|field| FieldChange { field: field.field, before: field.before, after: field.after })
                .collect(),
        }
    }
}

impl From<&Change> for ReplicationChange {
    fn from(change: &Change) -> Self {
        let plain = Self {
            source: change.key.source.to_string(),
            participant: change.key.participant.to_string(),
            user_id: change.user_id.clone(),
            destination: change.key.destination.to_string(),
            rule: change.rule.as_ref().map(ToString::to_string),
            effect: "",
            why: None,
            still_wanted: None,
            reason: None,
            slots_taken_by: None,
            places_taken_by: None,
            until: None,
            was_under: None,
            as_started: Vec::new(),
        };
        match &change.effect {
            Effect::Start { until } => Self { effect: "start", until: time(*until), ..plain },
            Effect::Stop { reason, wanted } => {
                Self { effect: "stop", why: Some(reason.to_string()), still_wanted: Some(*wanted), ..plain }
            }
            Effect::Restart { reason } => Self { effect: "restart", why: Some(reason.to_string()), ..plain },
            Effect::Block { reason, by } => {
                let (slots, places) = match by {
                    Obstacle::Slots(stages) => (Some(stages.iter().map(ToString::to_string).collect()), None),
                    Obstacle::Places(holders) => (None, Some(holders.iter().map(Holder::from).collect())),
                    Obstacle::Other => (None, None),
                };
                let reason = Some(reason.name());
                Self { effect: "block", reason, slots_taken_by: slots, places_taken_by: places, ..plain }
            }
            Effect::Withdraw => Self { effect: "withdraw", ..plain },
            Effect::Spare => Self { effect: "spare", ..plain },
            Effect::RunsOn(Adjusted { was_under, as_started, ends }) => Self {
                effect: "run_on",
                was_under: was_under.as_ref().map(ToString::to_string),
                as_started: as_started.clone(),
                until: time(ends.and_then(|(_, then)| then)),
                ..plain
            },
        }
    }
}

impl From<&NotKnown> for Unclear {
    fn from(not_known: &NotKnown) -> Self {
        let rule = not_known.rule().to_string();
        match not_known {
            NotKnown::Publisher { publisher, why, .. } => Self {
                rule,
                what: "publisher",
                stage: Some(publisher.stage.to_string()),
                participant: Some(publisher.participant.to_string()),
                why: why.to_string(),
            },
            NotKnown::Source { stage, .. } => Self {
                rule,
                what: "source",
                stage: stage.as_ref().map(ToString::to_string),
                participant: None,
                why: "no rule has spoken of the source so far, so nothing is kept of who publishes there"
                    .to_owned(),
            },
            NotKnown::Destinations { .. } => Self {
                rule,
                what: "destinations",
                stage: None,
                participant: None,
                why: "no rule has asked for stages of these tags so far".to_owned(),
            },
        }
    }
}
