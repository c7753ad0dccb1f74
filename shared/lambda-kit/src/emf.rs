//! CloudWatch's embedded metric format: a line of the log that CloudWatch makes metrics of.
//!
//! A line holds the metrics that have the same dimensions. A value stands for every dimension set of its line, so what may be
//! summed up goes into one line with and without the dimension it is split by; what may not has a line for each.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::metric::{Dimension, Metric, NAMESPACE};

/// The most values of a metric in one line (embedded metric format specification).
pub(crate) const MOST_VALUES: usize = 100;

/// Which dimension sets a line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sets<'a> {
    /// The table alone.
    Table,
    /// The table with this value of another dimension.
    Split(Dimension, &'a str),
    /// Both.
    TableAndSplit(Dimension, &'a str),
}

impl<'a> Sets<'a> {
    fn split(self) -> Option<(Dimension, &'a str)> {
        match self {
            Self::Table => None,
            Self::Split(dimension, value) | Self::TableAndSplit(dimension, value) => Some((dimension, value)),
        }
    }
}

/// The line for these metrics of a table. Each has a number, or up to [`MOST_VALUES`] numbers.
pub(crate) fn line(at: Timestamp, table: &str, sets: Sets<'_>, metrics: &[(Metric, Value)]) -> Value {
    let alone = [Dimension::Table.name()];
    let dimensions = match sets {
        Sets::Table => json!([alone]),
        Sets::Split(by, _) => json!([[alone[0], by.name()]]),
        Sets::TableAndSplit(by, _) => json!([alone, [alone[0], by.name()]]),
    };
    let definitions: Vec<_> =
        metrics.iter().map(|(metric, _)| json!({ "Name": metric.name(), "Unit": metric.unit() })).collect();
    let mut line = Map::new();
    line.insert(alone[0].to_owned(), table.into());
    line.extend(sets.split().map(|(by, value)| (by.name().to_owned(), value.into())));
    line.extend(metrics.iter().map(|(metric, value)| (metric.name().to_owned(), value.clone())));
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": at.as_millisecond(),
            "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": definitions }],
        }),
    );
    line.into()
}
