//! The report: Markdown tables, with the machine in their head and the targets at their end.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::contender::{Contender, Kind};
use crate::cost::{Cost, MEMORY_MIB, Prices};
use crate::counts::Counts;
use crate::measure::{CONDITIONS, Condition, Extent, Figure, Measured, NEAR, PLAIN, TLS, WARM_UP};
use crate::statistics::Spread;

/// Bytes of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Of its binary.
    pub binary: u64,
    /// Of its zip.
    pub zip: u64,
}

/// All that there is to tell.
pub struct Report<'a> {
    /// The machine, one line of each kind.
    pub machine: &'a BTreeMap<String, String>,
    /// How much was measured.
    pub extent: Extent,
    /// Who was.
    pub contenders: &'a [Contender],
    /// What was measured.
    pub measured: &'a Measured,
    /// What was counted, of whom it could be.
    pub counts: &'a BTreeMap<Kind, Counts>,
    /// The sizes of all functions.
    pub functions: &'a BTreeMap<String, Size>,
    /// The prices.
    pub prices: &'a Prices,
}

/// What is aimed at, and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Target {
    /// What it is about.
    pub what: String,
    /// What is aimed at.
    pub aim: String,
    /// What was measured.
    pub found: String,
    /// Whether that is reached.
    pub reached: bool,
}

