//! EventBridge: the event rules and schedules of the template.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Answer, Aws, Refusal, text, unknown_operation};
use crate::template::Function;

/// An event rule or a schedule.
struct Rule<'a> {
    /// By which the stand knows it.
    trigger: &'a str,
    function: &'a Function,
    pattern: Option<&'a Value>,
    schedule: Option<String>,
    dead_letters: Option<&'a str>,
}

impl Aws {
    pub(super) fn events(&self, operation: &str, request: &Value) -> Answer {
        match operation {
            "ListRules" => {
                let prefix = request["NamePrefix"].as_str().unwrap_or_default();
                let rules = self.rules().filter(|rule| self.rule_name(rule).starts_with(prefix));
                Ok(json!({ "Rules": rules.map(|rule| self.described(&rule)).collect::<Vec<_>>() }))
            }
            "ListRuleNamesByTarget" => {
                let arn = text(request, "TargetArn")?;
                let rules = self.rules().filter(|rule| rule.function.arn == arn);
                Ok(json!({ "RuleNames": rules.map(|rule| self.rule_name(&rule)).collect::<Vec<_>>() }))
            }
            "DescribeRule" => Ok(self.described(&self.rule(text(request, "Name")?)?)),
            "ListTargetsByRule" => {
                let rule = self.rule(text(request, "Rule")?)?;
                let mut target = json!({ "Id": "Target0", "Arn": rule.function.arn });
                if let Some(queue) = rule.dead_letters {
                    target["DeadLetterConfig"] = json!({ "Arn": queue });
                }
                Ok(json!({ "Targets": [target] }))
            }
            "DisableRule" | "EnableRule" => {
                let rule = self.rule(text(request, "Name")?)?;
                self.deliveries.switch(rule.trigger, operation == "EnableRule");
                Ok(json!({}))
            }
            _ => Err(unknown_operation(operation)),
        }
    }

    fn rules(&self) -> impl Iterator<Item = Rule<'_>> {
        self.template.functions.iter().flat_map(|function| {
            let rules = function.rules.iter().map(move |rule| Rule {
                trigger: &rule.name,
                function,
                pattern: Some(&rule.pattern),
                schedule: None,
                dead_letters: rule.dead_letters.as_deref(),
            });
            let schedules = function.schedules.iter().map(move |schedule| Rule {
                trigger: &schedule.name,
                function,
                pattern: None,
                schedule: Some(rate(schedule.every.as_secs() / 60)),
                dead_letters: schedule.dead_letters.as_deref(),
            });
            rules.chain(schedules)
        })
    }

    fn rule(&self, name: &str) -> Result<Rule<'_>, Refusal> {
        self.rules().find(|rule| self.rule_name(rule) == name).ok_or_else(|| Refusal {
            status: StatusCode::BAD_REQUEST,
            code: "ResourceNotFoundException",
            message: format!("Rule {name} does not exist on EventBus default."),
        })
    }

    /// As CloudFormation names it, but for the letters that make it unique.
    fn rule_name(&self, rule: &Rule<'_>) -> String {
        format!("{}-{}", crate::template::STACK, rule.trigger)
    }

    fn described(&self, rule: &Rule<'_>) -> Value {
        let (name, Self { deployment, .. }) = (self.rule_name(rule), self);
        let mut described = json!({
            "Name": name,
            "Arn": format!("arn:aws:events:{}:{}:rule/{name}", deployment.region, deployment.account),
            "State": if self.deliveries.is_on(rule.trigger) { "ENABLED" } else { "DISABLED" },
            "EventBusName": "default",
        });
        if let Some(pattern) = rule.pattern {
            described["EventPattern"] = json!(pattern.to_string());
        }
        if let Some(schedule) = &rule.schedule {
            described["ScheduleExpression"] = json!(schedule);
        }
        described
    }
}

/// As the template writes it, whatever pace the stand was told.
fn rate(minutes: u64) -> String {
    format!("rate({minutes} minute{})", if minutes == 1 { "" } else { "s" })
}
