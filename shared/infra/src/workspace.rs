//! The workspace this program belongs to: its folder, and the functions in it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::Error;
use crate::process;

/// The workspace.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    /// The names of the packages under `functions/`, sorted. Package, binary and function have one name.
    pub(crate) functions: Vec<String>,
}

impl Workspace {
    /// Finds the workspace and asks cargo what is in it.
    ///
    /// # Errors
    /// When this is no workspace of functions.
    pub(crate) fn find() -> Result<Self, Error> {
        let metadata = process::output(process::cargo(&start()?).args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ]))?;
        let metadata = serde_json::from_str(&metadata).map_err(|error| unreadable(&error.to_string()))?;
        Self::read(&metadata)
    }

    fn read(metadata: &Value) -> Result<Self, Error> {
        let folder = |name: &str| {
            let folder = metadata[name].as_str().map(PathBuf::from);
            folder.ok_or_else(|| unreadable(&format!("{name} is missing")))
        };
        let root = folder("workspace_root")?;
        let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
        let mut functions: Vec<String> =
            packages.iter().filter_map(|package| function(package, &root.join("functions"))).collect();
        functions.sort();
        if functions.is_empty() {
            return Err(unreadable("there is no package under functions/"));
        }
        Ok(Self { target: folder("target_directory")?, root, functions })
    }

    /// The deployment template.
    pub(crate) fn template(&self) -> PathBuf {
        self.root.join("infra/template.yaml")
    }

    /// Where the template takes the functions' code from, each in a folder of its name; wherever cargo builds.
    pub(crate) fn code(&self) -> PathBuf {
        self.root.join("target/lambda")
    }
}

/// Where to begin: this package's folder under `cargo run`, else the folder the user is in.
fn start() -> Result<PathBuf, Error> {
    match std::env::var_os("CARGO_MANIFEST_DIR") {
        Some(package) => Ok(package.into()),
        None => std::env::current_dir().map_err(Error::file("find", Path::new("the current folder"))),
    }
}

fn function(package: &Value, functions: &Path) -> Option<String> {
    let manifest = Path::new(package["manifest_path"].as_str()?);
    let is_function = manifest.parent()?.parent()? == functions;
    is_function.then(|| package["name"].as_str().map(str::to_owned))?
}

fn unreadable(problem: &str) -> Error {
    Error::Unreadable { what: "what `cargo metadata` says".to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn functions_are_the_packages_right_under_functions() {
        let package = |name, path| json!({ "name": name, "manifest_path": path });
        let packages = [
            package("reconcile", "/w/functions/reconcile/Cargo.toml"),
            package("local", "/w/shared/local/Cargo.toml"),
            package("api", "/w/functions/api/Cargo.toml"),
            package("deep", "/w/functions/api/deep/Cargo.toml"),
            package("elsewhere", "/other/functions/elsewhere/Cargo.toml"),
        ];
        let metadata = |packages: &[Value]| json!({ "workspace_root": "/w", "target_directory": "/t", "packages": packages });
        let workspace = Workspace::read(&metadata(&packages)).unwrap();
        assert_eq!(workspace.functions, ["api", "reconcile"]);
        assert_eq!(workspace.code(), Path::new("/w/target/lambda"));
        let error = Workspace::read(&metadata(&packages[1..2])).unwrap_err();
        assert!(error.to_string().contains("no package under functions/"), "{error}");
    }

    #[test]
    fn this_workspace_has_a_folder_for_each_function() {
        let workspace = Workspace::find().unwrap();
        let folders = std::fs::read_dir(workspace.root.join("functions")).unwrap();
        let mut folders: Vec<_> =
            folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
        folders.sort();
        assert_eq!(workspace.functions, folders);
        assert!(workspace.template().is_file());
    }
}
