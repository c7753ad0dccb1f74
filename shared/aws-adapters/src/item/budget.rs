//! A call budget.

use std::collections::BTreeMap;

use controller::BudgetWrite;
use replication::budget::Lane;
use replication::{Budget, Operation, Tally};
use serde::{Deserialize, Serialize};

use super::{SCHEMA, Unreadable, check_schema, parse, parse_some};

/// The partition of all budgets.
pub(crate) const BUDGETS: &str = "BUDGET";

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BudgetItem {
    pub(crate) pk: String,
    pub(crate) sk: String,
    schema: u8,
    grants: Vec<String>,
    strain_percent: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    strained_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reserved_until: Option<String>,
    /// Stops that count for the brake, by the beginning of the ten seconds in which they were made.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    recent_stops: BTreeMap<String, u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<LaneItem>,
    /// A fixed number of digits, so that text order is time order in conditions.
    busy_until: String,
    version: u64,
}

/// Calls that are set aside for a sweep; a map inside of the budget's item.
#[derive(Debug, Serialize, Deserialize)]
struct LaneItem {
    holder: u64,
    calls: usize,
    until: String,
}

impl From<&BudgetWrite> for BudgetItem {
    fn from(write: &BudgetWrite) -> Self {
        Self {
            pk: BUDGETS.to_owned(),
            sk: write.operation.name().to_owned(),
            schema: SCHEMA,
            grants: write.after.grants.iter().map(ToString::to_string).collect(),
            strain_percent: write.after.strain,
            strained_at: write.after.strained_at.map(|at| at.to_string()),
            reserved_until: write.after.reserved_until.map(|at| at.to_string()),
            recent_stops: write.after.tally.stops.iter().map(|(at, n)| (at.to_string(), *n)).collect(),
            lane: write.after.lane.map(|lane| LaneItem {
                holder: lane.holder,
                calls: lane.calls,
                until: lane.until.to_string(),
            }),
            busy_until: format!("{:.9}", write.busy_until),
            version: write.after.version,
        }
    }
}

impl BudgetItem {
    /// The budget of an operation; nothing for an operation that is not known.
    pub(crate) fn read(&self) -> Result<Option<(Operation, Budget)>, Unreadable> {
        check_schema(self.schema)?;
        let Some(operation) = Operation::from_name(&self.sk) else { return Ok(None) };
        let grants = self.grants.iter().map(|at| parse("grants", at));
        let stops = self.recent_stops.iter().map(|(at, n)| Ok((parse("recent_stops", at)?, *n)));
        let budget = Budget {
            grants: grants.collect::<Result<_, _>>()?,
            strain: self.strain_percent,
            strained_at: parse_some("strained_at", self.strained_at.as_ref())?,
            reserved_until: parse_some("reserved_until", self.reserved_until.as_ref())?,
            tally: Tally { stops: stops.collect::<Result<_, Unreadable>>()? },
            lane: self.lane.as_ref().map(LaneItem::read).transpose()?,
            version: self.version,
        };
        Ok(Some((operation, budget)))
    }
}

impl LaneItem {
    fn read(&self) -> Result<Lane, Unreadable> {
        Ok(Lane { holder: self.holder, calls: self.calls, until: parse("lane.until", &self.until)? })
    }
}
