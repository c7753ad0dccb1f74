//! Measures a function's invocations, and writes what it measured into the log at the end of each.
//!
//! # Caveats
//! * A function that is killed, or runs out of time, writes nothing of that invocation.
//! * Values have the time at which they are written: under load, `dispatch` tells of a Start up to 75 s after it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_adapters::{CallTally, Connection};
use controller::{Measure, Swept};
use jiff::{SignedDuration, Timestamp};
use replication::Replica;
use replication::invariant::Invariant;
use replication::sweep::RuleGauges;
use serde_json::{Value, json};

use crate::Config;
use crate::emf::{MOST_VALUES, Sets, line};
use crate::metric::{Dimension, Metric};

/// The meter of one function.
pub struct Meter {
    function: &'static str,
    table: String,
    by_rule: bool,
    calls: Arc<CallTally>,
    measured: Mutex<Measured>,
    log: Mutex<Box<dyn Write + Send>>,
}

/// What was measured in this invocation. By rule, if metrics are split by it.
#[derive(Debug, Default)]
struct Measured {
    latencies: BTreeMap<Option<String>, Vec<f64>>,
    failed: BTreeMap<Option<String>, u64>,
    events: BTreeMap<Metric, u64>,
    forbidden: BTreeMap<Invariant, u64>,
}

impl Meter {
    /// A meter of the function with this name, and of the calls of its connection. It writes to standard output.
    pub fn new(function: &'static str, config: &Config, connection: &Connection) -> Self {
        Self {
            function,
            table: config.table.clone(),
            by_rule: config.metrics_by_rule,
            calls: connection.tally(),
            measured: Mutex::default(),
            log: Mutex::new(Box::new(std::io::stdout())),
        }
    }

    /// Writes to `log` from now on.
    pub fn write_to(&self, log: impl Write + Send + 'static) {
        *self.log.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(log);
    }

    /// Counts one event, as ignored or malformed.
    pub(crate) fn count(&self, metric: Metric) {
        *self.measured().events.entry(metric).or_default() += 1;
    }

    /// Writes what a sweep counted.
    pub(crate) fn write_swept(&self, swept: &Swept) {
        self.write(&self.swept(swept, Timestamp::now()));
    }

    /// Writes what was measured since the last time.
    pub(crate) fn write_measured(&self) {
        self.write(&self.measured_at(Timestamp::now()));
    }

    /// The lines of a sweep: one for the table, which is always there and complete; and one for each rule and each reason that
    /// there is something to tell of.
    fn swept(&self, swept: &Swept, at: Timestamp) -> Vec<Value> {
        let gauges = &swept.gauges;
        let of_rule = |of_rule: RuleGauges| {
            [
                (Metric::OperationsPendingReplication, json!(of_rule.pending)),
                (Metric::RunningReplicas, json!(of_rule.running)),
                (Metric::ReplicaHours, json!(of_rule.running as f64 / 60.0)),
            ]
        };
        let mut of_table = of_rule(gauges.total()).to_vec();
        of_table.extend([
            (Metric::OldestPendingSeconds, json!(gauges.oldest_pending)),
            (Metric::BlockedReplicas, json!(gauges.blocked.values().sum::<usize>())),
            (Metric::ForeignReplicas, json!(swept.foreign)),
            (Metric::BrakedReplicas, json!(swept.braked)),
            (Metric::OldestKnowledgeSeconds, json!(swept.oldest_knowledge)),
        ]);
        let mut lines = vec![line(at, &self.table, Sets::Table, &of_table)];
        for (rule, counted) in gauges.by_rule.iter().filter(|_| self.by_rule) {
            lines.push(line(at, &self.table, Sets::Split(Dimension::Rule, rule), &of_rule(*counted)));
        }
        for (reason, blocked) in &gauges.blocked {
            let sets = Sets::Split(Dimension::Reason, reason.name());
            lines.push(line(at, &self.table, sets, &[(Metric::BlockedReplicas, json!(blocked))]));
        }
        lines
    }

