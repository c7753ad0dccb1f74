//! The rules document as YAML: where in the file something is wrong.

use std::fmt;

use replication::{Rule, cut};
use serde::Deserialize;
use serde_path_to_error::{Deserializer, Path, Segment, Track};
use serde_saphyr::{DuplicateKeyPolicy, Error as Yaml, Location, Spanned};

use crate::document::{Document, Entry, Names};
use crate::wrong::{Wrong, name};
use crate::{Written, rules};

/// A rules file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rules file, line {line}: {wrong}")]
pub struct Error {
    /// Where it is, or where the rule begins that it is about. Lines count from 1.
    pub line: u64,
    /// What it is.
    pub wrong: Wrong,
}

/// Reads a rules file. Rules have revision 1; the store knows the real ones.
///
/// # Errors
/// The first thing that is not as it must be. Nothing of the document is used then.
pub fn parse(yaml: &str) -> Result<Vec<Rule>, Error> {
    let mut track = Track::new();
    let document = serde_saphyr::with_deserializer_from_str(yaml, |deserializer| {
        Document::<Spanned<Entry>>::deserialize(Deserializer::new(deserializer, &mut track))
    });
    let document = document.map_err(|error| Error::of_form(&error, &track.path(), yaml))?;
    let entries = document
        .rules
        .into_iter()
        .map(|entry| Written { place: Line(entry.referenced.line()), entry: entry.value });
    rules(entries).map_err(|(place, wrong)| Error { line: place.map_or(1, |Line(line)| line), wrong })
}

/// A line of the file.
#[derive(Clone, Copy)]
struct Line(u64);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.0)
    }
}

impl Error {
    /// An error in the form of a document: `path` is where reading broke off.
    fn of_form(error: &Yaml, path: &Path, yaml: &str) -> Self {
        let error = error.without_snippet();
        let location = error.location();
        let line = location.map_or(1, |location| location.line());
        Self { line, wrong: wrong(error, path, location, yaml) }
    }
}

fn wrong(error: &Yaml, path: &Path, location: Option<Location>, yaml: &str) -> Wrong {
    let Some((index, mut steps)) = within_rule(path) else {
        let problem = format!("{}: allowed is one field, rules, with a list of rules", words(error));
        return Wrong::Document { problem };
    };
    let rule = rule_at(yaml, index);
    match error {
        Yaml::SerdeUnknownField { expected, .. } => Wrong::unknown(rule, &steps, expected),
        Yaml::SerdeMissingField { field, .. } => Wrong::missing(rule, steps, field),
        Yaml::DuplicateMappingKey { key, .. } => {
            // The last step is the key that was not taken.
            steps.pop();
            steps.push(Segment::Map { key: key.clone().unwrap_or_default() });
            Wrong::twice(rule, &steps)
        }
        Yaml::InvalidScalar { .. }
        | Yaml::InvalidBooleanStrict { .. }
        | Yaml::NullIntoString { .. }
        | Yaml::SerdeInvalidType { .. }
        | Yaml::SerdeInvalidValue { .. }
        | Yaml::Unexpected { .. } => Wrong::value(rule, &steps, value_at(location, yaml)),
        _ => Wrong::Document { problem: format!("rule {rule}: {}", words(error)) },
    }
}

/// The rule's place among the rules, from 0, and the path within it; nothing outside of rules.
fn within_rule(path: &Path) -> Option<(usize, Vec<Segment>)> {
    let mut segments = path.iter();
    match (segments.next(), segments.next()) {
        // The third segment is the reader's own: a rule is kept together with its line.
        (Some(Segment::Map { .. }), Some(Segment::Seq { index })) => {
            Some((*index, segments.skip(1).cloned().collect()))
        }
        _ => None,
    }
}

fn rule_at(yaml: &str, index: usize) -> String {
    // Something is wrong with this document already: only the ids are asked for.
    let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
    let names: Option<Names> = serde_saphyr::from_str_with_options(yaml, options).ok();
    let id = names.and_then(|names| names.rules.into_iter().nth(index)?.id);
    name(id.as_deref(), index + 1)
}

/// The value at a place, as far as the place shows it.
fn value_at(location: Option<Location>, yaml: &str) -> String {
    let span = location.map(|location| location.span());
    let text = span.and_then(|span| {
        let from = usize::try_from(span.byte_offset()?).ok()?;
        yaml.get(from..from.checked_add(usize::try_from(span.byte_len()?).ok()?)?)
    });
    match text.map(str::trim) {
        None | Some("") => "(nothing)".to_owned(),
        Some("[" | "-") => "(a list)".to_owned(),
        Some("{") => "(a mapping)".to_owned(),
        Some(text) => format!("{:?}", cut(text)),
    }
}

