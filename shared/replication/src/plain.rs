//! Text of others as it may stand on a terminal or a page.

use std::borrow::Cow;

/// The text without anything that a terminal would obey: control characters, and characters that turn the direction of writing
/// around, are written as `\u{…}`. User ids, attributes and messages of errors come from others.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| match is_obeyed(c) {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    Cow::Owned(text.chars().map(shown).collect())
}

fn is_obeyed(c: char) -> bool {
    let turns_around =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns_around || c == '\u{2028}' || c == '\u{2029}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_spelt_out() {
        for (text, expected) in [
            ("höst 1", "höst 1"),
            ("a\u{1b}[31mred", "a\\u{1b}[31mred"),
            ("two\nlines\r", "two\\nlines\\r"),
            ("\u{9b}0m", "\\u{9b}0m"),
            ("user\u{202e}gpj", "user\\u{202e}gpj"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }
}
