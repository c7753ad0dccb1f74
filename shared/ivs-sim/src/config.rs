//! What a simulated account is like.

use crate::dialect::Dialect;
use crate::faults::Faults;

/// Settings of a simulator. The default is a perfect us-east-1.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Region, as in stage ARNs and envelopes.
    pub region: String,
    /// Account, 12 digits.
    pub account: String,
    /// Seeds every id that the simulator makes up. The same seed and calls give the same bytes.
    pub seed: u64,
    /// Answers to open questions.
    pub dialect: Dialect,
    /// What goes wrong.
    pub faults: Faults,
    /// Quotas that are not rates.
    pub limits: Limits,
    /// How many entries the ledger keeps; older ones are forgotten.
    pub ledger_capacity: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            account: "123456789012".to_owned(),
            seed: 1,
            dialect: Dialect::default(),
            faults: Faults::default(),
            limits: Limits::default(),
            ledger_capacity: 100_000,
        }
    }
}

/// Service quotas per account and Region (IVS RealTimeUserGuide, service-quotas).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Concurrent replications per participant: 5, not adjustable.
    pub replications_per_participant: usize,
    /// Publishers per stage: 12, not adjustable.
    pub publishers_per_stage: usize,
    /// Publishers across all stages: 1 000, adjustable.
    pub publishers: usize,
    /// Stages: 1 000, adjustable.
    pub stages: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { replications_per_participant: 5, publishers_per_stage: 12, publishers: 1_000, stages: 1_000 }
    }
}
