//! The function binaries, built by cargo.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use serde_json::Value;
use tokio::process::Command;

/// Why there are no binaries.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Cargo cannot be run.
    #[error("cannot run `{}`, which builds the functions; is Rust installed and on the PATH?", .cargo.display())]
    Cargo {
        /// The program that was tried.
        cargo: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Cargo ran and failed. Its own message is on stderr.
    #[error("the functions could not be built: `{command}` ended with {status}")]
    Failed {
        /// The command line.
        command: String,
        /// Its end.
        status: ExitStatus,
    },
    /// Cargo built everything but this.
    #[error(
        "cargo built no binary `{name}`: is there a package of this name, with a binary of the same name?"
    )]
    Missing {
        /// The function's name.
        name: String,
    },
}

/// Builds the packages of these names and returns their binaries. What cargo has to say goes to stderr.
///
/// # Errors
/// When cargo cannot be run, fails, or yields no binary for a name.
pub async fn build(
    workspace: &Path,
    names: &[String],
    release: bool,
) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let arguments = arguments(names, release);
    let mut command = Command::new(&cargo);
    command.args(&arguments).current_dir(workspace).stdin(Stdio::null()).stderr(Stdio::inherit());
    // `cargo run` sets these for the stand itself; build scripts would take them for a change and run again.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_of_cargo_run) {
            command.env_remove(name);
        }
    }
    let run = command.kill_on_drop(true).stdout(Stdio::piped()).spawn();
    let output = match run {
        Ok(child) => child.wait_with_output().await,
        Err(error) => Err(error),
    };
    let output = output.map_err(|source| BuildError::Cargo { cargo: PathBuf::from(&cargo), source })?;
    if !output.status.success() {
        let command = format!("cargo {}", arguments.join(" "));
        return Err(BuildError::Failed { command, status: output.status });
    }
    let built = executables(&String::from_utf8_lossy(&output.stdout));
    let find = |name: &String| match built.get(name) {
        Some(path) => Ok((name.clone(), path.clone())),
        None => Err(BuildError::Missing { name: name.clone() }),
    };
    names.iter().map(find).collect()
}

/// In debug, binaries are chosen by name from the whole workspace, as `cargo local` and `cargo test` do: then all of them share
/// dependencies compiled with the same features. In release, functions are built by package, as they are for a deployment.
fn arguments(names: &[String], release: bool) -> Vec<String> {
    let choice = if release { "-p" } else { "--bin" };
    let mut arguments = vec!["build".to_owned()];
    arguments.extend(names.iter().flat_map(|name| [choice.to_owned(), name.clone()]));
    arguments.push("--message-format=json-render-diagnostics".to_owned());
    arguments.extend(release.then(|| "--release".to_owned()));
    arguments
}

fn is_of_cargo_run(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_")
        || variable.starts_with("CARGO_BIN_")
        || ["CARGO", "CARGO_CRATE_NAME", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PRIMARY_PACKAGE"]
            .contains(&variable)
}

/// The binaries in cargo's messages, by target name.
fn executables(messages: &str) -> BTreeMap<String, PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?;
            let path = message["executable"].as_str()?;
            Some((name.to_owned(), PathBuf::from(path)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_taken_from_cargos_messages() {
        let messages = r#"
{"reason":"compiler-artifact","target":{"name":"replication"},"executable":null}
not json
{"reason":"compiler-artifact","target":{"name":"participant-published"},"executable":"/t/debug/participant-published"}
{"reason":"build-finished","success":true}
"#;
        let path = PathBuf::from("/t/debug/participant-published");
        assert_eq!(executables(messages), BTreeMap::from([("participant-published".to_owned(), path)]));
    }

    #[test]
    fn in_debug_features_are_those_of_the_workspace_and_in_release_the_functions_own() {
        let debug = arguments(&["a".to_owned(), "b".to_owned()], false).join(" ");
        assert_eq!(debug, "build --bin a --bin b --message-format=json-render-diagnostics");
        let release = arguments(&["a".to_owned()], true).join(" ");
        assert_eq!(release, "build -p a --message-format=json-render-diagnostics --release");
    }
}
