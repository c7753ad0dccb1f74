//! libFuzzer on the functions of [`stagelink_tests::fuzzed`]: see the README beside this package.

use std::sync::OnceLock;

use libfuzzer_sys::fuzzer_mutate;
use stagelink_tests::fuzzed::mutation::mutated;
use stagelink_tests::fuzzed::seeds::words;

/// Changes an input: every second time as libFuzzer does, else so that it keeps its form.
pub fn mutate(target: &str, data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    static WORDS: OnceLock<Vec<String>> = OnceLock::new();
    if seed.is_multiple_of(2) {
        return fuzzer_mutate(data, size, max_size);
    }
    let made = mutated(&data[..size], WORDS.get_or_init(|| words(target)), seed.into());
    let size = made.len().min(max_size);
    data[..size].copy_from_slice(&made[..size]);
    size
}

/// A binary that fuzzes the target of this name.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        libfuzzer_sys::fuzz_target!(|data: &[u8]| {
            stagelink_tests::fuzzed::$name::$name(data);
        });
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            $crate::mutate(stringify!($name), data, size, max_size, seed)
        });
    };
}
