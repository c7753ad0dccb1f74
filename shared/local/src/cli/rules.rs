//! `cargo local rules`.

use std::path::PathBuf;

use super::Outcome;
use crate::table::{RULES_IN_FORCE, TableAddress};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The rules file (YAML)
    file: PathBuf,
    /// Endpoint of the stand's DynamoDB
    #[arg(long, value_name = "URL", value_parser = super::url)]
    dynamodb: String,
    /// Name of the stand's table
    #[arg(long, value_name = "NAME", value_parser = super::table_name)]
    table: String,
    /// Region of the stand
    #[arg(long, default_value = "us-east-1", value_parser = super::region)]
    region: String,
}

impl Options {
    pub(super) async fn run(self) -> Outcome {
        let address = TableAddress { dynamodb: self.dynamodb, table: self.table, region: self.region };
        let replaced = address.replace_rules_by_file(&self.file).await?;
        println!(
            "rules put: {}, deleted: {}; waited {:.1} s, so every function uses them from now on",
            replaced.put,
            replaced.deleted,
            RULES_IN_FORCE.as_secs_f64()
        );
        Ok(true)
    }
}
