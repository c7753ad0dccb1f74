//! Replication rules: who is replicated where, in the words of a customer.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use crate::{RuleId, StageArn};

mod change;
mod check;
mod conflict;

pub use change::{ChangeKind, FieldChange, RuleChange};
pub(crate) use check::{NAMELESS, NAMES, is_tag_character};
pub use check::{RuleError, check_count};
pub use conflict::{RuleConflict, check_together};

/// One replication rule. "Publishers of the source stage appear on the destination stages."
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The customer's name for the rule.
    pub id: RuleId,
    /// Grows with every change of the rule, from 1.
    pub revision: u64,
    /// 0–100, higher wins scarce slots; equal priorities are ordered by rule id.
    pub priority: u8,
    /// Whether the rule acts.
    pub status: Status,
    /// The stages whose publishers it replicates.
    pub source: Source,
    /// Which participants of those stages, all if empty.
    pub participants: ParticipantFilter,
    /// Where they appear, in order of preference. At most [`Rule::MAX_DESTINATIONS`].
    pub destinations: Vec<Destination>,
    /// How long a replica waits for its publisher to come back.
    pub reconnect_window: ReconnectWindow,
    /// Attributes of the replica participant, merged by IVS over the token's; at most 1 KB in total.
    pub attributes: BTreeMap<String, String>,
    /// Whether it takes the slots of rules with a lower priority, instead of waiting until one is free.
    pub preempt: bool,
    /// What the destination's recording is set to for replicas; left as it is if nothing is said.
    pub record_replicas: Option<bool>,
    /// When the rule ends by itself.
    pub expires_at: Option<Timestamp>,
}

/// Tags of a stage: at most 50, keys of 1-128 characters, values of 0-256 (IVS API reference).
pub type Tags = BTreeMap<String, String>;

impl Rule {
    /// The highest priority.
    pub const MAX_PRIORITY: u8 = 100;
    /// Destinations in one rule.
    pub const MAX_DESTINATIONS: usize = 20;
    /// Bytes of all attribute keys and values together (IVS API reference: 1 KB).
    pub const MAX_ATTRIBUTE_BYTES: usize = 1024;
    /// Bytes of the keys and patterns together that choose participants by their attributes: four times what a participant can have,
    /// for a pattern may be longer than what it matches.
    pub const MAX_PATTERN_BYTES: usize = 4096;
    /// Tags in one selector.
    pub const MAX_TAGS: usize = 10;
    /// Bytes of all its texts together: a rule is one item of 400 KB at most (DynamoDB service quotas), and its history and the
    /// answer to whoever put it are others.
    pub const MAX_BYTES: usize = 131_072;
    /// Rules in one table, those of versus sessions aside. Each is held against all others when one is changed, and has metrics of
    /// its own.
    pub const MAX_RULES: usize = 1_000;

    /// The stages that it names by their ARNs: its source, and destinations.
    pub fn named_stages(&self) -> impl Iterator<Item = &StageArn> {
        let source = match &self.source {
            Source::Stage(stage) => Some(stage),
            Source::Any | Source::Tags(_) => None,
        };
        let destinations = self.destinations.iter().filter_map(|destination| match destination {
            Destination::Stage(stage) => Some(stage),
            Destination::Tags { .. } => None,
        });
        source.into_iter().chain(destinations)
    }

    /// Whether the rule acts at `now`: enabled and not expired.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.status == Status::Enabled && self.expires_at.is_none_or(|end| now < end)
    }
}

/// Whether a rule acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Status {
    /// It acts.
    #[default]
    Enabled,
    /// It is kept, and acts as if it were not there.
    Paused,
}

/// The stages whose publishers a rule replicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Every stage of the account and Region.
    Any,
    /// One stage.
    Stage(StageArn),
    /// Every stage that has all these tags.
    Tags(Tags),
}

/// Where a rule's participants appear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// One stage.
    Stage(StageArn),
    /// Every stage that has all these tags, and the same value as the source stage for each of the tags in `same`.
    Tags {
        /// The tags it must have.
        tags: Tags,
        /// Keys of tags that both stages must have, with the same value.
        same: Vec<String>,
    },
}

