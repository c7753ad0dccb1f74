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

/// The store of a world in which somebody else comes before each write.
struct Disputed<F> {
    world: Arc<World>,
    comes_before: F,
}

impl<F: Fn(&Write) -> Result<(), StoreError> + Send + Sync> Store for Disputed<F> {
    fn load<'a>(&'a self, publisher: &'a PublisherKey) -> BoxFuture<'a, Result<View, StoreError>> {
        self.world.store.load(publisher)
    }

    fn budgets(&self) -> BoxFuture<'_, Result<Book, StoreError>> {
        self.world.store.budgets()
    }

    fn replicas_to<'a>(
        &'a self,
        destination: &'a StageArn,
        phase: &'static str,
    ) -> BoxFuture<'a, Result<Vec<Replica>, StoreError>> {
        self.world.store.replicas_to(destination, phase)
    }

    fn write<'a>(&'a self, write: &'a Write) -> BoxFuture<'a, Result<(), StoreError>> {
        match (self.comes_before)(write) {
            Ok(()) => self.world.store.write(write),
            Err(error) => async { Err(error) }.boxed(),
        }
    }
}

#[test]
fn who_loses_every_race_for_a_call_leaves_the_work_due_and_the_news_stored() {
    let world = World::new(vec![rule("main", &["B", "C"])]);
    let faster = |write: &Write| if write.budgets.is_empty() { Ok(()) } else { Err(StoreError::Conflict) };
    let controller = Controller {
        store: Arc::new(Disputed { world: world.clone(), comes_before: faster }),
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

/// Somebody else's replica becomes known.
async fn a_slot_is_taken(world: &World) -> Result<(), StoreError> {
    let before = world.store.load(&publisher()).await?;
    let evidence = Evidence { on: Some(Moment::exact(world.now())), off: None };
    let (phase, owner) = (Phase::Active, Owner::Foreign);
    let replica = Replica { phase, owner, evidence, ..Replica::new(to("Z")) };
    let after = View { replicas: vec![replica], ..before.clone() };
    world.store.write(&Write::between(&before, &after)).await
}

#[test]
fn a_slot_that_turns_out_to_be_taken_is_given_to_nobody() {
    let world = World::new(vec![rule("main", &["B", "C", "D", "E", "F"])]);
    let news = world.publish();
    // What is known of the publisher is written before anything is intended.
    deliver(&world, &world.controller(false, false, false), &news).unwrap();
    let (others, once) = (world.clone(), AtomicBool::new(false));
    let before_the_first_intents = move |write: &Write| {
        let intends = write.replicas.iter().any(|replica| replica.phase == Phase::Starting);
        match intends && !once.swap(true, Ordering::Relaxed) {
            true => a_slot_is_taken(&others).now_or_never().unwrap(),
            false => Ok(()),
        }
    };
    let store = Arc::new(Disputed { world: world.clone(), comes_before: before_the_first_intents });
    let controller = Controller { store, ..world.controller(true, false, true) };
    deliver(&world, &controller, &news).unwrap();
    let starts = world.calls().iter().filter(|call| call.starts_with("start")).count();
    assert_eq!(starts, 4, "{:#?}", world.calls());
    let full = |replica: &Replica| {
        replica.blocked().is_some_and(|it| it.reason == BlockedReason::ParticipantSlotsFull)
    };
    assert_eq!(world.store.replicas().into_iter().filter(full).count(), 1);
}
