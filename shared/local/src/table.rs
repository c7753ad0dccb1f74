//! The table as a person looks at it: rules go in, replications come out.

use std::{io, path::PathBuf, time::Duration};

use aws_adapters::{Connection, ConnectionOptions, DynamoStore};
use controller::{Order, rules};
use jiff::Timestamp;

pub use aws_adapters::Replaced;

/// Where the table is.
#[derive(Debug, Clone)]
pub struct TableAddress {
    /// DynamoDB's endpoint.
    pub dynamodb: String,
    /// The table's name.
    pub table: String,
    /// The Region.
    pub region: String,
}

/// A replication as the table has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicationRow {
    /// Source stage, participant and destination stage, separated by spaces, as in the simulator's ledger.
    pub key: String,
    /// The phase, such as `Active` or `Blocked(ParticipantSlotsFull)`.
    pub phase: String,
}

/// Why rules did not get into the table, or replications not out of it.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file cannot be read.
    #[error("cannot read the rules file {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The text is not a rules file.
    #[error("the rules cannot be used")]
    Rules(#[source] rules_file::Error),
    /// The table does not answer as it should.
    #[error("table `{table}` at {dynamodb} cannot be used")]
    Store {
        /// DynamoDB's endpoint.
        dynamodb: String,
        /// The table's name.
        table: String,
        /// The cause.
        #[source]
        source: Box<rules::Error>,
    },
}

/// How long a function of the stand may remember the rules that name no source stage (`any`, tags): what its
/// `SELECTOR_CACHE_SECONDS` is set to.
pub const SELECTOR_CACHE: Duration = Duration::from_secs(1);

/// From this time after they were written, every function uses the new rules.
pub const RULES_IN_FORCE: Duration = Duration::from_millis(1_500);

impl TableAddress {
    /// Replaces all rules by those in a rules file, and waits until every function uses them.
    ///
    /// # Errors
    /// When the file cannot be read, and as [`TableAddress::replace_rules`].
    pub async fn replace_rules_by_file(&self, path: &std::path::Path) -> Result<Replaced, TableError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| TableError::Read { path: path.to_owned(), source })?;
        self.replace_rules(&text).await
    }

    /// Replaces all rules by those in the text of a rules file, and waits until every function uses them.
    ///
    /// # Errors
    /// When the text is not a rules file, or the table cannot be written.
    pub async fn replace_rules(&self, yaml: &str) -> Result<Replaced, TableError> {
        let rules = rules_file::parse(yaml).map_err(TableError::Rules)?;
        let ordered = Order { by: "cargo local".to_owned(), reason: None, at: Timestamp::now() };
        let store = self.store().await;
        let replaced =
            Box::pin(store.replace_rules(&rules, &ordered)).await.map_err(|error| self.error(error))?;
        tokio::time::sleep(RULES_IN_FORCE).await;
        Ok(replaced)
    }

    /// Every replication in the table.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn replications(&self) -> Result<Vec<ReplicationRow>, TableError> {
        let replicas = self.store().await.replicas().await.map_err(|error| self.error(error.into()))?;
        let row = |replica: &replication::Replica| ReplicationRow {
            key: replica.key.to_string(),
            phase: replica.phase.to_string(),
        };
        Ok(replicas.iter().map(row).collect())
    }

    /// The table itself.
    pub async fn store(&self) -> DynamoStore {
        self.connection().await.store(&self.table)
    }

    /// The way to it.
    pub async fn connection(&self) -> Connection {
        let options = ConnectionOptions {
            region: Some(self.region.clone()),
            dynamodb_endpoint: Some(self.dynamodb.clone()),
            ivs_endpoint: None,
            emulated: true,
            ..Default::default()
        };
        Connection::new(options).await
    }

    fn error(&self, source: rules::Error) -> TableError {
        TableError::Store {
            dynamodb: self.dynamodb.clone(),
            table: self.table.clone(),
            source: Box::new(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere() -> TableAddress {
        TableAddress {
            dynamodb: "http://127.0.0.1:1".to_owned(),
            table: "stagelink".to_owned(),
            region: "us-east-1".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_rules_file_is_read_before_the_table_is_touched() {
        let error = nowhere().replace_rules_by_file("/nowhere/rules.yaml".as_ref()).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot read the rules file /nowhere/rules.yaml");
        let error = nowhere().replace_rules("rules: 5").await.unwrap_err();
        assert!(matches!(error, TableError::Rules(_)), "{error}");
    }

    #[test]
    fn rules_are_in_force_after_the_cache_has_run_out() {
        assert!(RULES_IN_FORCE > SELECTOR_CACHE);
    }
}
