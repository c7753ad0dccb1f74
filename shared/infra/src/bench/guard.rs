//! `cargo infra guard`: what can be counted of ours, held against what is committed in `tests/benches/baseline.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::python::Python;
use super::{Measuring, OURS, machine};
use crate::build::{Architecture, Compiler, build_to};
use crate::error::Error;
use crate::process;
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[arg(long, value_enum, default_value_t)]
    compiler: Compiler,
    /// Commit what is counted now: writes it into tests/benches/baseline.json
    #[arg(long)]
    bless: bool,
}

impl Options {
    pub(crate) fn run(self, workspace: &Workspace) -> Result<(), Error> {
        let valgrind = machine::program("valgrind").ok_or_else(|| Error::Missing {
            what: "Valgrind".to_owned(),
            remedy: "on Debian and Ubuntu, apt-get install valgrind".to_owned(),
        })?;
        let folder = workspace.target.join("bench");
        fs::create_dir_all(&folder).map_err(Error::file("make", &folder))?;
        let python = Python::fetch(workspace, &folder)?;
        let code = folder.join("lambda");
        build_to(workspace, &workspace.functions, (Architecture::OF_THIS_MACHINE, self.compiler), &code)?;
        process::run(&mut Measuring::Counts.build(workspace))?;

        let mut functions = BTreeMap::new();
        for name in &workspace.functions {
            let (binary, zip) = python.size(&code.join(name), "bootstrap")?;
            functions.insert(name.as_str(), json!({ "binary": binary, "zip": zip }));
        }
        let ours = code.join(OURS);
        let manifest = json!({
            "machine": {},
            "contenders": [{
                "kind": "ours", "command": [ours.join("bootstrap")], "folder": ours,
                "unpacked": functions[OURS]["binary"], "zip": functions[OURS]["zip"],
            }],
            "functions": functions,
            "roots": python.authorities()?,
            "valgrind": valgrind,
            "planner": planner(workspace)?,
        });
        let path = folder.join("guarded.json");
        fs::write(&path, manifest.to_string()).map_err(Error::file("write", &path))?;
        let mut benches = Measuring::Counts.program(workspace, &path, &folder);
        benches.arg("--guard").arg(workspace.root.join("tests/benches/baseline.json"));
        process::run(benches.args(self.bless.then_some("--bless")))
    }
}

/// The benchmark of the core, with the names of its functions, by which Callgrind finds the planner.
fn planner(workspace: &Workspace) -> Result<PathBuf, Error> {
    let mut cargo = process::cargo(&workspace.root);
    cargo.args(["bench", "--locked", "-p", "replication", "--bench", "planner", "--no-run"]);
    cargo.arg("--message-format=json-render-diagnostics");
    cargo.env("CARGO_PROFILE_BENCH_STRIP", "none").env("CARGO_PROFILE_BENCH_LTO", "off");
    // As the simulation and the tests have it, so that it is the algorithm that is counted.
    cargo.env("CARGO_PROFILE_BENCH_OPT_LEVEL", "3");
    executable(&process::output(&mut cargo)?).ok_or_else(|| Error::Unreadable {
        what: "what cargo says of the benchmark".to_owned(),
        problem: "it names no executable".to_owned(),
    })
}

/// The program of the last artifact that is one.
fn executable(messages: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_benchmark_is_the_artifact_that_runs() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"replication"},"executable":null}"#,
            "\nno json\n",
            r#"{"reason":"compiler-artifact","target":{"name":"planner"},"executable":"/target/planner-1"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#
        );
        assert_eq!(executable(messages), Some("/target/planner-1".into()));
        assert_eq!(executable("{}"), None);
    }
}
