//! Python with boto3: a peer runs on it, and it measures zips as SAM makes them.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::bytes;
use crate::error::Error;
use crate::process;
use crate::tools::BOTO3;
use crate::workspace::Workspace;

/// Python, and where it may write.
pub(super) struct Python {
    /// The program.
    pub(super) program: PathBuf,
    folder: PathBuf,
}

impl Python {
    /// Fetches boto3 for the system's Python.
    ///
    /// # Errors
    /// When it cannot be had.
    pub(super) fn fetch(workspace: &Workspace, folder: &Path) -> Result<Self, Error> {
        let program = BOTO3.fetch(&workspace.root)?.join("python");
        Ok(Self { program, folder: folder.to_owned() })
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
        let mut python = Command::new(&self.program);
        let said = process::output(python.args(["-c", zipped]).arg(&zip).arg(folder).arg(name))?;
        let unpacked = said.trim().parse().map_err(|error: std::num::ParseIntError| Error::Unreadable {
            what: format!("the size of {}", folder.display()),
            problem: error.to_string(),
        })?;
        Ok((unpacked, bytes(&zip)?))
    }

    /// The public authorities, as botocore brings them along: who trusts them has as many to read as on Lambda.
    pub(super) fn authorities(&self) -> Result<String, Error> {
        let said =
            "import botocore, os; print(os.path.join(os.path.dirname(botocore.__file__), 'cacert.pem'))";
        Ok(process::output(Command::new(&self.program).args(["-c", said]))?.trim().to_owned())
    }
}
