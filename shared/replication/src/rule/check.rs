//! What can be known of one rule without IVS and without the other rules.

use std::collections::BTreeSet;

use super::{Destination, ParticipantFilter, Rule, Source, Tags};
use crate::cut;

/// Characters of a tag's key (IVS API reference).
const KEY_CHARACTERS: std::ops::RangeInclusive<usize> = 1..=128;

/// What is wrong with an attribute that the table does not take, and what an attribute may be called.
pub(crate) const NAMELESS: &str = "an empty name";
pub(crate) const NAMES: &str = "names of at least one character";

/// Characters of a tag's value, at most (IVS API reference).
const VALUE_CHARACTERS: usize = 256;

/// A rule that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule {rule}: {field} {value} is not valid: allowed is {allowed}")]
pub struct RuleError {
    /// The rule's id.
    pub rule: String,
    /// The field's path, as it is written in the rules file: `destinations[1].tags`.
    pub field: String,
    /// Its value, or a measure of it.
    pub value: String,
    /// What would have been accepted.
    pub allowed: String,
}

/// Checks that these are not more rules than a table may have.
///
/// # Errors
/// The first that is too many.
pub fn check_count<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> Result<(), RuleError> {
    let allowed = "at most 1000 rules in all";
    match rules.into_iter().nth(Rule::MAX_RULES) {
        None => Ok(()),
        Some(rule) => Err(rule.error("(the rules)", "with this one".to_owned(), allowed)),
    }
}

impl Rule {
    /// Checks what can be known without IVS.
    ///
    /// # Errors
    /// The first field that is not as it must be, with its value and what is allowed.
    ///
    /// # Caveats
    /// Tags may select the rule's own source among its destinations: that is how the stages of one show are replicated into
    /// each other. A stage is never its own destination, so nothing is wrong with that.
    pub fn validate(&self) -> Result<(), RuleError> {
        if self.priority > Self::MAX_PRIORITY {
            return Err(self.error("priority", self.priority.to_string(), "0-100"));
        }
        if let Source::Tags(tags) = &self.source {
            self.check_tags("source.tags", tags)?;
        }
        self.check_attributes()?;
        if !(1..=Self::MAX_DESTINATIONS).contains(&self.destinations.len()) {
            let value = format!("of {} entries", self.destinations.len());
            return Err(self.error("destinations", value, "1-20 entries"));
        }
        for (i, destination) in self.destinations.iter().enumerate() {
            self.check_destination(i, destination)?;
        }
        let bytes = self.bytes();
        if bytes > Self::MAX_BYTES {
            let allowed = "at most 131072 bytes of all tags, keys, patterns and attributes together";
            return Err(self.error("(the rule)", format!("of {bytes} bytes"), allowed));
        }
        Ok(())
    }

    /// The bytes of all its texts that can be of any length.
    fn bytes(&self) -> usize {
        let of_destination = |destination: &Destination| match destination {
            Destination::Stage(stage) => stage.as_str().len(),
            Destination::Tags { tags, same } => bytes(tags) + same.iter().map(String::len).sum::<usize>(),
        };
        let source = match &self.source {
            Source::Tags(tags) => bytes(tags),
            Source::Any | Source::Stage(_) => 0,
        };
        let destinations: usize = self.destinations.iter().map(of_destination).sum();
        source + destinations + bytes(&self.attributes) + self.participants.bytes()
    }

    fn check_destination(&self, i: usize, destination: &Destination) -> Result<(), RuleError> {
        let field = match destination {
            Destination::Stage(_) => format!("destinations[{i}].stage"),
            Destination::Tags { .. } => format!("destinations[{i}].tags"),
        };
        if let Destination::Tags { tags, same } = destination {
            self.check_tags(&field, tags)?;
            self.check_same(&format!("destinations[{i}].same"), tags, same)?;
        }
        if let Destination::Stage(stage) = destination
            && self.source == Source::Stage(stage.clone())
        {
            return Err(self.error(&field, stage.to_string(), "a stage other than the rule's source"));
        }
        if let Destination::Stage(stage) = destination
            && self.named_stages().any(|named| named.region() != stage.region())
        {
            return Err(self.error(
                &field,
                stage.to_string(),
                "a stage in the Region of all others of the rule",
            ));
        }
        if let Some(first) =
            self.destinations[..i].iter().position(|other| means_the_same(other, destination))
        {
            let value = format!("{}, as destinations[{first}] does,", cut(&describe(destination)));
            return Err(self.error(&field, value, "each destination once"));
        }
        Ok(())
    }

