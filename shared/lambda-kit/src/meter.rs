//! Measures a function's invocations, and writes what it measured into the log at the end of each.
//!
//! # Caveats
//! * A function that is killed, or runs out of time, writes nothing of that invocation.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_adapters::{CallTally, Connection};
use controller::{Measure, Swept};
use jiff::{SignedDuration, Timestamp};
use replication::Replica;
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

    /// The lines of what was measured since the last time: one for each rule, operation and kind of event that there is
    /// something to tell of.
    fn measured_at(&self, at: Timestamp) -> Vec<Value> {
        let Measured { mut latencies, mut failed, events } = std::mem::take(&mut *self.measured());
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
}

/// Rounded to thousandths: what follows says nothing, and takes up the line.
fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
