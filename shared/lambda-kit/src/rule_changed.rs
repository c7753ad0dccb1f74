//! The function that takes changed rules, and orders for all stages, to the publishers they speak of.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_adapters::{Connection, DynamoStore};
use controller::{Calls, CallsLeft, Controller, Invocation, Patience, StoreError, Unmeasured, with_causes};
use futures::stream::{self, StreamExt};
use jiff::SignedDuration;
use lambda_runtime::{Context, LambdaEvent};
use replication::{PublisherKey, StageArn};
use serde_json::{Value, json};
use tracing::{Instrument, error, info, info_span};

use crate::function::{Failure, invocation};
use crate::{Config, EnvelopeError, SystemClock};

/// The sort key of the item with an operator's orders.
const CONTROL: &str = "CONTROL";

/// Publishers planned side by side.
const SIDE_BY_SIDE: usize = 16;

/// How soon it looks again at publishers for whom a call is under way, and how often in all: longer than a call can be.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(2);
const LOOKS: usize = 6;

/// Plans every publisher that a changed rule may speak of. It makes no IVS call; what follows is due, and done by dispatch.
pub struct RuleChangedFunction {
    store: Arc<DynamoStore>,
    controller: Controller,
}

impl RuleChangedFunction {
    /// A function on this table.
    pub fn new(config: &Config, connection: &Connection) -> Self {
        // The change is the reason for the event: no older rules will do.
        let store = Arc::new(connection.store(&config.table).with_selector_cache(Duration::ZERO));
        let controller = Controller {
            store: store.clone(),
            clock: Arc::new(SystemClock),
            calls: Calls::default(),
            policy: config.policy(),
            patience: Patience(Duration::ZERO),
            calls_left: CallsLeft::default(),
            // It makes no call that could be measured.
            measure: Unmeasured::shared(),
        };
        Self { store, controller }
    }

    /// Reacts to records of the table's stream.
    ///
    /// # Errors
    /// [`Failure`]; the stream delivers the batch again.
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Failure> {
        let span = info_span!("rules", request = event.context.request_id);
        self.plan_all(&event.payload, &event.context).instrument(span).await.inspect_err(Failure::log)
    }

    async fn plan_all(&self, payload: &Value, context: &Context) -> Result<Value, Failure> {
        let sources = changed_sources(payload)?;
        let mut publishers = BTreeSet::new();
        for source in &sources {
            let found = self.store.publishers(source.as_ref()).await.map_err(controller::Error::from)?;
            publishers.extend(found);
        }
        let (count, invocation) = (publishers.len(), invocation(context));
        for look in 1.. {
            let mut under_way = BTreeSet::new();
            let mut last = None;
            for error in self.plan_each(&publishers, &invocation).await {
                let controller::Error::Unsettled { publisher, .. } = &error else { return Err(error.into()) };
                under_way.insert(publisher.clone());
                last = Some(error);
            }
            let Some(error) = last else { break };
            let now = self.controller.clock.now();
            if look == LOOKS || now + LOOK_AGAIN >= invocation.deadline {
                return Err(error.into());
            }
            publishers = under_way;
            self.controller.clock.sleep_until(now + LOOK_AGAIN).await;
        }
        info!(sources = sources.len(), publishers = count, "rules changed");
        Ok(json!({ "handled": "planned", "publishers": count }))
    }

    /// Plans publishers side by side: one that fails must not keep the others waiting. Gives what failed; the batch comes again for
    /// its sake, if that can help.
    async fn plan_each(
        &self,
        publishers: &BTreeSet<PublisherKey>,
        invocation: &Invocation,
    ) -> Vec<controller::Error> {
        let plan = |publisher| {
            let planned = self.controller.reconcile(publisher, None, invocation);
            async move { planned.await.err().filter(|error| !is_for_a_person(publisher, error)) }
        };
        let failed = stream::iter(publishers).map(plan).buffer_unordered(SIDE_BY_SIDE);
        failed.filter_map(std::future::ready).collect().await
    }
}

/// Whether an item of this publisher cannot be read: no repetition helps, and nobody else shall wait for it.
fn is_for_a_person(publisher: &PublisherKey, error: &controller::Error) -> bool {
    let corrupt = matches!(error, controller::Error::Store(StoreError::Corrupt { .. }));
    if corrupt {
        error!(%publisher, error = with_causes(error), "left out, an item cannot be read");
    }
    corrupt
}

/// The sources of the rules in the records; nothing stands for any stage, and for an order that holds for all.
fn changed_sources(payload: &Value) -> Result<BTreeSet<Option<StageArn>>, EnvelopeError> {
    let error = |field: String, problem: &str| EnvelopeError { field, problem: problem.to_owned() };
    let records = payload.get("Records").and_then(Value::as_array);
    let records = records.ok_or_else(|| error("Records".to_owned(), "is not a list"))?;
    let mut sources = BTreeSet::new();
    for (i, record) in records.iter().enumerate() {
        let key = |name: &str| {
            let value = record.pointer(&format!("/dynamodb/Keys/{name}/S")).and_then(Value::as_str);
            value.ok_or_else(|| error(format!("Records[{i}].dynamodb.Keys.{name}.S"), "is missing"))
        };
        let (sk, pk) = (key("sk")?, key("pk")?);
        if !sk.starts_with("RULE#") && sk != CONTROL {
            continue;
        }
        let stage = pk.strip_prefix("STAGE#").unwrap_or(pk);
        sources.insert(match stage {
            "*" => None,
            stage => Some(stage.parse().map_err(|problem: replication::IdError| {
                error(format!("Records[{i}].dynamodb.Keys.pk.S"), &problem.to_string())
            })?),
        });
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(pk: &str, sk: &str) -> Value {
        json!({ "eventName": "MODIFY", "dynamodb": { "Keys": { "pk": { "S": pk }, "sk": { "S": sk } } } })
    }

    #[test]
    fn sources_are_named_once_and_other_items_do_not_count() {
        let stage = "arn:aws:ivs:us-east-1:123456789012:stage/A";
        let own = format!("STAGE#{stage}");
        let records = [
            record(&own, "RULE#one"),
            record(&own, "RULE#two"),
            record("STAGE#*", "RULE#any"),
            record(&own, "PUB#p"),
        ];
        let sources = changed_sources(&json!({ "Records": records })).unwrap();
        assert_eq!(sources, BTreeSet::from([None, Some(stage.parse().unwrap())]));
    }

    #[test]
    fn an_order_concerns_every_stage_and_a_count_none() {
        let sources = |sk| changed_sources(&json!({ "Records": [record("STAGE#*", sk)] })).unwrap();
        assert_eq!(sources("CONTROL"), BTreeSet::from([None]));
        assert_eq!(sources("COUNT"), BTreeSet::new());
        assert_eq!(sources("STAGE"), BTreeSet::new());
    }

    #[test]
    fn a_record_that_cannot_be_read_is_named() {
        let error = changed_sources(&json!({})).unwrap_err();
        assert_eq!(error.field, "Records");
        let error = changed_sources(&json!({ "Records": [{}] })).unwrap_err();
        assert_eq!(error.field, "Records[0].dynamodb.Keys.sk.S");
        let error = changed_sources(&json!({ "Records": [record("STAGE#here", "RULE#r")] })).unwrap_err();
        assert!(error.to_string().contains("stage ARN \"here\""), "{error}");
    }
}
