//! What must be so when the demo is over, as a function of what was seen.

use std::collections::{BTreeMap, BTreeSet};

use crate::table::ReplicationRow;

/// One replication that the demo is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    /// Source stage, participant and destination stage, as in the ledger.
    pub(super) key: String,
    /// The same for people.
    pub(super) label: String,
    /// Whether it had to be started; otherwise it had to be left alone.
    pub(super) started: bool,
    /// The crowd it is one of, if it is told of together with others.
    pub(super) crowd: Option<&'static str>,
}

/// What was seen when all was over.
#[derive(Debug, Clone, Default)]
pub(super) struct Evidence {
    /// The simulator's ledger.
    pub(super) calls: Vec<Call>,
    /// Replications that are still active, as in the ledger.
    pub(super) active: Vec<String>,
    /// The table's replications.
    pub(super) table: Vec<ReplicationRow>,
    /// How many events could not be delivered.
    pub(super) dead_letters: usize,
}

/// A line of the ledger.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) operation: String,
    pub(super) key: String,
    pub(super) status: u16,
}

/// Something that had to be so, and whether it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) passed: bool,
    /// What had to be so; if it was not, what was found instead.
    pub(super) text: String,
}

impl Check {
    pub(super) fn new(passed: bool, wanted: impl Into<String>, found: impl FnOnce() -> String) -> Self {
        let wanted = wanted.into();
        let text = if passed { wanted } else { format!("{wanted}: {}", found()) };
        Self { passed, text }
    }
}

const START: &str = "StartParticipantReplication";
const STOP: &str = "StopParticipantReplication";

/// The phase of every replication when all participants have left.
pub(super) const AT_THE_END: &str = "Stopped";

/// Everything that had to be so.
pub(super) fn judge(expected: &[Expected], evidence: &Evidence) -> Vec<Check> {
    let alone = expected.iter().filter(|expected| expected.crowd.is_none());
    let mut checks: Vec<Check> = alone.map(|expected| starts(expected, evidence)).collect();
    let crowds: BTreeSet<&str> = expected.iter().filter_map(|expected| expected.crowd).collect();
    checks.extend(crowds.into_iter().map(|crowd| crowd_starts(crowd, expected, evidence)));
    checks.push(no_other_mutating_calls(expected, evidence));
    checks.push(none_left(expected, evidence));
    checks.push(table_agrees(expected, evidence));
    checks.push(Check::new(evidence.dead_letters == 0, "no event became a dead letter", || {
        format!("{} did", evidence.dead_letters)
    }));
    checks
}

fn starts(expected: &Expected, evidence: &Evidence) -> Check {
    let calls = evidence.calls.iter().filter(|call| call.operation == START && call.key == expected.key);
    let statuses: Vec<u16> = calls.map(|call| call.status).collect();
    let label = &expected.label;
    if expected.started {
        let found = || format!("the ledger has {} calls, {statuses:?}", statuses.len());
        Check::new(statuses == [200], format!("{label} was started exactly once"), found)
    } else {
        let found = || format!("the ledger has {} calls, {statuses:?}", statuses.len());
        Check::new(statuses.is_empty(), format!("{label} was never called for"), found)
    }
}

/// Of many, each was started once. What IVS refused had no effect: it was throttled, or the news that its publisher had left was lost.
fn crowd_starts(crowd: &str, expected: &[Expected], evidence: &Evidence) -> Check {
    let mut started = BTreeMap::<&str, usize>::new();
    for call in evidence.calls.iter().filter(|call| call.operation == START && call.status == 200) {
        *started.entry(&call.key).or_default() += 1;
    }
    let members: Vec<_> = expected.iter().filter(|expected| expected.crowd == Some(crowd)).collect();
    let wrong = members.iter().filter(|member| started.get(member.key.as_str()) != Some(&1));
    let wrong: Vec<&str> = wrong.map(|member| member.label.as_str()).collect();
    let wanted = format!("{crowd}: each of {} replicas came about exactly once", members.len());
    Check::new(wrong.is_empty(), wanted, || format!("not {}", wrong.join(", ")))
}

/// A replication may be stopped once: IVS ends it by itself when its window is over, and either may come first.
fn no_other_mutating_calls(expected: &[Expected], evidence: &Evidence) -> Check {
    let mut stops = BTreeMap::<&str, usize>::new();
    let unexpected: Vec<String> = evidence
        .calls
        .iter()
        .filter(|call| {
            let known = expected.iter().any(|expected| expected.key == call.key && expected.started);
            match call.operation.as_str() {
                START => !expected.iter().any(|expected| expected.key == call.key),
                STOP => {
                    let count = stops.entry(&call.key).or_default();
                    *count += 1;
                    !known || *count > 1
                }
                operation => !operation.starts_with("Get") && !operation.starts_with("List"),
            }
        })
        .map(|call| format!("{} {}", call.operation, call.key))
        .collect();
    Check::new(unexpected.is_empty(), "no other mutating call was made", || unexpected.join(", "))
}

fn none_left(expected: &[Expected], evidence: &Evidence) -> Check {
    let left: Vec<&str> = evidence.active.iter().map(|key| label(expected, key)).collect();
    Check::new(left.is_empty(), "no replica is left in IVS", || left.join(", "))
}

