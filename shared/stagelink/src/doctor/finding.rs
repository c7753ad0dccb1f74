//! What a doctor says.

use std::collections::BTreeSet;
use std::fmt::Display;

use serde::Serialize;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) section: Section,
    pub(super) subject: String,
    pub(super) level: Level,
    /// What is there, with its value.
    pub(super) found: String,
    /// What should be, where that is not what is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expected: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Section {
    Credentials,
    Clock,
    Permissions,
    Table,
    Functions,
    EventRules,
    Schedules,
    Stream,
    Heartbeat,
    Limits,
    DeadLetters,
}

/// How good it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    Ok,
    /// Somebody should know it.
    Warning,
    /// Broken, or an alarm tells of it.
    Failed,
    /// It could not be looked at.
    NotChecked,
}

/// All findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Report {
    healthy: bool,
    summary: Summary,
    pub(super) findings: Vec<Finding>,
}

/// How many of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
struct Summary {
    ok: usize,
    warnings: usize,
    failed: usize,
    not_checked: usize,
}

impl Finding {
    pub(super) fn new(section: Section, subject: impl Display, level: Level, found: impl Display) -> Self {
        let (subject, found) = (subject.to_string(), found.to_string());
        Self { section, subject, level, found, expected: None, remedy: None }
    }

    pub(super) fn ok(section: Section, subject: impl Display, found: impl Display) -> Self {
        Self::new(section, subject, Level::Ok, found)
    }

    pub(super) fn expected(self, expected: impl Display) -> Self {
        Self { expected: Some(expected.to_string()), ..self }
    }

    pub(super) fn remedy(self, remedy: impl Display) -> Self {
        Self { remedy: Some(remedy.to_string()), ..self }
    }
}

impl Section {
    pub(super) fn heading(self) -> &'static str {
        match self {
            Self::Credentials => "Credentials",
            Self::Clock => "Clock",
            Self::Permissions => "Permissions",
            Self::Table => "Table",
            Self::Functions => "Functions",
            Self::EventRules => "Event rules",
            Self::Schedules => "Schedules",
            Self::Stream => "Stream",
            Self::Heartbeat => "Heartbeat",
            Self::Limits => "Limits",
            Self::DeadLetters => "Dead letters",
        }
    }
}

impl Level {
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "FAILED",
            Self::NotChecked => "not checked",
        }
    }
}

impl Report {
    /// What is not allowed is asked for once, however many findings need it.
    pub(super) fn new(mut findings: Vec<Finding>) -> Self {
        let mut asked_for = BTreeSet::new();
        for finding in findings.iter_mut().filter(|finding| finding.level == Level::NotChecked) {
            finding.remedy.take_if(|remedy| !asked_for.insert(remedy.clone()));
        }
        let count = |level| findings.iter().filter(|finding| finding.level == level).count();
        let summary = Summary {
            ok: count(Level::Ok),
            warnings: count(Level::Warning),
            failed: count(Level::Failed),
            not_checked: count(Level::NotChecked),
        };
        Self { healthy: summary.failed == 0, summary, findings }
    }

    /// Whether nothing failed.
    pub(super) fn is_healthy(&self) -> bool {
        self.healthy
    }

    pub(super) fn summary_in_words(&self) -> String {
        let Summary { ok, warnings, failed, not_checked } = self.summary;
        let plural = if warnings == 1 { "" } else { "s" };
        let verdict = if self.healthy { "Healthy" } else { "NOT healthy" };
        format!("{verdict}: {failed} failed, {warnings} warning{plural}, {not_checked} not checked, {ok} ok.")
    }
}
