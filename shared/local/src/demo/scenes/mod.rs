//! The scenes of the demo.

mod burst;
mod lost_events;
mod overflow;
mod rule_change;
mod versus;
mod versus_session;

use clap::ValueEnum;

use super::{
    checks::{Check, Expected},
    play::{Play, SceneError},
};

/// A scene of the demo. They are played in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scene {
    /// VS mode by rules: two hosts, two stages, both directions
    Versus,
    /// VS mode without rules: a session that starts, runs and ends by itself
    VersusSession,
    /// One host into six stages, of which IVS allows five
    Overflow,
    /// Rules are edited, paused and deleted while somebody publishes
    RuleChange,
    /// Half of all events never arrive
    LostEvents,
    /// Many hosts publish at the same moment
    Burst,
}

impl Scene {
    /// Plays it. `publishers` is the size of the burst.
    pub(super) async fn play(self, play: &Play<'_>, publishers: usize) -> Result<Outcome, SceneError> {
        match self {
            Self::Versus => versus::play(play).await,
            Self::VersusSession => versus_session::play(play).await,
            Self::Overflow => overflow::play(play).await,
            Self::RuleChange => rule_change::play(play).await,
            Self::LostEvents => lost_events::play(play).await,
            Self::Burst => burst::play(play, publishers).await,
        }
    }
}

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
