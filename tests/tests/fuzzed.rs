//! What others send, and what must hold whatever that is: every seed of the fuzzing targets, and seeded mutations of each.
//!
//! `cargo infra fuzz` looks for more with libFuzzer. An input that fails there becomes a seed (`tests/fuzz/seeds`), and is tried here
//! from then on. `SEED=2 cargo test --test fuzzed` makes other mutations; a failure names its seed and prints its input.

#![allow(clippy::unwrap_used)]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use stagelink_tests::fuzzed::mutation::mutated;
use stagelink_tests::fuzzed::seeds::{seeds, words};
use stagelink_tests::fuzzed::{Reached, TARGETS, Target};

/// Tries all seeds of a target, and so many mutations of each; checks that they led to all of this.
fn try_all(name: &str, mutations: u64, expected: &[&str]) {
    let target = Target::named(name);
    let (seeds, words) = (seeds(name), words(name));
    let first: u64 = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut reached = Reached::new();
    for (file, document) in &seeds {
        reached.extend(tried(target, file, document));
        for seed in first..first + mutations {
            let document = mutated(document, &words, seed);
            reached.extend(tried(target, &format!("{file}, SEED={seed}"), &document));
        }
    }
    let missing: Vec<_> = expected.iter().filter(|what| !reached.contains(**what)).collect();
    assert!(missing.is_empty(), "not reached: {missing:?}\nreached: {reached:#?}");
}

fn tried(target: Target, origin: &str, document: &[u8]) -> Reached {
    let tried = catch_unwind(AssertUnwindSafe(|| (target.call)(document)));
    tried.unwrap_or_else(|panic| {
        eprintln!("{} of {origin}:\n{}", target.name, String::from_utf8_lossy(document));
        resume_unwind(panic)
    })
}

#[test]
fn envelopes() {
    let reached = &[
        "no JSON",
        "foreign",
        "unknown name",
        "a token exchange changes no publishing",
        "an attempt to publish that failed changes no publishing",
        "a replica may come back; its replication ends with an event of its own",
        "source and destination are the same stage",
        "error in (the event)",
        "error in detail",
        "error in detail.event_name",
        "error in detail.event_time",
        "error in detail.participant_id",
        "error in detail.source_stage_arn",
        "error in detail.destination_stage_arn",
        "error in resources[0]",
        "published deferred",
        "unpublished settled",
        "replica active settled",
        "replica ended settled",
        "replica failed settled",
    ];
    try_all("envelope", 60, reached);
}

#[test]
fn rules_files() {
    let reached = &[
        "JSON: missing field",
        "JSON: no document",
        "JSON: no rules",
        "JSON: rules",
        "JSON: unknown field",
        "JSON: wrong value",
        "YAML: contradiction",
        "YAML: missing field",
        "YAML: no document",
        "YAML: no rules",
        "YAML: rules",
        "YAML: unknown field",
        "YAML: wrong value",
    ];
    try_all("rules_file", 300, reached);
}

#[test]
fn requests() {
    let reached = &[
        "GET 200",
        "GET 400 invalid-parameter",
        "GET 404 unknown-path",
        "GET 404 unknown-rule",
        "HEAD 200",
        "OPTIONS 405 method-not-allowed",
        "POST 200",
        "POST 201",
        "POST 400 invalid-field",
        "POST 400 invalid-json",
        "POST 400 unknown-field",
        "POST 415 unsupported-media-type",
        "PUT 200",
        "DELETE 200",
        "DELETE 428 precondition-required",
    ];
    try_all("http_api", 6, reached);
}

#[test]
fn texts_of_others() {
    try_all("screen", 3, &["5 rules", "Text", "Json", "Yaml", "explain 0", "explain 1"]);
}

#[test]
fn every_target_has_its_test_its_binary_and_its_dictionary() {
    let manifest = include_str!("../fuzz/Cargo.toml");
    for target in TARGETS {
        assert!(manifest.contains(&format!("name = \"{}\"", target.name)), "{}", target.name);
        assert!(
            include_str!("fuzzed.rs").contains(&format!("try_all(\"{}\"", target.name)),
            "{}",
            target.name
        );
        assert!(!words(target.name).is_empty() && !seeds(target.name).is_empty(), "{}", target.name);
    }
}
