//! What DynamoDB recorded of the table, in the words of Lambda's stream event.

use dynoxide::{
    Database, DynoxideError,
    actions::{
        describe_stream::DescribeStreamRequest, get_records::GetRecordsRequest,
        get_shard_iterator::GetShardIteratorRequest, list_streams::ListStreamsRequest,
    },
};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    dynamodb::DatabaseError,
    template::{Deployment, StartingPosition, Table},
};

/// The stream of the table.
#[derive(Clone)]
pub(crate) struct TableStream {
    database: Database,
    /// The name by which the database knows it.
    local_arn: String,
    /// The name by which the functions know it.
    pub(super) arn: String,
    pub(super) shard: String,
    region: String,
}

/// A change of an item.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    /// As it stands in the event.
    pub(super) value: Value,
    pub(super) sequence_number: String,
    pub(super) created: Timestamp,
}

/// How many changes can be read at once.
pub(super) const READ: usize = 1_000;

/// Where to begin to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// Where a new mapping begins.
    Position(StartingPosition),
    /// After the change with this sequence number.
    After(String),
}

impl TableStream {
    /// The stream of this table, if it has one.
    ///
    /// # Errors
    /// When the database does not tell of its streams.
    pub(crate) fn open(
        database: &Database,
        table: &Table,
        deployment: &Deployment,
    ) -> Result<Option<Self>, DatabaseError> {
        let request = ListStreamsRequest { table_name: Some(table.name.clone()), ..Default::default() };
        let streams = database.list_streams(request).map_err(DatabaseError::Open)?.streams;
        let Some(stream) = streams.into_iter().next() else { return Ok(None) };
        let request = DescribeStreamRequest { stream_arn: stream.stream_arn.clone(), ..Default::default() };
        let description = database.describe_stream(request).map_err(DatabaseError::Open)?.stream_description;
        Ok(description.shards.into_iter().next().map(|shard| Self {
            database: database.clone(),
            arn: format!("{}/stream/{}", table.arn, label(&stream.stream_label)),
            local_arn: stream.stream_arn,
            shard: shard.shard_id,
            region: deployment.region.clone(),
        }))
    }

    /// Its ARN, as the functions know it.
    pub(crate) fn arn(&self) -> &str {
        &self.arn
    }

    /// The iterator with which to begin.
    pub(super) async fn iterator(&self, start: Start) -> Result<String, DynoxideError> {
        let (kind, sequence_number) = match start {
            Start::Position(StartingPosition::TrimHorizon) => ("TRIM_HORIZON", None),
            Start::Position(StartingPosition::Latest) => ("LATEST", None),
            Start::After(sequence_number) => ("AFTER_SEQUENCE_NUMBER", Some(sequence_number)),
        };
        let request = GetShardIteratorRequest {
            stream_arn: self.local_arn.clone(),
            shard_id: self.shard.clone(),
            shard_iterator_type: kind.to_owned(),
            sequence_number,
        };
        let response = self.blocking(move |database| database.get_shard_iterator(request)).await?;
        Ok(response.shard_iterator.unwrap_or_default())
    }

    /// The changes from here on, this many at most, and the iterator with which to go on.
    pub(super) async fn read(
        &self,
        iterator: String,
        limit: usize,
    ) -> Result<(Vec<Record>, String), DynoxideError> {
        let request = GetRecordsRequest { shard_iterator: iterator.clone(), limit: Some(limit.min(READ)) };
        let response = self.blocking(move |database| database.get_records(request)).await?;
        let mut records = Vec::with_capacity(response.records.len());
        for record in &response.records {
            let value = serde_json::to_value(record)
                .map_err(|error| DynoxideError::InternalServerError(error.to_string()))?;
            records.push(self.record(value));
        }
        Ok((records, response.next_shard_iterator.unwrap_or(iterator)))
    }

    /// What the database says, with the names and the number format that a function gets in AWS.
    fn record(&self, mut value: Value) -> Record {
        let created = value["dynamodb"]["ApproximateCreationDateTime"].as_f64().unwrap_or_default() as i64;
        value["dynamodb"]["ApproximateCreationDateTime"] = created.into();
        value["awsRegion"] = self.region.clone().into();
        value["eventSourceARN"] = self.arn.clone().into();
        Record {
            sequence_number: value["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default().to_owned(),
            created: Timestamp::from_second(created).unwrap_or(Timestamp::UNIX_EPOCH),
            value,
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Database) -> Result<T, DynoxideError> + Send + 'static,
    ) -> Result<T, DynoxideError> {
        let database = self.database.clone();
        let done = tokio::task::spawn_blocking(move || call(&database)).await;
        done.unwrap_or_else(|error| Err(DynoxideError::InternalServerError(error.to_string())))
    }
}

impl Record {
    /// Whether anything has changed. DynamoDB records no write that leaves an item as it was; the database here does.
    pub(super) fn is_a_change(&self) -> bool {
        let (old, new) = (&self.value["dynamodb"]["OldImage"], &self.value["dynamodb"]["NewImage"]);
        old.is_null() || new.is_null() || old != new
    }
}

/// The time at which the stream began, as DynamoDB writes it in a stream's ARN.
fn label(seconds: &str) -> String {
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let began = seconds.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let began = began.unwrap_or(Timestamp::UNIX_EPOCH).strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let milliseconds: String = fraction.chars().chain("000".chars()).take(3).collect();
    format!("{began}.{milliseconds}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_is_a_time_with_milliseconds() {
        assert_eq!(label("1763484032.789123456"), "2025-11-18T16:40:32.789");
        assert_eq!(label("1763484032"), "2025-11-18T16:40:32.000");
    }
}
