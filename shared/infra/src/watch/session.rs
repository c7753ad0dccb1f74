//! The processes of a session: the stand, and `cargo lambda watch` with the functions.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::error::Error;
use crate::process::{self, Running};
use crate::tools::CARGO_LAMBDA;
use crate::workspace::Workspace;

/// How long a server may take to begin; the programs are built by then.
const PATIENCE: Duration = Duration::from_secs(60);

/// A stand and the functions on it, until dropped.
pub(super) struct Session {
    /// Before the stand, which the functions need: fields are dropped in their order.
    functions: Running,
    stand: Running,
    cargo_lambda: PathBuf,
    root: PathBuf,
    local: PathBuf,
    /// For files that are made here.
    folder: PathBuf,
    port: u16,
    pub(super) ivs: String,
    dynamodb: String,
    table: String,
}

/// How an invocation ended.
#[derive(Debug)]
pub(super) enum Answer {
    /// What the function answered: JSON.
    Value(String),
    /// What `cargo lambda invoke` said of its failure.
    Failure(String),
}

impl Session {
    /// Builds what is needed and starts it. With `reload`, functions are built anew when their code changes.
    ///
    /// # Errors
    /// When something cannot be built, or does not begin.
    pub(super) fn start(workspace: &Workspace, port: u16, reload: bool) -> Result<Self, Error> {
        let cargo_lambda = CARGO_LAMBDA.fetch(&workspace.root)?;
        // As `cargo lambda watch` builds them, so that the first invocations need not wait for it.
        process::run(process::cargo(&workspace.root).args(["build", "--locked", "--workspace", "--bins"]))?;
        let local = workspace.target.join("debug/local");
        let (stand, ready) = stand(&local, &workspace.root)?;
        let text = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
        let port = free_port(port)?;
        let mut command = process::cargo(&workspace.root);
        command.env("PATH", process::path_with(&cargo_lambda)).stdin(Stdio::null()).stdout(Stdio::null());
        command.args(watch_arguments(port, reload, &ready));
        let functions = Running::start(&mut command)?;
        let session = Self {
            functions,
            stand,
            cargo_lambda,
            root: workspace.root.clone(),
            folder: workspace.target.join("watch"),
            local,
            port,
            ivs: text("ivs"),
            dynamodb: text("dynamodb"),
            table: text("table"),
        };
        session.wait_for_port()?;
        Ok(session)
    }

    fn wait_for_port(&self) -> Result<(), Error> {
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if began.elapsed() > PATIENCE {
                return Err(Error::Wrong("`cargo lambda watch` does not open its port".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Replaces the rules in the table by those in the text of a rules file.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(super) fn put_rules(&self, rules: &str) -> Result<(), Error> {
        let file = self.file("rules.yaml", rules)?;
        let mut local = Command::new(&self.local);
        local.arg("rules").arg(file).args(["--dynamodb", &self.dynamodb, "--table", &self.table]);
        process::output(local.current_dir(&self.root)).map(drop)
    }

    /// A file of the session with this text.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn file(&self, name: &str, text: &str) -> Result<PathBuf, Error> {
        std::fs::create_dir_all(&self.folder).map_err(Error::file("make", &self.folder))?;
        let file = self.folder.join(name);
        std::fs::write(&file, text).map_err(Error::file("write", &file))?;
        Ok(file)
    }

    /// Invokes a function with a file, as the README says.
    ///
    /// # Errors
    /// When it cannot be invoked. That the function fails is an answer.
    pub(super) fn invoke(&self, function: &str, file: &Path) -> Result<Answer, Error> {
        let mut command = process::cargo(&self.root);
        command.env("PATH", process::path_with(&self.cargo_lambda)).stdin(Stdio::null());
        command.args(invoke_arguments(function, self.port)).arg(file);
        let output = command.output().map_err(process::start_error(&command))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(match output.status.success() {
            true => Answer::Value(text(&output.stdout)),
            false => Answer::Failure(text(&output.stderr)),
        })
    }

    /// That everything runs still.
    pub(super) fn is_alive(&mut self) -> Result<(), Error> {
        self.stand.is_alive()?;
        self.functions.is_alive()
    }

    /// What a developer can do now.
    pub(super) fn welcome(&self, functions: &[String]) -> String {
        let (ivs, dynamodb, table, port) = (&self.ivs, &self.dynamodb, &self.table, self.port);
        let programs = self.cargo_lambda.display();
        let invoke = |function: &String| {
            let arguments = invoke_arguments(function, port).join(" ");
            format!("  cargo {arguments} {}\n", example(function))
        };
        let invocations: String = functions.iter().map(invoke).collect();
        format!(
            "The functions wait for events, and are built anew when their code changes; Ctrl-C ends the session.

  IVS Real-Time  {ivs}
  DynamoDB       {dynamodb}  table {table}

  export PATH=\"{programs}:$PATH\"
{invocations}  curl {ivs}/_sim/state"
        )
    }

    /// Waits until one of the processes ends; Ctrl-C reaches them all.
    pub(super) fn wait(mut self) -> Result<(), Error> {
        loop {
            self.is_alive()?;
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

/// An envelope that shows what the function does.
fn example(function: &str) -> &'static str {
    match function {
        "participant-published" => "events/participant-published.json",
        "participant-unpublished" => "events/participant-unpublished.json",
        "replication-changed" => "events/participant-published-replica-at-destination.json",
        "rule-changed" => "events/stream-rules.json",
        "api" => "events/api-request.json",
        _ => "events/scheduled-event.json",
    }
}

/// Starts a stand without functions, and reads the line that it prints when it is ready.
fn stand(local: &Path, root: &Path) -> Result<(Running, Value), Error> {
    let mut command = Command::new(local);
    command.args(["up", "--json", "--no-functions"]).current_dir(root);
    let mut stand = Running::start(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    let ready = stand.first_line()?;
    Ok((stand, ready))
}

fn watch_arguments(port: u16, reload: bool, ready: &Value) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["lambda", "watch", "-A", "127.0.0.1", "-P", &port.to_string()].map(str::to_owned).to_vec();
    arguments.extend((!reload).then(|| "--ignore-changes".to_owned()));
    let text = |name: &str| ready[name].as_str().unwrap_or_default();
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_REGION", text("region")),
        ("AWS_ENDPOINT_URL_DYNAMODB", text("dynamodb")),
        ("AWS_ENDPOINT_URL_IVS_REALTIME", text("ivs")),
        ("LOG_LEVEL", "warn"),
        ("SELECTOR_CACHE_SECONDS", "0"),
        ("TABLE_NAME", text("table")),
    ] {
        arguments.extend(["--env-var".to_owned(), format!("{name}={value}")]);
    }
    arguments
}

/// All but the file.
fn invoke_arguments(function: &str, port: u16) -> Vec<String> {
    ["lambda", "invoke", function, "-A", "127.0.0.1", "-P", &port.to_string(), "--data-file"]
        .map(str::to_owned)
        .to_vec()
}

/// The port itself, or a free one for 0: `cargo lambda watch` takes only numbers of ports.
fn free_port(port: u16) -> Result<u16, Error> {
    let listener = TcpListener::bind(("127.0.0.1", port)).and_then(|listener| listener.local_addr());
    let address =
        listener.map_err(|source| Error::Start { program: format!("a server on port {port}"), source })?;
    Ok(address.port())
}
