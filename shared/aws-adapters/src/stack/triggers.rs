//! What invokes functions: event rules and schedules of EventBridge, and mappings on the table's stream.

use futures::future::try_join_all;

use super::{LookError, Stack, look_error};

/// A rule of EventBridge that has a function as its target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventRuleState {
    /// Its name.
    pub name: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// The pattern of an event rule, as JSON text.
    pub pattern: Option<String>,
    /// When a schedule comes, such as `rate(1 minute)`.
    pub schedule: Option<String>,
    /// Where it leads.
    pub targets: Vec<TargetState>,
}

/// Where a rule leads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetState {
    /// The ARN.
    pub arn: String,
    /// The queue of what could not be delivered, as an ARN.
    pub dead_letters: Option<String>,
}

/// An event source mapping.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MappingState {
    /// Its id.
    pub uuid: String,
    /// `Enabled`, `Disabled`, or on the way between these and others.
    pub state: String,
    /// Why it is in this state.
    pub reason: Option<String>,
    /// What came of the last batch: `OK`, `No records processed`, `PROBLEM: …`.
    pub last_result: Option<String>,
    /// The stream it reads, as an ARN.
    pub stream: Option<String>,
    /// Its filter's patterns, as JSON text.
    pub filters: Vec<String>,
    /// The queue of batches that failed, as an ARN.
    pub on_failure: Option<String>,
}

impl Stack {
    /// The rules and schedules that have this function as their target, by its ARN.
    ///
    /// # Errors
    /// [`LookError`]
    pub async fn event_rules(&self, function_arn: &str) -> Result<Vec<EventRuleState>, LookError> {
        let (mut names, mut next) = (Vec::new(), None);
        loop {
            let request = self.events.list_rule_names_by_target().target_arn(function_arn);
            let answer = request.set_next_token(next).send().await;
            let page = answer.map_err(|error| look_error("events:ListRuleNamesByTarget", &error))?;
            names.extend_from_slice(page.rule_names());
            next = page.next_token().map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
        try_join_all(names.iter().map(|name| self.event_rule(name))).await
    }

    async fn event_rule(&self, name: &str) -> Result<EventRuleState, LookError> {
        let rule = async {
            let answer = self.events.describe_rule().name(name).send().await;
            answer.map_err(|error| look_error("events:DescribeRule", &error))
        };
        let targets = async {
            let answer = self.events.list_targets_by_rule().rule(name).send().await;
            answer.map_err(|error| look_error("events:ListTargetsByRule", &error))
        };
        let (rule, targets) = futures::try_join!(rule, targets)?;
        let target = |target: &aws_sdk_eventbridge::types::Target| TargetState {
            arn: target.arn().to_owned(),
            dead_letters: target.dead_letter_config().and_then(|config| config.arn()).map(str::to_owned),
        };
        let told = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(EventRuleState {
            name: name.to_owned(),
            enabled: rule.state().is_some_and(|state| state.as_str().starts_with("ENABLED")),
            pattern: told(rule.event_pattern()),
            schedule: told(rule.schedule_expression()),
            targets: targets.targets().iter().map(target).collect(),
        })
    }

    /// The event source mappings of a function.
    ///
    /// # Errors
    /// [`LookError`]
    pub async fn mappings(&self, function: &str) -> Result<Vec<MappingState>, LookError> {
        let request = self.lambda.list_event_source_mappings().function_name(self.function_name(function));
        let pages = request.into_paginator().items().send();
        let found: Result<Vec<_>, _> = pages.collect().await;
        let found = found.map_err(|error| look_error("lambda:ListEventSourceMappings", &error))?;
        let text = |text: Option<&str>| text.map(str::to_owned);
        let mapping = |mapping: aws_sdk_lambda::types::EventSourceMappingConfiguration| {
            let on_failure = mapping.destination_config().and_then(|config| config.on_failure());
            let filters = mapping.filter_criteria().map_or(&[][..], |criteria| criteria.filters());
            MappingState {
                uuid: text(mapping.uuid()).unwrap_or_default(),
                state: text(mapping.state()).unwrap_or_default(),
                reason: text(mapping.state_transition_reason()),
                last_result: text(mapping.last_processing_result()),
                stream: text(mapping.event_source_arn()),
                filters: filters.iter().filter_map(|filter| text(filter.pattern())).collect(),
                on_failure: on_failure.and_then(|it| it.destination()).map(str::to_owned),
            }
        };
        Ok(found.into_iter().map(mapping).collect())
    }
}
