//! Where everything comes from: the one table, read by the ports that everybody reads it with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use controller::explain::StageReader;
use controller::history::{History, HistoryPage, Part, Wanted, newest};
use controller::sweep::port::SweepStore;
use controller::{Store, StoreError, VersusStore};
use futures::FutureExt;
use futures::future::{BoxFuture, try_join};
use jiff::Timestamp;
use replication::budget::Book;
use replication::sweep::Inventory;
use replication::{Explanation, Policy, PublisherKey, StageArn, Versus, VersusId};

/// The table at one time.
#[derive(Debug, Clone)]
pub struct Reading {
    /// When.
    pub at: Timestamp,
    /// All but history, sessions and budgets.
    pub inventory: Inventory,
    /// Versus sessions, also those that were over less than a day ago, by id.
    pub versus: Vec<Versus>,
    /// The budgets of all operations.
    pub budgets: Book,
}

/// Who can tell what the dashboard shows. A seam for tests: [`TableSource`] is the only one there is.
pub trait Source: Send + Sync + 'static {
    /// Reads the table.
    fn look(&self) -> BoxFuture<'_, Result<Reading, StoreError>>;

    /// Explains what is known around a publisher.
    fn explain<'a>(&'a self, publisher: &'a PublisherKey) -> BoxFuture<'a, Result<Explanation, StoreError>>;

    /// The newest lines of the history of these stages together; `None` stands for the orders for all stages.
    fn history<'a>(
        &'a self,
        stages: Vec<Option<StageArn>>,
        wanted: &'a Wanted,
        limit: usize,
    ) -> BoxFuture<'a, Result<HistoryPage, StoreError>>;
}

/// The one table.
pub struct TableSource<S> {
    store: Arc<S>,
    sessions: Mutex<Sessions>,
}

/// Versus sessions as they were read last.
#[derive(Debug, Default)]
struct Sessions {
    known: BTreeMap<VersusId, Versus>,
    listed_at: Option<Instant>,
}

/// How often all versus sessions are listed. That is a Scan of its own; between two of them, those that last are read one by one.
const LIST_SESSIONS: Duration = Duration::from_secs(60);

impl<S: Store + SweepStore + VersusStore> TableSource<S> {
    /// The table behind this store.
    pub fn new(store: Arc<S>) -> Self {
        Self { store, sessions: Mutex::default() }
    }

    async fn read(&self) -> Result<Reading, StoreError> {
        let (inventory, budgets) = try_join(self.store.inventory(), self.store.budgets()).await?;
        let versus = self.versus(&inventory).await?;
        Ok(Reading { at: Timestamp::now(), inventory, versus, budgets })
    }

    /// A session that lasts has rules, whose ids tell of it; one that is over does not change any more.
    async fn versus(&self, inventory: &Inventory) -> Result<Vec<Versus>, StoreError> {
        let (mut known, listed_at) = {
            let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            (sessions.known.clone(), sessions.listed_at)
        };
        let list = listed_at.is_none_or(|at| at.elapsed() >= LIST_SESSIONS);
        if list {
            let all = self.store.all_versus().await?;
            known = all.into_iter().map(|session| (session.terms.id.clone(), session)).collect();
        } else {
            let lasting = known.values().filter(|session| !session.is_over());
            let lasting = lasting.map(|session| session.terms.id.clone());
            let ids: BTreeSet<VersusId> = lasting.chain(of_rules(inventory)).collect();
            for id in ids {
                match self.store.versus(&id).await? {
                    Some(session) => drop(known.insert(id, session)),
                    None => drop(known.remove(&id)),
                }
            }
        }
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.known = known.clone();
        if list {
            sessions.listed_at = Some(Instant::now());
        }
        Ok(known.into_values().collect())
    }
}

/// The sessions that rules belong to: `versus.ID.1` is of session `ID`.
fn of_rules(inventory: &Inventory) -> impl Iterator<Item = VersusId> {
    let rules = inventory.rules.iter().filter(|rule| rule.id.is_of_versus());
    rules.filter_map(|rule| {
        let (session, _) = rule.id.as_str().strip_prefix("versus.")?.rsplit_once('.')?;
        session.parse().ok()
    })
}

impl<S: Store + SweepStore + VersusStore + StageReader + History + 'static> Source for TableSource<S> {
    fn look(&self) -> BoxFuture<'_, Result<Reading, StoreError>> {
        self.read().boxed()
    }

    fn explain<'a>(&'a self, publisher: &'a PublisherKey) -> BoxFuture<'a, Result<Explanation, StoreError>> {
        async move {
            let policy = Policy::default();
            controller::explain::explain(&*self.store, publisher, &policy, Timestamp::now()).await
        }
        .boxed()
    }

    fn history<'a>(
        &'a self,
        stages: Vec<Option<StageArn>>,
        wanted: &'a Wanted,
        limit: usize,
    ) -> BoxFuture<'a, Result<HistoryPage, StoreError>> {
        newest(&*self.store, stages, wanted, Part { limit, before: None }).boxed()
    }
}
