//! What every stage's view needs beside its own partition: rules that select their stages, the directory of stages that rules
//! can select as destinations, and the orders for all stages. They lie in one partition, and are kept for a while.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use controller::StoreError;
use replication::{Control, Directory, Rule, RuleId};
use tracing::warn;

use super::operator::take_control;
use super::{DynamoStore, decode, rule, text};
use crate::item::{ANY_STAGE, ControlItem, DestinationItem};

/// Sorts after every rule.
const AFTER_RULES: &str = "RULE$";

/// What was read last.
#[derive(Debug)]
pub(super) struct SelectorCache {
    keep: Duration,
    read: Mutex<Option<(Instant, Selectors)>>,
}

/// Rules that select their stages, what they can select, and what is ordered for all stages.
#[derive(Debug, Clone, Default)]
pub(super) struct Selectors {
    pub(super) rules: Vec<Rule>,
    pub(super) unreadable_rules: BTreeSet<RuleId>,
    pub(super) directory: Arc<Directory>,
    pub(super) control: Control,
}

impl SelectorCache {
    pub(super) fn keeping(keep: Duration) -> Self {
        Self { keep, read: Mutex::default() }
    }
}

impl Default for SelectorCache {
    fn default() -> Self {
        Self::keeping(DynamoStore::SELECTOR_CACHE)
    }
}

impl DynamoStore {
    pub(super) async fn selectors(&self) -> Result<Selectors, StoreError> {
        let lock = || self.selectors.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, selectors)) = lock().as_ref()
            && at.elapsed() < self.selectors.keep
        {
            return Ok(selectors.clone());
        }
        let asked = Instant::now();
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", AttributeValue::S(ANY_STAGE.to_owned()))
            .expression_attribute_values(":first", AttributeValue::S(ControlItem::SK.to_owned()))
            .expression_attribute_values(":last", AttributeValue::S(AFTER_RULES.to_owned()));
        let (mut rules, mut unreadable_rules) = (Vec::new(), BTreeSet::new());
        let (mut directory, mut control) = (Directory::new(), Control::default());
        for item in self.queried(query).await? {
            let (pk, sk) = (text(&item, "pk"), text(&item, "sk"));
            if sk.starts_with("RULE#") {
                match rule(item, &pk, &sk) {
                    Ok(rule) => rules.push(rule),
                    Err(id) => unreadable_rules.extend(id),
                }
            } else if sk.starts_with(DestinationItem::SK) {
                // One that cannot be read is not known: nothing is stopped for that.
                match decode::<DestinationItem>(item).and_then(DestinationItem::read) {
                    Ok((stage, tags)) => drop(directory.insert(stage, tags)),
                    Err(error) => warn!(error = %error.of(&pk, &sk), "destination left out"),
                }
            } else {
                take_control(&mut control, item)?;
            }
        }
        let selectors = Selectors { rules, unreadable_rules, directory: Arc::new(directory), control };
        *lock() = Some((asked, selectors.clone()));
        Ok(selectors)
    }
}
