//! The controller's ports on Amazon IVS Real-Time and Amazon DynamoDB. The only crate that names the AWS SDK.
//!
//! [`Connection`] is the way in; [`ivs`] makes the IVS calls, [`tally`] counts them, [`failure`] says what a failed one
//! means, [`store`] is the one table, and module `item` how its items are written. `stack`, for operators only, looks at the
//! rest of a stack.

pub mod connection;
pub mod failure;
mod item;
pub mod ivs;
pub mod name;
#[cfg(feature = "operator")]
pub mod stack;
pub mod store;
pub mod tally;

#[cfg(feature = "operator")]
pub use connection::ConnectionOptions;
pub use connection::{Connection, ConnectionError, IVS_CALL_SECONDS};
pub use ivs::IvsRealTime;
#[cfg(feature = "operator")]
pub use stack::{LookError, Stack};
pub use store::{Cursor, DynamoStore, KeptAnswer, Page, PageError, Replaced, Window};
pub use tally::{CallCount, CallTally};
