//! `cargo local rules`.

use std::path::PathBuf;

use super::{Outcome, TableOptions};
use crate::table::RULES_IN_FORCE;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The rules file (YAML or JSON)
    file: PathBuf,
    #[command(flatten)]
    table: TableOptions,
}

impl Options {
    pub(super) async fn run(self) -> Outcome {
        let replaced = self.table.address().replace_rules_by_file(&self.file).await?;
        println!(
            "rules put: {}, deleted: {}; waited {:.1} s, so every function uses them from now on",
            replaced.put.len(),
            replaced.deleted.len(),
            RULES_IN_FORCE.as_secs_f64()
        );
        Ok(true)
    }
}
