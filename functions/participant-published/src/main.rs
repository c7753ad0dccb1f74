//! The participant-published function.
fn main() {}
