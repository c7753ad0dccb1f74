//! The time of this machine.

use std::time::Duration;

use controller::Clock;
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;

/// The system's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'_, ()> {
        let span = Duration::try_from(at.duration_since(self.now())).unwrap_or_default();
        tokio::time::sleep(span).boxed()
    }
}
