//! Every environment variable of the functions, in one place, read once.
//!
//! | variable | default | allowed |
//! |---|---|---|
//! | `TABLE_NAME` | none | the name of the table |
//! | `LOG_LEVEL` | `info` | `off`, `error`, `warn`, `info`, `debug`, `trace`, and levels of targets after that: `info,controller=debug` |
//! | `QUOTA_SHARE_PERCENT` | `80` | 1–100; how much of IVS's 5 calls per second and operation may be used, the rest is the customer's |
//! | `SELECTOR_CACHE_SECONDS` | `5` | 0–60; how long the functions of events keep rules and orders for any stage; the others keep nothing |
//! | `MODE` | `enforce` | `enforce`, or `observe`: everything is planned and reported, and nothing is started or stopped |
//! | `BRAKE_PERCENT` | `30` | 1–100; the share of the running replicas that may be stopped within a minute without a second look; 100: all |
//! | `METRICS_BY_RULE` | `on` | `on`, or `off`: metrics are for the table alone, and not for each rule too; each rule costs up to five |
//! | `EVENT_SOURCES` | `aws.ivs` | names with commas between them; the sources whose events count as those of IVS |
//!
//! `aws_adapters::Connection::from_env` reads what is AWS's own: Region, credentials, endpoints.

use std::ops::RangeInclusive;
use std::time::Duration;

use replication::{Mode, Policy};
use tracing_subscriber::filter::Targets;

use crate::EventSources;

/// The configuration of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The table's name.
    pub table: String,
    /// What is logged: a level, also for single targets, as in `info,aws_adapters=debug`.
    pub log_level: Targets,
    /// How long rules and orders for any stage are kept before they are read again.
    pub selector_cache: Duration,
    /// How much of IVS's quota of each operation may be used, in percent.
    pub quota_share: u32,
    /// Whether anything may be started or stopped.
    pub mode: Mode,
    /// The share of the running replicas that may be stopped within a minute without a second look, in percent.
    pub brake_percent: u32,
    /// Whether metrics are told apart by rule.
    pub metrics_by_rule: bool,
    /// The sources whose events count as those of IVS.
    pub event_sources: EventSources,
}