    fn check_tags(&self, field: &str, tags: &Tags) -> Result<(), RuleError> {
        if !(1..=Self::MAX_TAGS).contains(&tags.len()) {
            return Err(self.error(field, format!("of {} tags", tags.len()), "1-10 tags"));
        }
        for (key, value) in tags {
            self.check_key(field, key)?;
            if value.chars().count() > VALUE_CHARACTERS || !value.chars().all(is_tag_character) {
                let allowed = "0-256 letters, digits, spaces and _ . : / = + - @ (what a tag may hold, IVS API reference)";
                return Err(self.error(&format!("{field}.{key}"), quoted(value), allowed));
            }
        }
        Ok(())
    }

    fn check_key(&self, field: &str, key: &str) -> Result<(), RuleError> {
        let reserved = key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
        let readable = KEY_CHARACTERS.contains(&key.chars().count()) && key.chars().all(is_tag_character);
        if reserved || !readable {
            let allowed =
                "keys of 1-128 letters, digits, spaces and _ . : / = + - @ that do not begin with aws:";
            return Err(self.error(field, format!("with the key {}", quoted(key)), allowed));
        }
        Ok(())
    }

    /// A key that `tags` fixes already says nothing new in `same`, but for sources with another value, for which the
    /// destination would silently not be there.
    fn check_same(&self, field: &str, tags: &Tags, same: &[String]) -> Result<(), RuleError> {
        if same.len() > Self::MAX_TAGS {
            return Err(self.error(field, format!("of {} keys", same.len()), "0-10 keys"));
        }
        let mut seen = BTreeSet::new();
        for key in same {
            self.check_key(field, key)?;
            if !seen.insert(key) {
                return Err(self.error(field, format!("with {} twice", quoted(key)), "each key once"));
            }
            if tags.contains_key(key) {
                let allowed = "keys that the destination's tags do not fix; to choose sources by it, put it into source.tags";
                return Err(self.error(field, format!("with the key {}", quoted(key)), allowed));
            }
        }
        Ok(())
    }

    fn check_attributes(&self) -> Result<(), RuleError> {
        if self.attributes.contains_key("") {
            return Err(self.error("attributes", format!("of {NAMELESS}"), NAMES));
        }
        let bytes = bytes(&self.attributes);
        if bytes > Self::MAX_ATTRIBUTE_BYTES {
            let allowed = "at most 1024 bytes of keys and values together, as for a participant's attributes";
            return Err(self.error("attributes", format!("of {bytes} bytes"), allowed));
        }
        self.participants
            .check()
            .map_err(|(value, allowed)| self.error("participants.attributes", format!("of {value}"), allowed))
    }

    fn error(&self, field: &str, value: String, allowed: &str) -> RuleError {
        RuleError { rule: self.id.to_string(), field: field.to_owned(), value, allowed: allowed.to_owned() }
    }
}

impl ParticipantFilter {
    /// Checks names and size of what chooses participants by their attributes; gives the wrong one, and what is allowed.
    pub(crate) fn check(&self) -> Result<(), (String, &'static str)> {
        if self.attributes.contains_key("") {
            return Err((NAMELESS.to_owned(), NAMES));
        }
        let keys: usize = self.attributes.keys().map(String::len).sum();
        if keys > Rule::MAX_ATTRIBUTE_BYTES {
            let allowed = "at most 1024 bytes of keys, as a participant's attributes have";
            return Err((format!("{keys} bytes of keys"), allowed));
        }
        let bytes = self.bytes();
        if bytes > Rule::MAX_PATTERN_BYTES {
            let allowed = "at most 4096 bytes of keys and patterns together";
            return Err((format!("{bytes} bytes"), allowed));
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.attributes.iter().map(|(key, pattern)| key.len() + pattern.as_str().len()).sum()
    }
}

fn bytes(map: &std::collections::BTreeMap<String, String>) -> usize {
    map.iter().map(|(key, value)| key.len() + value.len()).sum()
}

/// Letters, digits, spaces and a few signs (Tag Editor guide, to which the IVS API reference points).
pub(crate) fn is_tag_character(c: char) -> bool {
    c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c)
}

/// Whether two destinations mean the same stages, whatever the order in which they say so.
fn means_the_same(a: &Destination, b: &Destination) -> bool {
    match (a, b) {
        (Destination::Tags { tags, same }, Destination::Tags { tags: other_tags, same: other_same }) => {
            let keys = |same: &[String]| same.iter().cloned().collect::<BTreeSet<_>>();
            tags == other_tags && keys(same) == keys(other_same)
        }
        _ => a == b,
    }
}

