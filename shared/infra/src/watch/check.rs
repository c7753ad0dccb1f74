//! `cargo infra watch --check`: every function with every file it can get, through `cargo lambda invoke`.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::cases::{Case, OF_IVS_EVENTS, SEQUENCE, STEPS, Step};
use super::session::{Answer, Session};
use super::world::World;
use crate::error::Error;
use crate::workspace::Workspace;

/// Invokes and compares.
///
/// # Errors
/// The first answer that is not as it must be, or a file that no function was invoked with.
pub(super) fn check(workspace: &Workspace, session: &mut Session, world: &World) -> Result<(), Error> {
    let events = workspace.root.join("events");
    let read = |name: &str| {
        let path = events.join(name);
        std::fs::read_to_string(&path).map_err(Error::file("read", &path))
    };
    let readme = read("README.md")?;
    let mut used = BTreeSet::from(["README.md".to_owned(), SEQUENCE.to_owned()]);
    for step in STEPS {
        match step {
            Step::Rules(rules) => session.put_rules(rules)?,
            // The file of a function that is not there is none that a function can get.
            Step::Invoke(case) if workspace.functions.iter().all(|function| function != case.function) => {
                used.insert(case.file.to_owned());
            }
            Step::Invoke(case) => {
                session.is_alive()?;
                check_case(case, session, world, &events)?;
                used.insert(case.file.to_owned());
            }
        }
    }
    check_sequence(&read(SEQUENCE)?, &readme, session)?;
    used.extend(check_malformed(&readme, session, &events)?);
    let unused: Vec<String> = files(&events)?.difference(&used).cloned().collect();
    if !unused.is_empty() {
        return Err(Error::Wrong(format!("no function was invoked with {}", unused.join(", "))));
    }
    println!("every function answered as it must, with {} files", used.len() - 1);
    Ok(())
}

fn check_case(case: &Case, session: &Session, world: &World, events: &Path) -> Result<(), Error> {
    let Case { function, file, answer, calls } = case;
    let answered = match session.invoke(function, &events.join(file))? {
        Answer::Value(value) if value.contains(answer) => value,
        other => {
            return Err(Error::Wrong(format!("{function}, given {file}, must say {answer:?}: {other:?}")));
        }
    };
    let found =
        [world.succeeded("StartParticipantReplication")?, world.succeeded("StopParticipantReplication")?];
    let runs = world.replications()?;
    if found != *calls || found[0] - found[1] != runs {
        return Err(Error::Wrong(format!(
            "after {function} was given {file}, IVS must have taken {calls:?} Start and Stop calls: {found:?}, {runs} \
             replications run, and the answer was {answered}"
        )));
    }
    println!("{function} {file}: {}", answered.trim());
    Ok(())
}

/// The lines of the sequence, each to the function of its event. The README has a table of what is known after each.
fn check_sequence(lines: &str, readme: &str, session: &mut Session) -> Result<(), Error> {
    for (i, envelope_text) in lines.lines().enumerate() {
        session.is_alive()?;
        let envelope: Value = serde_json::from_str(envelope_text).unwrap_or_default();
        let function = match envelope["detail"]["event_name"].as_str() {
            Some("Participant Published") => "participant-published",
            _ => "participant-unpublished",
        };
        let line = i + 1;
        let known = known_after(readme, line).ok_or_else(|| {
            Error::Wrong(format!("events/README.md has no row for line {line} of {SEQUENCE}"))
        })?;
        let file = session.file(&format!("sequence-{line}.json"), envelope_text)?;
        match session.invoke(function, &file)? {
            Answer::Value(value) if value.contains(said_of(known)) => {
                println!("{function} {SEQUENCE} line {line}: publishing: {known}");
            }
            other => {
                return Err(Error::Wrong(format!(
                    "{function}, given line {line} of {SEQUENCE}, must say of publishing {known:?}: {other:?}"
                )));
            }
        }
    }
    Ok(())
}

