//! `stagelink stages list`.

use controller::sweep::port::SweepStore;
use replication::sweep::{Inventory, ListedStage};
use replication::{Publishing, RecordingSettings};
use serde_json::{Value, json};

use super::{parse, reading, words};
use crate::output::{Cell, Column, Output};
use crate::{Deployment, Error, Screen};

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Only stages with this tag; given several times, with all of them
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = parse::tag)]
    tags: Vec<(String, String)>,
    /// Only stages on which somebody is
    #[arg(long)]
    active: bool,
    /// Whether each records, too: one call of GetStage for each stage, some four of them a second
    #[arg(long)]
    recording: bool,
    #[command(flatten)]
    output: Output,
}

/// A stage, and what is known of it.
struct Row {
    listed: ListedStage,
    publishers: usize,
    replicas_in: usize,
    replicas_out: usize,
    /// Nothing, if nobody asked.
    recording: Option<RecordingSettings>,
}

const COLUMNS: [Column<Row>; 8] = [
    Column { name: "NAME", only_wide: false, cell: name },
    Column { name: "STAGE", only_wide: false, cell: |row| Cell::new(row.listed.stage.resource_id()) },
    Column { name: "ARN", only_wide: true, cell: |row| Cell::new(row.listed.stage.as_str()) },
    Column { name: "SESSION", only_wide: false, cell: session },
    Column { name: "PUBLISHERS", only_wide: false, cell: |row| Cell::new(row.publishers.to_string()) },
    Column { name: "IN", only_wide: false, cell: |row| Cell::new(row.replicas_in.to_string()) },
    Column { name: "OUT", only_wide: false, cell: |row| Cell::new(row.replicas_out.to_string()) },
    Column { name: "TAGS", only_wide: false, cell: |row| Cell::new(words::tags(&row.listed.tags)) },
];

/// With a column before the tags.
const COLUMNS_WITH_RECORDING: [Column<Row>; 9] = {
    let [name, stage, arn, session, publishers, into, out, tags] = COLUMNS;
    [
        name,
        stage,
        arn,
        session,
        publishers,
        into,
        out,
        Column { name: "RECORDS", only_wide: false, cell: records },
        tags,
    ]
};

impl List {
    pub(crate) async fn run(&self, deployment: &Deployment, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let wanted = parse::together("--tag", &self.tags).map_err(controller::stages::Error::from)?;
        let stages = reading(deployment);
        let spinner = screen.spinner("listing the stages");
        let listed = stages.list().await;
        let inventory = deployment.store.inventory().await;
        spinner.finish_and_clear();
        let (mut listed, inventory) = (listed?, inventory?);
        listed.retain(|stage| wanted.iter().all(|(key, value)| stage.tags.get(key) == Some(value)));
        listed.retain(|stage| !self.active || stage.active_session.is_some());
        listed.sort_by(|a, b| (&a.name, &a.stage).cmp(&(&b.name, &b.stage)));
        let mut rows: Vec<Row> = listed.into_iter().map(|listed| row(listed, &inventory)).collect();
        if self.recording {
            let bar = screen.progress(rows.len() as u64, "stages read");
            for row in &mut rows {
                row.recording = Some(stages.describe(&row.listed.stage).await?.recording);
                bar.inc(1);
            }
            bar.finish_and_clear();
        }
        let document = || json!({ "stages": rows.iter().map(document).collect::<Vec<_>>() });
        match self.recording {
            true => self.output.list(screen, &COLUMNS_WITH_RECORDING, &rows, document)?,
            false => self.output.list(screen, &COLUMNS, &rows, document)?,
        }
        Ok(true)
    }
}

fn row(listed: ListedStage, inventory: &Inventory) -> Row {
    let publishers = inventory.publishers_on(&listed.stage);
    Row {
        publishers: publishers.filter(|publisher| publisher.publishing() == Publishing::Yes).count(),
        replicas_in: inventory.replicas_to(&listed.stage).filter(|replica| replica.holds_slot()).count(),
        replicas_out: inventory.replicas_from(&listed.stage).filter(|replica| replica.holds_slot()).count(),
        recording: None,
        listed,
    }
}

fn name(row: &Row) -> Cell {
    Cell::new(if row.listed.name.is_empty() { "-" } else { &row.listed.name })
}

fn session(row: &Row) -> Cell {
    match &row.listed.active_session {
        Some(session) => Cell::good(session.as_str()),
        None => Cell::new("-"),
    }
}

fn records(row: &Row) -> Cell {
    let Some(recording) = &row.recording else { return Cell::default() };
    Cell::new(match (recording.is_on(), recording.replicas) {
        (false, _) => "nobody",
        (true, Some(false)) => "all but replicas",
        (true, _) => "all",
    })
}

fn document(row: &Row) -> Value {
    let mut document = json!({
        "stage": row.listed.stage.as_str(),
        "name": row.listed.name,
        "tags": row.listed.tags,
        "publishers": row.publishers,
        "replicas_in": row.replicas_in,
        "replicas_out": row.replicas_out,
    });
    if let Some(session) = &row.listed.active_session {
        document["session"] = json!(session.as_str());
    }
    if let Some(recording) = &row.recording {
        document["recording"] = words::document(recording);
    }
    document
}
