//! One execution environment: a Runtime API of its own, and the process that polls it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use lambda_simulator::{Invocation, InvocationStatus, Simulator, SimulatorError, state::InvocationState};
use serde_json::Value;
use tokio::process::{Child, Command};

use super::{HostOptions, Logs};
use crate::{delivery::Failure, template};

/// How the processes of a function are started.
#[derive(Debug, Clone)]
pub(super) struct Spec {
    pub(super) name: String,
    pub(super) timeout: Duration,
    pub(super) logs: Logs,
    pub(super) memory_size: u32,
    region: String,
    pub(super) binary: PathBuf,
    pub(super) environment: BTreeMap<String, String>,
}

/// A process that serves one invocation after the other.
pub(super) struct Environment {
    simulator: Option<Simulator>,
    process: Child,
    invocations: u32,
    _listed: Listed,
}

/// The processes of a function's environments.
#[derive(Debug, Clone, Default)]
pub(super) struct Pids(Arc<Mutex<BTreeSet<u32>>>);

/// Keeps a process in the list as long as it lives.
struct Listed {
    pid: u32,
    pids: Pids,
}

/// How long a process may take until it asks for its first invocation, as in Lambda.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// The simulator remembers every invocation, so an environment is replaced after this many.
const INVOCATIONS: u32 = 1_000;

/// The simulator can miss the end of an invocation that comes while it begins to wait; it is asked again this often.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

impl Spec {
    pub(super) fn new(function: &template::Function, binary: &Path, options: &HostOptions) -> Self {
        let mut environment = function.environment.clone();
        environment.extend(options.environment.clone());
        Self {
            name: function.name.clone(),
            timeout: function.timeout,
            logs: Logs::new(&function.name, options.print_logs),
            memory_size: function.memory_size,
            region: options.region.clone(),
            binary: binary.to_owned(),
            environment,
        }
    }
}

impl Environment {
    /// Starts a process and waits until it asks for work.
    ///
    /// # Errors
    /// When the binary cannot be run, ends, or does not ask for work in time.
    pub(super) async fn start(spec: &Spec, pids: &Pids) -> Result<Self, Failure> {
        let simulator = simulator(spec).await?;
        let mut process = spawn(spec, &simulator).map_err(|error| {
            failure("Runtime.InvalidEntrypoint", format!("{}: {error}", spec.binary.display()))
        })?;
        if let Some(output) = process.stdout.take() {
            spec.logs.follow(output);
        }
        if let Some(output) = process.stderr.take() {
            spec.logs.follow(output);
        }
        let listed = pids.list(process.id().unwrap_or_default());
        let mut environment = Self { simulator: Some(simulator), process, invocations: 0, _listed: listed };
        environment.initialized().await?;
        Ok(environment)
    }

    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Whether it has served enough, and a new one should take its place.
    pub(super) fn is_worn(&self) -> bool {
        self.invocations >= INVOCATIONS
    }

    /// Runs one invocation. After a timeout the process is dead, as in Lambda.
    pub(super) async fn invoke(&mut self, event: &Value, timeout: Duration) -> Result<Value, Failure> {
        self.invocations += 1;
        let Some(simulator) = &self.simulator else { return Err(exited("the environment is closed")) };
        let milliseconds = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let invocation = Invocation::new(event.clone(), milliseconds);
        let id = simulator.enqueue(invocation).await;
        let deadline = Instant::now() + timeout;
        loop {
            tokio::select! {
                waited = simulator.wait_for_invocation_complete(&id, LOOK_AGAIN) => match waited {
                    Ok(state) => return outcome(state),
                    Err(SimulatorError::Timeout(_)) if Instant::now() < deadline => {}
                    Err(SimulatorError::Timeout(_)) => {
                        let _ = self.process.kill().await;
                        let seconds = timeout.as_secs_f64();
                        let text = format!("RequestId: {id} Error: Task timed out after {seconds:.2} seconds");
                        return Err(failure("Sandbox.Timedout", text));
                    }
                    Err(error) => return Err(failure("Sandbox.Failure", error.to_string())),
                },
                status = self.process.wait() => {
                    let state = simulator.get_invocation_state(&id).await.filter(is_complete);
                    let text = || match status {
                        Ok(status) => format!("RequestId: {id} Error: Runtime exited: {status}"),
                        Err(error) => format!("RequestId: {id} Error: Runtime lost: {error}"),
                    };
                    return state.map_or_else(|| Err(exited(&text())), outcome);
                }
            }
        }
    }

    /// Ends the process and waits for its end.
    pub(super) async fn close(mut self) {
        let _ = self.process.kill().await;
    }

    async fn initialized(&mut self) -> Result<(), Failure> {
        let Some(simulator) = &self.simulator else { return Err(exited("the environment is closed")) };
        let deadline = Instant::now() + INIT_TIMEOUT;
        while !simulator.is_initialized().await {
            if let Ok(Some(status)) = self.process.try_wait() {
                let reported = simulator.get_init_error().await;
                let text = reported.unwrap_or_else(|| format!("the process ended during init: {status}"));
                return Err(exited(&text));
            }
            if Instant::now() > deadline {
                let seconds = INIT_TIMEOUT.as_secs();
                return Err(failure(
                    "Sandbox.Timedout",
                    format!("no invocation asked for within {seconds} s"),
                ));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        // The process dies with its handle; the Runtime API's server must be told.
        if let (Some(simulator), Ok(runtime)) = (self.simulator.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(simulator.shutdown());
        }
    }
}

impl Pids {
    /// The processes, by number.
    pub(super) fn numbers(&self) -> Vec<u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    fn list(&self, pid: u32) -> Listed {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(pid);
        Listed { pid, pids: self.clone() }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.pids.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.pid);
    }
}

async fn simulator(spec: &Spec) -> Result<Simulator, Failure> {
    let built = Simulator::builder()
        .function_name(&spec.name)
        .memory_size_mb(spec.memory_size)
        .region(&spec.region)
        .handler("bootstrap")
        .invocation_timeout(spec.timeout)
        .build();
    built.await.map_err(|error| failure("Sandbox.Failure", error.to_string()))
}

fn spawn(spec: &Spec, simulator: &Simulator) -> std::io::Result<Child> {
    let mut command = Command::new(&spec.binary);
    command
        .env_clear()
        .envs(simulator.lambda_env_vars())
        .env("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023")
        .envs(&spec.environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // Ctrl-C is for the stand, which then ends its functions in order.
    #[cfg(unix)]
    command.process_group(0);
    command.spawn()
}

fn is_complete(state: &InvocationState) -> bool {
    matches!(state.status, InvocationStatus::Success | InvocationStatus::Error)
}

fn outcome(state: InvocationState) -> Result<Value, Failure> {
    match (state.status, state.response, state.error) {
        (InvocationStatus::Success, Some(response), _) => Ok(response.payload),
        (_, _, Some(error)) => Err(failure(&error.error_type, error.error_message)),
        (status, _, _) => Err(failure("Sandbox.Failure", format!("the invocation ended as {status:?}"))),
    }
}

fn exited(text: &str) -> Failure {
    failure("Runtime.ExitError", text.to_owned())
}

fn failure(error_type: &str, error_message: String) -> Failure {
    Failure { error_type: error_type.to_owned(), error_message }
}