impl Report<'_> {
    /// The whole report.
    pub fn markdown(&self) -> String {
        let mut text = "# Measured side by side\n\n".to_owned();
        for (what, value) in self.machine {
            push(&mut text, format_args!("* {what}: {value}"));
        }
        let Extent { rounds, events } = self.extent;
        push(
            &mut text,
            format_args!(
                "* rounds: {rounds}; in each, one process of each contender in each condition, with {events} warm events, after the first and \
                 {WARM_UP} more\n\nMedians over the rounds, with the least and the most. Ratios are of medians: below 1 is less than the \
                 other."
            ),
        );
        for condition in CONDITIONS {
            if self.measured.samples.contains_key(condition.name) {
                text += &self.times(condition);
            }
        }
        text + &self.work() + &self.sizes() + &self.told_targets()
    }

    fn times(&self, condition: Condition) -> String {
        let mut text = format!("\n## {}\n\n", capitalised(condition.title));
        self.head(&mut text, "");
        let rows: [(&str, Figure); 6] = [
            ("init to first poll, ms", |summary| summary.init),
            ("CPU of that, ms", |summary| summary.init_cpu),
            ("first event, ms", |summary| summary.first),
            ("warm event, p50, ms", |summary| summary.p50),
            ("CPU per warm event, ms", |summary| summary.cpu),
            ("peak memory, MB", |summary| summary.peak),
        ];
        for (what, value) in rows {
            let of = |kind| self.measured.summary(condition, kind).map(|summary| value(&summary));
            let shown = |spread: Spread| {
                let [median, least, most] = [spread.median, spread.least, spread.most].map(number);
                if self.extent.rounds > 1 { format!("{median} ({least}–{most})") } else { median }
            };
            self.row(
                &mut text,
                what,
                |kind| of(kind).map(shown),
                |kind| of(kind).map(|spread| spread.median),
            );
        }
        let p99 = |kind| self.measured.summary(condition, kind).map(|summary| summary.p99);
        self.row(&mut text, "warm event, p99 of all rounds, ms", |kind| p99(kind).map(number), p99);
        text
    }

    fn work(&self) -> String {
        let mut text = "\n## What an event has others do, and what it costs\n\n".to_owned();
        self.head(&mut text, "");
        let work = |kind: &Kind| self.measured.work.get(kind).copied();
        let mut row = |what: &str, value: &dyn Fn(Kind) -> Option<f64>| {
            self.row(&mut text, what, |kind| value(kind).map(number), value);
        };
        row("requests to DynamoDB", &|kind| Some(work(&kind)?.dynamodb));
        row("requests to IVS", &|kind| Some(work(&kind)?.ivs));
        row("round trips before the Start", &|kind| {
            Some(f64::from(u32::try_from(work(&kind)?.before_start?).ok()?))
        });
        row("read units", &|kind| Some(work(&kind)?.units.reads));
        row("write units, table", &|kind| Some(work(&kind)?.units.writes));
        row("write units, indexes", &|kind| Some(work(&kind)?.units.index_writes));
        row("instructions, thousands", &|kind| Some(self.counts.get(&kind)?.instructions / 1e3));
        row("allocations", &|kind| Some(self.counts.get(&kind)?.blocks));
        row("allocated, KB", &|kind| Some(self.counts.get(&kind)?.bytes / 1e3));
        row("Lambda, $ per million, a whole vCPU", &|kind| Some(self.cost(kind)?.lambda));
        row("Lambda, $ per million, its share of a vCPU", &|kind| Some(self.cost(kind)?.lambda_share));
        row("DynamoDB, $ per million", &|kind| Some(self.cost(kind)?.dynamodb));
        let Prices { region, as_of, .. } = self.prices;
        push(
            &mut text,
            format_args!(
                "\nDollars: list prices of {region}, arm64, {as_of}; {MEMORY_MIB} MB, *{}*, billed by the started millisecond. Not in it: \
                 cold starts, logs, metrics, and what IVS bills.",
                NEAR.title
            ),
        );
        text
    }

    /// What a million events cost, by the condition that is like a Region.
    pub fn cost(&self, kind: Kind) -> Option<Cost> {
        let summary = self.measured.summary(NEAR, kind)?;
        let units = self.measured.work.get(&kind)?.units;
        Some(self.prices.of_a_million(summary.p50.median, summary.cpu.median, units))
    }

    fn sizes(&self) -> String {
        let mut text = "\n## Sizes\n\n| | unpacked, MB | zip, MB | zip with what Lambda has too, MB |\n|---|---|---|---|\n".to_owned();
        let mut line = |name: &str, unpacked: u64, zip: u64, with_all: Option<u64>| {
            let with_all = with_all.map(|size| number(mb(size))).unwrap_or_default();
            push(
                &mut text,
                format_args!("| {name} | {} | {} | {with_all} |", number(mb(unpacked)), number(mb(zip))),
            );
        };
        for (name, size) in self.functions {
            line(&format!("`{name}`"), size.binary, size.zip, None);
        }
        for contender in self.contenders.iter().filter(|contender| contender.kind != Kind::Ours) {
            line(contender.kind.title(), contender.unpacked, contender.zip, contender.zip_with_all);
        }
        text
    }

    fn told_targets(&self) -> String {
        let mut text = "\n## Targets\n\n| | aim | found | |\n|---|---|---|---|\n".to_owned();
        for Target { what, aim, found, reached } in self.targets() {
            push(
                &mut text,
                format_args!(
                    "| {what} | {aim} | {found} | {} |",
                    if reached { "reached" } else { "**missed**" }
                ),
            );
        }
        text
    }

    /// What ours aims at, as far as it was measured.
    pub fn targets(&self) -> Vec<Target> {
        let ours = |condition| self.measured.summary(condition, Kind::Ours);
        let mut targets = Vec::new();
        let mut at_most = |what: &str, unit: &str, found: Option<f64>, limit: f64| {
            if let Some(found) = found {
                targets.push(Target {
                    what: what.to_owned(),
                    aim: format!("at most {}{unit}", number(limit)),
                    found: format!("{}{unit}", number(found)),
                    reached: found <= limit,
                });
            }
        };
        let init = |kind| Some(self.measured.summary(PLAIN, kind)?.init.median);
        let cpu = |kind| Some(self.measured.summary(PLAIN, kind)?.cpu.median);
        at_most("init, of Node.js's", "", ratio(init(Kind::Ours), init(Kind::Node)), 1.0 / 30.0);
        at_most("init, of the floor's", "", ratio(init(Kind::Ours), init(Kind::Floor)), 1.3);
        at_most(
            "CPU per warm event, of the better peer's",
            "",
            ratio(cpu(Kind::Ours), better(cpu)),
            1.0 / 8.0,
        );
        at_most("peak memory with TLS", " MB", ours(TLS).map(|summary| summary.peak.median), 14.0);
        let zip = self.functions.values().map(|size| mb(size.zip)).reduce(f64::max);
        at_most("the largest zip", " MB", zip, 2.5);
        let before = self.measured.work.get(&Kind::Ours).and_then(|work| work.before_start);
        let before = before.and_then(|trips| u32::try_from(trips).ok()).map(f64::from);
        at_most("round trips before the Start", "", before, 2.0);
        for condition in [TLS, NEAR] {
            let warm = ours(condition).map(|summary| (summary.first.median, summary.p50.median));
            let found = warm.and_then(|(first, warm)| ratio(Some(first), Some(warm)));
            at_most(&format!("first event, of a warm one: {}", condition.title), "", found, 1.5);
        }
        targets
    }

    fn kinds(&self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(|kind| self.contenders.iter().any(|contender| contender.kind == *kind))
    }

    fn head(&self, text: &mut String, first: &str) {
        let titles: String = self.kinds().map(|kind| format!(" {} |", kind.title())).collect();
        push(text, format_args!("| {first} |{titles} ours : better peer | ours : floor |"));
        push(text, format_args!("|---|{}---|---|", "---|".repeat(self.kinds().count())));
    }

    fn row(
        &self,
        text: &mut String,
        what: &str,
        shown: impl Fn(Kind) -> Option<String>,
        value: impl Fn(Kind) -> Option<f64>,
    ) {
        let cells: String = self
            .kinds()
            .map(|kind| format!(" {} |", shown(kind).unwrap_or_else(|| "–".to_owned())))
            .collect();
        let as_ratio = |other: Option<f64>| ratio(value(Kind::Ours), other).map_or("–".to_owned(), number);
        let (peer, floor) = (as_ratio(better(&value)), as_ratio(value(Kind::Floor)));
        push(text, format_args!("| {what} |{cells} {peer} | {floor} |"));
    }
}

