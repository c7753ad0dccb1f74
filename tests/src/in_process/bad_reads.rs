//! The table as the loop reads it: right, or without any rule.

use std::sync::atomic::Ordering;

use controller::{Store, StoreError, Write};
use futures::FutureExt;
use futures::future::BoxFuture;
use replication::budget::Book;
use replication::{PublisherKey, Replica, StageArn, View};

use super::InProcess;

impl Store for InProcess {
    fn load<'a>(&'a self, publisher: &'a PublisherKey) -> BoxFuture<'a, Result<View, StoreError>> {
        async {
            let mut view = self.store.load(publisher).await?;
            if self.loses_rules.load(Ordering::SeqCst) {
                view.rules.clear();
            }
            Ok(view)
        }
        .boxed()
    }

    fn budgets(&self) -> BoxFuture<'_, Result<Book, StoreError>> {
        self.store.budgets()
    }

    fn replicas_to<'a>(
        &'a self,
        destination: &'a StageArn,
        phase: &'static str,
    ) -> BoxFuture<'a, Result<Vec<Replica>, StoreError>> {
        self.store.replicas_to(destination, phase)
    }

    fn write<'a>(&'a self, write: &'a Write) -> BoxFuture<'a, Result<(), StoreError>> {
        self.store.write(write)
    }
}
