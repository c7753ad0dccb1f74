//! Lambda on this machine: the compiled function binaries as processes behind the Lambda Runtime API.
//!
//! # Guarantees
//! A function whose concurrency is reserved never has more processes than that. A process that dies, or is killed because its
//! invocation took too long, is replaced; its invocation has failed.
//!
//! # Caveats
//! Memory is not limited, and processes are not frozen between invocations.

mod environment;
mod function;
mod logs;
#[cfg(test)]
#[cfg(unix)]
mod tests;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::future::{BoxFuture, join_all};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::logs::Logs;
use self::{environment::Spec, function::Pool};
use crate::{
    delivery::{Answer, Failure, Host, Throttled},
    template,
};

/// The functions of a stand.
pub struct Functions {
    pools: BTreeMap<String, Arc<Pool>>,
}

/// How functions are hosted.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// Execution environments per function at most; further invocations wait. A function with fewer reserved has those, and
    /// its further invocations are throttled.
    pub concurrency: usize,
    /// Environment variables for every function; they win over the template's.
    pub environment: BTreeMap<String, String>,
    /// The Region, told to the functions.
    pub region: String,
    /// Prints the functions' output to stderr as it comes.
    pub print_logs: bool,
}

/// How a function runs here.
pub(crate) struct Setup<'a> {
    /// Its program.
    pub(crate) binary: &'a Path,
    /// Its environment variables.
    pub(crate) environment: &'a BTreeMap<String, String>,
    /// Memory in MiB, as it is told.
    pub(crate) memory_size: u32,
    /// Whether a process of it is there.
    pub(crate) is_running: bool,
    /// Whether it is switched on.
    pub(crate) is_on: bool,
}

/// What became of a function so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionReport {
    /// The function's name.
    pub name: String,
    /// The processes of its execution environments.
    pub pids: Vec<u32>,
    /// Invocations that ended, well or not.
    pub invocations: u64,
    /// Invocations that failed.
    pub errors: u64,
    /// Processes that had to be replaced because they died or were killed.
    pub restarts: u64,
    /// Invocations that did not take place, because as many ran as are reserved.
    pub throttles: u64,
    /// The longest an invocation may take.
    pub timeout_seconds: u64,
}

impl Functions {
    /// Starts one execution environment for each function, so that a binary that cannot start is found at once.
    ///
    /// # Errors
    /// The failure of the first function that does not start, with its name.
    pub async fn start(
        functions: &[template::Function],
        binaries: &BTreeMap<String, PathBuf>,
        options: &HostOptions,
    ) -> Result<Self, (String, Failure)> {
        let mut pools = BTreeMap::new();
        for function in functions {
            let Some(binary) = binaries.get(&function.name) else {
                let error_message = "there is no binary of this name".to_owned();
                let failure = Failure { error_type: "Runtime.InvalidEntrypoint".to_owned(), error_message };
                return Err((function.name.clone(), failure));
            };
            let spec = Spec::new(function, binary, options);
            let pool = Pool::start(spec, options.concurrency, function.reserved_concurrency).await;
            pools.insert(function.name.clone(), pool.map_err(|failure| (function.name.clone(), failure))?);
        }
        Ok(Self { pools })
    }

    /// What became of each function so far, by name.
    pub fn reports(&self) -> Vec<FunctionReport> {
        self.pools.values().map(|pool| pool.report()).collect()
    }

    /// How a function is set up, if there is one of this name.
    pub(crate) fn setup(&self, function: &str) -> Option<Setup<'_>> {
        self.pools.get(function).map(|pool| pool.setup())
    }

    /// Switches a function off, so that every invocation is throttled, or on again. Whether there is one of this name.
    pub(crate) fn switch(&self, function: &str, on: bool) -> bool {
        self.pools.get(function).inspect(|pool| pool.switch(on)).is_some()
    }

    /// What a function wrote last, if there is one of this name.
    pub fn logs(&self, function: &str) -> Option<Vec<String>> {
        self.pools.get(function).map(|pool| pool.logs().tail())
    }

    /// Ends all processes that are not in an invocation.
    pub async fn shutdown(&self) {
        join_all(self.pools.values().map(|pool| pool.shutdown())).await;
    }
}

impl Host for Functions {
    fn invoke<'a>(&'a self, function: &'a str, event: &'a Value) -> BoxFuture<'a, Result<Answer, Throttled>> {
        Box::pin(async move {
            match self.pools.get(function) {
                Some(pool) => pool.invoke(event).await,
                None => Ok(Err(Failure {
                    error_type: "ResourceNotFoundException".to_owned(),
                    error_message: format!("Function not found: {function}"),
                })),
            }
        })
    }
}