/// The value of the peer that has less of it.
fn better(value: impl Fn(Kind) -> Option<f64>) -> Option<f64> {
    Kind::PEERS.into_iter().filter_map(value).reduce(f64::min)
}

/// How much of the other it is; nothing of nothing.
fn ratio(value: Option<f64>, other: Option<f64>) -> Option<f64> {
    let (value, other) = value.zip(other)?;
    (other > 0.0).then(|| value / other)
}

fn mb(bytes: u64) -> f64 {
    u32::try_from(bytes).map_or(f64::INFINITY, f64::from) / 1e6
}

/// Three digits that matter, or all there are before the point.
pub fn number(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        size if size < 0.1 => 4,
        size if size < 1.0 => 3,
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // A string takes everything.
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Sample;

    fn measured() -> Measured {
        let sample = |init: f64, cpu: f64| Sample {
            init,
            init_cpu: 1.0,
            first: 3.0,
            warm: vec![1.0, 2.0, 3.0],
            cpu,
            peak: 15.0,
        };
        let samples = BTreeMap::from([
            (Kind::Ours, vec![sample(10.0, 0.5)]),
            (Kind::Python, vec![sample(400.0, 3.0)]),
            (Kind::Node, vec![sample(200.0, 5.0)]),
            (Kind::Floor, vec![sample(8.0, 0.1)]),
        ]);
        Measured {
            samples: BTreeMap::from([("plain", samples.clone()), ("tls", samples)]),
            work: BTreeMap::new(),
        }
    }

    fn with<T>(tell: impl FnOnce(&Report<'_>) -> T) -> T {
        let contender = |kind| Contender {
            kind,
            command: Vec::new(),
            folder: "/".into(),
            unpacked: 6_000_000,
            zip: 2_000_000,
            zip_with_all: None,
        };
        let contenders = Kind::ALL.map(contender);
        tell(&Report {
            machine: &BTreeMap::from([("processor".to_owned(), "fast".to_owned())]),
            extent: Extent { rounds: 1, events: 3 },
            contenders: &contenders,
            measured: &measured(),
            counts: &BTreeMap::new(),
            functions: &BTreeMap::from([("api".to_owned(), Size { binary: 6_000_000, zip: 2_600_000 })]),
            prices: &Prices::read().unwrap(),
        })
    }

    #[test]
    fn targets_are_held_against_the_better_peer_the_floor_and_the_largest() {
        let targets = with(|report| report.targets());
        let found: Vec<_> = targets.iter().map(|target| (target.found.as_str(), target.reached)).collect();
        // Init of 200 and of 8, CPU of Python's 3, the memory, the zip, the first event of a median of 2; nothing of what was not measured.
        let expected = [
            ("0.05", false),
            ("1.25", true),
            ("0.167", false),
            ("15 MB", false),
            ("2.6 MB", false),
            ("1.5", true),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_row_has_all_contenders_and_both_ratios() {
        let text = with(|report| report.markdown());
        let row = text.lines().find(|line| line.starts_with("| init to first poll")).unwrap();
        assert_eq!(row, "| init to first poll, ms | 10 | 400 | 200 | 8 | 0.05 | 1.25 |");
        assert!(text.contains("## No TLS, back ends that answer at once\n"), "{text}");
        assert!(!text.contains("20 ms"), "what was not measured has no table");
        assert!(
            text.contains("| allocations | – | – | – | – | – | – |"),
            "and what was not counted no number"
        );
    }

    #[test]
    fn numbers_have_three_digits_that_matter() {
        for (value, text) in
            [(0.0, "0"), (0.03333, "0.0333"), (0.125, "0.125"), (1.25, "1.25"), (14.0, "14"), (242.3, "242")]
        {
            assert_eq!(number(value), text);
        }
    }
}
