//! The replication-changed function.
