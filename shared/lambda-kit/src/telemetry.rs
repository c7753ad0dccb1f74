//! Logs: JSON lines on standard output, one span per invocation.

use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::Config;

/// Starts logging. A second call changes nothing.
pub fn init(config: &Config) {
    init_to(config, std::io::stdout);
}

/// The same to somewhere else.
pub fn init_to(config: &Config, log: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) {
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(log);
    let started = tracing_subscriber::registry().with(lines).with(config.log_level.clone()).try_init();
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}