    /// The lines of what was measured since the last time: one for each rule, operation, kind of event and invariant that there
    /// is something to tell of.
    fn measured_at(&self, at: Timestamp) -> Vec<Value> {
        let Measured { mut latencies, mut failed, events, forbidden } = std::mem::take(&mut *self.measured());
        let mut lines = Vec::new();
        let rules: BTreeSet<_> = latencies.keys().chain(failed.keys()).cloned().collect();
        for rule in rules {
            let sets =
                rule.as_ref().map_or(Sets::Table, |rule| Sets::TableAndSplit(Dimension::Rule, rule.as_str()));
            let latencies = latencies.remove(&rule).unwrap_or_default();
            let mut metrics: Vec<_> = latencies
                .chunks(MOST_VALUES)
                .map(|some| vec![(Metric::ReplicationLatency, json!(some))])
                .collect();
            if let Some(failed) = failed.remove(&rule) {
                let failed = (Metric::OperationsFailedReplication, json!(failed));
                match metrics.first_mut() {
                    Some(first) => first.push(failed),
                    None => metrics.push(vec![failed]),
                }
            }
            lines.extend(metrics.iter().map(|metrics| line(at, &self.table, sets, metrics)));
        }
        for (operation, count) in self.calls.take() {
            let metrics =
                [(Metric::Calls, json!(count.made)), (Metric::ThrottledCalls, json!(count.throttled))];
            let sets = Sets::TableAndSplit(Dimension::Operation, operation.name());
            lines.push(line(at, &self.table, sets, &metrics));
        }
        if !events.is_empty() {
            let sets = Sets::TableAndSplit(Dimension::Function, self.function);
            let metrics: Vec<_> = events.into_iter().map(|(metric, count)| (metric, json!(count))).collect();
            lines.push(line(at, &self.table, sets, &metrics));
        }
        for (invariant, count) in forbidden {
            let sets = Sets::TableAndSplit(Dimension::Invariant, invariant.id());
            lines.push(line(at, &self.table, sets, &[(Metric::PlansForbidden, json!(count))]));
        }
        lines
    }

    fn write(&self, lines: &[Value]) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        for line in lines {
            // If the log is gone, there is nobody to tell.
            drop(writeln!(log, "{line}"));
        }
    }

    fn rule_of(&self, replica: &Replica) -> Option<String> {
        self.by_rule.then(|| replica.counted_under().to_owned())
    }

    fn measured(&self) -> MutexGuard<'_, Measured> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Measure for Meter {
    fn replicated(&self, replica: &Replica, latency: SignedDuration) {
        let latency = thousandths(latency.as_secs_f64());
        self.measured().latencies.entry(self.rule_of(replica)).or_default().push(latency);
    }

    fn failed(&self, replica: &Replica) {
        *self.measured().failed.entry(self.rule_of(replica)).or_default() += 1;
    }

    fn forbidden(&self, invariant: Invariant) {
        *self.measured().forbidden.entry(invariant).or_default() += 1;
    }
}

