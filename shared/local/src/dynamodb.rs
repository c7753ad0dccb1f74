//! DynamoDB on this machine, with the template's table in it.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use dynoxide::{
    Database, DynoxideError,
    actions::{
        create_table::CreateTableRequest, describe_table::DescribeTableRequest,
        update_time_to_live::UpdateTimeToLiveRequest,
    },
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::template::Table;

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The folder for the data cannot be made.
    #[error("cannot make the data folder {}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The database cannot be opened.
    #[error("cannot open the database")]
    Open(#[source] DynoxideError),
    /// DynamoDB refuses the table as the template has it.
    #[error("DynamoDB refuses table `{table}` of the template")]
    Refused {
        /// The table's name.
        table: String,
        /// The cause.
        #[source]
        source: Refusal,
    },
    /// The folder holds a table with other keys, indexes or stream.
    #[error(
        "the data folder holds a table `{table}` with another {property}; remove the folder or give another one"
    )]
    Different {
        /// The table's name.
        table: String,
        /// What differs.
        property: &'static str,
    },
}

/// How often items whose time to live is over are deleted. In AWS it may take days.
const TIME_TO_LIVE_SWEEP: Duration = Duration::from_secs(60);

/// Opens the database, in memory or in a folder, and creates the table unless the folder has it.
///
/// # Errors
/// When the database cannot be opened, or has a table that differs from the template's.
pub fn open(table: &Table, data: Option<&Path>) -> Result<Database, DatabaseError> {
    let database = match data {
        None => Database::memory().map_err(DatabaseError::Open)?,
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .map_err(|source| DatabaseError::Folder { path: folder.to_owned(), source })?;
            Database::new(&folder.join("dynamodb.sqlite").to_string_lossy()).map_err(DatabaseError::Open)?
        }
    };
    let present = database.describe_table(DescribeTableRequest { table_name: table.name.clone() });
    match present {
        Ok(description) => {
            compare(table, &serde_json::to_value(description).unwrap_or_default()["Table"])?;
        }
        Err(_) => create(table, &database)?,
    }
    Ok(database)
}

/// Deletes expired items from time to time, until dropped.
pub async fn sweep_time_to_live(database: Database) {
    loop {
        tokio::time::sleep(TIME_TO_LIVE_SWEEP).await;
        let database = database.clone();
        let swept = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
        if let Ok(Err(error)) = swept {
            tracing::warn!(%error, "expired items could not be deleted");
        }
    }
}

fn create(table: &Table, database: &Database) -> Result<(), DatabaseError> {
    let refused = |source: Refusal| DatabaseError::Refused { table: table.name.clone(), source };
    let create = parse::<CreateTableRequest>(table.create_table.clone()).map_err(refused)?;
    database.create_table(create).map_err(|error| refused(error.into()))?;
    if let Some(attribute) = &table.time_to_live {
        let specification = json!({ "AttributeName": attribute, "Enabled": true });
        let body = json!({ "TableName": table.name, "TimeToLiveSpecification": specification });
        let update = parse::<UpdateTimeToLiveRequest>(body).map_err(refused)?;
        database.update_time_to_live(update).map_err(|error| refused(error.into()))?;
    }
    Ok(())
}

type Refusal = Box<dyn std::error::Error + Send + Sync>;

fn parse<T: DeserializeOwned>(body: Value) -> Result<T, Refusal> {
    serde_json::from_value(body).map_err(Refusal::from)
}

/// Compares what a later start does not change: keys, indexes and the stream.
fn compare(table: &Table, present: &Value) -> Result<(), DatabaseError> {
    let different = |property| DatabaseError::Different { table: table.name.clone(), property };
    if table.create_table["KeySchema"] != present["KeySchema"] {
        return Err(different("key"));
    }
    if indexes(&table.create_table) != indexes(present) {
        return Err(different("set of indexes"));
    }
    let view = |table: &Value| table["StreamSpecification"]["StreamViewType"].clone();
    if view(&table.create_table) != view(present) {
        return Err(different("stream"));
    }
    Ok(())
}

fn indexes(table: &Value) -> BTreeSet<String> {
    let indexes = table["GlobalSecondaryIndexes"].as_array().into_iter().flatten();
    indexes.map(|index| format!("{} {}", index["IndexName"], index["KeySchema"])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::tests::ours;

    fn described(database: &Database) -> Value {
        let request = DescribeTableRequest { table_name: "stagelink".to_owned() };
        serde_json::to_value(database.describe_table(request).unwrap()).unwrap()["Table"].clone()
    }

    fn temporary(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("stagelink-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn the_templates_table_is_accepted() {
        let table = described(&open(&ours().table, None).unwrap());
        assert_eq!(table["KeySchema"][0]["AttributeName"], "pk");
        let indexes = table["GlobalSecondaryIndexes"].as_array().unwrap();
        let names: BTreeSet<_> = indexes.iter().map(|index| index["IndexName"].as_str().unwrap()).collect();
        assert_eq!(names, BTreeSet::from(["by_destination", "due_work"]));
        assert_eq!(table["StreamSpecification"]["StreamViewType"], "NEW_AND_OLD_IMAGES");
    }

    #[test]
    fn a_folder_keeps_the_table() {
        let folder = temporary("keeps");
        let first = described(&open(&ours().table, Some(&folder)).unwrap());
        let second = described(&open(&ours().table, Some(&folder)).unwrap());
        assert_eq!(first["TableId"], second["TableId"]);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_folder_with_another_table_is_an_error() {
        let folder = temporary("other");
        let mut table = ours().table;
        drop(open(&table, Some(&folder)).unwrap());
        table.create_table["GlobalSecondaryIndexes"].as_array_mut().unwrap().pop();
        let error = open(&table, Some(&folder)).err().unwrap();
        assert!(matches!(error, DatabaseError::Different { property: "set of indexes", .. }), "{error}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
