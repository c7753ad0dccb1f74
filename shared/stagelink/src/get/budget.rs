//! `stagelink get budget`: what was called lately, what is set aside, and what waits for a free call.

use controller::{Due, DueClass, Queue, Store};
use jiff::{SignedDuration, Timestamp};
use replication::budget::Book;
use replication::{Budget, Operation};

use super::document;
use crate::ages::{age, until};
use crate::output::{Cell, Column, Output};
use crate::{Deployment, Error, Screen};

/// IVS's quota of each operation, in calls per second of the account (IVS service quotas).
const QUOTA: usize = 5;

/// The most due work that is counted of each class.
const COUNTED: usize = 1_000;

/// The budgets, and what is due.
#[derive(Debug, Clone)]
pub(super) struct Backlog {
    book: Book,
    due: Vec<Due>,
    now: Timestamp,
}

/// An operation as it stands in the list.
struct Row {
    operation: Operation,
    budget: Budget,
    due: Vec<Due>,
    now: Timestamp,
}

impl Backlog {
    /// A Query of the budgets, and one of the due work of each class.
    pub(super) async fn of(deployment: &Deployment) -> Result<Self, Error> {
        let now = (deployment.now)();
        let book = deployment.store.budgets().await?;
        Ok(Self { book, due: deployment.store.due(now, COUNTED).await?, now })
    }

    /// The same, seen at another time.
    pub(super) fn at(&self, now: Timestamp) -> Self {
        Self { now, ..self.clone() }
    }

    fn rows(&self) -> Vec<Row> {
        let row = |operation: Operation| Row {
            operation,
            budget: self.book.get(&operation).cloned().unwrap_or_default(),
            due: self.due.iter().filter(|due| due.class.operation() == Some(operation)).cloned().collect(),
            now: self.now,
        };
        Operation::ALL.into_iter().map(row).collect()
    }
}

/// Prints the list.
pub(super) fn print(backlog: &Backlog, output: Output, screen: &mut Screen<'_>) -> Result<(), Error> {
    let column = |name, only_wide, cell: fn(&Row) -> Cell| Column { name, only_wide, cell };
    let columns = [
        column("OPERATION", false, |row| Cell::new(row.operation.name())),
        column("LAST SECOND", false, |row| Cell::new(format!("{}/{QUOTA}", row.used()))),
        column("LAST CALL", false, |row| Cell::new(age(row.now, row.budget.grants.last().copied()))),
        column("STRAIN", false, |row| match row.budget.strain_at(row.now) {
            0 => Cell::new("-"),
            strain => Cell::bad(format!("{strain}% slower")),
        }),
        column("RESERVED", false, |row| {
            let reserved = row.budget.reserved_until.filter(|at| *at > row.now);
            Cell::new(reserved.map_or("-".to_owned(), |at| until(row.now, Some(at)).replacen("in", "for", 1)))
        }),
        column("SWEEP", false, |row| match row.budget.lane.filter(|lane| lane.until > row.now) {
            Some(lane) => Cell::new(format!("{}/s", lane.calls)),
            None => Cell::new("-"),
        }),
        column("STOPS COUNTED", true, |row| match row.operation {
            Operation::Stop => Cell::new(row.budget.tally.within_a_minute(row.now).to_string()),
            _ => Cell::new("-"),
        }),
        column("WAITING", false, |row| match row.due.len() {
            0 => Cell::new("0"),
            _ => Cell::passing(row.waiting()),
        }),
        column("OLDEST", false, |row| Cell::new(age(row.now, row.oldest()))),
    ];
    let rows = backlog.rows();
    output.list(screen, &columns, &rows, || document("budget", rows.iter().map(Row::json).collect(), &[]))
}

impl Row {
    /// Calls that were granted within the last second.
    fn used(&self) -> usize {
        let second_ago = self.now.checked_sub(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MIN);
        self.budget.grants.iter().filter(|at| **at > second_ago).count()
    }

    fn of_class(&self) -> impl Iterator<Item = (DueClass, usize)> {
        let count = |class| (class, self.due.iter().filter(|due| due.class == class).count());
        DueClass::ALL.into_iter().map(count).filter(|(_, count)| *count > 0)
    }

    /// `3 start, 1000+ backfill`.
    fn waiting(&self) -> String {
        let told = self.of_class().map(|(class, count)| {
            let more = if count >= COUNTED { "+" } else { "" };
            format!("{count}{more} {}", class.name())
        });
        told.collect::<Vec<_>>().join(", ")
    }

    fn oldest(&self) -> Option<Timestamp> {
        self.due.iter().map(|due| due.at).min()
    }

    fn json(&self) -> serde_json::Value {
        let waiting: serde_json::Map<_, _> =
            self.of_class().map(|(class, count)| (class.name().to_owned(), count.into())).collect();
        let mut value = serde_json::json!({
            "operation": self.operation.name(),
            "quota_per_second": QUOTA,
            "used_in_last_second": self.used(),
            "strain_percent": self.budget.strain_at(self.now),
            "waiting": waiting,
        });
        let lane = self.budget.lane.filter(|lane| lane.until > self.now);
        let more = [
            ("last_call_at", self.budget.grants.last().copied()),
            ("reserved_until", self.budget.reserved_until.filter(|at| *at > self.now)),
            ("set_aside_until", lane.map(|lane| lane.until)),
            ("oldest_waiting_since", self.oldest()),
        ];
        for (field, at) in more {
            if let Some(at) = at {
                value[field] = at.to_string().into();
            }
        }
        if let Some(lane) = lane {
            value["set_aside_calls_per_second"] = lane.calls.into();
        }
        if self.operation == Operation::Stop {
            value["stops_counted_for_brake"] = self.budget.tally.within_a_minute(self.now).into();
        }
        value
    }
}