/// Rounded to thousandths: what follows says nothing, and takes up the line.
fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use replication::sweep::Gauges;
    use replication::{BlockedReason, ReplicationKey, RuleRef};

    use super::*;

    fn meter(function: &'static str, by_rule: bool) -> Meter {
        Meter {
            function,
            table: "shows".to_owned(),
            by_rule,
            calls: Arc::default(),
            measured: Mutex::default(),
            log: Mutex::new(Box::new(std::io::sink())),
        }
    }

    fn replica(rule: Option<&str>) -> Replica {
        let stage = |id| format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}").parse().unwrap();
        let key =
            ReplicationKey { source: stage("A"), participant: "p".parse().unwrap(), destination: stage("B") };
        let rule = rule.map(|id| RuleRef { id: id.parse().unwrap(), revision: 1, priority: 50 });
        Replica { rule, ..Replica::new(key) }
    }

    fn text(lines: &[Value]) -> Vec<String> {
        lines.iter().map(Value::to_string).collect()
    }

    fn measured(meter: &Meter) -> Vec<String> {
        text(&meter.measured_at(Timestamp::UNIX_EPOCH))
    }

    fn swept() -> Swept {
        let gauges = Gauges {
            by_rule: BTreeMap::from([
                ("main".to_owned(), RuleGauges { running: 60, pending: 1 }),
                ("versus".to_owned(), RuleGauges { running: 30, pending: 0 }),
            ]),
            blocked: BTreeMap::from([(BlockedReason::DestinationFull, 3), (BlockedReason::StageGone, 1)]),
            oldest_pending: 4,
        };
        Swept { gauges, foreign: 2, braked: 5, oldest_knowledge: 59, ..Swept::default() }
    }

    #[test]
    fn starts_and_stops_are_a_line_for_each_rule() {
        let meter = meter("participant-published", true);
        meter.replicated(&replica(Some("main")), SignedDuration::from_micros(412_345));
        meter.replicated(&replica(Some("main")), SignedDuration::from_secs(2));
        meter.failed(&replica(Some("main")));
        meter.failed(&replica(Some("versus.duel.1")));
        meter.failed(&replica(None));
        assert_eq!(
            measured(&meter),
            [
                r#"{"OperationsFailedReplication":1,"ReplicationLatency":[0.412,2.0],"Rule":"main","Table":"shows","_aws":{"CloudWatchMetrics":[{"Dimensions":[["Table"],["Table","Rule"]],"Metrics":[{"Name":"ReplicationLatency","Unit":"Seconds"},{"Name":"OperationsFailedReplication","Unit":"Count"}],"Namespace":"Stagelink"}],"Timestamp":0}}"#,
                r#"{"OperationsFailedReplication":1,"Rule":"none","Table":"shows","_aws":{"CloudWatchMetrics":[{"Dimensions":[["Table"],["Table","Rule"]],"Metrics":[{"Name":"OperationsFailedReplication","Unit":"Count"}],"Namespace":"Stagelink"}],"Timestamp":0}}"#,
                r#"{"OperationsFailedReplication":1,"Rule":"versus","Table":"shows","_aws":{"CloudWatchMetrics":[{"Dimensions":[["Table"],["Table","Rule"]],"Metrics":[{"Name":"OperationsFailedReplication","Unit":"Count"}],"Namespace":"Stagelink"}],"Timestamp":0}}"#,
            ]
        );
        assert!(measured(&meter).is_empty(), "nothing is told twice");
    }

    #[test]
    fn without_rules_they_are_one_line() {
        let meter = meter("dispatch", false);
        meter.replicated(&replica(Some("main")), SignedDuration::from_secs(1));
        meter.replicated(&replica(Some("other")), SignedDuration::from_secs(2));
        assert_eq!(
            measured(&meter),
            [
                r#"{"ReplicationLatency":[1.0,2.0],"Table":"shows","_aws":{"CloudWatchMetrics":[{"Dimensions":[["Table"]],"Metrics":[{"Name":"ReplicationLatency","Unit":"Seconds"}],"Namespace":"Stagelink"}],"Timestamp":0}}"#,
            ]
        );
    }

    #[test]
    fn events_are_counted_for_the_function() {
        let meter = meter("replication-changed", true);
        meter.count(Metric::EventsIgnored);
        meter.count(Metric::EventsMalformed);
        meter.count(Metric::EventsIgnored);
        assert_eq!(
            measured(&meter),
            [
                r#"{"EventsIgnored":2,"EventsMalformed":1,"Function":"replication-changed","Table":"shows","_aws":{"CloudWatchMetrics":[{"Dimensions":[["Table"],["Table","Function"]],"Metrics":[{"Name":"EventsIgnored","Unit":"Count"},{"Name":"EventsMalformed","Unit":"Count"}],"Namespace":"Stagelink"}],"Timestamp":0}}"#,
            ]
        );
    }

    #[test]
    fn plans_that_must_not_be_carried_out_are_counted_by_what_they_would_break() {
        let meter = meter("dispatch", true);
        meter.forbidden(Invariant::OwnOnly);
        meter.forbidden(Invariant::OwnOnly);
        assert_eq!(
            measured(&meter),
            [
                r#"{"Invariant":"P8-own-only","PlansForbidden":2,"Table":"shows","_aws":{"CloudWatchMetrics":[{"Dimensions":[["Table"],["Table","Invariant"]],"Metrics":[{"Name":"PlansForbidden","Unit":"Count"}],"Namespace":"Stagelink"}],"Timestamp":0}}"#,
            ]
        );
    }

    #[test]
    fn a_sweep_is_a_line_for_the_table_and_one_for_each_rule_and_reason() {
        let lines = text(&meter("reconcile", true).swept(&swept(), Timestamp::UNIX_EPOCH));
        assert_eq!(
            lines,
            [
                r#"{"BlockedReplicas":4,"BrakedReplicas":5,"ForeignReplicas":2,"OldestKnowledgeSeconds":59,"OldestPendingSeconds":4,"OperationsPendingReplication":1,"ReplicaHours":1.5,"RunningReplicas":90,"Table":"shows","_aws":{"CloudWatchMetrics":[{"Dimensions":[["Table"]],"Metrics":[{"Name":"OperationsPendingReplication","Unit":"Count"},{"Name":"RunningReplicas","Unit":"Count"},{"Name":"ReplicaHours","Unit":"None"},{"Name":"OldestPendingSeconds","Unit":"Seconds"},{"Name":"BlockedReplicas","Unit":"Count"},{"Name":"ForeignReplicas","Unit":"Count"},{"Name":"BrakedReplicas","Unit":"Count"},{"Name":"OldestKnowledgeSeconds","Unit":"Seconds"}],"Namespace":"Stagelink"}],"Timestamp":0}}"#,
                r#"{"OperationsPendingReplication":1,"ReplicaHours":1.0,"Rule":"main","RunningReplicas":60,"Table":"shows","_aws":{"CloudWatchMetrics":[{"Dimensions":[["Table","Rule"]],"Metrics":[{"Name":"OperationsPendingReplication","Unit":"Count"},{"Name":"RunningReplicas","Unit":"Count"},{"Name":"ReplicaHours","Unit":"None"}],"Namespace":"Stagelink"}],"Timestamp":0}}"#,
                r#"{"OperationsPendingReplication":0,"ReplicaHours":0.5,"Rule":"versus","RunningReplicas":30,"Table":"shows","_aws":{"CloudWatchMetrics":[{"Dimensions":[["Table","Rule"]],"Metrics":[{"Name":"OperationsPendingReplication","Unit":"Count"},{"Name":"RunningReplicas","Unit":"Count"},{"Name":"ReplicaHours","Unit":"None"}],"Namespace":"Stagelink"}],"Timestamp":0}}"#,
                r#"{"BlockedReplicas":3,"Reason":"DestinationFull","Table":"shows","_aws":{"CloudWatchMetrics":[{"Dimensions":[["Table","Reason"]],"Metrics":[{"Name":"BlockedReplicas","Unit":"Count"}],"Namespace":"Stagelink"}],"Timestamp":0}}"#,
                r#"{"BlockedReplicas":1,"Reason":"StageGone","Table":"shows","_aws":{"CloudWatchMetrics":[{"Dimensions":[["Table","Reason"]],"Metrics":[{"Name":"BlockedReplicas","Unit":"Count"}],"Namespace":"Stagelink"}],"Timestamp":0}}"#,
            ]
        );
        let without_rules = meter("reconcile", false).swept(&swept(), Timestamp::UNIX_EPOCH);
        assert_eq!(text(&without_rules), [&lines[..1], &lines[3..]].concat());
    }

    #[test]
    fn an_empty_sweep_tells_of_the_table_all_the_same() {
        let lines = meter("reconcile", true).swept(&Swept::default(), Timestamp::UNIX_EPOCH);
        assert_eq!(lines.len(), 1);
        assert_eq!((&lines[0]["RunningReplicas"], &lines[0]["ReplicaHours"]), (&json!(0), &json!(0.0)));
    }

    #[test]
    fn a_line_has_a_hundred_values_at_most() {
        let meter = meter("dispatch", true);
        (0..250).for_each(|_| meter.replicated(&replica(Some("main")), SignedDuration::from_secs(1)));
        let lines = meter.measured_at(Timestamp::UNIX_EPOCH);
        let values = lines.iter().map(|line| line["ReplicationLatency"].as_array().map_or(0, Vec::len));
        assert_eq!(values.collect::<Vec<_>>(), [100, 100, 50]);
    }
}
