//! Whether the functions are there, can work, and are of one deployment.

use std::collections::{BTreeMap, BTreeSet};

use aws_adapters::stack::{EventRuleState, FunctionState, Invoked, MappingState};
use aws_adapters::{LookError, Stack};
use jiff::SignedDuration;

use super::expected::Expected;
use super::finding::{Finding, Level, Section};
use super::{ANSWER, in_time, not_checked, span, within};
use crate::remedy::Remedies;

/// One function, and what invokes it.
pub(super) struct FunctionLook {
    pub(super) expected: &'static Expected,
    pub(super) state: Result<FunctionState, LookError>,
    pub(super) on_failure: Result<Option<String>, LookError>,
    pub(super) rules: Result<Vec<EventRuleState>, LookError>,
    pub(super) mappings: Result<Vec<MappingState>, LookError>,
    reserved: Result<Option<u32>, LookError>,
    /// Nothing if it was not asked.
    ping: Option<Result<Invoked, LookError>>,
}

/// Settings that are one for all functions.
const SHARED: [&str; 5] = ["TABLE_NAME", "MODE", "QUOTA_SHARE_PERCENT", "BRAKE_PERCENT", "EVENT_SOURCES"];

/// One deployment changes all functions within this time.
const DEPLOYMENT: SignedDuration = SignedDuration::from_hours(1);

const SECTION: Section = Section::Functions;

impl FunctionLook {
    pub(super) async fn at(stack: &Stack, expected: &'static Expected, invoke: bool) -> Self {
        let name = expected.name;
        let rules = async {
            if !expected.is_asynchronous() {
                return (in_time(stack.function(name)).await, Ok(Vec::new()));
            }
            let state = in_time(stack.function(name)).await;
            let rules = match &state {
                Ok(state) => in_time(stack.event_rules(&state.arn)).await,
                Err(error) => Err(error.clone()),
            };
            (state, rules)
        };
        let on_failure = async {
            match expected.is_asynchronous() {
                true => in_time(stack.on_failure(name)).await,
                false => Ok(None),
            }
        };
        let mappings = async {
            match expected.filter {
                Some(_) => in_time(stack.mappings(name)).await,
                None => Ok(Vec::new()),
            }
        };
        let ping = async {
            match expected.ping.filter(|_| invoke) {
                Some(event) => Some(within(ANSWER, stack.invoke(name, event.as_bytes())).await),
                None => None,
            }
        };
        let reserved = in_time(stack.reserved_concurrency(name));
        let ((state, rules), on_failure, mappings, reserved, ping) =
            tokio::join!(rules, on_failure, mappings, reserved, ping);
        Self { expected, state, on_failure, rules, mappings, reserved, ping }
    }

    /// The value of an environment variable.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.state.as_ref().ok()?.variables.as_ref()?.get(name).map(String::as_str)
    }
}

pub(super) fn findings(looks: &[FunctionLook], remedies: &Remedies) -> Vec<Finding> {
    let mut findings: Vec<_> = looks.iter().flat_map(|look| of_one(look, remedies)).collect();
    findings.extend(settings(looks, remedies));
    findings.extend(age(looks, remedies));
    findings
}

fn of_one(look: &FunctionLook, remedies: &Remedies) -> Vec<Finding> {
    let name = look.expected.name;
    let state = match &look.state {
        Ok(state) => state,
        Err(LookError::Absent { message }) => {
            let remedy = format!(
                "name the stack with --stack (not the table), or put it back: {}",
                remedies.redeploy()
            );
            let finding = Finding::new(SECTION, name, Level::Failed, format_args!("not there: {message}"));
            return vec![finding.remedy(remedy)];
        }
        Err(error) => return vec![not_checked(SECTION, name, error)],
    };
    let mut findings = vec![works(look, state, remedies)];
    if look.expected.is_asynchronous() {
        findings.extend(no_place_for_failures(look, remedies));
    }
    findings
}

