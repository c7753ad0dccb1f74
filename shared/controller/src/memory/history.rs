//! The history in memory.

use futures::FutureExt;
use futures::future::BoxFuture;
use replication::StageArn;

use super::MemoryStore;
use crate::history::{HistoryEntry, HistoryLine, HistoryPage, Part, Wanted};
use crate::{History, StoreError};

impl History for MemoryStore {
    fn history<'a>(
        &'a self,
        stage: Option<&'a StageArn>,
        wanted: &'a Wanted,
        part: Part<'a>,
    ) -> BoxFuture<'a, Result<HistoryPage, StoreError>> {
        let state = self.lock();
        let calls = state.activity.iter().map(HistoryLine::from);
        let mut lines: Vec<_> = calls
            .chain(state.orders.iter().cloned())
            .filter(|line| line.stage.as_ref() == stage && wanted.takes(line))
            .filter(|line| part.before.is_none_or(|before| line.key() < *before))
            .collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.key()));
        let more = lines.len() > part.limit;
        lines.truncate(part.limit);
        let next = lines.last().filter(|_| more).map(HistoryLine::key);
        let found = lines.into_iter().map(|line| HistoryEntry { key: line.key(), line: Ok(line) }).collect();
        async { Ok(HistoryPage { found, next }) }.boxed()
    }

    fn note<'a>(&'a self, line: &'a HistoryLine) -> BoxFuture<'a, Result<(), StoreError>> {
        self.lock().orders.push(line.clone());
        async { Ok(()) }.boxed()
    }
}
