//! An event as EventBridge hands it to a function, and what the functions make of it.

#![allow(clippy::expect_used, reason = "a test that cannot go on shall panic")]

use std::future::Future;
use std::sync::Arc;

use controller::{Controller, Error, Handled, Store};
use futures::FutureExt;
use lambda_kit::{EventSources, Ignored, News, decode};
use replication::invariant::violations;
use replication::{
    Allowance, Capabilities, Context, Destination, Observation, Policy, PublisherKey, Rule, Source, StageArn,
};
use serde_json::{Value, json};

use super::Reached;
use crate::in_process::InProcess;
use crate::rows::rule;

/// What an error says at most, in bytes, however long its event is.
const LONGEST_ERROR: usize = 2_048;

/// Decodes an event, and has the functions handle its news, three times each.
///
/// # Panics
/// When a replica is taken for an original, an error is long or names no field, an unknown field matters, news is handled
/// twice with another call, or what follows breaks an invariant of the core.
pub fn envelope(bytes: &[u8]) -> Reached {
    let Ok(event) = serde_json::from_slice::<Value>(bytes) else { return reached("no JSON") };
    let decoded = decode(event.clone(), &EventSources::default());
    assert_eq!(
        decoded,
        decode(with_unknown_fields(&event), &EventSources::default()),
        "an unknown field matters"
    );
    match decoded {
        Err(error) => {
            let text = error.to_string();
            assert!(text.len() <= LONGEST_ERROR, "{} bytes: {text}", text.len());
            assert!(!error.field.is_empty() && !error.problem.is_empty(), "{error:?}");
            reached(&format!("error in {}", error.field))
        }
        Ok(News::Ignored(Ignored::Irrelevant(why))) => reached(why),
        Ok(News::Ignored(ignored)) => {
            reached(if matches!(ignored, Ignored::UnknownName(_)) { "unknown name" } else { "foreign" })
        }
        Ok(News::Observation(news)) => {
            is_as_told(&event, &news);
            handled(&news)
        }
    }
}

fn reached(what: &str) -> Reached {
    Reached::from([what.to_owned()])
}

/// The event with fields that nobody knows, where there are fields.
fn with_unknown_fields(event: &Value) -> Value {
    let mut event = event.clone();
    if let Some(fields) = event.as_object_mut() {
        fields.insert("unheard-of".to_owned(), json!([{}]));
    }
    if let Some(detail) = event.get_mut("detail").and_then(Value::as_object_mut) {
        detail.insert("unheard_of".to_owned(), json!({ "replica": true }));
    }
    event
}

/// The news is about those whom the event names; and no replica is an original, or stages that replicate into each other would do it
/// for ever.
fn is_as_told(event: &Value, news: &Observation) {
    let (detail, stage) = (&event["detail"], event["resources"][0].as_str());
    let name = detail["event_name"].as_str().unwrap_or_default();
    let replica = detail["replica"] == true;
    let publisher = news.publisher();
    assert_eq!(Some(publisher.participant.as_str()), detail["participant_id"].as_str());
    match news {
        Observation::Published { .. } | Observation::Unpublished { .. } => {
            assert!(!replica, "a replica taken for an original");
            assert_eq!(Some(publisher.stage.as_str()), stage);
            assert_eq!(name == "Participant Published", matches!(news, Observation::Published { .. }));
        }
        Observation::ReplicaActive { key, .. }
        | Observation::ReplicaEnded { key, .. }
        | Observation::ReplicaFailed { key, .. } => {
            assert_ne!(key.source, key.destination);
            let (here, there) = if name.starts_with("Participant Replication") {
                (&key.source, ("destination_stage_arn", &key.destination))
            } else {
                assert!(replica, "an original taken for a replica");
                (&key.destination, ("source_stage_arn", &key.source))
            };
            assert_eq!(Some(here.as_str()), stage);
            assert_eq!(Some(there.1.as_str()), detail[there.0].as_str());
        }
        Observation::Attributes { .. } | Observation::ReplicaOwner { .. } => {
            panic!("no event tells this: {news:?}")
        }
    }
}

/// What becomes of the news in a function that starts, in one that stops, and in one that does neither.
fn handled(news: &Observation) -> Reached {
    let world = InProcess::new(ivs_sim::Config::default());
    let key = news.publisher();
    world.rules(rules_for(&key));
    let mut reached = Reached::new();
    for controller in [
        world.event_function(true, false),
        world.event_function(false, true),
        world.event_function(false, false),
    ] {
        let mut calls = None;
        for _ in 0..3 {
            reached.insert(format!("{} {}", kind(news), done(&world, &controller, news)));
            let made = world.mutations();
            // Time stands still: nothing was due that is not done.
            assert_eq!(*calls.get_or_insert(made), made, "the same news once more led to a call");
        }
    }
    let view = now(world.store.load(&key)).expect("a view of a table in memory");
    let policy = Policy::default();
    let can = Capabilities { start: true, stop: true, verify: true, get_stage: true, get_participant: true };
    let context = Context {
        now: controller::Clock::now(&*world),
        policy: &policy,
        can,
        allowance: Allowance::UNLIMITED,
        holder: "fuzzed",
        witness: None,
    };
    let made = replication::plan(&view, context);
    assert_eq!(violations(&view, context, &made), vec![], "{}", made.report);
    reached
}

fn kind(news: &Observation) -> &'static str {
    match news {
        Observation::Published { .. } => "published",
        Observation::Unpublished { .. } => "unpublished",
        Observation::ReplicaActive { .. } => "replica active",
        Observation::ReplicaEnded { .. } => "replica ended",
        Observation::ReplicaFailed { .. } => "replica failed",
        Observation::Attributes { .. } | Observation::ReplicaOwner { .. } => "(none)",
    }
}

fn done(world: &Arc<InProcess>, controller: &Controller, news: &Observation) -> &'static str {
    match now(controller.handle(news, &world.invocation("fuzzed", 15))) {
        Ok(Handled::Unconcerned) => "unconcerned",
        Ok(Handled::Settled(_)) => "settled",
        Ok(Handled::Deferred(..)) => "deferred",
        Err(Error::Unsettled { .. }) => "unsettled",
        Err(error) => panic!("{error}"),
    }
}

/// From the publisher's stage to two others of its account and Region, and from any stage to a third.
fn rules_for(key: &PublisherKey) -> Vec<Rule> {
    let beside = |id: &str| -> StageArn {
        let arn = key.stage.as_str().strip_suffix(key.stage.resource_id()).expect("the last part of an ARN");
        // As long as the stage's own id at least, or the ARN may be too long.
        format!("{arn}{id}").parse().unwrap_or_else(|_| key.stage.clone())
    };
    let to = |ids: &[&str]| ids.iter().map(|id| Destination::Stage(beside(id))).collect();
    let plain = rule("named", key.stage.as_str(), key.stage.as_str());
    let named = Rule { destinations: to(&["B", "C"]), ..plain.clone() };
    let of_any = Rule {
        id: "any".parse().expect("a rule's id"),
        source: Source::Any,
        destinations: to(&["D"]),
        ..plain
    };
    vec![named, of_any]
}

/// What a future on virtual time gives, which nobody has to wait for.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("nobody waits in virtual time")
}
