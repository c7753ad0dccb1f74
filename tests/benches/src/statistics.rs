//! Medians, percentiles and spreads.

use serde::Serialize;

/// A value out of several rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    /// The spread of these values; nothing of none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values = sorted(values);
        let (least, most) = (*values.first()?, *values.last()?);
        Some(Self { median: median(&values)?, least, most })
    }
}

/// The value that so many of 100 are not above, by the nearest rank: one that was measured. Nothing of none.
pub fn percentile(values: impl IntoIterator<Item = f64>, percent: usize) -> Option<f64> {
    let values = sorted(values);
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values.get(rank - 1).copied()
}

/// The middle of sorted values, or half way between the two in the middle.
fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { upper } else { f64::midpoint(sorted[middle - 1], upper) })
}

fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let hundred = || (1..=100).rev().map(f64::from);
        for (percent, value) in [(50, 50.0), (99, 99.0), (100, 100.0), (1, 1.0), (0, 1.0)] {
            assert_eq!(percentile(hundred(), percent), Some(value), "p{percent}");
        }
        assert_eq!(percentile([7.0, 3.0, 5.0], 50), Some(5.0));
        assert_eq!(percentile([7.0, 3.0, 5.0], 99), Some(7.0), "the most, where there are few");
        assert_eq!(percentile([], 50), None);
    }

    #[test]
    fn a_spread_has_its_median_in_the_middle() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(Spread { median: 2.0, least: 1.0, most: 3.0 }));
        assert_eq!(Spread::of([4.0, 1.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of([]), None);
    }
}
