//! Which function gets which file in `events/`, what it answers on the world of [`super::world`], and what it does there.

use super::world;

/// What the check does, in this order: what one step leaves behind is what the next one finds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Invoke(Case),
    /// Replaces the rules in the table; nobody is told.
    Rules(&'static str),
}

/// An invocation and what comes of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    pub(super) function: &'static str,
    /// Relative to `events/`.
    pub(super) file: &'static str,
    /// A part of the answer that tells it from others.
    pub(super) answer: &'static str,
    /// The Start and Stop calls that IVS has taken until then. As many replications run as were started and not stopped.
    pub(super) calls: [usize; 2],
}

const fn invoke(function: &'static str, file: &'static str, answer: &'static str, calls: [usize; 2]) -> Step {
    Step::Invoke(Case { function, file, answer, calls })
}

/// The functions of IVS events. What is no event of IVS, each of them refuses in the same way.
pub(super) const OF_IVS_EVENTS: [&str; 3] = [PUBLISHED, UNPUBLISHED, CHANGED];

/// One participant's evening, an envelope per line.
pub(super) const SEQUENCE: &str = "sequence-disordered.jsonl";

const PUBLISHED: &str = "participant-published";
const UNPUBLISHED: &str = "participant-unpublished";
const CHANGED: &str = "replication-changed";

const RUNS: &str = "keep: it runs";
const SAME_STAGE: &str = "source and destination are the same stage";

pub(super) const STEPS: &[Step] = &[
    // The same publish three times: one Start.
    invoke(PUBLISHED, "participant-published.json", RUNS, [1, 0]),
    invoke(PUBLISHED, "participant-published-precise.json", RUNS, [1, 0]),
    invoke(PUBLISHED, "participant-published-replica-false.json", RUNS, [1, 0]),
    // What IVS reports of it. The reports are older than the Start, so they change nothing.
    invoke(CHANGED, "participant-published-replica-at-destination.json", RUNS, [1, 0]),
    invoke(CHANGED, "participant-publish-error-replica-at-destination.json", RUNS, [1, 0]),
    invoke(CHANGED, "participant-unpublished-replica-at-destination.json", "a replica may come back", [1, 0]),
    invoke(CHANGED, "participant-publish-error.json", "changes no publishing", [1, 0]),
    // The documentation's own examples: replicas on their source stage, and stages of another Region.
    invoke(CHANGED, "participant-published-replica.json", SAME_STAGE, [1, 0]),
    invoke(CHANGED, "participant-publish-error-replica.json", SAME_STAGE, [1, 0]),
    invoke(CHANGED, "participant-unpublished-replica.json", SAME_STAGE, [1, 0]),
    invoke(CHANGED, "participant-replication-start.json", "unconcerned", [1, 0]),
    invoke(CHANGED, "participant-replication-end.json", "unconcerned", [1, 0]),
    // What is not for anybody.
    invoke(PUBLISHED, "token-exchanged.json", "a token exchange changes no publishing", [1, 0]),
    invoke(PUBLISHED, "unknown-event-name.json", "Participant Joined", [1, 0]),
    invoke(PUBLISHED, "foreign-recording-state-change.json", "are not for us", [1, 0]),
    invoke(PUBLISHED, "foreign-source.json", "are not for us", [1, 0]),
    // The end: one Stop, for the participant of the simulated IVS is still there.
    invoke(UNPUBLISHED, "participant-unpublished.json", "the participant does not publish", [1, 1]),
    // The sweep sees that it publishes still, and dispatch does what follows.
    invoke("reconcile", "scheduled-event.json", "\"news\":1", [1, 1]),
    invoke("dispatch", "stream-due-work.json", "\"reconciled\":1", [2, 1]),
    // Its rule goes, and dispatch does what follows.
    Step::Rules(world::RULES_WITHOUT_MAIN),
    invoke("rule-changed", "stream-rules.json", "\"publishers\":1", [2, 1]),
    invoke("dispatch", "scheduled-event.json", "\"reconciled\":1", [2, 2]),
    invoke("api", "api-request.json", "evening", [2, 2]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_invoked() {
        let workspace = crate::workspace::Workspace::find().unwrap();
        let invoked = |function: &str| {
            STEPS.iter().any(|step| matches!(step, Step::Invoke(case) if case.function == function))
        };
        let forgotten: Vec<_> = workspace.functions.iter().filter(|function| !invoked(function)).collect();
        assert!(forgotten.is_empty(), "{forgotten:?}");
    }
}
