//! The participant-unpublished function.
fn main() {}
