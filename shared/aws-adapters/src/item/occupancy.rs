//! Who has a place on a destination.

use std::collections::BTreeSet;

use replication::{Occupant, StageArn};
use serde::Deserialize;

use super::{Unreadable, check_schema, parse};

/// As it is read. It is written by updates only: [`crate::store`] adds and takes away single occupants.
#[derive(Debug, Deserialize)]
pub(crate) struct OccupancyItem {
    schema: u8,
    stage: String,
    #[serde(default)]
    occupants: BTreeSet<String>,
}

impl OccupancyItem {
    /// The sort key.
    pub(crate) const SK: &str = "STAGE#OCCUPANCY";

    pub(crate) fn read(self) -> Result<(StageArn, BTreeSet<Occupant>), Unreadable> {
        check_schema(self.schema)?;
        Ok((parse("stage", &self.stage)?, self.occupants.into_iter().map(Occupant::from).collect()))
    }
}
