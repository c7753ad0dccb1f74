//! Whether the table is what the template makes it.

use aws_adapters::stack::{IndexState, TableState};
use aws_adapters::{LookError, Stack};

use super::finding::{Finding, Level, Section};
use super::{in_time, not_checked};
use crate::remedy::Remedies;

pub(super) struct TableLook {
    pub(super) state: Result<TableState, LookError>,
    time_to_live: Result<Option<String>, LookError>,
    /// Nothing for the local stand, which has no recovery.
    recovery: Option<Result<bool, LookError>>,
}

/// The indexes with their keys.
const INDEXES: [(&str, [&str; 2]); 2] =
    [("by_destination", ["destination", "phase"]), ("due_work", ["due_class", "due_at"])];

const SECTION: Section = Section::Table;

pub(super) async fn look(stack: &Stack, local: bool) -> TableLook {
    let recovery = async {
        match local {
            true => None,
            false => Some(in_time(stack.has_point_in_time_recovery()).await),
        }
    };
    let (state, time_to_live, recovery) =
        tokio::join!(in_time(stack.table()), in_time(stack.time_to_live()), recovery);
    TableLook { state, time_to_live, recovery }
}

pub(super) fn findings(look: &TableLook, remedies: &Remedies) -> Vec<Finding> {
    let name = remedies.table();
    let state = match &look.state {
        Ok(state) => state,
        Err(LookError::Absent { message }) => {
            let finding = Finding::new(SECTION, name, Level::Failed, format_args!("not there: {message}"));
            let list = remedies.dynamodb("list-tables");
            let remedy =
                format!("name the stack's output TableName with --table; `{list}` lists what is there");
            return vec![finding.remedy(remedy)];
        }
        Err(error) => return vec![not_checked(SECTION, name, error)],
    };
    let mut findings = vec![status(state, remedies), billing(state, remedies), keys(state)];
    findings.extend(INDEXES.map(|(index, keys)| self::index(state, index, keys, remedies)));
    findings.push(stream(state, remedies));
    findings.push(time_to_live(&look.time_to_live, remedies));
    findings.extend(look.recovery.as_ref().map(|recovery| self::recovery(recovery, remedies)));
    if !remedies.is_local() {
        findings.push(deletion_protection(state, remedies));
    }
    findings
}

fn status(state: &TableState, remedies: &Remedies) -> Finding {
    match state.status.as_str() {
        "ACTIVE" => Finding::ok(SECTION, remedies.table(), format_args!("ACTIVE, {}", state.arn)),
        "UPDATING" => Finding::new(SECTION, remedies.table(), Level::Warning, "UPDATING")
            .expected("ACTIVE")
            .remedy("wait for the update to end; it can be used meanwhile"),
        other => Finding::new(SECTION, remedies.table(), Level::Failed, other)
            .expected("ACTIVE")
            .remedy("nothing works without the table: see its status in the console, or RUNBOOK.md"),
    }
}

fn billing(state: &TableState, remedies: &Remedies) -> Finding {
    if state.on_demand {
        return Finding::ok(SECTION, "billing", "by request");
    }
    let command = format!("update-table --table-name {} --billing-mode PAY_PER_REQUEST", remedies.table());
    Finding::new(SECTION, "billing", Level::Warning, "by provisioned capacity, which a burst exceeds")
        .expected("by request")
        .remedy(remedies.dynamodb(command))
}

fn keys(state: &TableState) -> Finding {
    let words = state.keys.join(", ");
    if state.keys == ["pk", "sk"] {
        return Finding::ok(SECTION, "key", words);
    }
    Finding::new(SECTION, "key", Level::Failed, words)
        .expected("pk, sk")
        .remedy("this is no table of Stagelink: name the stack's output TableName with --table")
}

fn index(state: &TableState, name: &str, keys: [&str; 2], remedies: &Remedies) -> Finding {
    let subject = format!("index {name}");
    let Some(IndexState { status, keys: found, .. }) = state.indexes.iter().find(|index| index.name == name)
    else {
        return Finding::new(SECTION, subject, Level::Failed, "not there").remedy(remedies.redeploy());
    };
    if found[..] != keys[..] {
        return Finding::new(SECTION, subject, Level::Failed, format_args!("by {}", found.join(", ")))
            .expected(keys.join(", "))
            .remedy(remedies.redeploy());
    }
    match status.as_str() {
        // The stand's database has no states of indexes.
        "ACTIVE" | "" => Finding::ok(SECTION, subject, format_args!("ACTIVE, by {}", found.join(", "))),
        other => Finding::new(SECTION, subject, Level::Failed, other)
            .expected("ACTIVE")
            .remedy("wait until it is made: dispatch and everybody who looks for places read it"),
    }
}

fn stream(state: &TableState, remedies: &Remedies) -> Finding {
    const VIEW: &str = "NEW_AND_OLD_IMAGES";
    match &state.stream_view {
        Some(view) if view == VIEW => Finding::ok(SECTION, "stream", view),
        view => Finding::new(SECTION, "stream", Level::Failed, view.as_deref().unwrap_or("off"))
            .expected(VIEW)
            .remedy(remedies.redeploy()),
    }
}

fn time_to_live(look: &Result<Option<String>, LookError>, remedies: &Remedies) -> Finding {
    const ATTRIBUTE: &str = "expires_at";
    let subject = "time to live";
    match look {
        Ok(Some(attribute)) if attribute == ATTRIBUTE => Finding::ok(SECTION, subject, attribute),
        Ok(other) => {
            let command = format!(
                "update-time-to-live --table-name {} --time-to-live-specification \
                 Enabled=true,AttributeName={ATTRIBUTE}",
                remedies.table()
            );
            let found = other.as_deref().unwrap_or("off, so that what is over stays for ever");
            Finding::new(SECTION, subject, Level::Warning, found)
                .expected(ATTRIBUTE)
                .remedy(remedies.dynamodb(command))
        }
        Err(error) => not_checked(SECTION, subject, error),
    }
}

fn recovery(look: &Result<bool, LookError>, remedies: &Remedies) -> Finding {
    let subject = "point-in-time recovery";
    match look {
        Ok(true) => Finding::ok(SECTION, subject, "on"),
        Ok(false) => {
            let command = format!(
                "update-continuous-backups --table-name {} --point-in-time-recovery-specification \
                 PointInTimeRecoveryEnabled=true",
                remedies.table()
            );
            let found = "off: rules that are lost cannot be brought back";
            Finding::new(SECTION, subject, Level::Warning, found)
                .expected("on")
                .remedy(remedies.dynamodb(command))
        }
        Err(error) => not_checked(SECTION, subject, error),
    }
}

fn deletion_protection(state: &TableState, remedies: &Remedies) -> Finding {
    let subject = "deletion protection";
    if state.deletion_protection {
        return Finding::ok(SECTION, subject, "on");
    }
    let command = format!("update-table --table-name {} --deletion-protection-enabled", remedies.table());
    Finding::new(SECTION, subject, Level::Warning, "off").expected("on").remedy(remedies.dynamodb(command))
}
