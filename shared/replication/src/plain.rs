//! Text of others as it may stand on a terminal or a page.

use std::borrow::Cow;

/// The text without anything that a terminal or a reader would obey, which is written as `\u{…}` ([`is_obeyed`]). User ids,
/// attributes and messages of errors come from others.
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

/// How much of a text of others an error repeats, in characters.
const REPEATED: usize = 200;

/// The text as far as an error repeats it: its first 200 characters.
pub fn cut(text: &str) -> &str {
    let end = text.char_indices().nth(REPEATED).map_or(text.len(), |(end, _)| end);
    &text[..end]
}

/// Whether a character does something to the text around it instead of being seen: control characters, what turns the direction of
/// writing around, what ends a line, and what nobody sees, by which two names could look the same. All of them are of Unicode's
/// first plane, so that JSON has one escape for each.
pub fn is_obeyed(c: char) -> bool {
    let turns_around =
        matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let ends_a_line = matches!(c, '\u{2028}'..='\u{2029}');
    let is_unseen = matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{feff}');
    c.is_control() || turns_around || ends_a_line || is_unseen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"ü".repeat(201)), "ü".repeat(200));
    }

    #[test]
    fn what_a_terminal_would_obey_is_spelt_out() {
        for (text, expected) in [
            ("höst 1", "höst 1"),
            ("a\u{1b}[31mred", "a\\u{1b}[31mred"),
            ("two\nlines\r", "two\\nlines\\r"),
            ("\u{9b}0m", "\\u{9b}0m"),
            ("user\u{202e}gpj", "user\\u{202e}gpj"),
            ("\u{61c}host\u{200b}-1\u{feff}", "\\u{61c}host\\u{200b}-1\\u{feff}"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }
}
