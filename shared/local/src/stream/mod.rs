//! The table's stream: changes of items become invocations, as Lambda's event source mappings make them.
//!
//! `record` reads what DynamoDB recorded, `filter` chooses, `mapping` gathers, delivers and tries again, `batch` says what is left
//! to do after an answer, `checkpoint` remembers how far a mapping has come.
//!
//! # Guarantees
//! A mapping delivers the changes that its filter lets through, in their order, one batch at a time. The next batch waits until
//! the one before has succeeded, or is a dead letter.
//!
//! # Caveats
//! The stream has one shard, so that changes of all items are in one order; in AWS only those of one item are. Batches are not
//! limited to 6 MB. A batch that fails for good is a dead letter even if the template names no destination for it.

mod batch;
mod checkpoint;
mod filter;
mod mapping;
mod record;
#[cfg(test)]
mod tests;

pub use self::checkpoint::CheckpointError;
use self::filter::Filter;
pub(crate) use self::{checkpoint::Checkpoints, mapping::mappings, record::TableStream};
