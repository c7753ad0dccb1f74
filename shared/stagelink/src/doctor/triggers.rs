//! Whether the functions are invoked: by event rules, schedules and the table's stream.

use aws_adapters::LookError;
use aws_adapters::stack::{EventRuleState, MappingState};
use serde_json::Value;

use super::finding::{Finding, Level, Section};
use super::functions::FunctionLook;
use super::not_checked;
use super::table::TableLook;
use crate::remedy::Remedies;

pub(super) fn findings(looks: &[FunctionLook], table: &TableLook, remedies: &Remedies) -> Vec<Finding> {
    let stream = table.state.as_ref().ok().and_then(|state| state.stream.as_deref());
    // The stand's database calls the stream otherwise than its functions do, and there is but one.
    let stream = stream.filter(|_| !remedies.is_local());
    let rules = looks.iter().flat_map(|look| event_rules(look, remedies));
    let schedules = looks.iter().filter_map(|look| schedule(look, remedies));
    let mappings = looks.iter().filter_map(|look| mapping(look, stream, remedies));
    rules.chain(schedules).chain(mappings).collect()
}

fn event_rules(look: &FunctionLook, remedies: &Remedies) -> Vec<Finding> {
    let section = Section::EventRules;
    let name = look.expected.name;
    let found = match &look.rules {
        _ if look.expected.rules.is_empty() => return Vec::new(),
        Ok(found) => found,
        Err(error) => return vec![unknown(section, name, error)],
    };
    let sources = look.variable("EVENT_SOURCES").unwrap_or("aws.ivs");
    let events = look.expected.rules.iter().map(|(meaning, pattern)| {
        let subject = format!("{name}: {meaning}");
        let matches = |rule: &&EventRuleState| rule.pattern.as_deref().is_some_and(|it| means(it, pattern));
        let Some(rule) = found.iter().find(matches) else {
            let others = found.iter().filter(|rule| rule.pattern.is_some()).count();
            let found = format!("no rule with this pattern leads to it; {others} with others do");
            return Finding::new(section, subject, Level::Failed, found).remedy(remedies.redeploy());
        };
        if let Some(finding) = switched_off(section, &subject, rule, remedies) {
            return finding;
        }
        let told = told_sources(rule.pattern.as_deref().unwrap_or_default());
        if told != sources.split(',').map(str::trim).collect::<Vec<_>>() {
            return Finding::new(
                section,
                subject,
                Level::Failed,
                format_args!("listens to {}", told.join(", ")),
            )
            .expected(format_args!("{sources}, as its EVENT_SOURCES says"))
            .remedy(remedies.redeploy());
        }
        enabled(section, subject, rule, remedies)
    });
    events.collect()
}

fn schedule(look: &FunctionLook, remedies: &Remedies) -> Option<Finding> {
    let section = Section::Schedules;
    let (name, expected) = (look.expected.name, look.expected.schedule?);
    let found = match &look.rules {
        Ok(found) => found,
        Err(error) => return Some(unknown(section, name, error)),
    };
    let Some(rule) = found.iter().find(|rule| rule.schedule.is_some()) else {
        let finding = Finding::new(section, name, Level::Failed, "no schedule leads to it");
        return Some(finding.expected(expected).remedy(remedies.redeploy()));
    };
    if let Some(finding) = switched_off(section, name, rule, remedies) {
        return Some(finding);
    }
    let pace = rule.schedule.as_deref().unwrap_or_default();
    if pace != expected {
        let finding = Finding::new(section, name, Level::Failed, pace);
        return Some(finding.expected(expected).remedy(remedies.redeploy()));
    }
    Some(enabled(section, name.to_owned(), rule, remedies))
}

