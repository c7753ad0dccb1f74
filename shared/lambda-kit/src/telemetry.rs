//! Logs: JSON lines on standard output, one span per invocation.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::Config;

/// Starts logging. A second call changes nothing.
pub fn init(config: &Config) {
    init_to(config, std::io::stdout);
}

/// The same to somewhere else.
pub fn init_to(config: &Config, log: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) {
    let filter = config.log_level.parse().unwrap_or_else(|_| EnvFilter::new("info"));
    let started = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(log)
        .try_init();
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}
