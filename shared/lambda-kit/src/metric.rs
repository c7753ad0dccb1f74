//! Counters, as CloudWatch reads them from the log: embedded metric format.

use std::io::Write;

use jiff::Timestamp;
use serde_json::json;

/// The namespace of every metric.
pub const NAMESPACE: &str = "Stagelink";

/// Events that are not for us: other sources, other detail types, unknown or irrelevant event names.
pub const EVENTS_IGNORED: &str = "EventsIgnored";

/// Events that cannot be read.
pub const EVENTS_MALFORMED: &str = "EventsMalformed";

/// Counts one `metric` for `function`.
pub fn count(metric: &'static str, function: &'static str) {
    let line = line(metric, function, Timestamp::now());
    // Standard output is the log; if it is gone, there is nobody to tell.
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}

fn line(metric: &str, function: &str, at: Timestamp) -> serde_json::Value {
    json!({
        "_aws": {
            "Timestamp": at.as_millisecond(),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["Function"]],
                "Metrics": [{ "Name": metric, "Unit": "Count" }],
            }],
        },
        "Function": function,
        metric: 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_embedded_metric_format() {
        let line = line(EVENTS_IGNORED, "participant-published", Timestamp::UNIX_EPOCH);
        let metrics = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(metrics["Namespace"], "Stagelink");
        let name = metrics["Metrics"][0]["Name"].as_str().unwrap();
        assert_eq!(line[name], 1);
        let dimension = metrics["Dimensions"][0][0].as_str().unwrap();
        assert_eq!(line[dimension], "participant-published");
    }
}
