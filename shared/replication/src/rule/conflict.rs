//! What can be known of rules together: that no two of them contradict each other.
//!
//! A replica is what the rule with the highest priority asks for. If two rules of one priority can mean the same participant
//! on the same destination stage and ask for different things, their ids alone would decide. Such rules are refused.
//!
//! *Can mean* is what the rules as written do not exclude: two different stages, two values of one tag, or two patterns that
//! no text matches both, exclude each other. A stage named by its ARN may have any tags, and a participant any attributes.
//!
//! # Guarantees
//! * Rules that agree in all they ask for never contradict each other, however they overlap.
//! * The answer does not depend on the time: an enabled rule counts, expired or not.

use std::collections::BTreeMap;

use super::{Destination, Pattern, Rule, Source, Status};
use crate::{RuleId, StageArn};

/// Two rules of which it cannot be said which is to be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "rules {first} and {second} contradict each other: both have priority {priority}, destinations[{}] of {first} and \
     destinations[{}] of {second} can be the same stage{}, and {field} is {values}: allowed is the same value in both, or \
     different priorities",
    .destinations.0, .destinations.1, if *.of_replica { " for the same participant" } else { "" }
)]
pub struct RuleConflict {
    /// The rule that comes first.
    pub first: RuleId,
    /// The other.
    pub second: RuleId,
    /// The priority of both.
    pub priority: u8,
    /// Which destination of the first and which of the second can be the same stage, from 0.
    pub destinations: (usize, usize),
    /// Whether they contradict each other in what a replica is, and not in what its stage is.
    pub of_replica: bool,
    /// The field in which they differ, as it is written in the rules file.
    pub field: &'static str,
    /// Its two values.
    pub values: String,
}

/// Checks rules against each other. Paused ones ask for nothing.
///
/// # Errors
/// The first two rules that contradict each other, in the order given.
pub fn check_together(rules: &[Rule]) -> Result<(), RuleConflict> {
    let enabled: Vec<&Rule> = rules.iter().filter(|rule| rule.status == Status::Enabled).collect();
    for (i, b) in enabled.iter().enumerate() {
        for a in enabled[..i].iter().filter(|a| a.priority == b.priority) {
            contradiction(a, b).map_or(Ok(()), Err)?;
        }
    }
    Ok(())
}

fn contradiction(a: &Rule, b: &Rule) -> Option<RuleConflict> {
    let replica = || Some((asked_of_replica(a, b)?, shared_replica(a, b)?, true));
    let stage = || Some((asked_of_stage(a, b)?, shared_stage(a, b)?, false));
    let ((field, values), destinations, of_replica) = replica().or_else(stage)?;
    Some(RuleConflict {
        first: a.id.clone(),
        second: b.id.clone(),
        priority: a.priority,
        destinations,
        of_replica,
        field,
        values,
    })
}

/// What the two ask of a replica differently, and both values.
fn asked_of_replica(a: &Rule, b: &Rule) -> Option<(&'static str, String)> {
    let (one, other) = (a.reconnect_window.seconds(), b.reconnect_window.seconds());
    if one != other {
        return Some(("reconnect_window_seconds", format!("{one} and {other}")));
    }
    if a.attributes != b.attributes {
        return Some(("attributes", format!("{:?} and {:?}", a.attributes, b.attributes)));
    }
    (a.preempt != b.preempt).then(|| ("preempt", format!("{} and {}", a.preempt, b.preempt)))
}

/// What the two ask of a destination stage differently. A rule that says nothing of recordings asks for nothing.
fn asked_of_stage(a: &Rule, b: &Rule) -> Option<(&'static str, String)> {
    let (one, other) = (a.record_replicas?, b.record_replicas?);
    (one != other).then(|| ("record_replicas", format!("{one} and {other}")))
}

/// Two destinations on which both rules can mean the same participant.
fn shared_replica(a: &Rule, b: &Rule) -> Option<(usize, usize)> {
    let source = Written::of_source(a).and(&Written::of_source(b))?;
    let (one, other) = (&a.participants, &b.participants);
    let patterns = [(one.user_id.as_ref(), other.user_id.as_ref())].into_iter();
    let attributes = one.attributes.iter().map(|(key, pattern)| (Some(pattern), other.attributes.get(key)));
    if !patterns.chain(attributes).all(|(one, other)| can_both_match(one, other)) {
        return None;
    }
    shared(a, b, |_, destination| Written::of_destination(destination, &source))
}

