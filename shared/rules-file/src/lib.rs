//! The rules document: YAML in, core rules out, with errors that name rule, field, value and what is allowed.
//!
//! ```yaml
//! rules:
//!   - id: main-to-overflow            # 1-64 letters, digits, '-', '_' or '.'
//!     priority: 50                    # 0-100, default 50; higher wins scarce slots
//!     source: { tags: { role: main } }   # or { stage: <ARN> }, or { any: true }; a stage needs all of the tags
//!     participants:                   # optional, all if left out; '*' any run, '?' exactly one
//!       user_id: "host-*"
//!       attributes: { role: host }    # all of them
//!     destinations:                   # 1-20, in order of preference
//!       - tags: { role: overflow }    # every stage with all of these tags
//!         same: [ show ]              # optional: and with the source stage's value of each of these
//!       - stage: "arn:aws:ivs:us-east-1:123456789012:stage/XYZdef1G2hij"
//!     reconnect_window_seconds: 30    # 0-300, default 0
//!     attributes: { via: main }       # merged over the token's; 1 KB in total
//!     preempt: true                   # takes the slots of lower priorities; default false
//!     record_replicas: false          # optional: the destinations' recording of replicas is kept so
//!     status: enabled                 # enabled (default) or paused
//!     expires_at: 2026-12-01T20:00:00Z   # optional
//! ```
//!
//! [`replication::Rule::validate`] says what a rule may hold, [`replication::check_together`] which rules contradict each
//! other.

mod document;
mod error;
mod rule;

use std::collections::BTreeMap;

use replication::{Rule, RuleError, check_together};
use serde::Deserialize;
use serde_path_to_error::{Deserializer, Track};

use document::Document;
pub use error::Error;

/// Reads a rules document. Rules have revision 1; the store knows the real ones.
///
/// # Errors
/// The first thing that is not as it must be. Nothing of the document is used then.
pub fn parse(yaml: &str) -> Result<Vec<Rule>, Error> {
    let mut track = Track::new();
    let document = serde_saphyr::with_deserializer_from_str(yaml, |deserializer| {
        Document::deserialize(Deserializer::new(deserializer, &mut track))
    });
    let document = document.map_err(|error| Error::of_form(&error, &track.path(), yaml))?;
    let mut lines = BTreeMap::new();
    let mut rules = Vec::new();
    for (i, entry) in document.rules.into_iter().enumerate() {
        let line = entry.referenced.line();
        let located = |error| Error::Rule { line, error };
        let rule = entry.value.rule(i + 1).map_err(located)?;
        if rule.id.is_of_versus() {
            return Err(located(RuleError {
                rule: rule.id.to_string(),
                field: "id".to_owned(),
                value: format!("{:?}", rule.id.as_str()),
                allowed: "an id that does not begin with \"versus.\"".to_owned(),
            }));
        }
        rule.validate().map_err(located)?;
        if let Some(first) = lines.insert(rule.id.clone(), line) {
            return Err(located(RuleError {
                rule: rule.id.to_string(),
                field: "id".to_owned(),
                value: format!("{:?}, as in line {first},", rule.id.as_str()),
                allowed: "each id once".to_owned(),
            }));
        }
        rules.push(rule);
    }
    check_together(&rules).map_err(|error| {
        let line = lines.get(&error.second).copied().unwrap_or(1);
        Error::Conflict { line, error: Box::new(error) }
    })?;
    Ok(rules)
}

#[cfg(test)]
mod tests {
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
            assert!(matches!(error, Error::Document { .. }), "{text:?}: {error}");
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