/// Whether the participant publishes, by the last column of the README's table: `| 7 | … | … | uncertain |`.
fn known_after(readme: &str, line: usize) -> Option<&str> {
    let row = readme.lines().find(|row| row.starts_with(&format!("| {line} | ")))?;
    Some(row.trim_end_matches('|').rsplit('|').next()?.trim())
}

/// What a report, as JSON, says then.
fn said_of(publishing: &str) -> &'static str {
    match publishing {
        "yes" => ": publishing\\n",
        "no" => ": not publishing\\n",
        _ => ": publishing or not, the events cannot tell\\n",
    }
}

/// Each malformed file to each function of IVS events. Returns the files.
fn check_malformed(readme: &str, session: &mut Session, events: &Path) -> Result<Vec<String>, Error> {
    let files = malformed(readme);
    for (file, field) in &files {
        session.is_alive()?;
        for function in OF_IVS_EVENTS {
            let (kind, message) = ("Error: Malformed", format!("event field {field}"));
            match session.invoke(function, &events.join(file))? {
                Answer::Failure(error) if error.contains(kind) && error.contains(&message) => {}
                other => {
                    let must = format!("must fail with {kind:?} and {message:?}");
                    return Err(Error::Wrong(format!("{function}, given {file}, {must}: {other:?}")));
                }
            }
        }
        println!("{file}: Malformed, event field {field}");
    }
    Ok(files.into_iter().map(|(file, _)| file).collect())
}

/// The malformed files in the README's table, with the field that is named: "| `malformed/x.json` | `field` | …".
fn malformed(readme: &str) -> Vec<(String, String)> {
    let rows = readme.lines().filter(|line| line.starts_with("| `malformed/"));
    let cells = rows.map(|row| row.split('|').skip(1).map(|cell| cell.trim().trim_matches('`').to_owned()));
    cells.filter_map(|mut cells| Some((cells.next()?, cells.next()?))).collect()
}

/// All files under `events/`, relative to it.
fn files(events: &Path) -> Result<BTreeSet<String>, Error> {
    let mut files = BTreeSet::new();
    for folder in ["", "malformed"] {
        let path = events.join(folder);
        for entry in std::fs::read_dir(&path).map_err(Error::file("list", &path))? {
            let path = entry.map_err(Error::file("list", &path))?.path();
            let name = path.strip_prefix(events).unwrap_or(&path).to_string_lossy().into_owned();
            files.extend(path.is_file().then_some(name));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events() -> std::path::PathBuf {
        Workspace::find().unwrap().root.join("events")
    }

    #[test]
    fn the_readme_names_every_malformed_file_and_its_field() {
        let readme = std::fs::read_to_string(events().join("README.md")).unwrap();
        let named: BTreeSet<String> = malformed(&readme).into_iter().map(|(file, _)| file).collect();
        let there = files(&events()).unwrap().into_iter().filter(|file| file.starts_with("malformed/"));
        assert_eq!(named, there.collect());
        assert!(malformed(&readme).contains(&("malformed/detail-null.json".to_owned(), "detail".to_owned())));
    }

    #[test]
    fn the_readme_tells_what_is_known_after_each_line_of_the_sequence() {
        let readme = std::fs::read_to_string(events().join("README.md")).unwrap();
        let known: Vec<_> = (1..=12).filter_map(|line| known_after(&readme, line)).collect();
        assert!(
            known.len() == 12 && known.iter().all(|known| ["yes", "no", "uncertain"].contains(known)),
            "{known:?}"
        );
        assert_eq!(known[6], "uncertain");
        assert_eq!(known_after(&readme, 13), None);
    }

    #[test]
    fn every_file_is_for_some_function() {
        let cases = STEPS.iter().filter_map(|step| match step {
            Step::Invoke(case) => Some(case.file.to_owned()),
            Step::Rules(_) => None,
        });
        let mut used: BTreeSet<String> = cases.chain(["README.md".to_owned(), SEQUENCE.to_owned()]).collect();
        used.extend(files(&events()).unwrap().into_iter().filter(|file| file.starts_with("malformed/")));
        assert_eq!(files(&events()).unwrap(), used);
    }
}
