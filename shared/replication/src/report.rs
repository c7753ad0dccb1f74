//! Why each replication is treated as it is: the log line, the golden file and what an operator is told.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use crate::{BlockedReason, PublisherKey, Publishing, RuleId, StageArn};

/// An action, or a reason for none, for every destination and every rule that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The publisher.
    pub publisher: PublisherKey,
    /// Whether it publishes.
    pub publishing: Publishing,
    /// One line per destination.
    pub lines: Vec<Line>,
    /// Rules that do not speak of this publisher, and why.
    pub unmatched: Vec<(RuleId, Unmatched)>,
}

/// What happens to one replication, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The destination stage.
    pub destination: StageArn,
    /// The rule that wants it, if one does.
    pub rule: Option<RuleId>,
    /// What happens.
    pub decision: Decision,
    /// Why, in words.
    pub why: Cow<'static, str>,
}

/// What happens to a replication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Start it now.
    Start,
    /// Stop it now.
    Stop,
    /// Ask IVS whether it runs.
    Verify,
    /// It runs, and should.
    Keep,
    /// It is kept until the reconnect window is over, or until anything may be stopped again.
    Hold,
    /// It should be stopped, and the brake on mass stops keeps it running.
    Brake,
    /// It has to wait: another call is under way, or a wait is not over.
    Wait,
    /// It is left to a function that may make the call.
    Defer,
    /// It is wanted, and not to be had.
    Block(BlockedReason),
    /// It does not run, and nothing is to do.
    Rest,
    /// It is not ours.
    Foreign,
}

/// Why a rule does not speak of a publisher, or of one of its destinations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unmatched {
    /// The rule is paused.
    Paused,
    /// The rule has expired.
    Expired,
    /// The rule's source is another stage.
    OtherSource,
    /// The stage does not have the tags of the rule's source.
    Tags,
    /// It depends on the stage's tags, which are not known yet.
    TagsUnknown,
    /// The participant's user id does not match.
    UserId,
    /// The participant's attributes do not match.
    Attributes,
    /// It depends on the participant's attributes, which are not known yet.
    AttributesUnknown,
    /// The rule's destination is the source itself.
    DestinationIsSource,
    /// It depends on the destination's tags, which are not known yet.
    DestinationUnknown,
    /// No stage is known that has the tags of the rule's destinations.
    NoDestination,
}

/// What has to be asked of IVS before a rule can be decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// The tags of the publisher's stage: GetStage.
    Tags,
    /// The attributes of the publisher: GetParticipant.
    Attributes,
}

impl Unmatched {
    /// Whether more knowledge can still make the rule apply.
    pub fn is_open(self) -> bool {
        matches!(self, Self::TagsUnknown | Self::AttributesUnknown | Self::DestinationUnknown)
    }
}

impl Report {
    /// What is worth asking of IVS: without a publisher, nothing depends on it.
    pub fn questions(&self) -> BTreeSet<Question> {
        let asked = |(_, why): &(RuleId, Unmatched)| match why {
            Unmatched::TagsUnknown => Some(Question::Tags),
            Unmatched::AttributesUnknown => Some(Question::Attributes),
            _ => None,
        };
        let worth_it = matches!(self.publishing, Publishing::Yes | Publishing::Uncertain);
        self.unmatched.iter().filter(|_| worth_it).filter_map(asked).collect()
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(reason) => write!(f, "blocked({reason})"),
            Self::Start => f.write_str("start"),
            Self::Stop => f.write_str("stop"),
            Self::Verify => f.write_str("verify"),
            Self::Keep => f.write_str("keep"),
            Self::Hold => f.write_str("hold"),
            Self::Brake => f.write_str("brake"),
            Self::Wait => f.write_str("wait"),
            Self::Defer => f.write_str("defer"),
            Self::Rest => f.write_str("rest"),
            Self::Foreign => f.write_str("foreign"),
        }
    }
}

impl fmt::Display for Unmatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Paused => "the rule is paused",
            Self::Expired => "the rule has expired",
            Self::OtherSource => "the rule's source is another stage",
            Self::Tags => "the stage's tags do not match",
            Self::TagsUnknown => "the stage's tags are not known yet",
            Self::UserId => "the user id does not match",
            Self::Attributes => "the attributes do not match",
            Self::AttributesUnknown => "the participant's attributes are not known yet",
            Self::DestinationIsSource => "the destination is the source itself",
            Self::DestinationUnknown => "the destination's tags are not known yet",
            Self::NoDestination => "no stage is known that has the destination's tags",
        })
    }
}

/// One line per destination and unmatched rule, ready for a log, a terminal or a golden file.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let publishing = match self.publishing {
            Publishing::Yes => "publishing",
            Publishing::No => "not publishing",
            Publishing::Uncertain => "publishing or not, the events cannot tell",
            Publishing::Unknown => "no news of publishing",
        };
        writeln!(f, "{}: {publishing}", self.publisher)?;
        for line in &self.lines {
            let rule = line.rule.as_ref().map_or("-", RuleId::as_str);
            writeln!(f, "  {} [{rule}] {}: {}", line.destination, line.decision, line.why)?;
        }
        for (rule, why) in &self.unmatched {
            let verdict = if why.is_open() { "is not decided" } else { "does not apply" };
            writeln!(f, "  rule {rule} {verdict}: {why}")?;
        }
        Ok(())
    }
}
