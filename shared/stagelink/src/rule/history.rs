//! `stagelink rule history`.

use aws_adapters::DynamoStore;
use controller::RuleBook;
use controller::rules::{self, Revision};
use replication::{RuleChange, RuleId, plain};

use crate::output::{Cell, Column, Output};
use crate::{Error, Screen};

#[derive(Debug, clap::Args)]
pub(crate) struct History {
    /// The rule's id; also of one that was deleted
    #[arg(value_name = "RULE")]
    id: RuleId,
    #[command(flatten)]
    output: Output,
}

/// A revision, and what it changed.
struct Row {
    revision: Revision,
    change: RuleChange,
    is_first: bool,
}

const COLUMNS: [Column<Row>; 5] = [
    Column { name: "REVISION", only_wide: false, cell: |row| Cell::new(row.revision.revision.to_string()) },
    Column { name: "AT", only_wide: false, cell: |row| of(row, |ordered| format!("{:.0}", ordered.at)) },
    Column { name: "BY", only_wide: false, cell: |row| of(row, |ordered| ordered.by.clone()) },
    Column {
        name: "REASON",
        only_wide: false,
        cell: |row| of(row, |ordered| ordered.reason.clone().unwrap_or_else(|| "-".to_owned())),
    },
    Column { name: "WHAT", only_wide: false, cell: |row| Cell::new(what(row)) },
];

impl History {
    pub(crate) async fn run(&self, store: &DynamoStore, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let (mut readable, mut unreadable) = (Vec::new(), Vec::new());
        for revision in rules::all_revisions(store, &self.id).await? {
            revision.map_or_else(|error| unreadable.push(error), |revision| readable.push(revision));
        }
        if readable.is_empty() && unreadable.is_empty() {
            // A rule that nobody has changed since there is a history: it stands for itself.
            let known = RuleBook::rules(store).await?;
            let known = known.get(&self.id).ok_or_else(|| rules::Error::Unknown(self.id.clone()))?;
            readable.push(Revision { revision: known.revision, rule: Some(known.clone()), ordered: None });
        }
        let document = || {
            let revisions: Vec<_> = readable.iter().map(views::Revision::from).collect();
            serde_json::json!({ "rule": self.id.as_str(), "revisions": revisions })
        };
        let document = document();
        let before = |i: usize| readable.get(i + 1).and_then(|older| older.rule.clone());
        let rows: Vec<_> = readable
            .iter()
            .enumerate()
            .map(|(i, revision)| Row {
                change: RuleChange { before: before(i), after: revision.rule.clone() },
                is_first: i + 1 == readable.len(),
                revision: revision.clone(),
            })
            .collect();
        self.output.list(screen, &COLUMNS, &rows, || document)?;
        for error in &unreadable {
            if !self.output.is_document() {
                screen.line(plain(&format!("left out: {error}")))?;
            }
        }
        Ok(unreadable.is_empty())
    }
}

fn of(row: &Row, text: impl Fn(&controller::Order) -> String) -> Cell {
    Cell::new(row.revision.ordered.as_ref().map_or("-".to_owned(), text))
}

fn what(row: &Row) -> String {
    if row.revision.ordered.is_none() {
        return "as it was before there was a history".to_owned();
    }
    let fields = row.change.fields();
    match (&row.change.before, &row.change.after) {
        (_, None) => "deleted".to_owned(),
        (None, Some(_)) if row.is_first => "added".to_owned(),
        (None, Some(_)) => "added again".to_owned(),
        (Some(_), Some(_)) => {
            let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "(nothing)".to_owned());
            let field = |field: &replication::FieldChange| {
                format!("{}: {} -> {}", field.field, side(&field.before), side(&field.after))
            };
            fields.iter().map(field).collect::<Vec<_>>().join("; ")
        }
    }
}
