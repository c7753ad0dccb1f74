//! What every function shares: configuration, telemetry, the EventBridge envelope, and the way from an event to the
//! controller and back.
//!
//! A function's `main` is wiring: [`Config::from_env`], [`telemetry::init`], adapters, and one of [`Function`],
//! [`DispatchFunction`], [`RuleChangedFunction`] and [`ReconcileFunction`].

pub mod clock;
pub mod config;
pub mod dispatch;
mod emf;
pub mod envelope;
pub mod function;
pub mod meter;
pub mod metric;
pub mod reconcile;
pub mod rule_changed;
pub mod telemetry;

pub use clock::SystemClock;
pub use config::{Config, ConfigError};
pub use dispatch::DispatchFunction;
pub use envelope::{EnvelopeError, EventSources, Ignored, News, decode};
pub use function::{Failure, Function};
pub use meter::Meter;
pub use metric::Metric;
pub use reconcile::ReconcileFunction;
pub use rule_changed::RuleChangedFunction;
