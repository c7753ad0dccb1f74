//! What crosses crates: scenarios, conformance, end to end.
