//! `cargo infra rehearse`: the template and the functions as they are, deployed to an AWS on this machine.
//!
//! The driver is `tests/rehearsal`. Here it gets what it needs: SAM, ministack, the simulated IVS, the operator's command and the built
//! functions, for the architecture of this machine's processes.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::build::{Architecture, Compiler, build};
use crate::error::Error;
use crate::process;
use crate::tools::{MINISTACK, SAM};
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[arg(long, value_enum, default_value_t)]
    compiler: Compiler,
    /// Arguments for the driver, such as --only
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "DRIVER ARGUMENTS")]
    driver: Vec<String>,
}

impl Options {
    pub(crate) fn run(self, workspace: &Workspace) -> Result<(), Error> {
        let tools =
            Programs { sam: SAM.fetch(&workspace.root)?, ministack: MINISTACK.fetch(&workspace.root)? };
        build(workspace, Architecture::OF_THIS_MACHINE, self.compiler)?;
        let debug = ["build", "--locked", "--bin", "ivs-sim", "--bin", "stagelink"];
        process::run(process::cargo(&workspace.root).args(debug))?;
        let mut python = Command::new(tools.ministack.join("python"));
        python.args(tools.arguments(workspace)).args(&self.driver);
        process::run(python.env("SAM_CLI_TELEMETRY", "0").current_dir(&workspace.root))
    }
}

/// The folders of the tools' programs.
struct Programs {
    sam: PathBuf,
    ministack: PathBuf,
}

impl Programs {
    fn arguments(&self, workspace: &Workspace) -> Vec<PathBuf> {
        let driver = workspace.root.join("tests/rehearsal");
        let named = [
            ("--sam", self.sam.join("sam")),
            ("--ministack", self.ministack.join("ministack")),
            ("--ivs-sim", workspace.target.join("debug/ivs-sim")),
            ("--stagelink", workspace.target.join("debug/stagelink")),
            ("--template", workspace.template()),
            ("--code", workspace.code()),
        ];
        let named = named.into_iter().flat_map(|(name, path)| [Path::new(name).to_owned(), path]);
        std::iter::once(driver).chain(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_is_told_where_everything_is() {
        let workspace = Workspace { root: "/w".into(), target: "/t".into(), functions: Vec::new() };
        let tools = Programs { sam: "/s/bin".into(), ministack: "/m/bin".into() };
        let arguments = tools.arguments(&workspace);
        let arguments: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
        assert_eq!(
            arguments.join(" "),
            "/w/tests/rehearsal --sam /s/bin/sam --ministack /m/bin/ministack --ivs-sim /t/debug/ivs-sim \
             --stagelink /t/debug/stagelink --template /w/infra/template.yaml --code /w/target/lambda"
        );
    }
}
