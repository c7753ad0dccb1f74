//! The JSON of answers. Fields of rules have the names of the rules file; what is not there is left out.
//!
//! Of the attributes of a participant's token only the keys are told: their values are the customer's own, and may be about a
//! person.

use aws_adapters::Page;
use controller::StoreError;
use jiff::Timestamp;
use replication::{
    Blocked, Desired, Destination, Owner, Phase, Publisher, Publishing, Replica, Rule, Source, Status,
};
use serde_json::{Map, Value, json};

use crate::query::token;

/// A page of a list under this name.
pub(crate) fn list<T>(name: &str, page: Page<T>, view: fn(&T) -> Value) -> Value {
    let (mut shown, mut left_out) = (Vec::new(), Vec::new());
    for item in page.found {
        match item {
            Ok(item) => shown.push(view(&item)),
            Err(error) => left_out.push(unreadable(&error)),
        }
    }
    let mut body = Map::new();
    body.insert(name.to_owned(), shown.into());
    if !left_out.is_empty() {
        body.insert("left_out".to_owned(), left_out.into());
    }
    if let Some(next) = page.next {
        body.insert("next".to_owned(), token(&next).into());
    }
    body.into()
}

fn unreadable(error: &StoreError) -> Value {
    match error {
        StoreError::Corrupt { pk, sk, message } => {
            json!({ "item": format!("{pk} {sk}"), "problem": message })
        }
        other => json!({ "problem": other.to_string() }),
    }
}

pub(crate) fn rule(rule: &Rule) -> Value {
    let participants = &rule.participants;
    let patterns =
        participants.attributes.iter().map(|(key, pattern)| (key.clone(), json!(pattern.as_str())));
    let mut filter = Map::new();
    set(&mut filter, "user_id", participants.user_id.as_ref().map(|pattern| pattern.as_str()));
    if !participants.attributes.is_empty() {
        filter.insert("attributes".to_owned(), Value::Object(patterns.collect()));
    }
    let mut view = object(json!({
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
        "reconnect_window_seconds": rule.reconnect_window.seconds(),
        "attributes": rule.attributes,
        "preempt": rule.preempt,
    }));
    if !filter.is_empty() {
        view.insert("participants".to_owned(), filter.into());
    }
    set(&mut view, "record_replicas", rule.record_replicas);
    set(&mut view, "expires_at", time(rule.expires_at));
    view.into()
}

fn destination(destination: &Destination) -> Value {
    match destination {
        Destination::Stage(stage) => json!({ "stage": stage.as_str() }),
        Destination::Tags { tags, same } if same.is_empty() => json!({ "tags": tags }),
        Destination::Tags { tags, same } => json!({ "tags": tags, "same": same }),
    }
}

pub(crate) fn publisher(publisher: &Publisher) -> Value {
    let mut view = object(json!({
        "stage": publisher.key.stage.as_str(),
        "participant": publisher.key.participant.as_str(),
        "user_id": publisher.user_id,
        "publishing": match publisher.publishing() {
            Publishing::Yes => "yes",
            Publishing::No => "no",
            Publishing::Uncertain => "uncertain",
            Publishing::Unknown => "unknown",
        },
    }));
    let keys = publisher.attributes.as_ref().map(|attributes| attributes.keys().collect::<Vec<_>>());
    set(&mut view, "attribute_keys", keys.map(|keys| json!(keys)));
    set(&mut view, "session", publisher.session.as_ref().map(|session| session.as_str()));
    set(&mut view, "seen_publishing", publisher.evidence.on.map(|at| at.to_string()));
    set(&mut view, "seen_not_publishing", publisher.evidence.off.map(|at| at.to_string()));
    view.into()
}

pub(crate) fn replica(replica: &Replica) -> Value {
    let mut view = object(json!({
        "source": replica.key.source.as_str(),
        "participant": replica.key.participant.as_str(),
        "destination": replica.key.destination.as_str(),
        "phase": replica.phase.name(),
        "desired": match replica.desired {
            Desired::Replicated => "replicated",
            Desired::Released => "released",
        },
        "owner": match replica.owner {
            Owner::Nobody => "nobody",
            Owner::Stagelink => "stagelink",
            Owner::Foreign => "foreign",
        },
        "reconnect_window_seconds": replica.reconnect_window.seconds(),
        "attempts": replica.attempts,
    }));
    if let Phase::Blocked(Blocked { reason, until }) = &replica.phase {
        let mut blocked = object(json!({ "reason": reason.name() }));
        set(&mut blocked, "until", time(*until));
        view.insert("blocked".to_owned(), blocked.into());
    }
    if let Some(rule) = &replica.rule {
        let rule = json!({ "id": rule.id.as_str(), "revision": rule.revision, "priority": rule.priority });
        view.insert("rule".to_owned(), rule);
    }
    if let Some(last) = &replica.last_error {
        let mut error =
            object(json!({ "code": last.code, "message": last.message, "at": last.at.to_string() }));
        set(&mut error, "request_id", last.request_id.clone());
        view.insert("last_error".to_owned(), error.into());
    }
    if let Some(braked) = replica.braked {
        let mut brake = object(json!({ "since": braked.since.to_string() }));
        set(&mut brake, "confirmed_at", time(braked.confirmed_at));
        view.insert("braked".to_owned(), brake.into());
    }
    if let Some(gives_way) = &replica.gives_way {
        let gives_way = json!({ "priority": gives_way.priority, "until": gives_way.until.to_string() });
        view.insert("gives_way".to_owned(), gives_way);
    }
    set(&mut view, "seen_running", replica.evidence.on.map(|at| at.to_string()));
    set(&mut view, "seen_ended", replica.evidence.off.map(|at| at.to_string()));
    set(
        &mut view,
        "destination_session",
        replica.destination_session.as_ref().map(|session| session.as_str()),
    );
    set(&mut view, "next_attempt", time(replica.next_attempt));
    set(&mut view, "wanted_until", time(replica.wanted_until));
    set(&mut view, "call_until", time(replica.lease.as_ref().map(|lease| lease.until)));
    view.into()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn set(view: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        view.insert(name.to_owned(), value.into());
    }
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}
