//! Documents for programs: every text in them is as it came, and a terminal on the way gets nothing that it would obey.
//!
//! JSON and YAML have an escape for each such character. Their writers use it for some of them only.

use std::io::{self, Write};

use replication::is_obeyed;
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::ser::Formatter;
use serde_saphyr::DoubleQuoted;

/// The document as JSON.
pub(super) fn json(document: &impl Serialize) -> io::Result<String> {
    Ok(escaped(&serde_json::to_string_pretty(document).map_err(io::Error::other)?))
}

/// The document as YAML.
pub(super) fn yaml(document: &impl Serialize) -> io::Result<String> {
    let text = serde_saphyr::to_string(document).map_err(io::Error::other)?;
    if !text.chars().any(is_escaped) {
        return Ok(text);
    }
    let document = serde_json::to_value(document).map_err(io::Error::other)?;
    if !names_are_plain(&document) {
        // The writer has no double quotes for names.
        let mut text = Vec::new();
        document
            .serialize(&mut serde_json::Serializer::with_formatter(&mut text, Explicit))
            .map_err(io::Error::other)?;
        return Ok(escaped(&String::from_utf8(text).map_err(io::Error::other)?));
    }
    Ok(escaped(&serde_saphyr::to_string(&Quoted(&document)).map_err(io::Error::other)?))
}

/// The same with an escape for each character that a terminal would obey: all of them stand in texts, and within double quotes.
fn escaped(document: &str) -> String {
    let mut text = String::with_capacity(document.len());
    for c in document.chars() {
        match is_escaped(c) {
            true => text += &format!("\\u{:04x}", u32::from(c)),
            false => text.push(c),
        }
    }
    text
}

/// Lines are the document's own: in texts, a line break has an escape or an indentation.
fn is_escaped(c: char) -> bool {
    c != '\n' && is_obeyed(c)
}

/// A value in which every text that needs an escape is in double quotes: elsewhere, YAML has none.
struct Quoted<'a>(&'a Value);

impl Serialize for Quoted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::String(text) if text.chars().any(is_escaped) => DoubleQuoted(text).serialize(serializer),
            Value::Array(list) => serializer.collect_seq(list.iter().map(Quoted)),
            Value::Object(fields) => {
                serializer.collect_map(fields.iter().map(|(name, value)| (name, Quoted(value))))
            }
            other => other.serialize(serializer),
        }
    }
}

/// JSON, which is YAML, but for a `? ` before each name: without it, YAML takes no name of over 1,024 characters (YAML 1.2.2, 7.4.2).
struct Explicit;

impl Formatter for Explicit {
    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b"\n? " } else { b",\n? " })
    }
}

fn names_are_plain(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.iter().all(names_are_plain),
        Value::Object(fields) => {
            fields.iter().all(|(name, value)| !name.chars().any(is_escaped) && names_are_plain(value))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_in_a_document_and_everything_is_said() {
        let obeyed: Vec<char> = (0..=0xffff).filter_map(char::from_u32).filter(|c| is_obeyed(*c)).collect();
        assert!(obeyed.len() > 80 && !(0x1_0000..=0x10_ffff).filter_map(char::from_u32).any(is_obeyed));
        let all = format!("x: {} # 'y'\n- \"", String::from_iter(&obeyed));
        for text in obeyed.iter().map(|c| format!("a{c}b")).chain([all]) {
            for name in ["name", &text, &text.repeat(1_025)] {
                let document =
                    serde_json::json!({ "user_id": text, "key": [{ name: text, "n": 1 }], "plain": "yes" });
                let (json, yaml) = (json(&document).unwrap(), yaml(&document).unwrap());
                for printed in [&json, &yaml] {
                    assert!(!printed.chars().any(is_escaped), "{printed:?}");
                }
                assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), document, "{json:?}");
                assert_eq!(serde_saphyr::from_str::<Value>(&yaml).unwrap(), document, "{yaml:?}");
            }
        }
    }
}
