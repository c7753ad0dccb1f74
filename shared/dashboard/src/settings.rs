//! What the dashboard is told about the deployment that it shows.

use std::time::Duration;

use replication::Limit;
use serde_json::{Value, json};

/// IVS's quota of calls per second for each operation (not adjustable, IVS service quotas).
const QUOTA_PER_SECOND: u32 = 5;

/// What the dashboard cannot read in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The table's name.
    pub table: String,
    /// The Region.
    pub region: String,
    /// What there is to say of the place, such as `local stand`.
    pub place: String,
    /// How often the table is looked at while somebody looks at the page. Each look is a consistent Scan of everything, history
    /// included: one read request unit for each 4 KB of the table.
    pub interval: Duration,
    /// The share of IVS's quota that the deployment keeps to, in percent (1-100).
    pub quota_share: u32,
}

impl Settings {
    /// How often a customer's table is looked at. 5,000 replicas are about 4 MB; that is 1,000 read request units a look, and at
    /// $0.125 per million of them 9 cents for an hour in which somebody looks.
    pub const OF_A_DEPLOYMENT: Duration = Duration::from_secs(5);
    /// How often the table of the local stand is looked at, which costs nothing.
    pub const OF_THE_STAND: Duration = Duration::from_secs(2);

    /// The limit of each operation's calls.
    pub(crate) fn limit(&self) -> Limit {
        Limit::share(QUOTA_PER_SECOND, self.quota_share)
    }

    /// The same for the page.
    pub(crate) fn for_the_page(&self) -> Value {
        json!({
            "table": self.table,
            "region": self.region,
            "place": self.place,
            "interval_ms": u64::try_from(self.interval.as_millis()).unwrap_or(u64::MAX),
            "quota": QUOTA_PER_SECOND,
            "budget": self.limit().calls,
        })
    }
}
