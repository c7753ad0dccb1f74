//! The book of rules in the table: conditional changes, each with its line of history in the same transaction.
//!
//! # Caveats
//! * A transaction takes 100 items: one for the edition, one line of the activity, and for each rule itself and its revision; one more where its source
//!   changes, for the rule lies in the partition of its source; and one more where what it replaces has no history yet. What does not
//!   fit is written by further transactions, each on the same conditions, and [`WriteError::Partly`] says how far that came.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use controller::rules::{self, RevisionPart, Revisions, RuleBook, Rules, WriteError, numbered};
use controller::{Order, StoreError};
use futures::FutureExt;
use futures::future::{BoxFuture, try_join_all};
use jiff::SignedDuration;
use replication::{Rule, RuleChange, RuleId};

use super::{DynamoStore, TRANSACTION_ITEMS, decode, readable, text};
use crate::item::{ActivityItem, EditionItem, HistoryItem, RuleItem, history_pk};

/// Histories that are read side by side.
const SIDE_BY_SIDE: usize = 16;

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

/// A change as it is written: all of it or nothing.
struct Written {
    change: RuleChange,
    items: Vec<TransactWriteItem>,
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

    /// Replaces all rules by these, but those of versus sessions, which end by themselves; whatever is there, and whether it can be
    /// read or not. A rule that differs from the one of the same id gets the next revision; one that does not is left alone. Rules
    /// for any stage take effect once the functions' selector cache is over.
    ///
    /// # Errors
    /// [`rules::Error`], as of [`rules::replace`].
    pub async fn replace_rules(&self, wanted: &[Rule], order: &Order) -> Result<Replaced, rules::Error> {
        let mut replaced = Replaced::default();
        for error in RuleBook::rules(self).await?.unreadable {
            replaced.deleted.extend(self.delete_unreadable(&error).await?);
        }
        let changes = rules::replace(self, wanted, None, order).await?;
        for change in &changes {
            let id = change.id().map(ToString::to_string);
            let into = if change.after.is_some() { &mut replaced.put } else { &mut replaced.deleted };
            into.extend(id);
        }
        replaced.deleted.retain(|id| !replaced.put.contains(id));
        replaced.unchanged = wanted.len() - replaced.put.len();
        Ok(replaced)
    }

    /// Deletes a rule that nobody can read, unless it belongs to a versus session. There is nothing that a history could keep.
    async fn delete_unreadable(&self, error: &StoreError) -> Result<Option<String>, StoreError> {
        let StoreError::Corrupt { pk, sk, .. } = error else { return Ok(None) };
        let Some(id) = sk.strip_prefix("RULE#") else { return Ok(None) };
        if id.parse().is_ok_and(|id: RuleId| id.is_of_versus()) {
            return Ok(None);
        }
        let delete = TransactWriteItem::builder().delete(self.delete(pk, sk)?).build();
        self.transact(vec![delete]).await?;
        Ok(Some(id.to_owned()))
    }

    pub(super) fn delete_rule(&self, rule: &RuleItem) -> Result<TransactWriteItem, StoreError> {
        Ok(TransactWriteItem::builder().delete(self.delete(&rule.pk, &rule.sk)?).build())
    }

