//! The documents that fuzzing begins with, and the words that it puts into them.

#![allow(clippy::expect_used, reason = "a test that cannot go on shall panic")]

use std::path::{Path, PathBuf};

/// Where seeds and dictionaries are.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The folders with a target's seeds. Envelopes begin with the events that functions receive.
pub fn folders(target: &str) -> Vec<PathBuf> {
    let own = folder().join("seeds").join(target);
    match target {
        "envelope" => {
            let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
            vec![own, events.join("malformed"), events]
        }
        _ => vec![own],
    }
}

/// A target's seeds, each with its file's name, in the order of these.
///
/// # Panics
/// When they cannot be read.
pub fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for folder in folders(target) {
        for entry in std::fs::read_dir(&folder).expect("a folder of seeds") {
            let path = entry.expect("an entry of a folder").path();
            let is_seed = path.is_file() && path.extension().is_none_or(|extension| extension != "md");
            if is_seed {
                seeds.push((path.display().to_string(), std::fs::read(&path).expect("a seed")));
            }
        }
    }
    seeds.sort();
    seeds
}

/// The words of a target's dictionary.
///
/// # Panics
/// When it cannot be read.
pub fn words(target: &str) -> Vec<String> {
    let path = folder().join(format!("{target}.dict"));
    let text = std::fs::read_to_string(&path).expect("a dictionary");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| word(line).unwrap_or_else(|| panic!("{}: {line}", path.display()))).collect()
}

/// A word as libFuzzer has it in a dictionary: in quotes, with `\\`, `\"` and `\xAB`.
fn word(line: &str) -> Option<String> {
    let mut rest = line.trim().strip_prefix('"')?.strip_suffix('"')?.bytes();
    let mut word = Vec::new();
    while let Some(byte) = rest.next() {
        word.push(match (byte, byte == b'\\') {
            (_, true) => match rest.next()? {
                b'x' => {
                    let digits = [rest.next()?, rest.next()?];
                    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
                }
                escaped => escaped,
            },
            (byte, false) => byte,
        });
    }
    String::from_utf8(word).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_as_libfuzzer_reads_it() {
        assert_eq!(word(r#""a\"b\\\xc3\xbc""#).as_deref(), Some("a\"b\\ü"));
        for wrong in ["a", "\"a", r#""\xzz""#, r#""\xff""#] {
            assert_eq!(word(wrong), None, "{wrong}");
        }
    }
}
