//! Other programs: run to their end, or running while they are needed.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::error::Error;

/// Cargo in this folder, as a person would run it there.
pub(crate) fn cargo(folder: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(folder);
    // Building is no reason to fetch a toolchain.
    command.env("RUSTUP_AUTO_INSTALL", "0");
    // `cargo run` sets these for this program; build scripts would take them for a change and run again.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_of_cargo_run) {
            command.env_remove(name);
        }
    }
    command
}

fn is_of_cargo_run(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_")
        || variable.starts_with("CARGO_BIN_")
        || ["CARGO", "CARGO_CRATE_NAME", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PRIMARY_PACKAGE"]
            .contains(&variable)
}

/// The search path with this folder before all others.
pub(crate) fn path_with(first: &Path) -> OsString {
    let others = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(first.to_owned()).chain(std::env::split_paths(&others));
    // Only a folder with a separator in its name cannot be joined; then the path stays as it is.
    std::env::join_paths(folders).unwrap_or(others)
}

/// Runs a program to its end, in front of the user.
///
/// # Errors
/// When it cannot be started, or fails.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    eprintln!("$ {}", words(command));
    let status = command.status().map_err(start_error(command))?;
    succeeded(command, status)
}

/// Runs a program to its end and returns what it wrote to stdout.
///
/// # Errors
/// When it cannot be started, or fails.
pub(crate) fn output(command: &mut Command) -> Result<String, Error> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(start_error(command))?;
    succeeded(command, output.status)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command line, for people.
pub(crate) fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

pub(crate) fn start_error(command: &Command) -> impl FnOnce(std::io::Error) -> Error {
    let program = command.get_program().to_string_lossy().into_owned();
    |source| Error::Start { program, source }
}

fn succeeded(command: &Command, status: ExitStatus) -> Result<(), Error> {
    if status.success() {
        return Ok(());
    }
    Err(Error::Failed { command: words(command), status })
}

/// A process that ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    name: String,
    child: Child,
}

impl Running {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(command: &mut Command) -> Result<Self, Error> {
        let child = command.spawn().map_err(start_error(command))?;
        Ok(Self { name: words(command), child })
    }

    /// The JSON in the one line that it prints when it is ready, if its stdout comes here.
    ///
    /// # Errors
    /// When it prints something else, or ends instead.
    pub(crate) fn first_line(&mut self) -> Result<Value, Error> {
        let mut line = String::new();
        if let Some(stdout) = self.child.stdout.take() {
            // If it ends instead, the line is empty.
            let read = BufReader::new(stdout).read_line(&mut line);
            read.map_err(Error::file("read", Path::new("what a program prints")))?;
        }
        let what = || format!("the first line of `{}`", self.name);
        serde_json::from_str(&line)
            .map_err(|problem| Error::Unreadable { what: what(), problem: problem.to_string() })
    }

    /// That it runs still.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn is_alive(&mut self) -> Result<(), Error> {
        match self.child.try_wait() {
            Ok(Some(status)) => Err(Error::Wrong(format!("`{}` ended with {status}", self.name))),
            _ => Ok(()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Asked first, so that it ends what it started itself.
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        let began = Instant::now();
        while asked.as_ref().is_ok_and(std::process::ExitStatus::success)
            && began.elapsed() < Duration::from_secs(10)
        {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_or_is_not_there_is_named() {
        let error = run(Command::new("false").arg("now")).unwrap_err();
        assert!(error.words().starts_with("`false now` ended with exit status: 1"), "{}", error.words());
        let error = output(&mut Command::new("no-such-program")).unwrap_err();
        assert!(error.words().starts_with("cannot run `no-such-program`: "), "{}", error.words());
    }

    #[test]
    fn a_program_that_runs_says_where_it_is_and_ends_when_nobody_needs_it() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo '{\"url\": \"here\"}'; exec sleep 600"]).stdout(Stdio::piped());
        let mut running = Running::start(&mut shell).unwrap();
        assert_eq!(running.first_line().unwrap()["url"], "here");
        running.is_alive().unwrap();
        let id = running.child.id();
        drop(running);
        let found = Command::new("kill").args(["-0", &id.to_string()]).stderr(Stdio::null()).status();
        assert!(!found.unwrap().success(), "{id} runs still");
    }

    #[test]
    fn a_program_that_ends_before_it_is_ready_is_an_error() {
        let mut running = Running::start(Command::new("true").stdout(Stdio::piped())).unwrap();
        let error = running.first_line().unwrap_err();
        assert!(
            error.words().starts_with("the first line of `true` is not as expected: "),
            "{}",
            error.words()
        );
    }

    #[test]
    fn cargo_does_not_see_that_cargo_runs_this_program() {
        let command = cargo(Path::new("/"));
        let removed = |name: &str| command.get_envs().any(|(known, value)| known == name && value.is_none());
        // `cargo test` sets them as `cargo run` does.
        assert!(removed("CARGO_PKG_NAME") && removed("CARGO_MANIFEST_DIR"));
        assert!(!removed("CARGO_HOME") && !removed("RUSTUP_TOOLCHAIN"));
    }

    #[test]
    fn a_folder_comes_before_the_others_on_the_path() {
        let first = std::env::split_paths(&path_with(Path::new("/first"))).next();
        assert_eq!(first.unwrap(), Path::new("/first"));
    }
}
