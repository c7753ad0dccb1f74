//! Who orders something, and why.

use controller::Order;
use jiff::Timestamp;

use crate::orders::{ByWhom, some_text};

/// Said when the reason may be left out.
#[derive(Debug, clap::Args)]
pub(crate) struct Optional {
    /// Why; it stands in the history
    #[arg(long, value_name = "TEXT", value_parser = some_text)]
    reason: Option<String>,
    /// Who orders it
    #[arg(long, value_name = "NAME", env = "USER", hide_env_values = true, default_value = "an operator", value_parser = some_text)]
    by: String,
}

impl Optional {
    pub(crate) fn now(&self) -> Order {
        Order { by: self.by.clone(), reason: self.reason.clone(), at: Timestamp::now() }
    }
}

impl ByWhom {
    pub(crate) fn now(&self) -> Order {
        Order { by: self.by.clone(), reason: Some(self.reason.clone()), at: Timestamp::now() }
    }
}
