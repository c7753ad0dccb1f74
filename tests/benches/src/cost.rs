//! What AWS bills for a million events, by its list prices for arm64.
//!
//! Lambda bills milliseconds, rounded up, times the memory that is set. A function with 256 MB has 256/1769 of a vCPU (Lambda Developer
//! Guide, *Configure Lambda function memory*), so what it computes takes longer there than here, and what it waits for does not. Lambda
//! lets short bursts through, so the truth lies between the two figures: with that share of a vCPU, and with a whole one.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::units::Units;

/// The memory of every contender, as the deployment template sets it for ours.
pub const MEMORY_MIB: u32 = 256;

/// The memory at which a function has a whole vCPU.
const WHOLE_VCPU_MIB: u32 = 1_769;

/// List prices, with their date. The rehearsal's own file.
#[derive(Debug, Clone, Deserialize)]
pub struct Prices {
    /// The Region.
    pub region: String,
    /// The date.
    pub as_of: String,
    lambda_gb_second_arm64: f64,
    lambda_million_requests: f64,
    dynamodb_million_write_units: f64,
    dynamodb_million_read_units: f64,
}

/// What a million events cost, in dollars.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// Lambda, requests and time, with a whole vCPU.
    pub lambda: f64,
    /// The same with the share of a vCPU that the memory comes with.
    pub lambda_share: f64,
    /// DynamoDB's request units.
    pub dynamodb: f64,
}

impl Prices {
    /// Those of `tests/rehearsal/prices.json`.
    ///
    /// # Errors
    /// When one is missing.
    pub fn read() -> Result<Self, Error> {
        let file = include_str!("../../rehearsal/prices.json");
        serde_json::from_str(file).map_err(Error::unreadable("tests/rehearsal/prices.json"))
    }

    /// A million events that take so long each, of which so long on a processor, and so many units.
    pub fn of_a_million(&self, latency_ms: f64, cpu_ms: f64, units: Units) -> Cost {
        let lambda = |billed_ms: f64| {
            let gb_seconds = billed_ms * 1_000.0 * f64::from(MEMORY_MIB) / 1_024.0;
            self.lambda_million_requests + gb_seconds * self.lambda_gb_second_arm64
        };
        let dynamodb = (units.writes + units.index_writes) * self.dynamodb_million_write_units
            + units.reads * self.dynamodb_million_read_units;
        Cost {
            lambda: lambda(billed_ms(latency_ms, cpu_ms, WHOLE_VCPU_MIB)),
            lambda_share: lambda(billed_ms(latency_ms, cpu_ms, MEMORY_MIB)),
            dynamodb,
        }
    }
}

/// The milliseconds that are billed with this memory for what took so long here, on a whole processor.
fn billed_ms(latency_ms: f64, cpu_ms: f64, memory_mib: u32) -> f64 {
    let slower = f64::from(WHOLE_VCPU_MIB) / f64::from(memory_mib.min(WHOLE_VCPU_MIB));
    let waits = (latency_ms - cpu_ms).max(0.0);
    (waits + cpu_ms * slower).ceil().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_computes_is_slowed_down_and_who_waits_is_not() {
        assert_eq!(billed_ms(20.2, 0.0, 256), 21.0);
        assert_eq!(billed_ms(10.0, 10.0, 256), 70.0);
        assert_eq!(billed_ms(12.0, 10.0, 256), 72.0);
        assert_eq!(billed_ms(12.0, 10.0, 1_769), 12.0);
        assert_eq!(billed_ms(12.0, 10.0, 10_240), 12.0, "one thread has no more than one processor");
        assert_eq!(billed_ms(0.1, 0.2, 1_769), 1.0);
    }

    #[test]
    fn a_million_events_cost_what_the_list_says() {
        let prices = Prices::read().unwrap();
        let units = Units { reads: 2.0, writes: 3.0, index_writes: 1.0 };
        let cost = prices.of_a_million(3.5, 1.0, units);
        // 4 ms of a quarter of a GB.
        let time = 1e6 * 0.004 * 0.25 * prices.lambda_gb_second_arm64;
        assert!((cost.lambda - prices.lambda_million_requests - time).abs() < 1e-9, "{cost:?}");
        assert!(cost.lambda_share > cost.lambda);
        let dynamodb = 4.0 * prices.dynamodb_million_write_units + 2.0 * prices.dynamodb_million_read_units;
        assert!((cost.dynamodb - dynamodb).abs() < 1e-9);
    }
}
