//! What is ordered for all stages at once: whether Stagelink may act, and how far the brake lets it.

use std::fmt;

use jiff::Timestamp;

use crate::{BlockedReason, Policy};

/// Whether Stagelink acts on IVS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Mode {
    /// It starts and stops replications.
    #[default]
    Enforce,
    /// It observes, plans and reports, and starts and stops nothing.
    Observe,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 2] = [Self::Enforce, Self::Observe];

    /// The mode as one word, as configured.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Observe => "observe",
        }
    }

    /// The mode with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

/// What an operator ordered for all stages, and what a sweep counted over all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Control {
    /// While it is there, nothing is started and nothing is stopped.
    pub pause: Option<Pause>,
    /// Until when the brake on mass stops is off.
    pub brake_released_until: Option<Timestamp>,
    /// Running replicas of our own, as a sweep counted them; nothing if none did.
    pub running: Option<usize>,
}

/// An operator's order to start and stop nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Why, in the operator's words.
    pub reason: String,
    /// Who ordered it.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
}

/// Why nothing is started or stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandsOff<'a> {
    /// By configuration.
    Observing,
    /// By an operator's order.
    Paused(&'a Pause),
}

impl<'a> HandsOff<'a> {
    /// Whether anything may be started or stopped; if not, why.
    pub fn of(policy: &Policy, control: &'a Control) -> Option<Self> {
        match (policy.mode, &control.pause) {
            (Mode::Observe, _) => Some(Self::Observing),
            (Mode::Enforce, Some(pause)) => Some(Self::Paused(pause)),
            (Mode::Enforce, None) => None,
        }
    }

    /// The reason for not starting what is wanted.
    pub fn blocked(self) -> BlockedReason {
        match self {
            Self::Observing => BlockedReason::Observing,
            Self::Paused(_) => BlockedReason::Paused,
        }
    }
}

impl fmt::Display for HandsOff<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Observing => f.write_str("only observing"),
            Self::Paused(Pause { reason, by, at }) => write!(f, "paused by {by} since {at} ({reason})"),
        }
    }
}