/// Two destinations that can be the same stage, whoever appears there.
fn shared_stage(a: &Rule, b: &Rule) -> Option<(usize, usize)> {
    shared(a, b, |rule, destination| Written::of_destination(destination, &Written::of_source(rule)))
}

fn shared<'a>(
    a: &'a Rule,
    b: &'a Rule,
    written: impl Fn(&'a Rule, &'a Destination) -> Written<'a>,
) -> Option<(usize, usize)> {
    let of_a: Vec<_> = a.destinations.iter().map(|destination| written(a, destination)).collect();
    let of_b: Vec<_> = b.destinations.iter().map(|destination| written(b, destination)).collect();
    let partner = |one: &Written<'_>| of_b.iter().position(|other| one.and(other).is_some());
    of_a.iter().enumerate().find_map(|(i, one)| Some((i, partner(one)?)))
}

/// What is written of a stage: which it is, which it is not, and which tags it has; as far as that is written.
#[derive(Debug, Clone, Default)]
struct Written<'a> {
    stage: Option<&'a StageArn>,
    not: Vec<&'a StageArn>,
    tags: BTreeMap<&'a str, &'a str>,
}

impl<'a> Written<'a> {
    fn of_source(rule: &'a Rule) -> Self {
        match &rule.source {
            Source::Any => Self::default(),
            Source::Stage(stage) => Self { stage: Some(stage), ..Self::default() },
            Source::Tags(tags) => Self { tags: borrowed(tags), ..Self::default() },
        }
    }

    /// A destination of participants from `source`, which is never that stage itself.
    fn of_destination(destination: &'a Destination, source: &Self) -> Self {
        let not = source.stage.into_iter().collect();
        match destination {
            Destination::Stage(stage) => Self { stage: Some(stage), not, tags: BTreeMap::new() },
            Destination::Tags { tags, same } => {
                let joined = same.iter().filter_map(|key| source.tags.get_key_value(key.as_str()));
                let mut tags = borrowed(tags);
                tags.extend(joined);
                Self { stage: None, not, tags }
            }
        }
    }

    /// What is written of a stage that is both; nothing, if no stage can be.
    fn and(&self, other: &Self) -> Option<Self> {
        let excluded = |stage: &&StageArn| self.not.contains(stage) || other.not.contains(stage);
        let contradicts =
            |(key, value): (&&str, &&str)| other.tags.get(key).is_some_and(|theirs| theirs != value);
        let stage = self.stage.or(other.stage);
        let two_stages = other.stage.is_some_and(|stage| self.stage.is_some_and(|own| own != stage));
        if two_stages || stage.is_some_and(|stage| excluded(&stage)) || self.tags.iter().any(contradicts) {
            return None;
        }
        let mut both = self.clone();
        both.stage = stage;
        both.not.extend(&other.not);
        both.tags.extend(&other.tags);
        Some(both)
    }
}

