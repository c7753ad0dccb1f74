//! The dice that decide which fault strikes.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Dice that a seed determines.
#[derive(Debug)]
pub(super) struct Dice(SmallRng);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(SmallRng::seed_from_u64(seed))
    }

    /// True with a probability of 0–1. A probability of 0 does not use up a roll.
    pub(super) fn roll(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.0.random::<f64>() < probability
    }

    /// A number from 0 to `most`.
    pub(super) fn up_to(&mut self, most: u64) -> u64 {
        if most == 0 { 0 } else { self.0.random_range(0..=most) }
    }
}