/// A variable that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {variable} is {value:?}: allowed is {allowed}")]
pub struct ConfigError {
    /// The variable.
    pub variable: &'static str,
    /// Its value; empty if it is not set.
    pub value: String,
    /// What would have been accepted.
    pub allowed: &'static str,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// The first variable that is missing or not as it must be.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(|variable| std::env::var(variable).ok())
    }

    /// What it says of planning.
    pub fn policy(&self) -> Policy {
        Policy { mode: self.mode, brake_percent: self.brake_percent, ..Policy::default() }
    }

    fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let set = |variable| get(variable).filter(|value| !value.is_empty());
        let error =
            |variable, allowed| ConfigError { variable, value: get(variable).unwrap_or_default(), allowed };
        let whole = |variable, default, range: RangeInclusive<u32>, allowed| match set(variable) {
            None => Ok(default),
            Some(value) => value
                .parse()
                .ok()
                .filter(|number| range.contains(number))
                .ok_or_else(|| error(variable, allowed)),
        };
        let seconds = whole("SELECTOR_CACHE_SECONDS", 5, 0..=60, "a whole number of seconds, 0-60")?;
        let quota_share = whole("QUOTA_SHARE_PERCENT", 80, 1..=100, "a whole number of percent, 1-100")?;
        let brake_percent = whole("BRAKE_PERCENT", 30, 1..=100, "a whole number of percent, 1-100")?;
        let mode = match set("MODE") {
            None => Mode::default(),
            Some(mode) => Mode::from_name(&mode).ok_or_else(|| error("MODE", "enforce, observe"))?,
        };
        let metrics_by_rule = match set("METRICS_BY_RULE").as_deref() {
            None | Some("on") => true,
            Some("off") => false,
            Some(_) => return Err(error("METRICS_BY_RULE", "on, off")),
        };
        let event_sources = match set("EVENT_SOURCES") {
            None => EventSources::default(),
            Some(list) => EventSources::parse(&list)
                .ok_or_else(|| error("EVENT_SOURCES", "names with commas between them"))?,
        };
        // Any word is a target; without a level for all others, a misspelt level would log nothing.
        let log_level = set("LOG_LEVEL").unwrap_or_else(|| "info".to_owned()).parse::<Targets>();
        let log_level = log_level
            .ok()
            .filter(|targets| targets.default_level().is_some())
            .ok_or_else(|| error("LOG_LEVEL", "off, error, warn, info, debug, trace, and levels of targets after that, as in info,controller=debug"))?;
        Ok(Self {
            table: set("TABLE_NAME").ok_or_else(|| error("TABLE_NAME", "the name of the table"))?,
            log_level,
            selector_cache: Duration::from_secs(seconds.into()),
            quota_share,
            mode,
            brake_percent,
            metrics_by_rule,
            event_sources,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_table_is_all_that_has_to_be_set() {
        let config = read(&[("TABLE_NAME", "stagelink")]).unwrap();
        assert_eq!((config.selector_cache.as_secs(), config.log_level.to_string().as_str()), (5, "info"));
        assert!(config.metrics_by_rule);
    }

    #[test]
    fn a_log_level_is_for_all_and_for_targets_beside() {
        let level = |text| read(&[("TABLE_NAME", "t"), ("LOG_LEVEL", text)]).map(|config| config.log_level);
        assert_eq!(level("warn,controller=debug").unwrap().to_string(), "controller=debug,warn");
        for wrong in ["verbose", "controller=debug", "info,controller=loud"] {
            assert_eq!(level(wrong).unwrap_err().value, wrong);
        }
    }

    #[test]
    fn metrics_by_rule_are_on_or_off() {
        let by_rule = |value| {
            read(&[("TABLE_NAME", "t"), ("METRICS_BY_RULE", value)]).map(|config| config.metrics_by_rule)
        };
        assert_eq!((by_rule("on"), by_rule("off"), by_rule("")), (Ok(true), Ok(false), Ok(true)));
        let error = by_rule("false").unwrap_err().to_string();
        assert_eq!(error, "environment variable METRICS_BY_RULE is \"false\": allowed is on, off");
    }

    #[test]
    fn events_come_from_ivs_unless_others_are_named() {
        let sources = |list| read(&[("TABLE_NAME", "t"), ("EVENT_SOURCES", list)]).unwrap().event_sources;
        assert_eq!(sources(""), EventSources::default());
        assert_eq!(Some(sources("aws.ivs, canary")), EventSources::parse("aws.ivs,canary"));
        assert_ne!(sources("canary"), EventSources::default());
    }

    #[test]
    fn mode_and_brake_reach_the_planner() {
        let policy = read(&[("TABLE_NAME", "t")]).unwrap().policy();
        assert_eq!(policy, Policy::default());
        let set = [("TABLE_NAME", "t"), ("MODE", "observe"), ("BRAKE_PERCENT", "100")];
        let policy = read(&set).unwrap().policy();
        assert_eq!((policy.mode, policy.brake_percent), (Mode::Observe, 100));
    }

    #[test]
    fn a_wrong_variable_is_named_with_its_value_and_what_is_allowed() {
        assert_eq!(read(&[]).unwrap_err().variable, "TABLE_NAME");
        let error = read(&[("TABLE_NAME", "t"), ("SELECTOR_CACHE_SECONDS", "61")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment variable SELECTOR_CACHE_SECONDS is \"61\": allowed is a whole number of seconds, 0-60"
        );
        let share = read(&[("TABLE_NAME", "t"), ("QUOTA_SHARE_PERCENT", "0")]).unwrap_err();
        assert_eq!(
            (share.variable, share.allowed),
            ("QUOTA_SHARE_PERCENT", "a whole number of percent, 1-100")
        );
        let mode = read(&[("TABLE_NAME", "t"), ("MODE", "dry-run")]).unwrap_err();
        let expected = "environment variable MODE is \"dry-run\": allowed is enforce, observe";
        assert_eq!(mode.to_string(), expected);
        let brake = read(&[("TABLE_NAME", "t"), ("BRAKE_PERCENT", "0")]).unwrap_err();
        assert_eq!((brake.variable, brake.allowed), ("BRAKE_PERCENT", "a whole number of percent, 1-100"));
        let sources = read(&[("TABLE_NAME", "t"), ("EVENT_SOURCES", "aws.ivs,,")]).unwrap_err();
        assert_eq!((sources.variable, sources.allowed), ("EVENT_SOURCES", "names with commas between them"));
        assert_eq!(read(&[("TABLE_NAME", "t"), ("LOG_LEVEL", "a=b=c")]).unwrap_err().variable, "LOG_LEVEL");
    }
}
