//! The table as the page has it: rows in sections, each with a key that never changes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use replication::sweep::StageItems;
use replication::{
    Control, Desired, Destination, Owner, Phase, Publisher, Publishing, Replica, Rule, Source, StageArn,
    Status, Versus, VersusState,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::Reading;

/// All rows.
pub type Rows = BTreeMap<Section, BTreeMap<String, Value>>;

/// A part of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Section {
    /// Stages, by ARN.
    Stages,
    /// Who publishes, or has replications, by stage and participant.
    Publishers,
    /// Replications, by source stage, participant and destination stage.
    Replicas,
    /// Versus sessions, by id.
    Versus,
    /// Rules, by id.
    Rules,
    /// What is ordered for all stages: `pause`, `brake`; and `rules`, if one cannot be read.
    Control,
}

/// The rows that a reading makes. What is at rest is left out: a replication that has ended, and somebody who does not publish and
/// has no other replication. The table keeps them for a week, and nobody watches them.
pub fn rows(reading: &Reading) -> Rows {
    let mut rows = Rows::new();
    let mut put = |section, key: String, row: Value| {
        rows.entry(section).or_default().insert(key, row);
    };
    for (arn, items) in &reading.inventory.stages {
        put(Section::Stages, arn.to_string(), stage(arn, items));
        let live = || items.replicas.values().filter(|replica| replica.phase != Phase::Stopped);
        for known in items.publishers.values() {
            let replicated = live().any(|replica| replica.key.participant == known.key.participant);
            if replicated || known.publishing() != Publishing::No {
                put(Section::Publishers, format!("{arn} {}", known.key.participant), publisher(known));
            }
        }
        for replica in live() {
            let known = items.publishers.get(&replica.key.participant);
            let user_id = known.map_or("", |publisher| publisher.user_id.as_str());
            put(Section::Replicas, key(replica), self::replica(replica, user_id));
        }
    }
    for rule in &reading.inventory.rules {
        put(Section::Rules, rule.id.to_string(), self::rule(rule));
    }
    for session in &reading.versus {
        put(Section::Versus, session.terms.id.to_string(), versus(session));
    }
    for (name, row) in control(&reading.inventory.control, reading.at) {
        put(Section::Control, name.to_owned(), row);
    }
    if reading.inventory.rules_incomplete {
        put(Section::Control, "rules".to_owned(), json!({ "incomplete": true }));
    }
    rows
}

fn key(replica: &Replica) -> String {
    let key = &replica.key;
    format!("{} {} {}", key.source, key.participant, key.destination)
}

fn stage(arn: &StageArn, items: &StageItems) -> Value {
    let mut row = object(json!({ "stage": arn.as_str() }));
    if let Some(known) = &items.knowledge {
        set(&mut row, "name", Some(known.listed.name.as_str()).filter(|name| !name.is_empty()));
        set(&mut row, "tags", Some(json!(known.listed.tags)).filter(|_| !known.listed.tags.is_empty()));
        set(&mut row, "session", known.listed.active_session.as_ref().map(|session| session.as_str()));
        set(&mut row, "looked_at", time(known.looked_at));
    }
    set(&mut row, "occupied", items.occupants.as_ref().map(|occupants| occupants.len()));
    row.into()
}

fn publisher(publisher: &Publisher) -> Value {
    let mut row = object(json!({
        "stage": publisher.key.stage.as_str(),
        "participant": publisher.key.participant.as_str(),
        "publishing": match publisher.publishing() {
            Publishing::Yes => "yes",
            Publishing::No => "no",
            Publishing::Uncertain => "uncertain",
            Publishing::Unknown => "unknown",
        },
    }));
    set(&mut row, "user_id", Some(publisher.user_id.as_str()).filter(|id| !id.is_empty()));
    set(&mut row, "seen_publishing", publisher.evidence.on.map(|at| at.earliest().to_string()));
    set(&mut row, "seen_not_publishing", publisher.evidence.off.map(|at| at.earliest().to_string()));
    row.into()
}

