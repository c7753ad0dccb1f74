//! What the document says in words.

use crate::operation::{Operation, Parameter};

pub(super) const DESCRIPTION: &str = "Replicates participants of Amazon IVS Real-Time stages by rules: rules, versus \
    sessions, and what is replicated where, by which rule, and why not.\n\n\
    Lists are answered page by page: a page without `next` is the last, and may be shorter than `limit`. Rules lie with their \
    sources: those that may concern a stage are those of `GET /rules?source=ARN` together with those of `GET /rules`.\n\n\
    A rule's `ETag` is its revision. PUT and DELETE need it in `If-Match`, other changes of a rule take it; if the rule is \
    another by then, the answer is 409 with the rule as it is. Who asked, and the `reason` given, stand in the rule's history. A rule that \
    selects its stages is in force within seconds, when all functions have read it.\n\n\
    Every error is problem details (RFC 9457) whose `type` is one of the schema `Problem`; unknown paths and methods answer \
    404 `unknown-path` and 405 `method-not-allowed`.";

pub(super) const KEY: &str = "A key that the client makes up for this request, 1-255 visible ASCII characters, with or \
    without quotes. Sent again with the same key, the request is not carried out again, and has the first answer for 24 h. What \
    was refused is not kept.";

pub(super) const REPLAYED: &str = "There, if the answer was given before under the same Idempotency-Key.";

pub(super) const REASON: &str = "Why: kept in the rule's history.";

/// The operation's id and what it does.
pub(super) fn of(operation: Operation) -> (&'static str, &'static str) {
    match operation {
        Operation::Health => ("getHealth", "Whether the table can be read"),
        Operation::OpenApi => ("getOpenApi", "This document"),
        Operation::ListRules => (
            "listRules",
            "The rules that name a stage as their source; without one, those that select their sources",
        ),
        Operation::CreateRule => ("createRule", "Creates a rule"),
        Operation::GetRule => ("getRule", "A rule"),
        Operation::ReplaceRule => ("replaceRule", "Puts a rule in the place of the one that there is"),
        Operation::DeleteRule => ("deleteRule", "Deletes a rule; its history stays"),
        Operation::ListRevisions => (
            "listRevisions",
            "The revisions of a rule, the newest first: what it said, who ordered it, when and why",
        ),
        Operation::PauseRule => ("pauseRule", "Pauses a rule: it is kept, and acts as if it were not there"),
        Operation::ResumeRule => ("resumeRule", "Enables a rule again"),
        Operation::RollBackRule => {
            ("rollBackRule", "Has a rule say again what it said at an earlier revision, as a new revision")
        }
        Operation::ListVersus => ("listVersus", "The versus sessions that are not over"),
        Operation::StartVersus => (
            "startVersus",
            "Replicates the publishers of 2-6 stages into each other for a while, all of them or none",
        ),
        Operation::GetVersus => ("getVersus", "A versus session; one that is over is forgotten after a day"),
        Operation::ExtendVersus => ("extendVersus", "Gives a versus session another end, later or earlier"),
        Operation::EndVersus => ("endVersus", "Ends a versus session now"),
        Operation::ListPublishers => ("listPublishers", "Who publishes on a stage, or did so lately"),
        Operation::ListReplicas => ("listReplicas", "The replications from or to a stage"),
        Operation::Explain => ("explain", "Why a participant is, or is not, where rules want it"),
        Operation::ListActivity => ("listActivity", "The history of a stage, the newest first"),
        Operation::Plan => {
            ("plan", "What a set of rules would do in the place of all present ones. It changes nothing")
        }
    }
}

pub(super) fn of_parameter(operation: Operation, parameter: Parameter) -> &'static str {
    match parameter {
        Parameter::Source => "ARN of the source stage.",
        Parameter::Destination if operation == Operation::ListReplicas => {
            "ARN of the destination stage. Exactly one of source and destination."
        }
        Parameter::Destination => "About this destination stage only: its ARN.",
        Parameter::Phase => "In this phase only.",
        Parameter::Stage => "ARN of the stage.",
        Parameter::Participant if operation == Operation::Explain => "The participant id.",
        Parameter::Participant => "About this participant only: its id.",
        Parameter::Rule => "For this rule only: its id.",
        Parameter::Since => "Not older than this; an hour, if nothing is said.",
        Parameter::Reason => REASON,
        Parameter::Limit => "How many items at most.",
        Parameter::Next => "The `next` of the answer before, for the page after it.",
    }
}

pub(super) fn of_answer(operation: Operation, status: u16) -> &'static str {
    match (operation, status) {
        (Operation::CreateRule, _) => "The rule, which is there from now on.",
        (Operation::ReplaceRule | Operation::RollBackRule, _) => "The rule as it is now.",
        (Operation::PauseRule | Operation::ResumeRule, _) => {
            "The rule as it is now, whether it was so before or not."
        }
        (Operation::DeleteRule, _) => "The rule as it was.",
        (Operation::StartVersus, 201) => "The session, which starts.",
        (Operation::StartVersus, _) => "The session that was there already, on the same terms.",
        (Operation::ExtendVersus | Operation::EndVersus, _) => "The session as it is now.",
        (Operation::Plan, _) => "The forecast.",
        _ => "What was asked for.",
    }
}
