//! What versus sessions need of the table.

use futures::future::BoxFuture;
use replication::{StageArn, Versus, VersusId, View};

use crate::StoreError;

/// Versus sessions in the one table.
///
/// # Guarantees
/// * A write is all or nothing, and conditional on the session still having the version it was read at.
/// * After a write the session's version is one higher, and its rules are in force; or gone, if it is over.
pub trait VersusStore: Send + Sync {
    /// The session of this id, if there is one.
    fn versus<'a>(&'a self, id: &'a VersusId) -> BoxFuture<'a, Result<Option<Versus>, StoreError>>;

    /// Every session, also those that were over less than a day ago, by id: for people.
    fn all_versus(&self) -> BoxFuture<'_, Result<Vec<Versus>, StoreError>>;

    /// Everybody on this stage with their replications; the rules are left out. One Query.
    fn views_on<'a>(&'a self, stage: &'a StageArn) -> BoxFuture<'a, Result<Vec<View>, StoreError>>;

    /// Writes the session with its rules, or nothing.
    fn write_versus<'a>(&'a self, versus: &'a Versus) -> BoxFuture<'a, Result<(), StoreError>>;
}
