//! That somebody asks sweeps for a look.
//!
//! An item of its own: a sweep writes what it knows of a stage without reading it again, and would forget what was asked meanwhile. Its
//! key sorts before everything that is read with every event.

use jiff::SignedDuration;
use replication::StageArn;
use replication::sweep::Asked;
use serde::{Deserialize, Serialize};

use super::{ANY_STAGE, SCHEMA, Timestamp, Unreadable, check_schema, parse, parse_some, stage_pk};

/// How long it is kept: long after sweeps have given it up.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AskedItem {
    pk: String,
    sk: String,
    schema: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    asked_at: String,
    by: String,
    expires_at: i64,
}

impl AskedItem {
    /// The sort key.
    pub(crate) const SK: &str = "ASKED";

    /// About one stage; about every stage, if none is named.
    pub(crate) fn new(stage: Option<&StageArn>, asked: &Asked) -> Self {
        Self {
            pk: stage.map_or_else(|| ANY_STAGE.to_owned(), stage_pk),
            sk: Self::SK.to_owned(),
            schema: SCHEMA,
            stage: stage.map(ToString::to_string),
            asked_at: asked.at.to_string(),
            by: asked.by.clone(),
            expires_at: asked.at.checked_add(KEPT).unwrap_or(Timestamp::MAX).as_second(),
        }
    }

    pub(crate) fn read(&self) -> Result<(Option<StageArn>, Asked), Unreadable> {
        check_schema(self.schema)?;
        let asked = Asked { at: parse("asked_at", &self.asked_at)?, by: self.by.clone() };
        Ok((parse_some("stage", self.stage.as_ref())?, asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{ControlItem, FIRST_STATE_SK};

    #[test]
    fn what_was_asked_is_read_back_and_sorts_before_what_events_read() {
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        let asked = Asked { at, by: "kim".to_owned() };
        let stage: StageArn = "arn:aws:ivs:us-east-1:123456789012:stage/A".parse().unwrap();
        for stage in [Some(stage), None] {
            let item = serde_json::to_value(AskedItem::new(stage.as_ref(), &asked)).unwrap();
            let read = serde_json::from_value::<AskedItem>(item).unwrap().read().unwrap();
            assert_eq!(read, (stage, asked.clone()));
        }
        assert!(AskedItem::SK < FIRST_STATE_SK && AskedItem::SK < ControlItem::SK);
    }
}
