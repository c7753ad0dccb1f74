//! `cargo infra bench`: ours, the same in Python and in Node.js, and a function that does nothing, measured side by side.
//!
//! The measuring is done by `tests/benches`. Here it gets what it needs: the functions as they are deployed, for the architecture of this
//! machine, and the peers with their interpreters.

pub(crate) mod guard;
mod machine;
mod peers;
mod python;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use serde_json::{Value, json};

use crate::build::{Architecture, Compiler, build_to};
use crate::error::Error;
use crate::process;
use crate::workspace::Workspace;
use peers::Peers;

/// The function that the peers stand beside.
const OURS: &str = "participant-published";

/// The package that does nothing.
const FLOOR: &str = "floor";

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[arg(long, value_enum, default_value_t)]
    compiler: Compiler,
    /// Arguments for what measures: --rounds N, --events N, --only CONTENDER, --quick
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<String>,
}

impl Options {
    pub(crate) fn run(self, workspace: &Workspace) -> Result<(), Error> {
        let folder = workspace.target.join("bench");
        fs::create_dir_all(&folder).map_err(Error::file("make", &folder))?;
        let peers = Peers::build(workspace, &folder)?;
        // Not where the template takes the code from: that may be of another architecture.
        let code = folder.join("lambda");
        let packages: Vec<String> = workspace.functions.iter().cloned().chain([FLOOR.to_owned()]).collect();
        build_to(workspace, &packages, (Architecture::OF_THIS_MACHINE, self.compiler), &code)?;
        process::run(&mut Measuring::Time.build(workspace))?;

        let mut functions = BTreeMap::new();
        for name in packages {
            let (binary, zip) = peers.python.size(&code.join(&name), "bootstrap")?;
            functions.insert(name, json!({ "binary": binary, "zip": zip }));
        }
        let floor = functions.remove(FLOOR).unwrap_or_default();
        let compiled = |kind: &str, name: &str, size: &Value| {
            json!({
                "kind": kind, "command": [code.join(name).join("bootstrap")], "folder": code.join(name),
                "unpacked": size["binary"], "zip": size["zip"],
            })
        };
        let mut contenders = vec![compiled("ours", OURS, &functions[OURS]), compiled("floor", FLOOR, &floor)];
        contenders.extend(peers.contenders()?);
        let manifest = json!({
            "machine": machine::told(workspace, &peers)?,
            "contenders": contenders,
            "functions": functions,
            "roots": peers.python.authorities()?,
            "valgrind": machine::program("valgrind"),
        });
        let path = folder.join("contenders.json");
        fs::write(&path, manifest.to_string()).map_err(Error::file("write", &path))?;
        process::run(Measuring::Time.program(workspace, &path, &folder).args(&self.arguments))
    }
}

/// What measures.
#[derive(Debug, Clone, Copy)]
enum Measuring {
    /// With a clock, so it is optimized, but not for its size: it waits for most of its time.
    Time,
    /// By counting, so it may be as slow as it is quick to build.
    Counts,
}

impl Measuring {
    fn build(self, workspace: &Workspace) -> Command {
        let mut cargo = process::cargo(&workspace.root);
        cargo.args(["build", "--locked", "--bin", "benches"]);
        if matches!(self, Self::Time) {
            cargo.arg("--release");
            cargo.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        }
        cargo
    }

    /// The program, told what was built and where its results go.
    fn program(self, workspace: &Workspace, manifest: &Path, out: &Path) -> Command {
        let folder = match self {
            Self::Time => "release",
            Self::Counts => "debug",
        };
        let mut benches = Command::new(workspace.target.join(folder).join("benches"));
        benches.arg(manifest).arg("--out").arg(out);
        benches
    }
}

/// Bytes of a file.
fn bytes(path: &Path) -> Result<u64, Error> {
    Ok(fs::metadata(path).map_err(Error::file("look at", path))?.len())
}

/// An empty folder.
fn emptied(folder: PathBuf) -> Result<PathBuf, Error> {
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(Error::file("delete", &folder))?;
    }
    fs::create_dir_all(&folder).map_err(Error::file("make", &folder))?;
    Ok(folder)
}
