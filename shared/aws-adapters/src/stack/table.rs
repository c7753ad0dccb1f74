//! The table as DynamoDB has it: not what is in it, but what it is.

use aws_sdk_dynamodb::types::{GlobalSecondaryIndexDescription, KeySchemaElement, TableDescription};

use super::{LookError, Stack, incomplete, look_error};

/// A table's settings, as far as one look tells them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableState {
    /// Its ARN.
    pub arn: String,
    /// `ACTIVE`, or on the way there or away.
    pub status: String,
    /// Whether requests are paid for one by one; if not, they are limited.
    pub on_demand: bool,
    /// The key: attributes, the partition's first.
    pub keys: Vec<String>,
    /// The indexes.
    pub indexes: Vec<IndexState>,
    /// What the stream shows of a change; nothing if there is no stream.
    pub stream_view: Option<String>,
    /// The stream's ARN.
    pub stream: Option<String>,
    /// Whether it cannot be deleted by accident.
    pub deletion_protection: bool,
    /// How many items it holds, as counted every six hours.
    pub items: i64,
}

/// An index's settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IndexState {
    /// Its name.
    pub name: String,
    /// `ACTIVE`, or on the way there or away.
    pub status: String,
    /// The key: attributes, the partition's first.
    pub keys: Vec<String>,
}

impl Stack {
    /// What the table is.
    ///
    /// # Errors
    /// [`LookError`]
    pub async fn table(&self) -> Result<TableState, LookError> {
        let answer = self.dynamodb.describe_table().table_name(&self.table).send().await;
        let answer = answer.map_err(|error| look_error("dynamodb:DescribeTable", &error))?;
        answer.table().map(state).ok_or_else(|| incomplete("Table"))
    }

    /// The attribute by which items expire; nothing if none do.
    ///
    /// # Errors
    /// [`LookError`]
    pub async fn time_to_live(&self) -> Result<Option<String>, LookError> {
        let answer = self.dynamodb.describe_time_to_live().table_name(&self.table).send().await;
        let answer = answer.map_err(|error| look_error("dynamodb:DescribeTimeToLive", &error))?;
        let found = answer.time_to_live_description();
        let is_on = |status: &str| status.starts_with("ENABL");
        let on = found.filter(|found| found.time_to_live_status().is_some_and(|it| is_on(it.as_str())));
        Ok(on.and_then(|found| found.attribute_name()).map(str::to_owned))
    }

    /// Whether the table can be restored to any second of the last weeks.
    ///
    /// # Errors
    /// [`LookError`]
    pub async fn has_point_in_time_recovery(&self) -> Result<bool, LookError> {
        let answer = self.dynamodb.describe_continuous_backups().table_name(&self.table).send().await;
        let answer = answer.map_err(|error| look_error("dynamodb:DescribeContinuousBackups", &error))?;
        let found = answer.continuous_backups_description();
        let found = found.and_then(|found| found.point_in_time_recovery_description());
        let status = found.and_then(|found| found.point_in_time_recovery_status());
        Ok(status.is_some_and(|status| status.as_str() == "ENABLED"))
    }
}

fn state(table: &TableDescription) -> TableState {
    let stream = table.stream_specification().filter(|stream| stream.stream_enabled());
    let billing = table.billing_mode_summary().and_then(|summary| summary.billing_mode());
    TableState {
        arn: table.table_arn().unwrap_or_default().to_owned(),
        status: table.table_status().map_or_else(String::new, |status| status.as_str().to_owned()),
        on_demand: billing.is_some_and(|billing| billing.as_str() == "PAY_PER_REQUEST"),
        keys: keys(table.key_schema()),
        indexes: table.global_secondary_indexes().iter().map(index).collect(),
        stream_view: stream.and_then(|it| it.stream_view_type()).map(|view| view.as_str().to_owned()),
        stream: table.latest_stream_arn().map(str::to_owned),
        deletion_protection: table.deletion_protection_enabled().unwrap_or(false),
        items: table.item_count().unwrap_or(0),
    }
}

fn index(index: &GlobalSecondaryIndexDescription) -> IndexState {
    IndexState {
        name: index.index_name().unwrap_or_default().to_owned(),
        status: index.index_status().map_or_else(String::new, |status| status.as_str().to_owned()),
        keys: keys(index.key_schema()),
    }
}

fn keys(schema: &[KeySchemaElement]) -> Vec<String> {
    let mut schema: Vec<_> = schema.iter().collect();
    schema.sort_by_key(|key| key.key_type().as_str() != "HASH");
    schema.iter().map(|key| key.attribute_name().to_owned()).collect()
}
