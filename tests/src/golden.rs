//! Expected outputs in files that a person reads: `tests/golden/`.

use std::path::Path;

/// Compares `text` with `tests/golden/<name>`; with `BLESS=1` in the environment, writes it.
///
/// # Panics
/// When they differ, or the file cannot be read or written.
#[allow(clippy::expect_used, reason = "a test that cannot go on shall panic")]
pub fn assert_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    if std::env::var_os("BLESS").is_some() {
        let folder = path.parent().expect("a folder");
        std::fs::create_dir_all(folder).expect("a folder for the golden file");
        std::fs::write(&path, text).expect("a golden file that can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "golden/{name} differs; BLESS=1 writes it anew");
}
