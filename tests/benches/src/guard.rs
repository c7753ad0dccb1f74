//! What must not grow unnoticed: counts, which a noisy machine does not change, held against those that are committed in
//! `tests/benches/baseline.json`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::counts::{Counts, read_collected};
use crate::measure::Work;
use crate::report::{Size, number};

/// A count as it was when it was committed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Committed {
    /// The count.
    pub value: f64,
    /// How much more it may be, in percent: what other versions of the compiler and of libraries change.
    pub tolerance_percent: f64,
}

/// Counts by what they are of.
pub type Found = BTreeMap<String, f64>;

/// Committed counts by what they are of.
pub type Baseline = BTreeMap<String, Committed>;

/// What the planner takes for the publishers of a stage with so many rules.
const RULES: [u32; 2] = [50, 500];

/// What an event takes, and how large the functions are.
pub fn of_events(work: &Work, counts: &Counts, functions: &BTreeMap<String, Size>) -> Found {
    let mut found = Found::from([
        ("event: requests to DynamoDB".to_owned(), work.dynamodb),
        ("event: requests to IVS".to_owned(), work.ivs),
        ("event: read units".to_owned(), work.units.reads),
        ("event: write units, table".to_owned(), work.units.writes),
        ("event: write units, indexes".to_owned(), work.units.index_writes),
        ("event: instructions".to_owned(), counts.instructions),
        ("event: allocations".to_owned(), counts.blocks),
        ("event: allocated bytes".to_owned(), counts.bytes),
    ]);
    let trips = work.before_start.and_then(|trips| u32::try_from(trips).ok()).map(f64::from);
    found.extend(trips.map(|trips| ("event: round trips before the Start".to_owned(), trips)));
    let zip = |(name, size): (&String, &Size)| {
        (format!("zip: {name}, bytes"), u32::try_from(size.zip).map_or(f64::INFINITY, f64::from))
    };
    found.extend(functions.iter().map(zip));
    found
}

/// Instructions of plans, by the benchmark of the core: Callgrind counts what happens within `plan`, and nothing else.
///
/// # Errors
/// When it does not run, or Valgrind says nothing.
pub fn of_planner(benchmark: &Path, valgrind: &Path) -> Result<Found, Error> {
    let mut found = Found::new();
    for world in ["all_to_start", "nothing_to_do"] {
        let mut taken = Vec::new();
        for rules in RULES {
            let mut command = Command::new(valgrind);
            command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
            command.arg("--toggle-collect=replication::planner::plan*").arg(benchmark);
            command.args(["--test", "--exact", &format!("planner::{world}::{rules}")]);
            let output = command.output().map_err(Error::io(format!("run {}", valgrind.display())))?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let collected = read_collected(&said).filter(|count| *count > 0);
            taken.push(collected.ok_or_else(|| Error::unreadable("what Callgrind says")(said))? as f64);
        }
        found.insert(format!("planner: {world}, {} rules, instructions", RULES[0]), taken[0]);
        let growth = format!("planner: {world}, {} rules, as many times those of {}", RULES[1], RULES[0]);
        found.insert(growth, taken[1] / taken[0]);
    }
    Ok(found)
}

/// Counts beside those that are committed.
#[derive(Debug)]
pub struct Verdict {
    /// A Markdown table.
    pub table: String,
    /// What has grown, or is not counted or committed any more; nothing if all is well.
    pub wrong: Vec<String>,
}

/// Holds counts against those that are committed.
pub fn judge(baseline: &Baseline, found: &Found) -> Verdict {
    let mut wrong = Vec::new();
    let mut table = "| | committed | found | change | allowed | |\n|---|---|---|---|---|---|\n".to_owned();
    for (what, Committed { value, tolerance_percent }) in baseline {
        let Some(now) = found.get(what) else {
            wrong.push(format!("{what}: committed, and not counted"));
            continue;
        };
        let change = if value == now { 0.0 } else { (now / value - 1.0) * 100.0 };
        let most = value * (1.0 + tolerance_percent / 100.0);
        let verdict = if *now > most {
            wrong.push(format!(
                "{what}: {now} is {change:.1} % more than {value}; allowed is {tolerance_percent} %"
            ));
            "**grown**"
        } else if change < -tolerance_percent {
            "less: --bless commits it"
        } else {
            ""
        };
        table += &format!(
            "| {what} | {} | {} | {change:+.1} % | +{tolerance_percent} % | {verdict} |\n",
            number(*value),
            number(*now)
        );
    }
    let unknown = found.keys().filter(|what| !baseline.contains_key(*what));
    wrong.extend(unknown.map(|what| format!("{what}: counted, and not committed")));
    Verdict { table, wrong }
}

/// What is to be committed: these counts, each with the tolerance that it had.
pub fn blessed(baseline: &Baseline, found: &Found) -> Baseline {
    let committed = |(what, value): (&String, &f64)| {
        let tolerance_percent = baseline.get(what).map_or(0.0, |committed| committed.tolerance_percent);
        (what.clone(), Committed { value: (value * 1e3).round() / 1e3, tolerance_percent })
    };
    found.iter().map(committed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline() -> Baseline {
        let committed = |value, tolerance_percent| Committed { value, tolerance_percent };
        Baseline::from([
            ("trips".to_owned(), committed(2.0, 0.0)),
            ("steps".to_owned(), committed(1_000.0, 5.0)),
        ])
    }

    fn wrong(found: &[(&str, f64)]) -> Vec<String> {
        let found = found.iter().map(|(what, value)| ((*what).to_owned(), *value)).collect();
        judge(&baseline(), &found).wrong
    }

    #[test]
    fn more_than_is_allowed_is_wrong_and_less_never() {
        assert_eq!(wrong(&[("trips", 2.0), ("steps", 1_050.0)]), [""; 0]);
        assert_eq!(wrong(&[("trips", 1.0), ("steps", 10.0)]), [""; 0]);
        assert_eq!(
            wrong(&[("trips", 3.0), ("steps", 1_051.0)]),
            [
                "steps: 1051 is 5.1 % more than 1000; allowed is 5 %",
                "trips: 3 is 50.0 % more than 2; allowed is 0 %"
            ]
        );
    }

    #[test]
    fn what_is_counted_and_what_is_committed_are_the_same_things() {
        assert_eq!(
            wrong(&[("trips", 2.0), ("jumps", 1.0)]),
            ["steps: committed, and not counted", "jumps: counted, and not committed"]
        );
    }

    #[test]
    fn a_blessed_count_keeps_its_tolerance() {
        let found = Found::from([("steps".to_owned(), 900.000_4), ("jumps".to_owned(), 1.0)]);
        let blessed = blessed(&baseline(), &found);
        assert_eq!(blessed["steps"], Committed { value: 900.0, tolerance_percent: 5.0 });
        assert_eq!(blessed["jumps"], Committed { value: 1.0, tolerance_percent: 0.0 });
        assert_eq!(blessed.len(), 2);
    }
}
