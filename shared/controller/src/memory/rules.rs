//! The book of rules in memory.

use futures::FutureExt;
use futures::future::BoxFuture;
use replication::{RuleChange, RuleId};

use super::MemoryStore;
use crate::rules::{RevisionPart, Revisions, RuleBook, Rules, WriteError, line, numbered};
use crate::{Order, StoreError};

impl RuleBook for MemoryStore {
    fn rules(&self) -> BoxFuture<'_, Result<Rules, StoreError>> {
        let state = self.lock();
        let rules = Rules { rules: state.rules.clone(), unreadable: Vec::new(), edition: state.edition };
        async { Ok(rules) }.boxed()
    }

    fn revisions<'a>(
        &'a self,
        rule: &'a RuleId,
        RevisionPart { below, limit }: RevisionPart,
    ) -> BoxFuture<'a, Result<Revisions, StoreError>> {
        let mut wanted = self.lock().revisions.get(rule).cloned().unwrap_or_default();
        wanted.retain(|revision| below.is_none_or(|below| revision.revision < below));
        let found: Vec<_> = wanted.iter().rev().take(limit).cloned().collect();
        let next = found.last().filter(|_| found.len() < wanted.len()).map(|revision| revision.revision);
        async move { Ok(Revisions { found: found.into_iter().map(Ok).collect(), next }) }.boxed()
    }

    fn change_rules<'a>(
        &'a self,
        changes: &'a [RuleChange],
        edition: u64,
        order: &'a Order,
    ) -> BoxFuture<'a, Result<Vec<RuleChange>, WriteError>> {
        async move {
            let mut state = self.lock();
            let is_as_read = |change: &RuleChange| {
                let id = change.id();
                let known = state.rules.iter().find(|rule| Some(&rule.id) == id).map(|rule| rule.revision);
                known == change.before.as_ref().map(|rule| rule.revision)
            };
            if state.edition != edition || !changes.iter().all(is_as_read) {
                return Err(WriteError::Conflict);
            }
            let mut made = Vec::new();
            for change in changes {
                let Some(id) = change.id() else { continue };
                let history = state.revisions.entry(id.clone()).or_default();
                let last = history.last().map_or(0, |revision| revision.revision);
                let (numbered, new) = numbered(change, last, order);
                history.extend(new);
                state.rules.retain(|rule| rule.id != *id);
                state.rules.extend(numbered.after.clone());
                made.push(numbered);
            }
            state.edition += 1;
            state.orders.push(line(&made, order));
            Ok(made)
        }
        .boxed()
    }
}
