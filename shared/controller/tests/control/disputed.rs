//! Races that are lost: each for the call budget, and one for a participant's last slot.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use controller::{CallsLeft, Controller, Handled, Store, StoreError, Turn, Write};
use futures::FutureExt;
use futures::future::BoxFuture;
use replication::budget::Book;
use replication::{BlockedReason, Evidence, Moment, Owner, Phase, PublisherKey, Replica, StageArn, View};

use crate::deliver;
use crate::world::{World, publisher, rule, to};

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

/// The store of a world in which somebody else's replica becomes known between the reading and the writing of the first intents.
struct Meanwhile(Arc<World>, AtomicBool);

impl Store for Meanwhile {
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
        let intends = write.replicas.iter().any(|replica| replica.phase == Phase::Starting);
        async move {
            if intends && !self.1.swap(true, Ordering::Relaxed) {
                let before = self.0.store.load(&publisher()).await?;
                let evidence = Evidence { on: Some(Moment::exact(self.0.now())), off: None };
                let (phase, owner) = (Phase::Active, Owner::Foreign);
                let replica = Replica { phase, owner, evidence, ..Replica::new(to("Z")) };
                let after = View { replicas: vec![replica], ..before.clone() };
                self.0.store.write(&Write::between(&before, &after)).await?;
            }
            self.0.store.write(write).await
        }
        .boxed()
    }
}

#[test]
fn a_slot_that_turns_out_to_be_taken_is_given_to_nobody() {
    let world = World::new(vec![rule("main", &["B", "C", "D", "E", "F"])]);
    let news = world.publish();
    // What is known of the publisher is written before anything is intended.
    deliver(&world, &world.controller(false, false, false), &news).unwrap();
    let store = Arc::new(Meanwhile(world.clone(), AtomicBool::new(false)));
    let controller = Controller { store, ..world.controller(true, false, true) };
    deliver(&world, &controller, &news).unwrap();
    let starts = world.calls().iter().filter(|call| call.starts_with("start")).count();
    assert_eq!(starts, 4, "{:#?}", world.calls());
    let full = |replica: &Replica| {
        replica.blocked().is_some_and(|it| it.reason == BlockedReason::ParticipantSlotsFull)
    };
    assert_eq!(world.store.replicas().into_iter().filter(full).count(), 1);
}
