//! draft

pub mod explore;

mod canon;
mod check;
mod control;
mod ivs;
mod places;
mod sabotage;
mod spec;
mod state;
mod step;
mod story;
mod sweep;
mod table;
mod world;

pub use check::Broken;
pub use explore::{Explored, Found, Limits};
pub use spec::{Doing, Layout, Sabotage, Spec, Trouble};
pub use state::State;
pub use story::story;
pub use world::{World, every_decision};

use explore::{Next, Space, explore};

impl Space for World {
    type State = State;
    type Broken = Broken;

    fn first(&self) -> State {
        State::of(self)
    }

    fn fingerprint(&self, state: &State) -> u128 {
        canon::fingerprint(self, state)
    }

    fn next(&self, state: &State) -> Vec<Next<Self>> {
        step::next(self, state)
            .map(|(step, then)| Next { calm: step.is_calm(), acts: step.acts(state), then })
            .collect()
    }

    fn is_well(&self, state: &State) -> bool {
        check::is_well(self, state)
    }
}

/// Checks everything that can happen in a world, within these limits.
pub fn check(world: &World, limits: Limits) -> Explored<Broken> {
    explore(world, limits)
}
