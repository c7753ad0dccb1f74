//! Replications whose rule cannot be decided on yet: it may want them, and it may not.

use jiff::Timestamp;

use super::Planning;
use super::settle::{line, running};
use super::truth::{Truth, truth};
use super::wants::{Want, mismatch};
use crate::{
    Decision, Desired, Match, Operation, Owner, Phase, Publishing, Question, Replica, Unmatched, View,
};

/// The rule that wanted a replication last, if it may still want it and that is not known yet; and what is not known.
pub(super) fn undecided<'a>(
    view: &'a View,
    replica: &'a Replica,
    now: Timestamp,
) -> Option<(Want<'a>, Unmatched)> {
    let last = replica.rule.as_ref()?;
    let rule = view.rules.iter().find(|rule| rule.id == last.id)?;
    let destination = &replica.key.destination;
    if rule.wants(view, destination, now) != Match::Unknown {
        return None;
    }
    let why = mismatch(rule, view, now).unwrap_or_else(|| match view.directory.contains_key(destination) {
        true => Unmatched::TagsUnknown,
        false => Unmatched::DestinationUnknown,
    });
    Some((Want { destination, rule }, why))
}

impl Planning<'_> {
    /// Leaves a replication as it is: not started and not stopped, unless its publisher is gone.
    pub(super) fn settle_undecided(&mut self, known: &Replica, want: Option<&Want<'_>>, why: String) {
        if self.waits_for_lease(known, want) {
            return;
        }
        match (truth(known, None), self.publishing) {
            (Truth::InDoubt, _) => self.verify(known, want),
            (Truth::Absent, _) => self.rest(known, want, why),
            (Truth::Present, _) if known.owner_if_running() == Owner::Foreign => {
                self.leave(known, want);
            }
            (Truth::Present, Publishing::No) => self.hold_or_stop(known, want),
            (Truth::Present, _) => {
                let mut after = running(known);
                after.desired = Desired::Replicated;
                after.wanted_until = want.map_or(known.wanted_until, Want::until);
                if known.unfinished().is_some() {
                    after.settle(Phase::Active);
                }
                self.change(known, after);
                self.line(line(known, want, Decision::Keep, format!("it runs; {why}")));
            }
        }
    }

    /// The open questions that the executor may ask now.
    pub(super) fn asks(&mut self) -> Vec<Question> {
        let session = self.view.publisher.as_ref().and_then(|publisher| publisher.session.as_ref());
        let asked = |question: &Question| match question {
            Question::Tags => true,
            // GetParticipant takes a session.
            Question::Attributes => session.is_some(),
        };
        let questions = self.plan.report.questions().into_iter().filter(asked);
        questions.filter(|question| self.may(Operation::answering(*question))).collect()
    }
}
