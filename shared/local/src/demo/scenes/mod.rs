//! The scenes of the demo.

pub(super) mod overflow;
pub(super) mod versus;

use super::checks::{Check, Expected};

/// What a scene leaves to be judged.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Its replications, for the checks at the end of the demo.
    pub(super) expected: Vec<Expected>,
    /// What could be seen only while it was played.
    pub(super) checks: Vec<Check>,
}

impl Outcome {
    pub(super) fn add(&mut self, scene: Self) {
        self.expected.extend(scene.expected);
        self.checks.extend(scene.checks);
    }
}
