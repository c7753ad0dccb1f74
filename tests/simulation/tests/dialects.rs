//! P13: the promises hold whatever IVS answers to what its documentation leaves open. Every alternative of every switch is played
//! with everything else as usual, and then any two alternatives together. `cargo sim --any-dialect` plays any combination.

use std::collections::{BTreeMap, BTreeSet};

use ivs_sim::{Dialect, Switch};
use simulation::{Case, Play, Sum, many, story};

/// Cases in each dialect.
const SEEDS: u64 = 3;

/// Plays the cases in this dialect. Each dialect has seeds of its own.
fn assert_kept(number: usize, dialect: &Dialect) -> Sum {
    let first = SEEDS * u64::try_from(number).unwrap_or(0);
    let case = |seed| Case::of_seed(seed).in_dialect(dialect.clone());
    let sum = many(first..first + SEEDS, case, Play::default(), |so_far| so_far.failed.is_empty());
    if let Some(seed) = sum.failed.keys().next() {
        panic!("{}", story(&case(*seed), Play::default()));
    }
    sum
}

fn report(kind: &str, sums: &[Sum]) {
    let cases: u64 = sums.iter().map(|sum| sum.cases).sum();
    let slowest = sums.iter().filter_map(|sum| sum.slowest).max().map_or(0, |(seconds, _)| seconds);
    println!("{} {kind}: {cases} cases, all as the rules want at most {slowest} s later", sums.len());
}

#[test]
fn every_promise_is_kept_in_each_alternative() {
    let alternatives = Dialect::switches().into_iter().flat_map(|switch| {
        let others =
            switch.options.into_iter().filter(|option| *option != switch.default).collect::<Vec<_>>();
        others.into_iter().map(move |option| Dialect::default().with(switch.name, &option).unwrap())
    });
    let sums: Vec<_> = alternatives.enumerate().map(|(n, dialect)| assert_kept(n, &dialect)).collect();
    report("alternatives", &sums);
}

#[test]
fn every_promise_is_kept_with_any_two_alternatives_together() {
    let switches = Dialect::switches();
    let rows = pairs(&switches);
    let dialect = |row: &Vec<usize>| {
        let set = switches.iter().zip(row);
        set.fold(Dialect::default(), |dialect, (switch, option)| {
            dialect.with(switch.name, &switch.options[*option]).unwrap()
        })
    };
    let sums: Vec<_> = rows.iter().enumerate().map(|(n, row)| assert_kept(100 + n, &dialect(row))).collect();
    report("dialects with every pair of alternatives", &sums);
}

/// Rows of options, one for each switch, such that any two options of any two switches stand together in one of them.
fn pairs(switches: &[Switch]) -> Vec<Vec<usize>> {
    type Pair = ((usize, usize), (usize, usize));
    let options = |i: usize| (0..switches[i].options.len()).map(move |option| (i, option));
    let mut open: BTreeSet<Pair> = BTreeSet::new();
    for i in 0..switches.len() {
        for j in i + 1..switches.len() {
            open.extend(options(i).flat_map(|one| options(j).map(move |other| (one, other))));
        }
    }
    let mut rows = Vec::new();
    while let Some((one, other)) = open.first().copied() {
        let mut row = BTreeMap::from([one, other]);
        for (i, switch) in switches.iter().enumerate() {
            let covers = |option: usize| {
                let pair = |(j, other): (&usize, &usize)| {
                    let (this, that) = ((i, option), (*j, *other));
                    open.contains(&(this.min(that), this.max(that)))
                };
                row.iter().filter(|known| pair(*known)).count()
            };
            let best = (0..switch.options.len()).max_by_key(|option| covers(*option)).unwrap_or(0);
            row.entry(i).or_insert(best);
        }
        open.retain(|(one, other)| row.get(&one.0) != Some(&one.1) || row.get(&other.0) != Some(&other.1));
        rows.push(row.into_values().collect());
    }
    rows
}

#[test]
fn any_two_options_stand_together_somewhere() {
    let switches = Dialect::switches();
    let rows = pairs(&switches);
    for i in 0..switches.len() {
        for j in 0..i {
            let seen: BTreeSet<_> = rows.iter().map(|row| (row[i], row[j])).collect();
            let all = switches[i].options.len() * switches[j].options.len();
            assert_eq!(seen.len(), all, "{} and {}", switches[i].name, switches[j].name);
        }
    }
    println!("{} rows for {} switches", rows.len(), switches.len());
}
