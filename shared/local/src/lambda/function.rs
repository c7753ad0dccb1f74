//! The execution environments of one function.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::sync::Semaphore;

use super::{
    FunctionReport, Logs, Setup,
    environment::{Environment, Pids, Spec},
};
use crate::delivery::{Answer, Failure, Throttled};

/// Environments that serve one invocation each at a time: one is there from the start, more come when all are busy.
pub(super) struct Pool {
    spec: Spec,
    permits: Semaphore,
    /// Whether the permits are all that the function may ever have. Then an invocation without one is throttled.
    reserved: bool,
    state: Mutex<State>,
    pids: Pids,
    off: AtomicBool,
    closing: AtomicBool,
}

#[derive(Default)]
struct State {
    idle: Vec<Environment>,
    invocations: u64,
    errors: u64,
    restarts: u64,
    throttles: u64,
}

/// How often environments that wait for work are looked after.
const LOOK_AFTER: Duration = Duration::from_millis(200);

impl Pool {
    /// With this many environments at most, or fewer if the function has fewer reserved.
    pub(super) async fn start(
        spec: Spec,
        concurrency: usize,
        reserved: Option<u32>,
    ) -> Result<Arc<Self>, Failure> {
        let most = reserved.map_or(concurrency, |reserved| concurrency.min(reserved as usize));
        let pool = Arc::new(Self {
            spec,
            permits: Semaphore::new(most.max(1)),
            reserved: reserved.is_some(),
            state: Mutex::default(),
            pids: Pids::default(),
            off: AtomicBool::new(false),
            closing: AtomicBool::new(false),
        });
        pool.add().await?;
        tokio::spawn(look_after(Arc::downgrade(&pool)));
        Ok(pool)
    }

    /// Runs one invocation, in a new environment if none is free and there may be another.
    pub(super) async fn invoke(&self, event: &Value) -> Result<Answer, Throttled> {
        if self.off.load(Ordering::SeqCst) {
            self.state().throttles += 1;
            return Err(Throttled);
        }
        // The semaphore is never closed.
        let _permit = if self.reserved {
            let permit = self.permits.try_acquire();
            permit.inspect_err(|_| self.state().throttles += 1).map_err(|_| Throttled)?
        } else {
            let Ok(permit) = self.permits.acquire().await else { return Err(Throttled) };
            permit
        };
        let outcome = self.invoke_in_environment(event).await;
        let mut state = self.state();
        state.invocations += 1;
        state.errors += u64::from(outcome.is_err());
        Ok(outcome)
    }

    pub(super) fn report(&self) -> FunctionReport {
        let state = self.state();
        FunctionReport {
            name: self.spec.name.clone(),
            pids: self.pids.numbers(),
            invocations: state.invocations,
            errors: state.errors,
            restarts: state.restarts,
            throttles: state.throttles,
            timeout_seconds: self.spec.timeout.as_secs(),
        }
    }

    pub(super) fn setup(&self) -> Setup<'_> {
        Setup {
            binary: &self.spec.binary,
            environment: &self.spec.environment,
            memory_size: self.spec.memory_size,
            is_running: !self.pids.numbers().is_empty(),
            is_on: !self.off.load(Ordering::SeqCst),
        }
    }

    pub(super) fn switch(&self, on: bool) {
        self.off.store(!on, Ordering::SeqCst);
    }

    pub(super) fn logs(&self) -> &Logs {
        &self.spec.logs
    }

    pub(super) async fn shutdown(&self) {
        self.closing.store(true, Ordering::SeqCst);
        let idle = std::mem::take(&mut self.state().idle);
        for environment in idle {
            environment.close().await;
        }
    }

    async fn invoke_in_environment(&self, event: &Value) -> Answer {
        let idle = self.state().idle.pop();
        let mut environment = match idle {
            Some(environment) => environment,
            None => self.start_one().await?,
        };
        if !environment.is_alive() {
            self.state().restarts += 1;
            environment = self.start_one().await?;
        }
        let outcome = environment.invoke(event, self.spec.timeout).await;
        if !environment.is_alive() {
            self.state().restarts += 1;
            drop(environment);
            // Should it not start, then the next invocation will fail and say why.
            let _ = self.add().await;
        } else if !environment.is_worn() && !self.closing.load(Ordering::SeqCst) {
            self.state().idle.push(environment);
        }
        outcome
    }

    async fn start_one(&self) -> Result<Environment, Failure> {
        Environment::start(&self.spec, &self.pids).await
    }

    async fn add(&self) -> Result<(), Failure> {
        let environment = self.start_one().await?;
        if !self.closing.load(Ordering::SeqCst) {
            self.state().idle.push(environment);
        }
        Ok(())
    }

    /// Replaces environments that died while they waited.
    async fn replace_dead(&self) {
        let dead = {
            let mut state = self.state();
            let idle = std::mem::take(&mut state.idle).into_iter();
            let (alive, dead): (Vec<_>, Vec<_>) =
                idle.map(|mut each| (each.is_alive(), each)).partition(|(alive, _)| *alive);
            state.idle = alive.into_iter().map(|(_, environment)| environment).collect();
            dead.len()
        };
        for _ in 0..dead {
            self.state().restarts += 1;
            // Should it not start, then the next invocation will fail and say why.
            let _ = self.add().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn look_after(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(LOOK_AFTER).await;
        let Some(pool) = pool.upgrade() else { return };
        pool.replace_dead().await;
    }
}