fn borrowed(tags: &super::Tags) -> BTreeMap<&str, &str> {
    tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

/// Whether some text matches both patterns; no pattern matches everything.
fn can_both_match(one: Option<&Pattern>, other: Option<&Pattern>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return true };
    let (one, other): (Vec<char>, Vec<char>) =
        (one.as_str().chars().collect(), other.as_str().chars().collect());
    // reached[i][j]: some text matches the first i characters of one and the first j of the other.
    let mut reached = vec![vec![false; other.len() + 1]; one.len() + 1];
    reached[0][0] = true;
    for i in 0..=one.len() {
        for j in 0..=other.len() {
            if !reached[i][j] {
                continue;
            }
            let (next, their_next) = (one.get(i), other.get(j));
            // A star may end here, or take the other pattern's next character.
            if next == Some(&'*') || their_next == Some(&'*') {
                if next.is_some() {
                    reached[i + 1][j] = true;
                }
                if their_next.is_some() {
                    reached[i][j + 1] = true;
                }
            } else if let (Some(a), Some(b)) = (next, their_next)
                && (a == b || *a == '?' || *b == '?')
            {
                reached[i + 1][j + 1] = true;
            }
        }
    }
    reached[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ParticipantFilter, ReconnectWindow};

    fn stage(id: &str) -> StageArn {
        format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}").parse().unwrap()
    }

    /// From a stage to a stage, `*` for any, and `key=value` for a stage with that tag, `same key` for joined ones.
    fn rule(id: &str, source: &str, destination: &str) -> Rule {
        let tags = |text: &str| -> super::super::Tags {
            let pairs = text.split(' ').filter_map(|pair| pair.split_once('='));
            pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
        };
        Rule {
            id: id.parse().unwrap(),
            revision: 1,
            priority: 50,
            status: Status::Enabled,
            source: match source {
                "*" => Source::Any,
                text if text.contains('=') => Source::Tags(tags(text)),
                text => Source::Stage(stage(text)),
            },
            participants: ParticipantFilter::default(),
            destinations: vec![if destination.contains('=') {
                let same = destination.split(' ').filter(|word| !word.contains('=')).map(str::to_owned);
                Destination::Tags { tags: tags(destination), same: same.collect() }
            } else {
                Destination::Stage(stage(destination))
            }],
            reconnect_window: ReconnectWindow::default(),
            attributes: BTreeMap::new(),
            preempt: false,
            record_replicas: None,
            expires_at: None,
        }
    }

    fn filtered(rule: Rule, user_id: Option<&str>, attributes: &[(&str, &str)]) -> Rule {
        let pattern = |text: &str| text.parse::<Pattern>().unwrap();
        let attributes = attributes.iter().map(|(key, value)| ((*key).to_owned(), pattern(value))).collect();
        Rule { participants: ParticipantFilter { user_id: user_id.map(pattern), attributes }, ..rule }
    }

    /// Whether the two contradict each other once one of them pre-empts; and whether the order matters, which it must not.
    fn overlap(a: &Rule, b: &Rule) -> bool {
        let b = Rule { preempt: true, ..b.clone() };
        let forth = check_together(&[a.clone(), b.clone()]).is_err();
        assert_eq!(forth, check_together(&[b, a.clone()]).is_err());
        forth
    }

    #[test]
    fn an_error_names_both_rules_and_what_they_differ_in() {
        let a = Rule {
            destinations: vec![Destination::Stage(stage("C")), Destination::Stage(stage("B"))],
            ..rule("a", "A", "B")
        };
        let b = Rule { reconnect_window: ReconnectWindow::from_seconds(30).unwrap(), ..rule("b", "*", "B") };
        assert_eq!(
            check_together(&[rule("0", "A", "B"), a, b]).unwrap_err().to_string(),
            "rules 0 and b contradict each other: both have priority 50, destinations[0] of 0 and destinations[0] of b \
             can be the same stage for the same participant, and reconnect_window_seconds is 0 and 30: allowed is the \
             same value in both, or different priorities"
        );
    }

    #[test]
    fn every_difference_counts_and_agreement_never_does() {
        let plain = rule("a", "A", "B");
        let b = rule("b", "A", "B");
        let records = |rule: &Rule, record| Rule { record_replicas: Some(record), ..rule.clone() };
        for (other, field) in [
            (
                Rule { reconnect_window: ReconnectWindow::from_seconds(1).unwrap(), ..b.clone() },
                "reconnect_window_seconds is 0 and 1",
            ),
            (
                Rule { attributes: BTreeMap::from([("k".to_owned(), "v".to_owned())]), ..b.clone() },
                "attributes is {} and {\"k\": \"v\"}",
            ),
            (Rule { preempt: true, ..b.clone() }, "preempt is false and true"),
        ] {
            let text = check_together(&[plain.clone(), other.clone()]).unwrap_err().to_string();
            assert!(text.contains(field), "{text}");
            assert_eq!(
                check_together(&[other.clone(), Rule { id: "c".parse().unwrap(), ..other.clone() }]),
                Ok(())
            );
            for harmless in [Rule { priority: 51, ..other.clone() }, Rule { status: Status::Paused, ..other }]
            {
                assert_eq!(check_together(&[plain.clone(), harmless]), Ok(()));
            }
        }
        let text = check_together(&[records(&plain, true), records(&b, false)]).unwrap_err().to_string();
        assert!(text.contains("can be the same stage, and record_replicas is true and false"), "{text}");
        for agreeing in [records(&b, true), b] {
            assert_eq!(check_together(&[records(&plain, true), agreeing]), Ok(()));
        }
    }

    #[test]
    fn recordings_are_of_a_stage_whoever_appears_there() {
        let records = |rule, record| Rule { record_replicas: Some(record), ..rule };
        let (a, b) = (records(rule("a", "A", "D"), true), records(rule("b", "B", "D"), false));
        assert!(check_together(&[a.clone(), b]).is_err());
        assert!(check_together(&[a.clone(), records(rule("b", "B", "role=x"), false)]).is_err());
        assert_eq!(check_together(&[a.clone(), records(rule("b", "B", "C"), false)]), Ok(()));
        let never_itself = records(rule("b", "D", "role=x"), false);
        assert_eq!(check_together(&[a, never_itself]), Ok(()));
        let one = |show| records(rule(show, &format!("show={show}"), "role=x show"), show == "1");
        assert_eq!(check_together(&[one("1"), one("2")]), Ok(()));
    }

    #[test]
    fn what_is_written_decides_whether_two_rules_can_mean_the_same_replica() {
        for (one, other, expected) in [
            (("A", "B"), ("A", "B"), true),
            (("A", "B"), ("A", "C"), false),
            (("A", "B"), ("C", "B"), false),
            (("*", "B"), ("A", "B"), true),
            (("*", "B"), ("role=main", "B"), true),
            (("A", "B"), ("role=main", "B"), true),
            (("role=main", "B"), ("role=main", "B"), true),
            (("role=main", "B"), ("show=1", "B"), true),
            (("role=main", "B"), ("role=side", "B"), false),
            (("role=main show=1", "B"), ("role=main show=2", "B"), false),
            (("A", "B"), ("A", "role=x"), true),
            (("A", "role=x"), ("A", "role=y"), false),
            (("A", "role=x"), ("A", "show=1"), true),
            // A stage is never its own destination.
            (("*", "B"), ("B", "role=x"), false),
            (("B", "role=x"), ("B", "role=x"), true),
            // What is joined has the value that the source's tags fix.
            (("show=1", "role=x show"), ("show=1", "role=x show=2"), false),
            (("show=1", "role=x show"), ("role=main", "role=x show=2"), false),
            (("role=main", "role=x show"), ("role=main", "role=x show=2"), true),
            (("role=main", "role=x show"), ("role=main", "role=x day"), true),
        ] {
            assert_eq!(
                overlap(&rule("a", one.0, one.1), &rule("b", other.0, other.1)),
                expected,
                "{one:?} {other:?}"
            );
        }
    }

    #[test]
    fn participants_that_no_text_can_be_are_different() {
        for (one, other, expected) in [
            (None, Some("host-*"), true),
            (Some("host-*"), Some("guest-*"), false),
            (Some("host-*"), Some("*-1"), true),
            (Some("host-?"), Some("host-??"), false),
            (Some("h*t"), Some("?o*"), true),
            (Some("*a"), Some("*b"), false),
            (Some("*"), Some("?"), true),
            (Some("a*b*c"), Some("a?c"), true),
            (Some("a*b*c"), Some("ac"), false),
            (Some("exact"), Some("exact"), true),
            (Some("exact"), Some("Exact"), false),
        ] {
            let with = |id, user_id| filtered(rule(id, "A", "B"), user_id, &[]);
            assert_eq!(overlap(&with("a", one), &with("b", other)), expected, "{one:?} {other:?}");
        }
        let with = |id, attributes: &[(&str, &str)]| filtered(rule(id, "A", "B"), None, attributes);
        let host = with("a", &[("role", "host"), ("team", "*")]);
        assert!(!overlap(&host, &with("b", &[("role", "guest")])));
        assert!(overlap(&host, &with("b", &[("team", "red")])) && overlap(&host, &with("b", &[])));
    }

    #[test]
    fn two_patterns_can_both_match_if_some_text_does() {
        let words = |letters: &str, most: usize| {
            let mut words = vec![String::new()];
            let mut longest = words.clone();
            for _ in 0..most {
                longest =
                    longest.iter().flat_map(|w| letters.chars().map(move |c| format!("{w}{c}"))).collect();
                words.extend(longest.iter().cloned());
            }
            words
        };
        let texts = words("abc", 5);
        let patterns: Vec<Pattern> = words("ab?*", 3).iter().filter_map(|text| text.parse().ok()).collect();
        let matched: Vec<Vec<bool>> =
            patterns.iter().map(|pattern| texts.iter().map(|text| pattern.matches(text)).collect()).collect();
        for (one, of_one) in patterns.iter().zip(&matched) {
            for (other, of_other) in patterns.iter().zip(&matched) {
                let expected = of_one.iter().zip(of_other).any(|(a, b)| *a && *b);
                assert_eq!(can_both_match(Some(one), Some(other)), expected, "{one} {other}");
            }
        }
    }
}
