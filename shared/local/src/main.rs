//! The local stand.
fn main() {}
