//! `cargo infra validate`: what SAM and CloudFormation's linter find in the template. Needs no network and no credentials.

use std::process::Command;

use crate::error::Error;
use crate::process;
use crate::tools::SAM;
use crate::workspace::Workspace;

/// The Region whose resource specifications the template is held against.
const REGION: &str = "us-east-1";

/// Validates the template.
///
/// # Errors
/// When there is any finding, or a tool is missing.
pub(crate) fn validate(workspace: &Workspace) -> Result<(), Error> {
    let programs = SAM.fetch(&workspace.root)?;
    let template = workspace.template();
    let mut sam = Command::new(programs.join("sam"));
    sam.args(["validate", "--lint", "--region", REGION, "--template-file"]).arg(&template);
    process::run(sam.env("SAM_CLI_TELEMETRY", "0").current_dir(&workspace.root))?;
    // On the template as it is written: `sam validate` lints what it has made of it.
    let mut lint = Command::new(programs.join("cfn-lint"));
    lint.args(["--non-zero-exit-code", "informational", "--include-checks", "I", "--regions", REGION, "--"]);
    process::run(lint.arg(&template).current_dir(&workspace.root))
}
