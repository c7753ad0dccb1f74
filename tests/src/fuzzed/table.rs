//! The embedded table for one input after the other, empty for each.

#![allow(clippy::expect_used, reason = "a test that cannot go on shall panic")]

use std::cell::RefCell;
use std::time::Duration;

use aws_adapters::{Connection, ConnectionOptions};
use http_api::{Api, Settings};
use jiff::Timestamp;
use replication::Policy;
use serde_json::Value;
use stagelink::{Deployment, Place};
use tokio::runtime::{Builder, Runtime};

use crate::console::Console;
use crate::table_world::TableWorld;

/// After so many inputs the table is made anew: its stream remembers a day of changes.
const INPUTS: usize = 1_000;

/// What time it is for the operator's command.
pub const NOW: &str = "2026-06-29T16:50:00Z";

/// A table, and who works on it.
pub struct Table {
    /// The table, and an IVS that nobody calls.
    pub world: TableWorld,
    /// Function `api`.
    pub api: Api,
    /// The operator's command.
    pub console: Console,
}

impl Table {
    async fn start() -> Self {
        let world = TableWorld::start().await.expect("a table");
        let (address, local) = (&world.address, false);
        let options = ConnectionOptions {
            region: Some(address.region.clone()),
            dynamodb_endpoint: Some(address.dynamodb.clone()),
            emulated: true,
            ..ConnectionOptions::default()
        };
        let connection = Connection::new(options).await;
        let store = connection.store(&address.table).with_selector_cache(Duration::ZERO);
        let settings = Settings { policy: Policy::default(), share_percent: 80 };
        let place = Place {
            table: address.table.clone(),
            region: Some(address.region.clone()),
            profile: None,
            local,
        };
        let deployment = Deployment { now, store: store.clone(), ..Deployment::new(connection, place) };
        Self { api: Api::new(store, settings).await, console: Console { deployment, redraws: false }, world }
    }

    /// Every item, in the order of the keys.
    ///
    /// # Panics
    /// When they cannot be read.
    pub async fn items(&self) -> Vec<Value> {
        self.world.items().await.expect("the items of the table")
    }
}

/// [`NOW`].
pub fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

struct Kept {
    runtime: Runtime,
    table: Table,
    inputs: usize,
}

thread_local! {
    static KEPT: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

/// Runs `work` on an empty table of this thread.
///
/// # Panics
/// When there is no table to be had, or `work` panics.
pub fn on_a_table(work: impl AsyncFnOnce(&Table)) {
    KEPT.with_borrow_mut(|kept| {
        // Whoever panics leaves none.
        let mut used = kept.take().filter(|used| used.inputs < INPUTS).unwrap_or_else(|| {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            let table = runtime.block_on(Table::start());
            Kept { runtime, table, inputs: 0 }
        });
        used.inputs += 1;
        used.runtime.block_on(async {
            used.table.world.clear().await.expect("an empty table");
            work(&used.table).await;
        });
        *kept = Some(used);
    });
}
