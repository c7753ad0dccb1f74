//! The embedded metric format as CloudWatch reads it, by the letter of its specification
//! (CloudWatch User Guide, "Specification: Embedded metric format").

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use lambda_kit::metric::{Metric, NAMESPACE};
use serde_json::Value;

/// Units that CloudWatch knows, as far as ours may be (CloudWatch API reference, MetricDatum).
const UNITS: [&str; 4] = ["Seconds", "Count", "Percent", "None"];

/// The lines that a function wrote, and what CloudWatch makes of them.
#[derive(Debug, Clone, Default)]
pub struct MetricLog(Arc<Mutex<Vec<u8>>>);

/// A metric as CloudWatch keeps it: its name, and its dimensions as `Table=stagelink Rule=main`.
pub type Series = (String, String);

impl MetricLog {
    /// The values of every metric since the last time; and starts anew.
    ///
    /// # Errors
    /// A line that is not as the specification demands, and why.
    pub fn take(&self) -> Result<BTreeMap<Series, Vec<f64>>, String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut all: BTreeMap<Series, Vec<f64>> = BTreeMap::new();
        for line in String::from_utf8_lossy(&bytes).lines() {
            for (series, values) in read(line).map_err(|problem| format!("{problem}: {line}"))? {
                all.entry(series).or_default().extend(values);
            }
        }
        Ok(all)
    }
}

impl Write for MetricLog {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What CloudWatch makes of one line.
///
/// # Errors
/// What is not as the specification, or our own table of metrics, demands.
pub fn read(line: &str) -> Result<BTreeMap<Series, Vec<f64>>, String> {
    let root: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let metadata = object(&root["_aws"], &["CloudWatchMetrics", "Timestamp"])?;
    metadata["Timestamp"].as_u64().ok_or("Timestamp is no number of milliseconds")?;
    let mut series = BTreeMap::new();
    for directive in list(&metadata["CloudWatchMetrics"])? {
        let directive = object(directive, &["Dimensions", "Metrics", "Namespace"])?;
        if directive["Namespace"] != NAMESPACE {
            return Err("another namespace".to_owned());
        }
        let definitions = list(&directive["Metrics"])?;
        if !(1..=100).contains(&definitions.len()) {
            return Err("not 1-100 metrics".to_owned());
        }
        for set in list(&directive["Dimensions"])? {
            let dimensions = dimensions(&root, set)?;
            for definition in definitions {
                let (metric, values) = values(&root, definition)?;
                if series.insert((metric.to_owned(), dimensions.clone()), values).is_some() {
                    return Err(format!("{metric} twice for the same dimensions"));
                }
            }
        }
    }
    Ok(series)
}

/// `Table=stagelink Rule=main`
fn dimensions(root: &Value, set: &Value) -> Result<String, String> {
    let names: Vec<_> = list(set)?.iter().filter_map(Value::as_str).collect();
    if names.len() > 30 || names.first() != Some(&"Table") {
        return Err("dimensions do not begin with Table, or are more than 30".to_owned());
    }
    let value = |name: &&str| {
        let value = root[*name].as_str().filter(|value| (1..=1024).contains(&value.len()));
        value.map(|value| format!("{name}={value}")).ok_or(format!("{name} has no value"))
    };
    Ok(names.iter().map(value).collect::<Result<Vec<_>, _>>()?.join(" "))
}

fn values<'a>(root: &Value, definition: &'a Value) -> Result<(&'a str, Vec<f64>), String> {
    let definition = object(definition, &["Name", "Unit"])?;
    let name = definition["Name"].as_str().unwrap_or_default();
    let metric = Metric::ALL.into_iter().find(|metric| metric.name() == name);
    let metric = metric.ok_or_else(|| format!("{name} is no metric"))?;
    if definition["Unit"] != metric.unit() || !UNITS.contains(&metric.unit()) {
        return Err(format!("{name} has another unit"));
    }
    let values: Option<Vec<f64>> = match &root[name] {
        Value::Array(values) if (1..=100).contains(&values.len()) => {
            values.iter().map(Value::as_f64).collect()
        }
        value => value.as_f64().map(|value| vec![value]),
    };
    Ok((name, values.ok_or_else(|| format!("{name} is neither a number nor 1-100 numbers"))?))
}

/// An object with these members, and no others: the specification allows none.
fn object<'a>(value: &'a Value, members: &[&str]) -> Result<&'a serde_json::Map<String, Value>, String> {
    let object = value.as_object().ok_or_else(|| format!("no object: {value}"))?;
    let there: BTreeSet<_> = object.keys().map(String::as_str).collect();
    let same = there == members.iter().copied().collect();
    same.then_some(object).ok_or_else(|| format!("other members than {members:?}: {there:?}"))
}

fn list(value: &Value) -> Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| format!("no list: {value}"))
}