fn replica(replica: &Replica, user_id: &str) -> Value {
    let mut row = object(json!({
        "source": replica.key.source.as_str(),
        "participant": replica.key.participant.as_str(),
        "destination": replica.key.destination.as_str(),
        "phase": replica.phase.name(),
        "owner": match replica.owner {
            Owner::Nobody => "nobody",
            Owner::Stagelink => "stagelink",
            Owner::Foreign => "foreign",
        },
        "wanted": replica.desired == Desired::Replicated,
    }));
    set(&mut row, "user_id", Some(user_id).filter(|id| !id.is_empty()));
    if let Some(blocked) = replica.blocked() {
        set(&mut row, "reason", Some(blocked.reason.name()));
        set(&mut row, "blocked_until", time(blocked.until));
    }
    if let Some(rule) = &replica.rule {
        set(&mut row, "rule", Some(rule.id.as_str()));
        set(&mut row, "revision", Some(rule.revision));
        set(&mut row, "priority", Some(rule.priority));
    }
    if let Some(last) = &replica.last_error {
        let mut error =
            object(json!({ "code": last.code, "message": last.message, "at": last.at.to_string() }));
        set(&mut error, "request_id", last.request_id.clone());
        row.insert("last_error".to_owned(), error.into());
    }
    set(&mut row, "braked", Some(true).filter(|_| replica.is_held_by_brake()));
    set(&mut row, "attempts", Some(replica.attempts).filter(|attempts| *attempts > 0));
    set(&mut row, "seen_running", replica.evidence.on.map(|at| at.earliest().to_string()));
    set(&mut row, "seen_ended", replica.evidence.off.map(|at| at.earliest().to_string()));
    set(&mut row, "next_attempt", time(replica.next_attempt));
    set(&mut row, "wanted_until", time(replica.wanted_until));
    set(&mut row, "call_since", time(replica.lease.as_ref().map(|lease| lease.since)));
    row.into()
}

fn rule(rule: &Rule) -> Value {
    let mut row = object(json!({
        "id": rule.id.as_str(),
        "revision": rule.revision,
        "priority": rule.priority,
        "status": match rule.status {
            Status::Enabled => "enabled",
            Status::Paused => "paused",
        },
        "source": match &rule.source {
            Source::Any => json!({ "any": true }),
            Source::Stage(stage) => json!({ "stage": stage.as_str() }),
            Source::Tags(tags) => json!({ "tags": tags }),
        },
        "destinations": rule.destinations.iter().map(destination).collect::<Vec<_>>(),
    }));
    set(&mut row, "user_id", rule.participants.user_id.as_ref().map(|pattern| pattern.as_str()));
    set(&mut row, "expires_at", time(rule.expires_at));
    row.into()
}

fn destination(destination: &Destination) -> Value {
    match destination {
        Destination::Stage(stage) => json!({ "stage": stage.as_str() }),
        Destination::Tags { tags, same } if same.is_empty() => json!({ "tags": tags }),
        Destination::Tags { tags, same } => json!({ "tags": tags, "same": same }),
    }
}

fn versus(versus: &Versus) -> Value {
    let mut row = object(json!({
        "id": versus.terms.id.as_str(),
        "stages": versus.terms.stages.iter().map(StageArn::as_str).collect::<Vec<_>>(),
        "state": versus.state.name(),
        "starts_at": versus.starts_at.to_string(),
        "ends_at": versus.ends_at.to_string(),
    }));
    if let VersusState::Failed(failure) = &versus.state {
        set(&mut row, "failure", Some(failure.to_string()));
    }
    row.into()
}

fn control(control: &Control, now: Timestamp) -> Vec<(&'static str, Value)> {
    let mut rows = Vec::new();
    if let Some(pause) = &control.pause {
        let row = json!({ "reason": pause.reason, "by": pause.by, "at": pause.at.to_string() });
        rows.push(("pause", row));
    }
    if let Some(until) = control.brake_released_until.filter(|until| now < *until) {
        rows.push(("brake", json!({ "released_until": until.to_string() })));
    }
    rows
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn set(row: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        row.insert(name.to_owned(), value.into());
    }
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}
