//! The machine's clock.

use std::time::Duration;

use controller::Clock;
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;

/// The machine's clock and tokio's timer.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'_, ()> {
        let wait = Duration::try_from(at.duration_since(self.now())).unwrap_or(Duration::ZERO);
        tokio::time::sleep(wait).boxed()
    }
}