    async fn read_rules(&self) -> Result<Rules, StoreError> {
        // The edition first: what changes while the rules are read makes it an old one.
        let edition = self.read_edition().await?;
        let (mut rules, mut unreadable) = (Vec::new(), Vec::new());
        for rule in self.all_rules().await? {
            rule.map_or_else(|error| unreadable.push(error), |rule| rules.push(rule));
        }
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Rules { rules, unreadable, edition })
    }

    async fn read_edition(&self) -> Result<u64, StoreError> {
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk AND sk = :sk")
            .expression_attribute_values(":pk", AttributeValue::S(EditionItem::PK.to_owned()))
            .expression_attribute_values(":sk", AttributeValue::S(EditionItem::SK.to_owned()));
        let item = self.queried(query).await?.pop();
        item.map_or(Ok(0), |item| readable(item, |item: EditionItem| item.read()))
    }

    async fn read_revisions(&self, rule: &RuleId, part: RevisionPart) -> Result<Revisions, StoreError> {
        let last = part.below.map_or(u64::MAX, |below| below.saturating_sub(1));
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", AttributeValue::S(history_pk(rule)))
            .expression_attribute_values(":first", AttributeValue::S(HistoryItem::SK.to_owned()))
            .expression_attribute_values(":last", AttributeValue::S(HistoryItem::sk(last)))
            .scan_index_forward(false)
            .limit(i32::try_from(part.limit).unwrap_or(i32::MAX));
        let page = query.send().await.map_err(|error| super::read_error(&self.table, &error))?;
        let (items, more) = (page.items.unwrap_or_default(), page.last_evaluated_key.is_some());
        let next = items.last().filter(|_| more).and_then(|item| HistoryItem::number(&text(item, "sk")));
        let found = items.into_iter().map(|item| readable(item, |item: HistoryItem| item.read()));
        Ok(Revisions { found: found.collect(), next })
    }

    /// The last revision in a rule's history, 0 if it has none.
    ///
    /// # Errors
    /// [`StoreError`], if the table cannot be read.
    pub async fn last_revision(&self, rule: &RuleId) -> Result<u64, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":pk", AttributeValue::S(history_pk(rule)))
            .expression_attribute_values(":sk", AttributeValue::S(HistoryItem::SK.to_owned()))
            .scan_index_forward(false)
            .limit(1);
        let page = query.send().await.map_err(|error| super::read_error(&self.table, &error))?;
        let Some(item) = page.items.unwrap_or_default().pop() else { return Ok(0) };
        // Its number is in the key too, so that one of a later form still counts.
        let (pk, sk) = (text(&item, "pk"), text(&item, "sk"));
        HistoryItem::number(&sk).map_or_else(
            || decode::<HistoryItem>(item).map(|item| item.revision).map_err(|error| error.of(&pk, &sk)),
            Ok,
        )
    }

    async fn write_rules(
        &self,
        changes: &[RuleChange],
        edition: u64,
        order: &Order,
    ) -> Result<Vec<RuleChange>, WriteError> {
        let ids: Vec<&RuleId> = changes.iter().filter_map(RuleChange::id).collect();
        let mut last = Vec::new();
        for some in ids.chunks(SIDE_BY_SIDE) {
            last.extend(try_join_all(some.iter().map(|id| self.last_revision(id))).await?);
        }
        let written = changes.iter().zip(last).map(|(change, last)| self.written(change, last, order));
        let mut written = written.collect::<Result<Vec<_>, _>>()?.into_iter().peekable();
        let (mut made, mut edition, mut parts) = (Vec::new(), edition, 0);
        while written.peek().is_some() {
            let next = self.put(&EditionItem::next(edition), Some(edition))?;
            let mut items = vec![TransactWriteItem::builder().put(next).build()];
            let mut together = Vec::new();
            // The last place is for the line of the activity.
            while let Some(next) = written.next_if(|next| items.len() + next.items.len() < TRANSACTION_ITEMS)
            {
                items.extend(next.items);
                together.push(next.change);
            }
            // Lines are told apart by their times.
            let at = order.at.checked_add(SignedDuration::from_nanos(parts)).unwrap_or(order.at);
            let line = rules::line(&together, &Order { at, ..order.clone() });
            items.push(TransactWriteItem::builder().put(self.put(&ActivityItem::from(&line), None)?).build());
            match self.transact(items).await {
                Ok(()) => made.extend(together),
                Err(error) => return Err(partly(made, error)),
            }
            (edition, parts) = (edition + 1, parts + 1);
        }
        Ok(made)
    }

    fn written(&self, change: &RuleChange, last: u64, order: &Order) -> Result<Written, StoreError> {
        let (change, revisions) = numbered(change, last, order);
        let (before, after) =
            (change.before.as_ref().map(RuleItem::from), change.after.as_ref().map(RuleItem::from));
        let mut items = Vec::new();
        let moved = before.as_ref().map(|rule| &rule.pk) != after.as_ref().map(|rule| &rule.pk);
        if let Some(before) = before.as_ref().filter(|_| moved) {
            let delete = self.delete(&before.pk, &before.sk)?;
            let mut delete = delete;
            delete.condition_expression = Some(AT_REVISION.to_owned());
            delete.expression_attribute_values = Some(at_revision(before.revision));
            items.push(TransactWriteItem::builder().delete(delete).build());
        }
        if let Some(after) = &after {
            let in_place_of = before.as_ref().filter(|_| !moved);
            let mut put = self.put(after, in_place_of.is_none().then_some(0))?;
            if let Some(before) = in_place_of {
                put.condition_expression = Some(AT_REVISION.to_owned());
                put.expression_attribute_values = Some(at_revision(before.revision));
            }
            items.push(TransactWriteItem::builder().put(put).build());
        }
        for revision in &revisions {
            let Some(id) = change.id() else { continue };
            let put = self.put(&HistoryItem::new(id, revision), Some(0))?;
            items.push(TransactWriteItem::builder().put(put).build());
        }
        Ok(Written { change, items })
    }
}

/// That a rule has the revision it was read at.
const AT_REVISION: &str = "revision = :revision";

fn at_revision(revision: u64) -> super::Item {
    [(":revision".to_owned(), AttributeValue::N(revision.to_string()))].into()
}

fn partly(made: Vec<RuleChange>, error: StoreError) -> WriteError {
    let error = match error {
        StoreError::Conflict => WriteError::Conflict,
        error => WriteError::Store(error),
    };
    if made.is_empty() { error } else { WriteError::Partly { made, source: Box::new(error) } }
}

impl RuleBook for DynamoStore {
    fn rules(&self) -> BoxFuture<'_, Result<Rules, StoreError>> {
        self.read_rules().boxed()
    }

    fn revisions<'a>(
        &'a self,
        rule: &'a RuleId,
        part: RevisionPart,
    ) -> BoxFuture<'a, Result<Revisions, StoreError>> {
        self.read_revisions(rule, part).boxed()
    }

    fn change_rules<'a>(
        &'a self,
        changes: &'a [RuleChange],
        edition: u64,
        order: &'a Order,
    ) -> BoxFuture<'a, Result<Vec<RuleChange>, WriteError>> {
        self.write_rules(changes, edition, order).boxed()
    }
}
