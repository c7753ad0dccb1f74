//! The replication-changed function.
fn main() {}
