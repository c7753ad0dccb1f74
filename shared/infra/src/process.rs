//! Other programs: run to their end, or running while they are needed.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

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