fn mapping(look: &FunctionLook, stream: Option<&str>, remedies: &Remedies) -> Option<Finding> {
    let section = Section::Stream;
    let (name, filter) = (look.expected.name, look.expected.filter?);
    let found = match &look.mappings {
        Ok(found) => found,
        Err(error) => return Some(unknown(section, name, error)),
    };
    let reads_ours =
        |mapping: &&MappingState| stream.is_none_or(|stream| mapping.stream.as_deref() == Some(stream));
    let Some(mapping) = found.iter().find(reads_ours) else {
        let found = format!("no mapping reads the table's stream; {} read others", found.len());
        return Some(Finding::new(section, name, Level::Failed, found).remedy(remedies.redeploy()));
    };
    let finding = |level, found: String| Finding::new(section, name, level, found);
    if mapping.state != "Enabled" {
        let level = if mapping.state.ends_with("ing") { Level::Warning } else { Level::Failed };
        let reason = mapping.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        let command = format!("lambda update-event-source-mapping --uuid {} --enabled", mapping.uuid);
        let finding = finding(level, format!("{}{reason}", mapping.state));
        return Some(finding.expected("Enabled").remedy(remedies.aws(command)));
    }
    if !matches!(&mapping.filters[..], [told] if same_json(told, filter)) {
        let told = mapping.filters.join(" or ");
        let told = if told.is_empty() { "every change".to_owned() } else { told };
        return Some(finding(Level::Failed, told).expected(filter).remedy(remedies.redeploy()));
    }
    if mapping.on_failure.is_none() {
        let words = "Enabled, but batches that fail for good are lost: there is no on-failure destination";
        return Some(finding(Level::Warning, words.to_owned()).remedy(remedies.redeploy()));
    }
    let result = mapping.last_result.as_deref().unwrap_or("nothing read yet");
    if result.starts_with("PROBLEM") {
        let words = format!("Enabled, but the last batch failed: {result}");
        return Some(finding(Level::Failed, words).remedy(remedies.log(name)));
    }
    Some(finding(Level::Ok, format!("Enabled, last result: {result}")))
}

fn unknown(section: Section, name: &str, error: &LookError) -> Finding {
    match error {
        LookError::Absent { .. } => {
            Finding::new(section, name, Level::NotChecked, "its function is not there")
        }
        error => not_checked(section, name, error),
    }
}

fn switched_off(
    section: Section,
    subject: &str,
    rule: &EventRuleState,
    remedies: &Remedies,
) -> Option<Finding> {
    if rule.enabled {
        return None;
    }
    let finding =
        Finding::new(section, subject, Level::Failed, format_args!("{} is switched off", rule.name));
    Some(finding.remedy(remedies.aws(format_args!("events enable-rule --name {}", rule.name))))
}

fn enabled(section: Section, subject: String, rule: &EventRuleState, remedies: &Remedies) -> Finding {
    let words = format!("enabled, {}", rule.name);
    if rule.targets.iter().any(|target| target.dead_letters.is_some()) {
        return Finding::ok(section, subject, words);
    }
    let words = format!("{words}; what it cannot deliver is lost: its target has no dead-letter queue");
    Finding::new(section, subject, Level::Warning, words).remedy(remedies.redeploy())
}

/// Whether a rule's pattern is this one, whatever its sources are.
fn means(pattern: &str, expected: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<Value>(text).ok().map(ordered);
    let mut pattern = read(pattern);
    if let Some(Value::Object(fields)) = &mut pattern {
        fields.remove("source");
    }
    pattern.is_some() && pattern == read(expected)
}

fn same_json(one: &str, other: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<Value>(text).ok().map(ordered);
    read(one).is_some() && read(one) == read(other)
}

/// The choices of a pattern have no order.
fn ordered(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<_> = items.into_iter().map(ordered).collect();
            items.sort_by_key(Value::to_string);
            Value::Array(items)
        }
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, ordered(value))).collect(),
        other => other,
    }
}

fn told_sources(pattern: &str) -> Vec<String> {
    let pattern: Value = serde_json::from_str(pattern).unwrap_or_default();
    let sources = pattern["source"].as_array().into_iter().flatten();
    sources.map(|source| source.as_str().map_or_else(|| source.to_string(), str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_compared_by_what_they_mean() {
        let expected = r#"{"detail":{"event_name":["A","B"],"replica":[true]}}"#;
        let same = r#"{"source":["aws.ivs"],"detail":{"replica":[true],"event_name":["B","A"]}}"#;
        assert!(means(same, expected));
        assert_eq!(told_sources(same), ["aws.ivs"]);
        for other in [r#"{"detail":{"event_name":["A"],"replica":[true]}}"#, "no JSON", ""] {
            assert!(!means(other, expected), "{other}");
        }
    }
}
