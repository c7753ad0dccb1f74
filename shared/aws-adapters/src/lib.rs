//! The controller's ports on Amazon IVS Real-Time and Amazon DynamoDB. The only crate that names the AWS SDK.
//!
//! [`Connection`] is the way in; [`ivs`] makes the IVS calls, [`tally`] counts them, [`failure`] says what a failed one
//! means, [`store`] is the one table, and module `item` how its items are written. `deployment`, for operators only, looks at the
//! rest of a stack.

pub mod connection;
#[cfg(feature = "operator")]
pub mod deployment;
pub mod failure;
mod item;
pub mod ivs;
pub mod name;
pub mod store;
pub mod tally;

pub use connection::{Connection, ConnectionError, ConnectionOptions, IVS_CALL_SECONDS};
#[cfg(feature = "operator")]
pub use deployment::{Deployment, LookError};
pub use ivs::IvsRealTime;
pub use store::{Cursor, DynamoStore, Page, PageError, Replaced, Window};
pub use tally::{CallCount, CallTally};
