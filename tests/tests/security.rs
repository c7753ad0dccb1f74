//! `SECURITY.md`: what it names is there, and the figures are those of the code.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::BTreeSet;
use std::path::Path;

use replication::{Rule, VersusTerms};

const TEXT: &str = include_str!("../../SECURITY.md");

#[test]
fn every_file_that_is_named_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let links: BTreeSet<_> = TEXT.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    assert!(links.len() > 25, "{links:?}");
    let missing: Vec<_> = links.into_iter().filter(|path| !root.join(path).exists()).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

/// Each threat says what stops it, or what remains; and what stops it says where that is seen.
#[test]
fn every_threat_has_an_answer() {
    let section = TEXT.split("### Threats").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| threat"));
    let mut threats = 0;
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        if cells[0].starts_with("**") {
            continue;
        }
        let [_, stops, shown, remains] = cells[..] else { panic!("{row}") };
        assert!(!stops.is_empty() || !remains.is_empty(), "{row}");
        assert!(stops.is_empty() || !shown.is_empty() || !remains.is_empty(), "nothing shows it: {row}");
        threats += 1;
    }
    assert!(threats > 20, "{threats}");
}

#[test]
fn figures_are_those_of_the_code() {
    let thousands = |number: usize| format!("{},{:03}", number / 1_000, number % 1_000);
    for figure in [
        format!("of which there are {}", thousands(Rule::MAX_RULES)),
        format!("{} rules", thousands(Rule::MAX_RULES)),
        format!("{} KB of attributes", Rule::MAX_ATTRIBUTE_BYTES / 1_024),
        format!("{} KB of patterns", Rule::MAX_PATTERN_BYTES / 1_024),
        format!("{} destinations", Rule::MAX_DESTINATIONS),
        format!("{} KiB a rule", Rule::MAX_BYTES / 1_024),
        format!(
            "{} stages and {} h a session",
            VersusTerms::MAX_STAGES,
            VersusTerms::MAX_DURATION_SECONDS / 3_600
        ),
    ] {
        assert!(TEXT.contains(&figure), "{figure}");
    }
}
