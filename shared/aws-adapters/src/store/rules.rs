//! Putting a set of rules into the table.

use aws_sdk_dynamodb::types::TransactWriteItem;
use controller::StoreError;
use replication::Rule;

use super::DynamoStore;
use crate::item::RuleItem;

/// What replacing the rules changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replaced {
    /// Rules that are new or differ from before.
    pub put: usize,
    /// Rules that were there and are not in the new set.
    pub deleted: usize,
    /// Rules that were there already, just so.
    pub unchanged: usize,
}

impl DynamoStore {
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
            replaced.put += 1;
        }
        for gone in before.iter().filter(|item| !kept.contains(&(item.pk.clone(), item.sk.clone()))) {
            writes.push(self.delete_rule(gone)?);
            replaced.deleted += 1;
        }
        self.transact(writes).await?;
        Ok(replaced)
    }

    pub(super) fn delete_rule(&self, rule: &RuleItem) -> Result<TransactWriteItem, StoreError> {
        Ok(TransactWriteItem::builder().delete(self.delete(&rule.pk, &rule.sk)?).build())
    }
}