fn table_agrees(expected: &[Expected], evidence: &Evidence) -> Check {
    let found: BTreeMap<&str, &str> =
        evidence.table.iter().map(|row| (row.key.as_str(), row.phase.as_str())).collect();
    let mut wrong: Vec<String> = expected
        .iter()
        .filter_map(|expected| {
            let phase = found.get(expected.key.as_str()).copied().unwrap_or("missing");
            (phase != AT_THE_END).then(|| format!("{} is {phase}", expected.label))
        })
        .collect();
    let strangers = found.keys().filter(|key| !expected.iter().any(|expected| expected.key == **key));
    wrong.extend(strangers.map(|key| format!("{key} is unknown")));
    Check::new(wrong.is_empty(), format!("the table has each of them as {AT_THE_END}"), || wrong.join(", "))
}

fn label<'a>(expected: &'a [Expected], key: &'a str) -> &'a str {
    expected.iter().find(|expected| expected.key == key).map_or(key, |expected| expected.label.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected() -> Vec<Expected> {
        let expected = |key: &str, started| Expected {
            key: key.to_owned(),
            label: format!("<{key}>"),
            started,
            crowd: None,
        };
        vec![expected("a p b", true), expected("a p c", false)]
    }

    fn call(operation: &str, key: &str, status: u16) -> Call {
        Call { operation: operation.to_owned(), key: key.to_owned(), status }
    }

    fn row(key: &str, phase: &str) -> ReplicationRow {
        ReplicationRow { key: key.to_owned(), phase: phase.to_owned() }
    }

    fn good() -> Evidence {
        Evidence {
            calls: vec![
                call(START, "a p b", 200),
                call("ListParticipantReplicas", "a p", 200),
                call(STOP, "a p b", 404),
            ],
            active: vec![],
            table: vec![row("a p b", "Stopped"), row("a p c", "Stopped")],
            dead_letters: 0,
        }
    }

    fn failed(change: impl FnOnce(&mut Evidence)) -> Vec<String> {
        let mut evidence = good();
        change(&mut evidence);
        let checks = judge(&expected(), &evidence);
        checks.into_iter().filter(|check| !check.passed).map(|check| check.text).collect()
    }

    #[test]
    fn all_is_well() {
        assert_eq!(failed(|_| {}), [] as [&str; 0]);
        assert_eq!(judge(&expected(), &good()).len(), 6);
    }

    #[test]
    fn a_second_start_is_found() {
        assert_eq!(
            failed(|evidence| evidence.calls.push(call(START, "a p b", 409))),
            ["<a p b> was started exactly once: the ledger has 2 calls, [200, 409]"]
        );
    }

    #[test]
    fn a_missing_or_refused_start_is_found() {
        assert_eq!(failed(|evidence| drop(evidence.calls.remove(0))).len(), 1);
        assert_eq!(failed(|evidence| evidence.calls[0].status = 402).len(), 1);
    }

    #[test]
    fn a_start_of_what_had_to_be_left_alone_is_found() {
        assert_eq!(
            failed(|evidence| evidence.calls.push(call(START, "a p c", 402))),
            ["<a p c> was never called for: the ledger has 1 calls, [402]"]
        );
    }

    #[test]
    fn a_crowd_is_judged_as_one_and_a_refused_start_does_not_count() {
        let crowd = |key: &str| Expected {
            key: key.to_owned(),
            label: format!("<{key}>"),
            started: true,
            crowd: Some("burst"),
        };
        let expected = [crowd("a p b"), crowd("a q b")];
        let judged = |statuses: &[(&str, u16)]| {
            let calls = statuses.iter().map(|(key, status)| call(START, key, *status)).collect();
            crowd_starts("burst", &expected, &Evidence { calls, ..Evidence::default() })
        };
        assert!(judged(&[("a p b", 400), ("a p b", 200), ("a q b", 200)]).passed);
        let twice = judged(&[("a p b", 200), ("a p b", 200), ("a q b", 200)]);
        assert_eq!(twice.text, "burst: each of 2 replicas came about exactly once: not <a p b>");
        assert!(!judged(&[("a p b", 200)]).passed);
    }

    #[test]
    fn other_mutating_calls_are_found() {
        for (operation, key) in
            [(START, "x y z"), (STOP, "a p c"), (STOP, "a p b"), ("DisconnectParticipant", "a p")]
        {
            assert_eq!(
                failed(|evidence| evidence.calls.push(call(operation, key, 200))),
                [format!("no other mutating call was made: {operation} {key}")]
            );
        }
    }

    #[test]
    fn a_replica_that_is_left_is_found() {
        assert_eq!(
            failed(|evidence| evidence.active.push("a p b".to_owned())),
            ["no replica is left in IVS: <a p b>"]
        );
    }

    #[test]
    fn a_table_that_disagrees_is_found() {
        let text = "the table has each of them as Stopped";
        assert_eq!(
            failed(|evidence| evidence.table[0].phase = "Active".to_owned()),
            [format!("{text}: <a p b> is Active")]
        );
        assert_eq!(
            failed(|evidence| drop(evidence.table.remove(0))),
            [format!("{text}: <a p b> is missing")]
        );
        assert_eq!(
            failed(|evidence| evidence.table.push(row("x y z", "Stopped"))),
            [format!("{text}: x y z is unknown")]
        );
    }

    #[test]
    fn a_dead_letter_is_found() {
        assert_eq!(failed(|evidence| evidence.dead_letters = 1), ["no event became a dead letter: 1 did"]);
    }
}
