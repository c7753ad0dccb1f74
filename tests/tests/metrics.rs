//! Every metric is emitted, used and explained: by the code, by the template and by the runbook.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lambda_kit::metric::{Dimension, Metric, NAMESPACE};
use replication::invariant::Invariant;
use replication::{BlockedReason, Operation, Rule, RuleId};

const TEMPLATE: &str = include_str!("../../infra/template.yaml");
const RUNBOOK: &str = include_str!("../../infra/RUNBOOK.md");

fn names() -> BTreeSet<String> {
    Metric::ALL.into_iter().map(|metric| metric.name().to_owned()).collect()
}

#[test]
fn every_metric_is_emitted_by_code_that_is_shipped() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/lambda-kit/src");
    let definition = source.join("metric.rs");
    let shipped = |file: &PathBuf| {
        let code = std::fs::read_to_string(file).unwrap();
        code.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
    };
    let files = files(&source);
    assert!(files.contains(&definition));
    let code: String = files.iter().filter(|file| **file != definition).map(shipped).collect();
    for metric in Metric::ALL {
        let used = code.split(|c: char| !c.is_alphanumeric() && c != ':');
        assert!(
            used.into_iter().any(|word| word == format!("Metric::{}", metric.name())),
            "{} is emitted nowhere",
            metric.name()
        );
    }
}

#[test]
fn names_are_unique_and_meanings_are_sentences() {
    assert_eq!(names().len(), Metric::ALL.len());
    for metric in Metric::ALL {
        let meaning = metric.meaning();
        let begins_well = meaning.starts_with(|first: char| first.is_uppercase());
        assert!(begins_well && !meaning.contains("  "), "{meaning:?}");
    }
}

/// In an alarm, `MetricName: Calls`; on the dashboard, `["Stagelink", "Calls", …` or a search for `MetricName="Calls"`.
#[test]
fn every_metric_is_in_an_alarm_or_on_the_dashboard_and_none_that_is_not_emitted() {
    let begins = ["MetricName: ", "MetricName=\\\"", "MetricName=\"", &format!("[\"{NAMESPACE}\", \"")];
    let mut used = BTreeSet::new();
    for begin in begins {
        // What AWS emits itself stands in alarms with a namespace of its own.
        let after = TEMPLATE.split(begin).skip(1);
        used.extend(after.map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned()));
    }
    let of_aws =
        |name: &String| TEMPLATE.contains(&format!("Namespace: AWS/SQS\n      MetricName: {name}\n"));
    used.retain(|name| !of_aws(name));
    assert_eq!(used, names());
}

#[test]
fn every_metric_is_explained_in_the_runbook_with_its_unit_and_what_it_is_split_by() {
    let section = RUNBOOK.lines().skip_while(|line| *line != "## Metrics").skip(1);
    let rows: BTreeSet<_> = section
        .take_while(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|row| {
            let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_end_matches('`')).collect();
            (cells[0].to_owned(), cells[1].to_owned(), cells[2].to_owned())
        })
        .collect();
    let row = |metric: Metric| {
        let split_by = metric.split_by().map_or("", |dimension| dimension.name());
        (metric.name().to_owned(), metric.unit().to_lowercase(), split_by.to_owned())
    };
    assert_eq!(rows, Metric::ALL.into_iter().map(row).collect());
}

/// CloudWatch charges for each series. Nobody can make more of them than rules: all other dimensions have values of our own.
#[test]
fn the_number_of_series_is_bounded() {
    let values = |dimension| match dimension {
        // Those of versus sessions are one, and those of no rule.
        Dimension::Rule => Rule::MAX_RULES + 2,
        Dimension::Reason => BlockedReason::ALL.len(),
        Dimension::Operation => Operation::ALL.len(),
        Dimension::Function => 7,
        Dimension::Invariant => Invariant::ALL.len(),
        Dimension::Table => 1,
    };
    let series = |metric: &Metric| 1 + metric.split_by().map_or(0, values);
    let all: usize = Metric::ALL.iter().map(series).sum();
    let without_rules = Metric::ALL.iter().filter(|metric| metric.split_by() != Some(Dimension::Rule));
    assert_eq!((all, without_rules.map(series).sum::<usize>()), (5_081, 66));
    for id in ["Rule\n{}", "a b", "{\"_aws\":1}", "", &"r".repeat(65)] {
        assert!(id.parse::<RuleId>().is_err(), "{id}");
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
