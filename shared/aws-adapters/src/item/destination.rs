//! A stage that rules can select as a destination, with its tags: a line of the directory.

use std::collections::BTreeMap;

use replication::{StageArn, Tags};
use serde::{Deserialize, Serialize};

use super::{ANY_STAGE, SCHEMA, Unreadable, check_schema, parse};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DestinationItem {
    pub(crate) pk: String,
    pub(crate) sk: String,
    schema: u8,
    stage: String,
    tags: BTreeMap<String, String>,
}

impl DestinationItem {
    /// What every sort key begins with.
    pub(crate) const SK: &str = "DEST#";

    pub(crate) fn sk(stage: &StageArn) -> String {
        format!("{}{stage}", Self::SK)
    }

    pub(crate) fn new(stage: &StageArn, tags: &Tags) -> Self {
        Self {
            pk: ANY_STAGE.to_owned(),
            sk: Self::sk(stage),
            schema: SCHEMA,
            stage: stage.to_string(),
            tags: tags.clone(),
        }
    }

    pub(crate) fn read(self) -> Result<(StageArn, Tags), Unreadable> {
        check_schema(self.schema)?;
        Ok((parse("stage", &self.stage)?, self.tags))
    }
}
