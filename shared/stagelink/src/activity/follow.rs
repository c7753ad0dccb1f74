//! History as it grows, without repeating or losing a line.
//!
//! A line has the time of what it tells, and is written a moment later; so one may turn up behind others that are newer. What was
//! read before is therefore read again for as long as a line can be late, and what was printed is remembered for as long.

use std::collections::BTreeSet;

use controller::history::{HistoryEntry, HistoryKey, Wanted};
use controller::with_causes;
use jiff::{SignedDuration, Timestamp};
use replication::plain;

use super::{Activity, Scope};
use crate::{Deployment, Error, Screen};

/// How late a line can be: it is written by the invocation that got the answer, and none lasts longer than 75 s. The rest is for
/// clocks that differ.
const LATE: SignedDuration = SignedDuration::from_secs(120);

/// How often new stages are looked for, in looks at those that are known: it costs a Scan.
const STAGES_EVERY: u32 = 30;

/// Lines in one look at most: in two minutes, IVS takes 5 calls per second of ten operations.
const LINES: usize = 6_000;

/// What was printed already, as far as it can be read again.
#[derive(Debug, Default)]
struct Seen(BTreeSet<HistoryKey>);

impl Seen {
    /// Those of `newest_first` that are new, the oldest first. What is older than `from` is not read again, and forgotten.
    fn fresh(&mut self, newest_first: Vec<HistoryEntry>, from: Timestamp) -> Vec<HistoryEntry> {
        self.0.retain(|key| key.is_since(from));
        newest_first.into_iter().rev().filter(|entry| self.0.insert(entry.key.clone())).collect()
    }
}

/// Prints lines as they are added. Ends with the process, or with an error that waiting does not help.
pub(super) async fn follow(
    command: &Activity,
    deployment: &Deployment,
    mut scope: Scope,
    screen: &mut Screen<'_>,
) -> Result<bool, Error> {
    let begun = scope.wanted.first().map_or(Timestamp::MIN, |wanted| wanted.since);
    let (mut seen, mut from, mut looks) = (Seen::default(), begun, 0);
    loop {
        let asked = (deployment.now)();
        match look(command, deployment, &mut scope, (begun, from), looks).await {
            Ok(entries) => {
                let mut fresh = seen.fresh(entries, from);
                if looks == 0 {
                    // Of what was there already, only the newest; of what is added, everything.
                    let older = fresh.len().saturating_sub(usize::from(command.limit));
                    fresh.drain(..older);
                }
                match command.output.is_document() {
                    true => documents(&fresh, screen)?,
                    false => command.print(&fresh, &scope.names, screen)?,
                }
                screen.output.flush()?;
                from = begun.max(asked.checked_sub(LATE).unwrap_or(Timestamp::MIN));
            }
            // Nothing is lost: the next look begins where this one would have.
            Err(error) if error.passes() => eprintln!("not looked at: {}", plain(&with_causes(&error))),
            Err(error) => return Err(error),
        }
        looks += 1;
        tokio::time::sleep(deployment.pace.look).await;
    }
}

/// What is there since `from`; of stages that are new, since the beginning.
async fn look(
    command: &Activity,
    deployment: &Deployment,
    scope: &mut Scope,
    (begun, from): (Timestamp, Timestamp),
    looks: u32,
) -> Result<Vec<HistoryEntry>, Error> {
    let mut found = Vec::new();
    if looks > 0 && looks.is_multiple_of(STAGES_EVERY) {
        let now = command.scope(deployment, begun).await?;
        let lists = now.lists.difference(&scope.lists).cloned().collect();
        let new = Scope { lists, wanted: now.wanted.clone(), names: now.names.clone() };
        found = new.newest(deployment, LINES).await?.found;
        scope.lists.extend(now.lists);
        (scope.wanted, scope.names) = (now.wanted, now.names);
    }
    for wanted in &mut scope.wanted {
        *wanted = Wanted { since: from, ..wanted.clone() };
    }
    found.extend(scope.newest(deployment, LINES).await?.found);
    found.sort_by(|a, b| b.key.cmp(&a.key));
    Ok(found)
}

/// One document in each line, whatever the form: a stream has no end that could close one.
fn documents(entries: &[HistoryEntry], screen: &mut Screen<'_>) -> Result<(), Error> {
    for entry in entries {
        let text = match &entry.line {
            Ok(line) => serde_json::to_string(&views::Activity::from(line)),
            Err(error) => serde_json::to_string(&views::Unreadable::from(error)),
        };
        screen.line(text.map_err(std::io::Error::other)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use controller::{HistoryLine, Order};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + second).unwrap()
    }

    fn entry(second: i64, by: &str) -> HistoryEntry {
        let line = HistoryLine {
            participant: by.parse().ok(),
            ..Order { by: by.to_owned(), reason: None, at: at(second) }.line("Pause", "ok".to_owned())
        };
        HistoryEntry { key: line.key(), line: Ok(line) }
    }

    #[test]
    fn what_comes_late_is_printed_once_and_what_was_printed_never_again() {
        let mut seen = Seen::default();
        let mut told = |entries: Vec<HistoryEntry>, from| -> Vec<String> {
            let fresh = seen.fresh(entries, at(from));
            fresh.into_iter().map(|entry| entry.line.unwrap().caller).collect()
        };
        assert_eq!(told(vec![entry(9, "c"), entry(5, "a")], 0), ["a", "c"]);
        assert_eq!(told(vec![entry(9, "c"), entry(8, "late"), entry(5, "a")], 0), ["late"]);
        assert_eq!(told(vec![entry(9, "d"), entry(9, "c"), entry(8, "late")], 8), ["d"], "of the same time");
        assert_eq!(told(vec![entry(12, "e"), entry(9, "d"), entry(9, "c")], 9), ["e"]);
        assert_eq!(seen.0.len(), 3, "what is not read again is forgotten");
    }
}
