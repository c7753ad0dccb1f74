//! Who changes rules, and why.

use controller::rules::Ordered;
use jiff::Timestamp;

use crate::orders::some_text;

/// Said when the reason may be left out.
#[derive(Debug, clap::Args)]
pub(crate) struct Optional {
    /// Why; it stands in the history of each rule that is changed
    #[arg(long, value_name = "TEXT", value_parser = some_text)]
    reason: Option<String>,
    #[command(flatten)]
    by: By,
}

/// Said when there has to be a reason.
#[derive(Debug, clap::Args)]
pub(crate) struct Required {
    /// Why; it stands in the rule's history
    #[arg(long, value_name = "TEXT", value_parser = some_text)]
    reason: String,
    #[command(flatten)]
    by: By,
}

/// Who it is.
#[derive(Debug, clap::Args)]
pub(crate) struct By {
    /// Who orders it
    #[arg(long, value_name = "NAME", env = "USER", default_value = "an operator", value_parser = some_text)]
    by: String,
}

impl By {
    pub(crate) fn now(&self, reason: Option<&str>) -> Ordered {
        Ordered { by: self.by.clone(), reason: reason.map(str::to_owned), at: Timestamp::now() }
    }
}

impl Optional {
    pub(crate) fn now(&self) -> Ordered {
        self.by.now(self.reason.as_deref())
    }
}

impl Required {
    pub(crate) fn now(&self) -> Ordered {
        self.by.now(Some(&self.reason))
    }
}
