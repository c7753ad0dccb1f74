//! What a command works on: one deployment, and how to reach it.

use aws_adapters::{Connection, DynamoStore};
use jiff::Timestamp;

use crate::{Pace, Place};

/// A deployment of Stagelink in an account and Region, or the local stand.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The way to AWS, or to what stands for it.
    pub connection: Connection,
    /// The deployment's table.
    pub store: DynamoStore,
    /// Where that is, in the operator's words.
    pub place: Place,
    /// How fast commands look at it that wait for something.
    pub pace: Pace,
    /// The present time.
    pub now: fn() -> Timestamp,
}

impl Deployment {
    /// The deployment whose table has the name in `place`.
    pub fn new(connection: Connection, place: Place) -> Self {
        let store = connection.store(&place.table);
        Self { connection, store, place, pace: Pace::default(), now: Timestamp::now }
    }
}
