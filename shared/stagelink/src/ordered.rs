//! Who orders something, and why.

use controller::Order;
use jiff::Timestamp;
use replication::Pause;

/// Said when the reason may be left out.
#[derive(Debug, clap::Args)]
pub(crate) struct Optional {
    /// Why; it stands in the history
    #[arg(long, value_name = "TEXT", value_parser = some_text)]
    reason: Option<String>,
    #[command(flatten)]
    by: By,
}

/// Said when there has to be a reason.
#[derive(Debug, clap::Args)]
pub(crate) struct Required {
    /// Why; everybody sees it who looks at what follows from it
    #[arg(long, value_name = "TEXT", value_parser = some_text)]
    reason: String,
    #[command(flatten)]
    by: By,
}

/// Who it is.
#[derive(Debug, clap::Args)]
pub(crate) struct By {
    /// Who orders it
    #[arg(long, value_name = "NAME", env = "USER", hide_env_values = true, default_value = "an operator", value_parser = some_text)]
    by: String,
}

impl By {
    pub(crate) fn now(&self, reason: Option<&str>) -> Order {
        Order { by: self.by.clone(), reason: reason.map(str::to_owned), at: Timestamp::now() }
    }
}

impl Optional {
    pub(crate) fn now(&self) -> Order {
        self.by.now(self.reason.as_deref())
    }
}

impl Required {
    pub(crate) fn now(&self) -> Order {
        self.by.now(Some(&self.reason))
    }

    pub(crate) fn pause(&self) -> Pause {
        Pause { reason: self.reason.clone(), by: self.by.by.clone(), at: Timestamp::now() }
    }
}

pub(crate) fn some_text(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.len() > 500 || text.chars().any(char::is_control) {
        return Err("allowed are 1-500 bytes without control characters".to_owned());
    }
    Ok(text.to_owned())
}
