//! Every state that small worlds can get into, with the real planner: each promise, however things happen to fall together.
//!
//! A world ([`Spec`]) has two or three stages, one or two participants and one or two rules. People do something in it a few times
//! ([`Doing`]), something goes wrong a few times ([`Trouble`]), and all else happens in every possible order: messages come,
//! functions read, write, call and are answered, `dispatch` and sweeps run, time passes. [`check`] follows all of that from the
//! beginning, and knows a state again when it meets it (`canon.rs`), so that it comes to an end. A few ten thousand states are in the
//! smallest worlds. What the simulation does with long cases from seeds, this does with short ones, and leaves none out.
//!
//! # What is real
//! The planner, outcomes, invariants, what a sweep reads out of lists and histories (crate `replication`), and what is written of a
//! plan (`controller::Write`). Around it, `control.rs`, `sweep.rs`, `places.rs` and `table.rs` go as the controller, its sweep, its
//! placement and its table do, with a cut wherever others can come in between. They decide nothing; that they go as the real ones
//! do is for whoever changes either to see. `ivs.rs` is a small IVS that knows whose each replica is.
//!
//! # Guarantees
//! If [`Explored::complete`] and nothing is found, then within the limits below:
//! * no plan breaks an [`Invariant`], no call is made without its intent in the table, nothing
//!   of somebody else's is stopped, nothing is stopped for want of news, and nobody has more replications than slots (`check.rs`);
//! * from every state, however much went wrong before, whatever happens from then on without further trouble ends with what the rules
//!   want, the table saying so, and no more Start or Stop ([`mod@explore`]).
//!
//! The way to what is found is a shortest one, and [`story`] tells it.
//!
//! # Limits
//! * Time goes in ticks of a minute. What happens within one cannot be told apart by its time, as within a second of an event
//!   in whole seconds. Spans of time are one or two ticks, so only their order counts and not their length.
//! * At most two functions wait for something at one time, and people do nothing while three messages are under way.
//! * One stage session, no tags, no attributes, no versus sessions, no quota of calls, all clocks alike, and a table that always
//!   answers. The simulation has all of these.
//! * A sweep looks at every stage, and at one moment, unless it is slow.
//! * That two states are the same is told by 128 bits of their contents.

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

use replication::invariant::Invariant;

use explore::{Next, Space, explore};

pub use check::Broken;
pub use explore::{Explored, Found, Limits};
pub use spec::{Doing, Layout, Sabotage, Spec, Trouble};
pub use state::State;
pub use story::story;
pub use world::{World, every_decision};

/// Explores everything that can happen in a world, within these limits. Whoever watches is told how many states there are so far,
/// and how many steps away the farthest is.
pub fn check(world: &World, limits: Limits, watch: impl FnMut(usize, usize)) -> Explored<Broken> {
    explore(world, limits, watch)
}

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

impl Found<Broken> {
    /// Which promise is not kept.
    pub fn promise(&self) -> Invariant {
        match self {
            Self::Broken(_, broken) => broken.promise,
            Self::NeverWell(_) => Invariant::Settles,
            Self::NeverRests(_) => Invariant::Stays,
        }
    }
}