fn describe(destination: &Destination) -> String {
    match destination {
        Destination::Stage(stage) => stage.to_string(),
        Destination::Tags { tags, same } => {
            let tags: Vec<_> = tags.iter().map(|(key, value)| format!("{key}: {value}")).collect();
            let same = if same.is_empty() { String::new() } else { format!(" same [ {} ]", same.join(", ")) };
            format!("{{ {} }}{same}", tags.join(", "))
        }
    }
}

/// A text as an error shows it: cut to 200 characters.
fn quoted(text: &str) -> String {
    format!("{:?}", cut(text))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::rule::tests::{rule, stage};
    use crate::{Pattern, StageArn};

    fn elsewhere() -> StageArn {
        "arn:aws:ivs:eu-west-1:123456789012:stage/B".parse().unwrap()
    }

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn by_tags(pairs: &[(&str, &str)], same: &[&str]) -> Destination {
        Destination::Tags { tags: tags(pairs), same: same.iter().map(|key| (*key).to_owned()).collect() }
    }

    /// Patterns with keys, 130 bytes each.
    fn patterns(count: usize) -> ParticipantFilter {
        let one = |i: usize| (format!("{i:02}"), "*".repeat(128).parse().unwrap());
        ParticipantFilter { user_id: None, attributes: (0..count).map(one).collect() }
    }

    /// As many destinations and tags as there can be, with values of so many of these letters.
    fn largest(letters: usize, letter: char) -> Rule {
        let value = letter.to_string().repeat(letters);
        let tag = |i: usize| (format!("{i:03}{}", "k".repeat(125)), value.clone());
        let tags = |from: usize| (from..from + 10).map(tag).collect::<Tags>();
        to((0..20).map(|i| Destination::Tags { tags: tags(10 * i), same: Vec::new() }).collect())
    }

    fn to(destinations: Vec<Destination>) -> Rule {
        Rule { destinations, ..rule() }
    }

    #[test]
    fn every_error_names_rule_field_value_and_what_is_allowed() {
        let (b, show) = (Destination::Stage(stage("B")), by_tags(&[("role", "x")], &["show", "day"]));
        let source = |pairs: &[(&str, &str)]| Rule { source: Source::Tags(tags(pairs)), ..rule() };
        let eleven = (0..11).map(|i| (i.to_string(), String::new())).collect();
        let many_keys: Vec<String> = (0..11).map(|i| i.to_string()).collect();
        let of_bytes = |n: usize| BTreeMap::from([("k".to_owned(), "v".repeat(n))]);
        let long_filter: BTreeMap<String, Pattern> =
            (0..9).map(|i| (format!("{i}").repeat(120), "*".parse().unwrap())).collect();
        let filter = ParticipantFilter { user_id: None, attributes: long_filter };
        let nameless: BTreeMap<String, Pattern> = [(String::new(), "*".parse().unwrap())].into();
        let nameless = ParticipantFilter { user_id: None, attributes: nameless };
        let key_of = |n: usize| by_tags(&[(&"k".repeat(n), "")], &[]);
        let value_of = |n: usize| by_tags(&[("k", &"v".repeat(n))], &[]);
        for (wrong, expected) in [
            (Rule { priority: 101, ..rule() }, "priority 101 is not valid: allowed is 0-100"),
            (to(vec![]), "destinations of 0 entries is not valid: allowed is 1-20 entries"),
            (
                to((0..21).map(|i| Destination::Stage(stage(&i.to_string()))).collect()),
                "destinations of 21 entries",
            ),
            (
                to(vec![Destination::Stage(stage("A"))]),
                "destinations[0].stage arn:aws:ivs:us-east-1:123456789012:stage/A is not valid: allowed is a stage \
                 other than the rule's source",
            ),
            (
                to(vec![b.clone(), show.clone(), b.clone()]),
                "destinations[2].stage arn:aws:ivs:us-east-1:12345678",
            ),
            (
                to(vec![show.clone(), b.clone(), by_tags(&[("role", "x")], &["day", "show"])]),
                "destinations[2].tags { role: x } same [ day, show ], as destinations[0] does, is not valid: allowed \
                 is each destination once",
            ),
            (source(&[]), "source.tags of 0 tags is not valid: allowed is 1-10 tags"),
            (Rule { source: Source::Tags(eleven), ..rule() }, "source.tags of 11 tags"),
            (
                source(&[("", "x")]),
                "source.tags with the key \"\" is not valid: allowed is keys of 1-128 letters",
            ),
            (source(&[("a,b", "x")]), "source.tags with the key \"a,b\""),
            (
                source(&[("AWS:x", "y")]),
                "source.tags with the key \"AWS:x\" is not valid: allowed is keys of 1-128",
            ),
            (source(&[("role", "a*")]), "source.tags.role \"a*\" is not valid: allowed is 0-256 letters"),
            (to(vec![b.clone(), by_tags(&[], &["show"])]), "destinations[1].tags of 0 tags"),
            (to(vec![key_of(129)]), "destinations[0].tags with the key \"kkkk"),
            (to(vec![value_of(257)]), "destinations[0].tags.k \"vvvv"),
            (to(vec![by_tags(&[("role", "x")], &["a;b"])]), "destinations[0].same with the key \"a;b\""),
            (
                to(vec![by_tags(&[("role", "x")], &["show", "show"])]),
                "destinations[0].same with \"show\" twice is not valid: allowed is each key once",
            ),
            (
                to(vec![by_tags(&[("role", "x")], &["role"])]),
                "destinations[0].same with the key \"role\" is not valid: allowed is keys that the destination's tags do \
                 not fix",
            ),
            (
                to(vec![Destination::Tags { tags: tags(&[("role", "x")]), same: many_keys }]),
                "destinations[0].same of 11 keys",
            ),
            (
                Rule { attributes: of_bytes(1024), ..rule() },
                "attributes of 1025 bytes is not valid: allowed is at most",
            ),
            (
                Rule { attributes: BTreeMap::from([(String::new(), String::new())]), ..rule() },
                "attributes of an empty name is not valid: allowed is names of at least one character",
            ),
            (
                Rule { participants: nameless, ..rule() },
                "participants.attributes of an empty name is not valid",
            ),
            (Rule { participants: filter, ..rule() }, "participants.attributes of 1080 bytes of keys"),
            (
                Rule { participants: patterns(33), ..rule() },
                "participants.attributes of 4290 bytes is not valid",
            ),
            (
                to(vec![Destination::Stage(elsewhere())]),
                "destinations[0].stage arn:aws:ivs:eu-west-1:123456789012:stage/B is not valid: allowed is a stage in the Region of",
            ),
            (
                Rule {
                    source: Source::Any,
                    ..to(vec![Destination::Stage(stage("C")), Destination::Stage(elsewhere())])
                },
                "destinations[0].stage",
            ),
            (
                largest(256, '𝒂'),
                "(the rule) of 230400 bytes is not valid: allowed is at most 131072 bytes of",
            ),
        ] {
            let text = wrong.validate().unwrap_err().to_string();
            assert!(text.starts_with(&format!("rule main: {expected}")), "{text}");
        }
    }

    #[test]
    fn the_bounds_themselves_are_allowed() {
        let ten: Tags = (0..10).map(|i| (i.to_string(), String::new())).collect();
        let longest = by_tags(&[(&"k".repeat(128), &"v".repeat(256))], &[]);
        let twenty = (0..20).map(|i| Destination::Stage(stage(&format!("d{i}")))).collect();
        let attributes = BTreeMap::from([("k".to_owned(), "v".repeat(1023))]);
        for right in [
            rule(),
            Rule { source: Source::Any, ..rule() },
            Rule { source: Source::Tags(ten), ..rule() },
            Rule { source: Source::Tags(tags(&[("größe / show:1", "a=b+c-d@e_f.g")])), ..rule() },
            to(vec![longest]),
            to(twenty),
            Rule { priority: 100, attributes, ..rule() },
            Rule { participants: patterns(31), ..rule() },
            largest(256, 'v'),
        ] {
            assert_eq!(right.validate(), Ok(()));
        }
    }

    #[test]
    fn a_table_has_a_thousand_rules_at_most() {
        assert_eq!(check_count(&vec![rule(); 1_000]), Ok(()));
        let text = check_count(&vec![rule(); 1_001]).unwrap_err().to_string();
        assert_eq!(
            text,
            "rule main: (the rules) with this one is not valid: allowed is at most 1000 rules in all"
        );
    }

    #[test]
    fn the_stages_of_a_show_may_be_replicated_into_each_other() {
        let source = Source::Tags(tags(&[("role", "host")]));
        assert_eq!(Rule { source, ..to(vec![by_tags(&[("role", "host")], &["show"])]) }.validate(), Ok(()));
    }
}
