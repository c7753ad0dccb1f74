//! What may be the matter when nobody of a name is known.

use jiff::Timestamp;

use super::sentences::{Sentence, ago, sentence};
use crate::sweep::Inventory;
use crate::{Match, StageArn};

/// What is known of the stages where somebody unknown could be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The name that was asked for.
    pub name: String,
    /// The time that everything is said of.
    pub at: Timestamp,
    /// How many rules act.
    pub rules: usize,
    /// When the stages of the account were listed last.
    pub listed_at: Option<Timestamp>,
    /// The stages with an active session.
    pub active: Vec<ActiveStage>,
}

/// A stage with an active session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveStage {
    /// The stage.
    pub stage: StageArn,
    /// Its name; empty if it has none.
    pub name: String,
    /// When its participants were looked at last.
    pub looked_at: Option<Timestamp>,
    /// Whether a rule means its publishers, or may.
    pub has_rules: bool,
}

impl Unknown {
    /// What an inventory says of the stages where nobody of this name is known.
    pub fn of(name: &str, inventory: &Inventory, now: Timestamp) -> Self {
        let rules: Vec<_> = inventory.rules.iter().filter(|rule| rule.is_active(now)).collect();
        let known = inventory.stages.values().filter_map(|items| items.knowledge.as_ref());
        let active = known.filter(|known| known.listed.active_session.is_some()).map(|known| {
            let (stage, tags) = (&known.listed.stage, Some(&known.listed.tags));
            ActiveStage {
                stage: stage.clone(),
                name: known.listed.name.clone(),
                looked_at: known.looked_at,
                has_rules: rules.iter().any(|rule| rule.covers(stage, tags) != Match::No),
            }
        });
        let (name, listed_at) = (name.to_owned(), inventory.listed_at);
        Self { name, at: now, rules: rules.len(), listed_at, active: active.collect() }
    }

    /// What can be the case, the likeliest first.
    pub fn sentences(&self) -> Vec<Sentence> {
        let mut told = vec![sentence(0, format_args!("nobody is known as {:?}, and no replica", self.name))];
        let mut say = |text: std::fmt::Arguments<'_>| told.push(sentence(1, text));
        if self.rules == 0 {
            say(format_args!("no rule acts: nobody is replicated, and nothing is kept of who publishes"));
        }
        let with_rules: Vec<_> = self.active.iter().filter(|stage| stage.has_rules).collect();
        let without = self.active.len() - with_rules.len();
        if self.rules > 0 && without > 0 {
            say(format_args!(
                "{without} of {} active stages are in no rule: of who publishes there nothing is kept",
                self.active.len()
            ));
        }
        match with_rules.iter().map(|stage| stage.looked_at).min() {
            Some(Some(oldest)) => say(format_args!(
                "an event may have been lost: then a sweep finds the participant. Each active stage with a rule was looked at {} or \
                 later",
                ago(self.at, oldest)
            )),
            Some(None) => say(format_args!(
                "an event may have been lost: then a sweep finds the participant. Some active stages with a rule have not been \
                 looked at yet; they come first"
            )),
            None if self.rules > 0 => {
                say(format_args!("no stage with a rule is known to have anybody on it"))
            }
            None => {}
        }
        match self.listed_at {
            Some(at) => say(format_args!("the stages of the account were listed last {}", ago(self.at, at))),
            None => say(format_args!(
                "no sweep has listed the stages of the account yet: is the deployment running? (`stagelink doctor`)"
            )),
        }
        say(format_args!(
            "who stopped publishing more than a day ago is forgotten; the name counts to the letter"
        ));
        told
    }
}
