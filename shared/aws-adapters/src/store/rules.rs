//! Putting a set of rules into the table.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::TransactWriteItem;
use controller::StoreError;
use replication::Rule;

use super::{DynamoStore, readable};
use crate::item::RuleItem;

/// What replacing the rules changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replaced {
    /// Rules that are new or differ from before.
    pub put: BTreeSet<String>,
    /// Rules that were there and are not in the new set. What cannot be read goes too, so that these are ids as stored.
    pub deleted: BTreeSet<String>,
    /// Rules that were there already, just so.
    pub unchanged: usize,
}

impl DynamoStore {
    /// Every rule in the table, those of versus sessions too, by a Scan: for people, not for functions. What stands in the
    /// place of a rule that is not as it must be is [`StoreError::Corrupt`].
    ///
    /// # Errors
    /// [`StoreError`], if the table cannot be read.
    pub async fn all_rules(&self) -> Result<Vec<Result<Rule, StoreError>>, StoreError> {
        let items = self.scan_items("RULE#").await?;
        Ok(items.into_iter().map(|item| readable(item, |item: RuleItem| item.read())).collect())
    }

    /// Replaces all rules by these, but those of versus sessions, which end by themselves. A rule that differs from the one
    /// of the same id gets the next revision; one that does not is left alone. Rules for any stage take effect once the
    /// functions' selector cache is over.
    ///
    /// # Errors
    /// [`StoreError`]. With over 100 changes, the changes before the failed 100 have been made.
    pub async fn replace_rules(&self, rules: &[Rule]) -> Result<Replaced, StoreError> {
        let mut before: Vec<RuleItem> = self.scan("RULE#").await?;
        before.retain(|item| !item.is_of_versus());
        let mut replaced = Replaced::default();
        let mut writes = Vec::new();
        let mut kept = Vec::new();
        for rule in rules {
            let same_id = before.iter().filter(|item| item.sk == format!("RULE#{}", rule.id));
            let last = same_id.map(|item| item.revision).max().unwrap_or(0);
            let unchanged = RuleItem::from(rule).at_revision(last);
            kept.push((unchanged.pk.clone(), unchanged.sk.clone()));
            if before.contains(&unchanged) {
                replaced.unchanged += 1;
                continue;
            }
            let put = self.put(&unchanged.at_revision(last + 1), None)?;
            writes.push(TransactWriteItem::builder().put(put).build());
            replaced.put.insert(rule.id.to_string());
        }
        for gone in before.iter().filter(|item| !kept.contains(&(item.pk.clone(), item.sk.clone()))) {
            writes.push(self.delete_rule(gone)?);
            let id = gone.sk.trim_start_matches("RULE#").to_owned();
            if !replaced.put.contains(&id) {
                replaced.deleted.insert(id);
            }
        }
        self.transact(writes).await?;
        Ok(replaced)
    }

    pub(super) fn delete_rule(&self, rule: &RuleItem) -> Result<TransactWriteItem, StoreError> {
        Ok(TransactWriteItem::builder().delete(self.delete(&rule.pk, &rule.sk)?).build())
    }
}
