//! Counters and gauges, as CloudWatch reads them from the log: embedded metric format.

use std::io::Write;

use jiff::Timestamp;
use serde_json::json;

/// The namespace of every metric.
pub const NAMESPACE: &str = "Stagelink";

/// Events that are not for us: other sources, other detail types, unknown or irrelevant event names.
pub const EVENTS_IGNORED: &str = "EventsIgnored";

/// Events that cannot be read.
pub const EVENTS_MALFORMED: &str = "EventsMalformed";

/// The age of the oldest knowledge that the sweep has of an active stage, in seconds.
pub const OLDEST_KNOWLEDGE: &str = "OldestKnowledgeSeconds";

/// Running replicas that should be stopped, and that the brake on mass stops holds until somebody looks again.
pub const BRAKED_REPLICAS: &str = "BrakedReplicas";

/// Running replicas that somebody else started, as the last sweep knows them.
pub const FOREIGN_REPLICAS: &str = "ForeignReplicas";

/// Counts one `metric` for `function`.
pub fn count(metric: &'static str, function: &'static str) {
    value(metric, "Count", 1, function);
}

/// Tells that `metric` of `function` is `value`, in CloudWatch's `unit`.
pub fn value(metric: &'static str, unit: &'static str, value: u64, function: &'static str) {
    let line = line(metric, unit, value, function, Timestamp::now());
    // Standard output is the log; if it is gone, there is nobody to tell.
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}

fn line(metric: &str, unit: &str, value: u64, function: &str, at: Timestamp) -> serde_json::Value {
    json!({
        "_aws": {
            "Timestamp": at.as_millisecond(),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["Function"]],
                "Metrics": [{ "Name": metric, "Unit": unit }],
            }],
        },
        "Function": function,
        metric: value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_embedded_metric_format() {
        let line = line(EVENTS_IGNORED, "Count", 1, "participant-published", Timestamp::UNIX_EPOCH);
        let metrics = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(metrics["Namespace"], "Stagelink");
        let name = metrics["Metrics"][0]["Name"].as_str().unwrap();
        assert_eq!(line[name], 1);
        let dimension = metrics["Dimensions"][0][0].as_str().unwrap();
        assert_eq!(line[dimension], "participant-published");
    }
}
