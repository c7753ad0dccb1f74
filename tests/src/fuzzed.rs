//! What others send: for each kind of it a function from bytes, which panics if something does not hold that has to hold whatever comes.
//!
//! The same functions are called twice: by `cargo test`, with the seeds and seeded mutations of them (`tests/tests/fuzzed.rs`), and by
//! libFuzzer, with what it finds by coverage (`tests/fuzz`). Inputs are documents as a person writes them, so that one that fails can be
//! read, and is kept among the seeds.

pub mod envelope;
pub mod http_api;
pub mod mutation;
pub mod rules_file;
pub mod screen;
pub mod seeds;
pub mod table;

use std::collections::BTreeSet;

/// What an input led to, in a few words each: by this a test sees that its inputs come everywhere.
pub type Reached = BTreeSet<String>;

/// A target of fuzzing.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: of its seeds, of its dictionary and of its binary.
    pub name: &'static str,
    /// What is called with every input.
    pub call: fn(&[u8]) -> Reached,
}

/// Every target there is.
pub const TARGETS: [Target; 4] = [
    Target { name: "envelope", call: envelope::envelope },
    Target { name: "rules_file", call: rules_file::rules_file },
    Target { name: "http_api", call: http_api::http_api },
    Target { name: "screen", call: screen::screen },
];

impl Target {
    /// The target of this name.
    ///
    /// # Panics
    /// When there is none.
    pub fn named(name: &str) -> Self {
        let found = TARGETS.into_iter().find(|target| target.name == name);
        found.unwrap_or_else(|| panic!("{name} is no target"))
    }
}

/// Whether a text holds something that a terminal obeys, or that turns the direction of writing around; line feeds aside, which end
/// lines. It is told here once more, by Unicode's categories, and not with the product's own words.
pub fn is_obeyed(c: char) -> bool {
    let separates = matches!(c, '\u{2028}' | '\u{2029}');
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c != '\n' && c.is_control() || separates || turns
}
