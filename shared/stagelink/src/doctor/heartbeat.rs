//! Whether the installation does its work, as its table shows.

use std::collections::BTreeMap;

use aws_adapters::{DynamoStore, LookError};
use controller::{Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use replication::budget::Book;
use replication::sweep::{Gauges, Inventory, Roster, SweepPolicy, agenda};
use replication::{BlockedReason, Pause};

use super::finding::{Finding, Level, Section};
use super::functions::FunctionLook;
use super::{count, not_checked, span};
use crate::remedy::{Remedies, quoted};

/// What the table holds.
pub(super) struct Pulse {
    pub(super) inventory: Inventory,
    unreadable: Vec<StoreError>,
    budgets: Book,
}

/// Without a sign of a sweep for this long, three are missing.
const SWEPT: SignedDuration = SignedDuration::from_mins(3);

/// As the alarms of the stack have them.
const KNOWLEDGE: SignedDuration = SignedDuration::from_mins(15);
const PENDING: SignedDuration = SignedDuration::from_mins(3);
const BRAKE: SignedDuration = SignedDuration::from_mins(5);

/// Replicas that began within this time tell whether events come.
const LATELY: SignedDuration = SignedDuration::from_mins(15);

/// An event and a call take less.
const PROMPT: SignedDuration = SignedDuration::from_secs(10);

/// How many unreadable items are named.
const NAMED: usize = 5;

const SECTION: Section = Section::Heartbeat;

pub(super) async fn look(store: &DynamoStore) -> Result<Pulse, LookError> {
    let (survey, budgets) = tokio::join!(store.survey(), store.budgets());
    let (inventory, mut unreadable) = survey.map_err(of_store)?;
    let budgets = budgets.unwrap_or_else(|error| {
        unreadable.push(error);
        Book::default()
    });
    Ok(Pulse { inventory, unreadable, budgets })
}

fn of_store(error: StoreError) -> LookError {
    match error {
        StoreError::Refused { code, message, .. } if &*code == "AccessDeniedException" => {
            LookError::Denied { action: "dynamodb:Scan", message }
        }
        StoreError::Refused { code, message, .. } if &*code == "ResourceNotFoundException" => {
            LookError::Absent { message }
        }
        StoreError::Refused { code, message, .. } | StoreError::Unavailable { code, message, .. } => {
            LookError::Failed { code: code.into(), message }
        }
        other => LookError::Failed { code: "Store".to_owned(), message: other.to_string() },
    }
}

pub(super) fn findings(
    pulse: &Result<Pulse, LookError>,
    functions: &[FunctionLook],
    remedies: &Remedies,
    now: Timestamp,
) -> Vec<Finding> {
    let pulse = match pulse {
        Ok(pulse) => pulse,
        Err(error) => return vec![not_checked(SECTION, "table", error)],
    };
    let mut findings = vec![
        sweep(&pulse.inventory, remedies, now),
        knowledge(&pulse.inventory, remedies, now),
        work(&pulse.inventory, remedies, now),
        promptness(&pulse.inventory, now),
        pause(pulse.inventory.control.pause.as_ref(), remedies, now),
        brake(&pulse.inventory, remedies, now),
        strain(&pulse.budgets, functions, now),
    ];
    findings.extend(refusals(&pulse.inventory, remedies));
    findings.extend(unreadable(&pulse.unreadable, remedies));
    findings
}

/// When somebody last swept: listed all stages, or looked at one.
fn sweep(inventory: &Inventory, remedies: &Remedies, now: Timestamp) -> Finding {
    let looked_at = inventory.stages.values().filter_map(|items| items.knowledge.as_ref()?.looked_at);
    let remedy = format!(
        "look at function, schedule and concurrency of reconcile above; {}",
        remedies.log("reconcile")
    );
    let Some(last) = looked_at.chain(inventory.listed_at).max() else {
        return Finding::new(SECTION, "sweep", Level::Failed, "none has ended yet")
            .expected("one each minute, from the second minute of an installation on")
            .remedy(remedy);
    };
    let ago = now.duration_since(last);
    let words = format!("the last sign of one is {} old", span(ago));
    if ago <= SWEPT {
        return Finding::ok(SECTION, "sweep", words);
    }
    Finding::new(SECTION, "sweep", Level::Failed, words).expected("one each minute").remedy(remedy)
}

fn knowledge(inventory: &Inventory, remedies: &Remedies, now: Timestamp) -> Finding {
    let subject = "oldest look";
    let roster = Roster::remembered(inventory);
    let Some(oldest) = agenda(inventory, &roster, usize::MAX, now, &SweepPolicy::default()).oldest else {
        return Finding::ok(SECTION, subject, "no active stage concerns a rule");
    };
    let age = now.duration_since(oldest);
    let words = format!("an active stage was last looked at {} ago", span(age));
    if age <= KNOWLEDGE {
        return Finding::ok(SECTION, subject, words);
    }
    Finding::new(SECTION, subject, Level::Failed, words)
        .expected("15 min at most, with up to 1,000 active stages")
        .remedy(format!("RUNBOOK.md, Oldest knowledge; {}", remedies.log("reconcile")))
}

fn work(inventory: &Inventory, remedies: &Remedies, now: Timestamp) -> Finding {
    let gauges = Gauges::of(inventory, now);
    let (total, subject) = (gauges.total(), "due work");
    let overdue = SignedDuration::from_secs(i64::try_from(gauges.oldest_pending).unwrap_or(i64::MAX));
    let running = format!(
        "{} running, {} not as the rules want",
        count(total.running as u64, "replica"),
        total.pending
    );
    if overdue <= SignedDuration::from_mins(1) {
        return Finding::ok(
            SECTION,
            subject,
            format_args!("{running}, overdue by {} at most", span(overdue)),
        );
    }
    let level = if overdue > PENDING { Level::Failed } else { Level::Warning };
    let remedy = format!(
        "a backlog passes at the budget's pace; else look at dispatch above, and: {}",
        remedies.log("dispatch")
    );
    Finding::new(SECTION, subject, level, format_args!("{running}, one overdue by {}", span(overdue)))
        .expected("done within the minute")
        .remedy(remedy)
}

/// Whether replicas begin with the event, or only with the sweep that finds what events missed.
fn promptness(inventory: &Inventory, now: Timestamp) -> Finding {
    let subject = "events";
    let mut delays: Vec<_> = inventory
        .replicas()
        .filter(|replica| replica.runs_as_ours() && replica.rule.is_some())
        .filter_map(|replica| {
            let began = replica.evidence.on?.latest();
            let published = inventory.publisher(&replica.key.publisher())?.evidence.on?.earliest();
            let delay = began.duration_since(published);
            let counts = now.duration_since(began) <= LATELY && !delay.is_negative();
            counts.then_some(delay)
        })
        .collect();
    delays.sort();
    let late = delays.iter().filter(|delay| **delay > PROMPT).count();
    let Some(middle) = delays.get(delays.len() / 2) else {
        return Finding::ok(SECTION, subject, "no replica began in the last 15 min, so they tell nothing");
    };
    let words = format!(
        "{} began in the last 15 min, {late} of them more than 10 s after their participant published, half of all after {}",
        count(delays.len() as u64, "replica"),
        span(*middle)
    );
    if late * 2 < delays.len() {
        return Finding::ok(SECTION, subject, words);
    }
    Finding::new(SECTION, subject, Level::Warning, words).expected("within 2 s").remedy(
        "events are lost or late, and the sweep found them instead: look at the event rules and participant-published above, and \
         at the AWS Health Dashboard. New rules for people who publish already look the same",
    )
}

fn pause(pause: Option<&Pause>, remedies: &Remedies, now: Timestamp) -> Finding {
    let Some(Pause { reason, by, at }) = pause else { return Finding::ok(SECTION, "pause", "none") };
    let since = span(now.duration_since(*at));
    let words = format!("nothing is started or stopped for {since}, by order of {by} ({reason})");
    Finding::new(SECTION, "pause", Level::Warning, words).remedy(remedies.stagelink("resume"))
}

fn brake(inventory: &Inventory, remedies: &Remedies, now: Timestamp) -> Finding {
    let since = inventory.held_by_brake().filter_map(|replica| Some(replica.braked?.since)).min();
    if let Some(since) = since {
        let (held, age) = (inventory.held_by_brake().count() as u64, now.duration_since(since));
        let level = if age > BRAKE { Level::Failed } else { Level::Warning };
        let words =
            format!("holds {} that should have been stopped, for {}", count(held, "replica"), span(age));
        let release = remedies.stagelink("release-brake --for 10m");
        return Finding::new(SECTION, "brake", level, words)
            .expected("that a sweep or two let go of them")
            .remedy(format!("are these stops right? then `{release}`; if not, put the rules or tags back"));
    }
    match inventory.control.brake_released_until.filter(|until| *until > now) {
        Some(until) => {
            let words =
                format!("off for another {}: mass stops are not held", span(until.duration_since(now)));
            Finding::new(SECTION, "brake", Level::Warning, words).remedy("it comes back by itself")
        }
        None => Finding::ok(SECTION, "brake", "holds nothing"),
    }
}

fn strain(budgets: &Book, functions: &[FunctionLook], now: Timestamp) -> Finding {
    let strained = budgets.iter().map(|(operation, budget)| (budget.strain_at(now), operation));
    let Some((strain, operation)) = strained.max().filter(|(strain, _)| *strain > 0) else {
        return Finding::ok(SECTION, "throttling", "IVS throttles nothing");
    };
    let dispatch = functions.iter().find(|look| look.expected.name == "dispatch");
    let share = dispatch.and_then(|look| look.variable("QUOTA_SHARE_PERCENT")).unwrap_or("its default");
    let words = format!("IVS throttled {operation}, so that its calls are {strain} % further apart");
    Finding::new(SECTION, "throttling", Level::Warning, words).remedy(format!(
        "somebody else calls IVS too: leave them more of the quota (parameter QuotaSharePercent, now {share})"
    ))
}

/// What IVS refused, and somebody has to change something for.
fn refusals(inventory: &Inventory, remedies: &Remedies) -> Vec<Finding> {
    let mut counts: BTreeMap<BlockedReason, u64> = BTreeMap::new();
    for blocked in inventory.replicas().filter_map(|replica| replica.blocked()) {
        *counts.entry(blocked.reason).or_default() += 1;
    }
    let of_note = [
        (
            BlockedReason::AccessDenied,
            "allow them the stage: parameters StageArns and StageTag, and policies",
        ),
        (BlockedReason::StageGone, "a stage was deleted: change the rule that names it"),
        (BlockedReason::Rejected, "read IVS's words and the request id of each"),
    ];
    let told = of_note.into_iter().filter_map(|(reason, what)| {
        let count = counts.get(&reason)?;
        let words = format!("{}: Blocked({})", super::count(*count, "replication"), reason.name());
        let remedy = format!("{what}; {}", remedies.stagelink("get blocked"));
        Some(Finding::new(SECTION, "refusals", Level::Warning, words).remedy(remedy))
    });
    told.collect()
}

fn unreadable(errors: &[StoreError], remedies: &Remedies) -> Vec<Finding> {
    let named = errors.iter().take(NAMED).map(|error| {
        let finding = Finding::new(SECTION, "unreadable item", Level::Failed, error);
        let StoreError::Corrupt { pk, sk, .. } = error else { return finding };
        let key = serde_json::json!({ "pk": { "S": pk }, "sk": { "S": sk } });
        let (table, key) = (remedies.table(), quoted(&key.to_string()));
        let get = remedies.dynamodb(format_args!("get-item --table-name {table} --key {key}"));
        finding.remedy(format!("put the attribute right, or delete the item; {get}"))
    });
    let more = errors.len().saturating_sub(NAMED);
    let others = (more > 0)
        .then(|| Finding::new(SECTION, "unreadable items", Level::Failed, format_args!("{more} more")));
    named.chain(others).collect()
}
