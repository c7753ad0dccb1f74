//! Mutations that keep the form of a document: JSON stays JSON, and of other texts one line is changed at a time. What is put in comes
//! from the target's dictionary, or is what programs stumble over.

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

/// Texts that programs stumble over.
const ODD: [&str; 18] = [
    "",
    " ",
    "\u{0}",
    "\u{1b}[2J\u{7}",
    "\u{9b}0m",
    "user\u{202e}gpj",
    "\u{61c}\u{feff}",
    "a\r\nb: c",
    "\\\"'`$(x)",
    "%00%zz%",
    "../..",
    "*?*?*?*?",
    "größe 😀",
    "-1",
    "18446744073709551616",
    "9999-12-31T23:59:59.999999999Z",
    "2026-07-01T18:00:00+23:59",
    "null",
];

/// How long a text gets by being repeated, in bytes.
const LONGEST: usize = 20_000;

/// Changes a document in one to three places. The same seed makes the same of the same document.
pub fn mutated(document: &[u8], words: &[String], seed: u64) -> Vec<u8> {
    let mut dice = Dice { words, dice: SmallRng::seed_from_u64(seed) };
    let mut text = String::from_utf8_lossy(document).into_owned();
    for _ in 0..dice.dice.random_range(1..=3) {
        text = dice.changed(&text);
    }
    text.into_bytes()
}

struct Dice<'a> {
    words: &'a [String],
    dice: SmallRng,
}

impl Dice<'_> {
    fn changed(&mut self, text: &str) -> String {
        if let Some(changed) = self.changed_json(text) {
            return changed;
        }
        let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
        let at = self.below(lines.len());
        match self.changed_json(&lines[at]) {
            Some(changed) => lines[at] = changed,
            None => self.change_lines(&mut lines, at),
        }
        lines.join("\n")
    }

    /// The text with a change, if it is JSON of more than a word.
    fn changed_json(&mut self, text: &str) -> Option<String> {
        let mut json: Value =
            serde_json::from_str(text).ok().filter(|json: &Value| !children(json).is_empty())?;
        self.change_json(&mut json);
        Some(json.to_string())
    }

    fn change_json(&mut self, json: &mut Value) {
        // Down to somewhere, mostly far.
        let names = children(json);
        if !names.is_empty() && self.dice.random_ratio(3, 4) {
            let name = names[self.below(names.len())].clone();
            return self.change_json(child(json, &name));
        }
        match (self.below(6), json) {
            (0..=1, Value::Object(fields)) => {
                fields.insert(self.word(), self.value());
            }
            (2, Value::Object(fields)) if !fields.is_empty() => {
                let name = names[self.below(names.len())].clone();
                let value = fields.remove(&name).unwrap_or_default();
                // Gone, or under another name.
                if self.dice.random() {
                    fields.insert(self.word(), value);
                }
            }
            (0..=1, Value::Array(items)) => {
                let at = self.below(items.len() + 1);
                items.insert(at, self.value());
            }
            (2, Value::Array(items)) if !items.is_empty() => {
                let at = self.below(items.len());
                let item = items.remove(at);
                if self.dice.random() {
                    items.extend([item.clone(), item]);
                }
            }
            (0..=2, Value::String(text)) => *text = self.changed_word(text),
            (3, Value::Number(number)) => {
                *number = (number.as_i64().unwrap_or(1) + self.dice.random_range(-1..=1)).into()
            }
            (_, value) => *value = self.value(),
        }
    }

    fn change_lines(&mut self, lines: &mut Vec<String>, at: usize) {
        let other = self.below(lines.len());
        match self.below(8) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(other, lines[at].clone()),
            2 => lines.swap(at, other),
            3 => lines[at].insert_str(0, "  "),
            4 => lines[at] = lines[at].strip_prefix("  ").unwrap_or_default().to_owned(),
            5 => {
                let line = format!("{}: {}", self.word(), self.word());
                lines.insert(at, line);
            }
            6 => {
                let word = self.changed_word(&lines[at]);
                lines[at] = word;
            }
            _ => {
                // What stands behind a colon or a space is mostly a value.
                let line = &lines[at];
                let places: Vec<_> = line.match_indices([' ', '=', '/']).map(|(i, _)| i + 1).collect();
                let from = places.get(self.below(places.len().max(1))).copied().unwrap_or(0);
                let rest = line[from..].find([' ', '&', '/']).map_or("", |to| &line[from + to..]);
                lines[at] = format!("{}{}{rest}", &line[..from], self.word());
            }
        }
    }

    /// A word with something in it, without something, repeated, or another one.
    fn changed_word(&mut self, word: &str) -> String {
        let places: Vec<usize> = word.char_indices().map(|(i, _)| i).chain([word.len()]).collect();
        let (from, to) = (places[self.below(places.len())], places[self.below(places.len())]);
        let (from, to) = (from.min(to), from.max(to));
        match self.below(4) {
            0 => format!("{}{}", &word[..from], &word[to..]),
            1 => format!("{}{}{}", &word[..from], self.word(), &word[from..]),
            // Long, but a document of many changes shall not become longer than any that could come.
            2 => word.repeat([2, 40, 400][self.below(3)].min(LONGEST / word.len().max(1) + 1)),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> String {
        let odd = ODD.choose(&mut self.dice).copied().unwrap_or_default();
        match self.words.choose(&mut self.dice) {
            Some(word) if self.dice.random_ratio(3, 4) => word.clone(),
            _ => odd.to_owned(),
        }
    }

    fn value(&mut self) -> Value {
        match self.below(12) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(self.dice.random_range(-2..400)),
            3 => json!(u64::MAX),
            4 => json!(1.5e300),
            5 => json!([]),
            6 => json!({}),
            7 => json!([self.word(), self.word()]),
            8 => json!({ self.word(): self.word() }),
            _ => json!(self.word()),
        }
    }

    fn below(&mut self, end: usize) -> usize {
        self.dice.random_range(0..end)
    }
}

/// The names or numbers of what is inside.
fn children(json: &Value) -> Vec<String> {
    match json {
        Value::Object(fields) => fields.keys().cloned().collect(),
        Value::Array(items) => (0..items.len()).map(|i| i.to_string()).collect(),
        _ => Vec::new(),
    }
}

fn child<'a>(json: &'a mut Value, name: &str) -> &'a mut Value {
    match json {
        Value::Array(items) => &mut items[name.parse::<usize>().unwrap_or_default()],
        json => &mut json[name],
    }
}