/// Which participants a rule means. An empty filter means all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParticipantFilter {
    /// The user id must match; a participant without a user id matches only patterns that match the empty text.
    pub user_id: Option<Pattern>,
    /// The participant must have each of these attributes, with a value that matches.
    pub attributes: BTreeMap<String, Pattern>,
}

/// A text pattern: `*` stands for any run of characters, also none; `?` for exactly one. The case counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole of `text` matches. Takes at most `pattern × text` steps, whatever the pattern.
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text): (Vec<char>, Vec<char>) = (self.0.chars().collect(), text.chars().collect());
        let (mut p, mut t) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some('*') => {
                    retry = Some((p, t));
                    p += 1;
                }
                Some('?') => (p, t) = (p + 1, t + 1),
                Some(&c) if c == text[t] => (p, t) = (p + 1, t + 1),
                _ => {
                    let Some((star, taken)) = retry else { return false };
                    retry = Some((star, taken + 1));
                    (p, t) = (star + 1, taken + 1);
                }
            }
        }
        pattern[p..].iter().all(|&c| c == '*')
    }
}

impl FromStr for Pattern {
    type Err = String;

    /// # Errors
    /// What is allowed, if the text is empty or longer than a user id (128 characters, IVS API reference).
    fn from_str(value: &str) -> Result<Self, String> {
        if matches!(value.chars().count(), 1..=128) {
            return Ok(Self(value.to_owned()));
        }
        Err("1-128 characters; '*' any run, '?' exactly one".to_owned())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How long IVS keeps a replica whose publisher dropped out: 0–300 s, default 0 (IVS API reference).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ReconnectWindow(u16);

impl ReconnectWindow {
    /// The longest window, in seconds.
    pub const MAX_SECONDS: u16 = 300;

    /// A window of `seconds`, or nothing if that is over [`Self::MAX_SECONDS`].
    pub fn from_seconds(seconds: u64) -> Option<Self> {
        u16::try_from(seconds).ok().filter(|s| *s <= Self::MAX_SECONDS).map(Self)
    }

    /// The window in seconds.
    pub fn seconds(self) -> u16 {
        self.0
    }

    /// The window as a span of time.
    pub fn duration(self) -> jiff::SignedDuration {
        jiff::SignedDuration::from_secs(self.0.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn stage(id: &str) -> StageArn {
        format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}").parse().unwrap()
    }

    pub(super) fn rule() -> Rule {
        Rule {
            id: "main".parse().unwrap(),
            revision: 1,
            priority: 50,
            status: Status::Enabled,
            source: Source::Stage(stage("A")),
            participants: ParticipantFilter::default(),
            destinations: vec![Destination::Stage(stage("B"))],
            reconnect_window: ReconnectWindow::default(),
            attributes: BTreeMap::new(),
            preempt: false,
            record_replicas: None,
            expires_at: None,
        }
    }

    #[test]
    fn patterns_match_the_whole_text() {
        for (pattern, text, expected) in [
            ("host-*", "host-1", true),
            ("host-*", "host-", true),
            ("host-*", "ghost-1", false),
            ("*", "", true),
            ("?", "", false),
            ("a*b*c", "aXXbYYc", true),
            ("a*b*c", "aXXbYY", false),
            ("h?st", "höst", true),
            ("exact", "exact", true),
            ("exact", "Exact", false),
            ("*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(pattern.parse::<Pattern>().unwrap().matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_reconnect_window_is_bounded() {
        assert_eq!(ReconnectWindow::from_seconds(300).map(ReconnectWindow::seconds), Some(300));
        assert_eq!(ReconnectWindow::from_seconds(301), None);
    }

    #[test]
    fn a_paused_or_expired_rule_does_not_act() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        assert!(rule().is_active(now));
        assert!(!Rule { status: Status::Paused, ..rule() }.is_active(now));
        assert!(!Rule { expires_at: Some(now), ..rule() }.is_active(now));
    }
}
