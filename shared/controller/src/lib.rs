//! The ports to the world and the one loop of Stagelink: observe, plan, record the intent, execute, record the outcome.
//!
//! [`port`] says what the controller needs of IVS, of its store and of time. [`control`] is the loop, [`sweep`] looks for what
//! events missed, [`versus`] runs versus sessions, [`rules`] changes rules, [`stages`] sees to stages for an operator. [`memory`]
//! holds the store that tests use.

pub mod activity;
pub mod adopt;
pub mod calls_left;
mod causes;
pub mod control;
pub mod dispatch;
pub mod explain;
pub mod history;
pub mod measure;
pub mod memory;
pub mod operator;
mod placement;
pub mod port;
pub mod rules;
pub mod stages;
pub mod sweep;
pub mod versus;

pub use activity::Activity;
pub use adopt::AdoptError;
pub use calls_left::{BudgetWrite, CallsLeft, Turn};
pub use causes::with_causes;
pub use control::{Controller, Error, Handled, Invocation, Patience};
pub use dispatch::{Dispatched, Dispatcher};
pub use explain::StageReader;
pub use history::{History, HistoryLine};
pub use measure::{Measure, Unmeasured};
pub use memory::MemoryStore;
pub use operator::{Operator, Order};
pub use port::{
    Calls, Clock, Due, DueClass, GetParticipant, GetStage, ListReplicas, Queue, StartReplication,
    StopReplication, Store, StoreError, Work, Write,
};
pub use rules::RuleBook;
pub use stages::{StageCalls, Stages};
pub use sweep::{Sweep, Swept};
pub use versus::port::VersusStore;
