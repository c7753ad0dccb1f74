//! What is ordered for all stages, and what was counted over all of them.
//!
//! The two are items of their own: an operator's order wakes every function, a count wakes nobody, and neither overwrites the
//! other.

use replication::{Control, Pause};
use serde::{Deserialize, Serialize};

use super::{ANY_STAGE, SCHEMA, Timestamp, Unreadable, check_schema, parse, parse_some};

/// An operator's orders.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ControlItem {
    pub(crate) pk: String,
    pub(crate) sk: String,
    schema: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pause: Option<PauseItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    brake_released_until: Option<String>,
    pub(crate) version: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct PauseItem {
    reason: String,
    by: String,
    at: String,
}

impl ControlItem {
    /// The sort key.
    pub(crate) const SK: &str = "CONTROL";

    /// As it is stored by a write that read it at `version`.
    pub(crate) fn next(control: &Control, version: u64) -> Self {
        Self {
            pk: ANY_STAGE.to_owned(),
            sk: Self::SK.to_owned(),
            schema: SCHEMA,
            pause: control.pause.as_ref().map(|pause| PauseItem {
                reason: pause.reason.clone(),
                by: pause.by.clone(),
                at: pause.at.to_string(),
            }),
            brake_released_until: control.brake_released_until.map(|at| at.to_string()),
            version: version + 1,
        }
    }

    /// Reads the orders into `control`.
    pub(crate) fn read_into(&self, control: &mut Control) -> Result<(), Unreadable> {
        check_schema(self.schema)?;
        control.pause = self.pause.as_ref().map(PauseItem::read).transpose()?;
        control.brake_released_until =
            parse_some("brake_released_until", self.brake_released_until.as_ref())?;
        Ok(())
    }
}

impl PauseItem {
    fn read(&self) -> Result<Pause, Unreadable> {
        let Self { reason, by, at } = self;
        Ok(Pause { reason: reason.clone(), by: by.clone(), at: parse("pause.at", at)? })
    }
}

/// How many replicas of our own run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CountItem {
    pk: String,
    sk: String,
    schema: u8,
    running: usize,
    counted_at: String,
}

impl CountItem {
    /// The sort key.
    pub(crate) const SK: &str = "COUNT";

    pub(crate) fn new(running: usize, now: Timestamp) -> Self {
        let (pk, sk) = (ANY_STAGE.to_owned(), Self::SK.to_owned());
        Self { pk, sk, schema: SCHEMA, running, counted_at: now.to_string() }
    }

    /// Reads the count into `control`.
    pub(crate) fn read_into(&self, control: &mut Control) -> Result<(), Unreadable> {
        check_schema(self.schema)?;
        control.running = Some(self.running);
        Ok(())
    }
}
