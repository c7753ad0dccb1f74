//! The machine that is measured on, and the versions of everything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::peers::Peers;
use crate::error::Error;
use crate::process;
use crate::workspace::Workspace;

/// What there is to say, by what it is about.
pub(super) fn told(workspace: &Workspace, peers: &Peers) -> Result<BTreeMap<&'static str, String>, Error> {
    let said = |program: &Path, arguments: &[&str]| {
        Ok::<_, Error>(
            process::output(Command::new(program).args(arguments).current_dir(&workspace.root))?
                .trim()
                .to_owned(),
        )
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let processor = processor(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default());
    let boto3 = "import boto3, importlib.metadata; print(boto3.__version__ + ', awslambdaric ' + importlib.metadata.version('awslambdaric'))";
    let module = |name: &str| version(&peers.modules.join(name).join("package.json"));
    let mut told = BTreeMap::from([
        ("processor", format!("{processor}, {cores} cores")),
        ("system", said(Path::new("uname"), &["-srm"])?),
        ("Rust", said(Path::new("rustc"), &["--version"])?),
        (
            "Python",
            format!(
                "{}, boto3 {}",
                said(&peers.python.program, &["--version"])?,
                said(&peers.python.program, &["-c", boto3])?
            ),
        ),
        (
            "Node.js",
            format!(
                "{}, @aws-sdk/client-dynamodb {}, aws-lambda-ric {}, esbuild {}",
                said(&peers.node, &["--version"])?,
                module("@aws-sdk/client-dynamodb"),
                module("aws-lambda-ric"),
                module("esbuild")
            ),
        ),
    ]);
    if program("git").is_some() && workspace.root.join(".git").exists() {
        told.insert("commit", said(Path::new("git"), &["describe", "--always", "--dirty"])?);
    }
    Ok(told)
}

/// Where a program is, if it is on the path.
pub(super) fn program(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// The processor's name; on arm64 the system does not tell it.
fn processor(cpuinfo: &str) -> String {
    let name = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned())
}

fn version(package: &Path) -> String {
    let text = std::fs::read_to_string(package).unwrap_or_default();
    let package: Value = serde_json::from_str(&text).unwrap_or_default();
    package["version"].as_str().unwrap_or("?").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_has_its_name_if_the_system_tells_it() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Fast One: 2 GHz\nprocessor\t: 1\n";
        assert_eq!(processor(cpuinfo), "Fast One: 2 GHz");
        assert_eq!(processor("CPU implementer\t: 0x41\n"), std::env::consts::ARCH);
    }
}
