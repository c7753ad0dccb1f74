//! The runbook against what it explains: alarms, error types, reasons, and the log lines that its queries look for.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use http_api::problem::Kind;
use lambda_kit::{EnvelopeError, Failure};
use local::template::document;
use replication::BlockedReason;

const RUNBOOK: &str = include_str!("../../infra/RUNBOOK.md");

/// The lines of a section, up to the next heading of any level.
fn section(heading: &str) -> String {
    let lines = RUNBOOK.lines().skip_while(|line| *line != heading).skip(1);
    lines.take_while(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_alarm_leads_to_its_section_with_what_to_look_at_and_what_to_do() {
    let template = document(include_str!("../../infra/template.yaml")).unwrap();
    let resources = template["Resources"].as_object().unwrap().iter();
    let mut sections = BTreeSet::new();
    for (id, alarm) in resources.filter(|(_, resource)| resource["Type"] == "AWS::CloudWatch::Alarm") {
        let description = alarm["Properties"]["AlarmDescription"].as_str().unwrap();
        let (_, heading) = description.trim_end_matches('.').split_once("RUNBOOK.md, ").unwrap();
        let section = section(&format!("### {heading}"));
        assert!(
            section.trim_start().starts_with(&format!("`{id}`: ")),
            "{heading} does not begin with `{id}`"
        );
        assert!(section.contains("\n*Look at*") && section.contains("\n*Do*"), "{heading}");
        sections.insert(format!("### {heading}"));
    }
    let written = RUNBOOK.lines().filter(|line| line.starts_with("### "));
    assert_eq!(
        sections,
        written.map(str::to_owned).collect(),
        "a section without an alarm, or the other way round"
    );
}

#[test]
fn every_reason_is_explained() {
    let rows = section("## Why a replication is blocked");
    for reason in BlockedReason::ALL {
        assert!(rows.contains(&format!("| `{}` | ", reason.name())), "{}", reason.name());
    }
    assert_eq!(rows.matches("\n| `").count(), BlockedReason::ALL.len());
}

#[test]
fn every_error_type_is_explained() {
    let rows = section("## Error types");
    for error_type in Failure::ERROR_TYPES {
        assert!(rows.contains(&format!("| `{error_type}` | ")), "{error_type}");
    }
    assert_eq!(rows.matches("\n| `").count(), Failure::ERROR_TYPES.len());
    let failure = Failure::from(EnvelopeError { field: String::new(), problem: String::new() });
    assert!(Failure::ERROR_TYPES.contains(&failure.error_type()));
}

/// What is wrong with a request is its client's to know; the rest is ours.
#[test]
fn every_problem_that_is_ours_is_explained() {
    let rows = section("## Problems of the API");
    let ours = Kind::ALL.into_iter().filter(|kind| kind.status() >= 500);
    for kind in ours.clone() {
        let row = format!("| `{}` | {} | ", kind.name(), kind.status());
        assert!(rows.contains(&row), "{row}");
    }
    assert_eq!(rows.matches("\n| `").count(), ours.count());
}

/// A query for a line that nobody writes finds nothing, and nobody notices.
#[test]
fn every_line_that_a_query_looks_for_is_logged() {
    let code = code();
    let queries: Vec<_> =
        RUNBOOK.lines().filter(|line| line.contains("message =") || line.contains("message in")).collect();
    assert!(queries.len() >= 4, "{queries:?}");
    for query in queries {
        let (_, wanted) = query.split_once("message").unwrap();
        let wanted = wanted.split('|').next().unwrap();
        for message in wanted.split('"').skip(1).step_by(2) {
            assert!(code.contains(&format!("\"{message}\")")), "nobody logs {message:?}");
        }
    }
}

/// The functions' code, without blanks at the line ends.
fn code() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let crates =
        ["controller", "lambda-kit", "aws-adapters", "http-api"].map(|name| root.join(name).join("src"));
    crates
        .iter()
        .flat_map(|folder| files(folder))
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