/// The worst that is known of it.
fn works(look: &FunctionLook, state: &FunctionState, remedies: &Remedies) -> Finding {
    let (name, full_name) = (look.expected.name, remedies.function(look.expected.name));
    let finding = |level, found: String| Finding::new(SECTION, name, level, found);
    let because = |reason: &Option<String>| reason.as_ref().map_or(String::new(), |why| format!(": {why}"));
    if !matches!(state.state.as_str(), "Active" | "Inactive" | "") {
        let found = format!("{}{}", state.state, because(&state.state_reason));
        return finding(Level::Failed, found).expected("Active").remedy(remedies.redeploy());
    }
    if state.last_update == "Failed" {
        let found = format!("its last update failed{}", because(&state.last_update_reason));
        return finding(Level::Failed, found).remedy(remedies.redeploy());
    }
    if look.reserved == Ok(Some(0)) {
        let command = format!("lambda delete-function-concurrency --function-name {full_name}");
        let found = "switched off: its reserved concurrency is 0".to_owned();
        return finding(Level::Failed, found).remedy(remedies.aws(command));
    }
    if let Some(table) = look.variable("TABLE_NAME")
        && table != remedies.table()
    {
        let found = format!("works on another table: TABLE_NAME is {table}");
        let remedy = "name its table with --table, or its stack with --stack";
        return finding(Level::Failed, found).expected(remedies.table()).remedy(remedy);
    }
    match &look.ping {
        Some(Ok(Invoked { error: Some(_), payload })) => {
            let found = format!("invoked, it fails: {}", error_of(payload));
            return finding(Level::Failed, found).remedy(remedies.log(name));
        }
        Some(Err(LookError::Failed { code, message })) => {
            let found = format!("invoked, it gives no answer: {code}: {message}");
            return finding(Level::Failed, found).remedy(remedies.log(name));
        }
        _ => {}
    }
    let mut words = state.state.clone();
    match &look.ping {
        Some(Ok(_)) => words += ", answers",
        Some(Err(_)) => words += ", not invoked (needs lambda:InvokeFunction)",
        None => {}
    }
    if let Some(changed) = state.last_modified {
        words += &format!(", changed {changed:.0}");
    }
    if look.variable("MODE") == Some("observe") {
        let remedy = "deploy with Mode=enforce, unless that is meant";
        return finding(Level::Warning, format!("{words}; MODE is observe: it starts and stops nothing"))
            .remedy(remedy);
    }
    Finding::ok(SECTION, name, words)
}

/// Lambda's error object in words.
pub(crate) fn error_of(payload: &[u8]) -> String {
    let error: serde_json::Value = serde_json::from_slice(payload).unwrap_or_default();
    let text = |field: &str| error[field].as_str().map(str::to_owned);
    match (text("errorType"), text("errorMessage")) {
        (Some(kind), Some(message)) => format!("{kind}: {message}"),
        (None, Some(message)) => message,
        _ => String::from_utf8_lossy(payload).into_owned(),
    }
}

fn no_place_for_failures(look: &FunctionLook, remedies: &Remedies) -> Option<Finding> {
    let subject = format!("{} failures", look.expected.name);
    match &look.on_failure {
        Ok(Some(_)) => None,
        Ok(None) | Err(LookError::Absent { .. }) => {
            let found = "invocations that fail for good are lost: there is no on-failure destination";
            Some(Finding::new(SECTION, subject, Level::Failed, found).remedy(remedies.redeploy()))
        }
        Err(error) => Some(not_checked(SECTION, &subject, error)),
    }
}

/// Whether all functions are told the same.
fn settings(looks: &[FunctionLook], remedies: &Remedies) -> Vec<Finding> {
    let mut findings = Vec::new();
    for setting in SHARED {
        let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for look in looks {
            if let Some(value) = look.variable(setting) {
                values.entry(value).or_default().insert(look.expected.name);
            }
        }
        if values.len() > 1 {
            let told = values.iter().map(|(value, functions)| {
                format!("{value} in {}", functions.iter().copied().collect::<Vec<_>>().join(", "))
            });
            let told = told.collect::<Vec<_>>().join("; ");
            let finding = Finding::new(SECTION, setting, Level::Failed, told);
            findings.push(finding.expected("one value").remedy(remedies.redeploy()));
        }
    }
    findings
}

/// Whether all functions may be of one deployment.
fn age(looks: &[FunctionLook], remedies: &Remedies) -> Option<Finding> {
    let changed = looks.iter().filter_map(|look| {
        let state = look.state.as_ref().ok()?;
        Some((state.last_modified?, look.expected.name))
    });
    let changed: Vec<_> = changed.collect();
    let ((oldest, old), (newest, new)) = (changed.iter().min()?, changed.iter().max()?);
    let apart = newest.duration_since(*oldest);
    if apart <= DEPLOYMENT || remedies.is_local() {
        return Some(Finding::ok(SECTION, "versions", format_args!("all changed within {}", span(apart))));
    }
    let found = format!("{old} was last changed {} before {new}", span(apart));
    let remedy = format!("if its code has changed since, it was left behind: {}", remedies.redeploy());
    Some(Finding::new(SECTION, "versions", Level::Warning, found).expected("one deployment").remedy(remedy))
}
