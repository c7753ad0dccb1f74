//! What somebody asks sweeps to look at before all else.
//!
//! # Guarantees
//! * Nothing has to be taken back: what was asked is answered by a look that began after it, whoever made that, and is never asked
//!   again. So neither overwrites what the other writes, and a sweep that knows nothing of it answers it all the same, in its own
//!   order.
//!
//! # Caveats
//! * Whoever asks has a clock of their own. One that is ahead asks again and again until its time has come; one that is behind may
//!   take a look for the answer that began shortly before it asked.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Inventory, Roster, SweepPolicy, agenda};
use crate::StageArn;

/// Somebody asks for a look at a stage, or at every stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
}

/// What became of it for one stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Nothing yet.
    Waiting,
    /// It was looked at, then.
    LookedAt(Timestamp),
    /// Nobody is there, so that there is nothing to look at.
    Nobody,
    /// The account has no such stage.
    NoSuchStage,
}

/// How urgent a look is, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// Somebody asks for this stage.
    Asked,
    /// Somebody asks for every stage.
    AskedOfAll,
    /// It is looked at in its turn.
    InTurn,
}

impl Asked {
    /// Whether a look is still asked for at a stage that was last looked at then.
    fn is_open(&self, looked_at: Option<Timestamp>, now: Timestamp, policy: &SweepPolicy) -> bool {
        now.duration_since(self.at) < policy.asked_lasts && looked_at.is_none_or(|at| at < self.at)
    }
}

impl Inventory {
    /// What became of `asked`, for these stages; for every stage that there is something to look at, if none are named. Nothing for
    /// every stage, until the stages were listed since: nobody can say before which these are.
    pub fn answers(
        &self,
        asked: &Asked,
        stages: Option<&BTreeSet<StageArn>>,
        now: Timestamp,
        policy: &SweepPolicy,
    ) -> Option<BTreeMap<StageArn, Answer>> {
        let listed_since = self.listed_at.is_some_and(|at| at >= asked.at);
        let agenda = agenda(self, &Roster::remembered(self), usize::MAX, now, policy);
        let looks: BTreeSet<_> = agenda.looks.into_iter().map(|look| look.stage).collect();
        let answer = |stage: &StageArn| {
            let known = self.knowledge(stage);
            let looked_at = known.and_then(|known| known.looked_at).filter(|at| *at >= asked.at);
            match looked_at {
                Some(at) => Answer::LookedAt(at),
                None if !listed_since || looks.contains(stage) => Answer::Waiting,
                None if known.is_some() => Answer::Nobody,
                None => Answer::NoSuchStage,
            }
        };
        let all = || listed_since.then_some(&looks);
        let stages = stages.or_else(all)?;
        Some(stages.iter().map(|stage| (stage.clone(), answer(stage))).collect())
    }

    /// What is asked of this stage alone, and has no answer yet.
    pub(super) fn asked_of(&self, stage: &StageArn, now: Timestamp, policy: &SweepPolicy) -> Option<&Asked> {
        let items = self.stages.get(stage)?;
        let looked_at = items.knowledge.as_ref().and_then(|known| known.looked_at);
        items.asked.as_ref().filter(|asked| asked.is_open(looked_at, now, policy))
    }

    /// How urgent a look at a stage is.
    pub(super) fn urgency(&self, stage: &StageArn, now: Timestamp, policy: &SweepPolicy) -> Urgency {
        if self.asked_of(stage, now, policy).is_some() {
            return Urgency::Asked;
        }
        let looked_at = self.knowledge(stage).and_then(|known| known.looked_at);
        match &self.asked_of_all {
            Some(asked) if asked.is_open(looked_at, now, policy) => Urgency::AskedOfAll,
            _ => Urgency::InTurn,
        }
    }

    /// Whether somebody has asked for something since the stages were listed: then nobody can say yet which stages there are.
    pub(super) fn is_asked_since_listing(&self, now: Timestamp, policy: &SweepPolicy) -> bool {
        let of_stages = self.stages.values().filter_map(|items| items.asked.as_ref());
        of_stages.chain(&self.asked_of_all).any(|asked| asked.is_open(self.listed_at, now, policy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::{ListedStage, StageKnowledge};

    fn at(second: u8) -> Timestamp {
        format!("2026-01-01T12:00:{second:02}Z").parse().unwrap()
    }

    fn arn(id: &str) -> StageArn {
        format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}").parse().unwrap()
    }

    fn asked() -> Asked {
        Asked { at: at(10), by: "kim".to_owned() }
    }

    /// A stage that was asked for, on which somebody is or not, and that was looked at then.
    fn put(inventory: &mut Inventory, id: &str, is_active: bool, looked_at: Option<Timestamp>) {
        let active_session = is_active.then(|| "st-1CVugbu2cf2n8".parse().unwrap());
        let listed =
            ListedStage { stage: arn(id), name: String::new(), tags: BTreeMap::new(), active_session };
        let known = StageKnowledge { looked_at, ..StageKnowledge::new(listed, at(1)) };
        inventory.put_knowledge(known);
        inventory.put_asked(Some(arn(id)), asked());
    }

    fn answer(inventory: &Inventory, id: &str) -> Answer {
        let stages = BTreeSet::from([arn(id)]);
        let answers = inventory.answers(&asked(), Some(&stages), at(30), &SweepPolicy::default());
        answers.unwrap()[&arn(id)]
    }

    #[test]
    fn only_a_look_that_began_after_it_is_an_answer() {
        let mut inventory = Inventory { listed_at: Some(at(20)), ..Inventory::default() };
        put(&mut inventory, "never", true, None);
        put(&mut inventory, "before", true, Some(at(9)));
        put(&mut inventory, "after", true, Some(at(10)));
        assert_eq!(answer(&inventory, "never"), Answer::Waiting);
        assert_eq!(answer(&inventory, "before"), Answer::Waiting);
        assert_eq!(answer(&inventory, "after"), Answer::LookedAt(at(10)));
    }

    #[test]
    fn that_nobody_is_there_or_no_stage_is_told_by_a_list_that_is_new_enough() {
        let mut inventory = Inventory::default();
        put(&mut inventory, "empty", false, Some(at(3)));
        for (id, expected) in [("empty", Answer::Nobody), ("gone", Answer::NoSuchStage)] {
            for listed_at in [None, Some(at(9))] {
                inventory.listed_at = listed_at;
                assert_eq!(answer(&inventory, id), Answer::Waiting);
            }
            inventory.listed_at = Some(at(10));
            assert_eq!(answer(&inventory, id), expected);
        }
    }

    #[test]
    fn which_stages_every_stage_is_nobody_knows_before_a_list() {
        let mut inventory = Inventory { listed_at: Some(at(9)), ..Inventory::default() };
        put(&mut inventory, "A", true, None);
        put(&mut inventory, "B", false, None);
        let policy = SweepPolicy::default();
        assert_eq!(inventory.answers(&asked(), None, at(30), &policy), None);
        inventory.listed_at = Some(at(10));
        let all = inventory.answers(&asked(), None, at(30), &policy);
        assert_eq!(all, Some(BTreeMap::from([(arn("A"), Answer::Waiting)])));
    }

    #[test]
    fn what_cannot_be_answered_is_asked_for_half_an_hour() {
        let mut inventory = Inventory::default();
        put(&mut inventory, "A", true, None);
        let policy = SweepPolicy::default();
        let is_asked = |minutes: i64| {
            let now = at(10) + jiff::SignedDuration::from_mins(minutes);
            inventory.asked_of(&arn("A"), now, &policy).is_some()
        };
        assert_eq!((is_asked(29), is_asked(30)), (true, false));
    }
}
