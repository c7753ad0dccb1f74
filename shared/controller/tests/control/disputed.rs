//! A budget for which every race is lost.

use std::sync::Arc;

use controller::{CallsLeft, Controller, Handled, Store, StoreError, Turn, Write};
use futures::FutureExt;
use futures::future::BoxFuture;
use replication::budget::Book;
use replication::{Phase, PublisherKey, Replica, StageArn, View};

use crate::deliver;
use crate::world::{World, rule};

/// The store of a world in which others are always faster to the call budget.
struct Disputed(Arc<World>);

impl Store for Disputed {
    fn load<'a>(&'a self, publisher: &'a PublisherKey) -> BoxFuture<'a, Result<View, StoreError>> {
        self.0.store.load(publisher)
    }

    fn budgets(&self) -> BoxFuture<'_, Result<Book, StoreError>> {
        self.0.store.budgets()
    }

    fn replicas_to<'a>(
        &'a self,
        destination: &'a StageArn,
        phase: &'static str,
    ) -> BoxFuture<'a, Result<Vec<Replica>, StoreError>> {
        self.0.store.replicas_to(destination, phase)
    }

    fn write<'a>(&'a self, write: &'a Write) -> BoxFuture<'a, Result<(), StoreError>> {
        if write.budgets.is_empty() {
            return self.0.store.write(write);
        }
        async { Err(StoreError::Conflict) }.boxed()
    }
}

#[test]
fn who_loses_every_race_for_a_call_leaves_the_work_due_and_the_news_stored() {
    let world = World::new(vec![rule("main", &["B", "C"])]);
    let controller = Controller {
        store: Arc::new(Disputed(world.clone())),
        calls_left: CallsLeft::share(80, Turn::Newcomer),
        ..world.controller(true, false, true)
    };
    let news = world.publish();
    let handled = deliver(&world, &controller, &news).unwrap();
    assert!(matches!(handled, Handled::Deferred(..)), "{handled:?}");
    assert!(world.calls().is_empty());
    let replicas = world.store.replicas();
    assert_eq!(replicas.len(), 2);
    assert!(replicas.iter().all(|replica| replica.phase == Phase::Pending && replica.due().is_some()));

    // Once nobody is in the way, what was left due is done.
    let settled = deliver(&world, &world.controller(true, true, true), &news).unwrap();
    assert!(matches!(settled, Handled::Settled(_)), "{settled:?}");
    assert_eq!(world.running().len(), 2);
}