/// The reader's own words, without the place, which is told anyway.
fn words(error: &Yaml) -> String {
    let text = error.to_string();
    cut(text.rsplit_once(" at line ").map_or(&text, |(words, _)| words)).to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use replication::{Destination, ParticipantFilter, Source, Status};

    use super::*;

    const A: &str = "arn:aws:ivs:us-east-1:123456789012:stage/A";
    const B: &str = "arn:aws:ivs:us-east-1:123456789012:stage/B";

    /// A document with two rules: a plain one of priority 90, and from line 6 on rule `second`, with these lines.
    fn with(lines: &str) -> Result<Vec<Rule>, Error> {
        let first = "rules:\n  - id: first\n    priority: 90\n    source: { any: true }\n    destinations: ";
        parse(&format!("{first}[ {{ stage: \"{B}\" }} ]\n  - id: second\n{lines}"))
    }

    fn refused(lines: &str) -> String {
        let error = with(lines).unwrap_err().to_string();
        error.strip_prefix("rules file, line ").map(str::to_owned).unwrap()
    }

    /// The rest of rule `second`, which is fine, and these lines.
    fn plus(lines: &str) -> String {
        format!("    source: {{ stage: \"{A}\" }}\n    destinations: [ {{ stage: \"{B}\" }} ]\n{lines}")
    }

    #[test]
    fn the_example_of_the_readme_is_a_rules_file() {
        let readme = include_str!("../../../README.md");
        let example = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let rules = parse(example).unwrap();
        assert_eq!((rules.len(), rules[0].destinations.len()), (1, 2));
    }

    #[test]
    fn the_documented_form_is_read() {
        let documented: String = include_str!("lib.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//! "))
            .skip_while(|line| *line != "rules:")
            .take_while(|line| *line != "```")
            .map(|line| format!("{line}\n"))
            .collect();
        let rule = parse(&documented).unwrap().remove(0);
        let tags = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        assert_eq!(rule.source, Source::Tags(tags("role", "main")));
        assert_eq!(
            rule.destinations,
            [
                Destination::Tags { tags: tags("role", "overflow"), same: vec!["show".to_owned()] },
                Destination::Stage("arn:aws:ivs:us-east-1:123456789012:stage/XYZdef1G2hij".parse().unwrap()),
            ]
        );
        assert_eq!((rule.priority, rule.reconnect_window.seconds(), rule.status), (50, 30, Status::Enabled));
        assert!(rule.participants.matches("host-1") && !rule.participants.matches("guest"));
        assert_eq!(rule.participants.attributes["role"].as_str(), "host");
        assert_eq!((rule.preempt, rule.record_replicas), (true, Some(false)));
        assert_eq!(
            (rule.attributes["via"].as_str(), rule.expires_at.unwrap().to_string().as_str()),
            ("main", "2026-12-01T20:00:00Z")
        );
    }

    #[test]
    fn what_is_not_said_has_its_default() {
        let rule = with(&plus("")).unwrap().remove(1);
        assert_eq!((rule.priority, rule.reconnect_window.seconds(), rule.status), (50, 0, Status::Enabled));
        assert_eq!((rule.preempt, rule.record_replicas), (false, None));
        assert_eq!((rule.participants, rule.expires_at), (ParticipantFilter::default(), None));
    }

    #[test]
    fn a_text_need_not_be_quoted_to_stay_as_it_is() {
        let rule = with(&plus("    attributes: { n: 5, version: 1.10, 7: yes, at: 2026-12-01 }\n"))
            .unwrap()
            .remove(1);
        let expected = [("7", "yes"), ("at", "2026-12-01"), ("n", "5"), ("version", "1.10")];
        assert_eq!(rule.attributes, expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }

    #[test]
    fn what_is_wrong_is_told_in_few_words() {
        let long = "x".repeat(100_000);
        for lines in [
            format!("    status: {long}\n"),
            format!("    {long}: 1\n"),
            format!("    participants: {{ attributes: {{ {long}: [] }} }}\n"),
            format!("    preempt: {long}\n"),
        ] {
            let text = refused(&plus(&lines));
            assert!(text.len() < 1_000, "{} bytes: {text}", text.len());
        }
        let text = parse(&format!("{long}: 1\n")).unwrap_err().to_string();
        assert!(text.len() < 1_000, "{} bytes: {text}", text.len());
    }

    #[test]
    fn every_wrong_value_is_named_with_its_line_its_rule_and_what_is_allowed() {
        for (lines, expected) in [
            ("    priority: 101\n", "6: rule second: priority 101 is not valid: allowed is 0-100"),
            ("    priority: -1\n", "6: rule second: priority -1"),
            (
                "    priority: high\n",
                "9: rule second: priority \"high\" is not valid: allowed is a whole number, 0-100",
            ),
            ("    priority: 5.5\n", "9: rule second: priority \"5.5\""),
            (
                "    priority: [ 5 ]\n",
                "9: rule second: priority (a list) is not valid: allowed is a whole number",
            ),
            (
                "    priority: 5\n    priority: 6\n",
                "10: rule second: priority (a second time) is not valid: allowed is each field once",
            ),
            (
                "    reconnect_window_seconds: 301\n",
                "6: rule second: reconnect_window_seconds 301 is not valid: allowed is 0-300",
            ),
            (
                "    reconnect_window_seconds: soon\n",
                "9: rule second: reconnect_window_seconds \"soon\" is not valid: allowed is a whole number, 0-300",
            ),
            ("    status: on\n", "6: rule second: status \"on\" is not valid: allowed is enabled, paused"),
            (
                "    expires_at: tomorrow\n",
                "6: rule second: expires_at \"tomorrow\" is not valid: allowed is an RFC 3339 time",
            ),
            (
                "    preempt: maybe\n",
                "9: rule second: preempt \"maybe\" is not valid: allowed is true or false",
            ),
            (
                "    record_replicas: 1\n",
                "9: rule second: record_replicas \"1\" is not valid: allowed is true or false",
            ),
            (
                "    participants: { user_id: \"\" }\n",
                "6: rule second: participants.user_id \"\" is not valid: allowed is 1-128",
            ),
            (
                "    participants: { attributes: { role: \"\" } }\n",
                "6: rule second: participants.attributes.role \"\"",
            ),
            (
                "    participants: { attributes: { role: [ x ] } }\n",
                "9: rule second: participants.attributes.role (a list) is not valid: allowed is a text",
            ),
            (
                "    participants: [ x ]\n",
                "9: rule second: participants (a list) is not valid: allowed is a mapping of user_id and attributes",
            ),
            (
                "    attributes: { via: ~ }\n",
                "9: rule second: attributes.via \"~\" is not valid: allowed is a text",
            ),
            (
                "    colour: red\n",
                "9: rule second: colour is no field: allowed are id, priority, source, participants,",
            ),
            (
                "    participants: { colour: red }\n",
                "9: rule second: participants.colour is no field: allowed are user_id, attributes",
            ),
        ] {
            let text = refused(&plus(lines));
            assert!(text.starts_with(expected), "{expected}\n{text}");
        }
    }

    #[test]
    fn a_source_is_exactly_one_of_stage_tags_and_any() {
        for (source, expected) in [
            (
                "{}",
                "6: rule second: source with none of them is not valid: allowed is exactly one of stage, tags and any",
            ),
            ("{ any: true, tags: { role: x } }", "6: rule second: source with tags and any is not valid"),
            (
                "{ any: false }",
                "6: rule second: source.any false is not valid: allowed is true, or stage or tags instead",
            ),
            (
                "{ stage: here }",
                "6: rule second: source.stage \"here\" is not valid: allowed is 1-128 characters",
            ),
            ("{ tags: {} }", "6: rule second: source.tags of 0 tags is not valid: allowed is 1-10 tags"),
            (
                "{ tags: [ x ] }",
                "7: rule second: source.tags (a list) is not valid: allowed is a mapping of keys to values",
            ),
            ("{ tag: {} }", "7: rule second: source.tag is no field: allowed are stage, tags, any"),
            (
                "here",
                "7: rule second: source \"here\" is not valid: allowed is a mapping with exactly one of",
            ),
        ] {
            let text =
                refused(&format!("    source: {source}\n    destinations: [ {{ stage: \"{B}\" }} ]\n"));
            assert!(text.starts_with(expected), "{expected}\n{text}");
        }
    }

    #[test]
    fn a_destination_is_a_stage_or_tags() {
        for (destinations, expected) in [
            (
                "[ { stage: there } ]",
                "6: rule second: destinations[0].stage \"there\" is not valid: allowed is 1-128 characters",
            ),
            (
                "[ { tags: { a: b } }, {} ]",
                "6: rule second: destinations[1] with none of them is not valid: allowed is exactly one of stage and tags",
            ),
            ("[ { stage: x, tags: { a: b } } ]", "6: rule second: destinations[0] with stage and tags"),
            (
                "[ { same: [ show ] } ]",
                "6: rule second: destinations[0].same [ show ] is not valid: allowed is same only together with tags",
            ),
            ("[ { stage: x, same: [] } ]", "6: rule second: destinations[0].same [  ] is not valid"),
            (
                "[ { tags: { a: b }, same: show } ]",
                "8: rule second: destinations[0].same \"show\" is not valid: allowed is a list of keys of tags",
            ),
            ("[ { tags: { \"aws:x\": b } } ]", "6: rule second: destinations[0].tags with the key \"aws:x\""),
            (
                "[ { tags: { a: b }, to: c } ]",
                "8: rule second: destinations[0].to is no field: allowed are stage, tags, same",
            ),
            ("[]", "6: rule second: destinations of 0 entries is not valid: allowed is 1-20 entries"),
            (
                "[ x ]",
                "8: rule second: destinations[0] \"x\" is not valid: allowed is a mapping with stage, or with tags and same",
            ),
            ("x", "8: rule second: destinations \"x\" is not valid: allowed is a list of 1-20 destinations"),
        ] {
            let text = refused(&format!("    source: {{ any: true }}\n    destinations: {destinations}\n"));
            assert!(text.starts_with(expected), "{expected}\n{text}");
        }
        let text = refused("    source: { any: true }\n");
        assert!(
            text.ends_with("rule second: destinations is missing: allowed is a list of 1-20 destinations"),
            "{text}"
        );
    }

    #[test]
    fn a_rule_without_a_readable_id_is_named_by_its_place() {
        let rest = format!("source: {{ any: true }}, destinations: [ {{ stage: \"{B}\" }} ] }}");
        for (start, expected) in [
            ("{ ", "2: rule number 2: id is missing: allowed is 1-64 letters"),
            ("{ id: \"a b\", ", "2: rule number 2: id \"a b\" is not valid: allowed is 1-64 letters"),
            ("{ id: \"a b\", colour: red, ", "2: rule number 2: colour is no field"),
            ("{ id: [ 5 ], ", "2: rule number 2: id (a list) is not valid: allowed is 1-64 letters"),
        ] {
            let text =
                parse(&format!("rules: [ {{ id: first, {rest},\n{start}{rest} ]")).unwrap_err().to_string();
            assert!(text.starts_with(&format!("rules file, line {expected}")), "{expected}\n{text}");
        }
    }

    #[test]
    fn an_id_may_stand_only_once() {
        let rule = format!("{{ id: r, source: {{ any: true }}, destinations: [ {{ stage: \"{B}\" }} ] }}");
        let error = parse(&format!("rules: [ {rule},\n{rule} ]")).unwrap_err().to_string();
        let expected =
            "rules file, line 2: rule r: id \"r\", as in line 1, is not valid: allowed is each id once";
        assert_eq!(error, expected);
    }

    #[test]
    fn two_rules_that_contradict_each_other_are_refused() {
        let text = refused(&plus("    priority: 90\n    preempt: true\n"));
        assert!(
            text.starts_with("6: rules first and second contradict each other: both have priority 90"),
            "{text}"
        );
        assert!(text.contains("preempt is false and true"), "{text}");
    }

    #[test]
    fn what_is_not_a_list_of_rules_is_refused() {
        for text in ["", "rules:", "rules: 5", "ruels: []", "rules: [ {", "\t- x", "rules: []\nmore: 5"] {
            let error = parse(text).unwrap_err();
            assert!(matches!(error.wrong, Wrong::Document { .. }), "{text:?}: {error}");
            assert!(error.to_string().starts_with("rules file, line "), "{error}");
        }
        assert_eq!(parse("rules: []"), Ok(vec![]));
    }

    #[test]
    fn the_ids_of_versus_sessions_are_taken() {
        let rule =
            format!("{{ id: versus.r, source: {{ any: true }}, destinations: [ {{ stage: \"{B}\" }} ] }}");
        let error = parse(&format!("rules: [ {rule} ]")).unwrap_err().to_string();
        assert!(error.contains("rule versus.r: id") && error.contains("does not begin with"), "{error}");
    }
}
