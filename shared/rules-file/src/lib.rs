//! The rules document: YAML or JSON in, core rules out, with errors that name rule, field, value and what is allowed.
//!
//! ```yaml
//! rules:
//!   - id: main-to-overflow            # 1-64 letters, digits, '-', '_' or '.'
//!     priority: 50                    # 0-100, default 50; higher wins scarce slots
//!     source: { tags: { role: main } }   # or { stage: <ARN> }, or { any: true }; a stage needs all of the tags
//!     participants:                   # optional, all if left out; '*' any run, '?' exactly one
//!       user_id: "host-*"
//!       attributes: { role: host }    # all of them
//!     destinations:                   # 1-20, in order of preference
//!       - tags: { role: overflow }    # every stage with all of these tags
//!         same: [ show ]              # optional: and with the source stage's value of each of these
//!       - stage: "arn:aws:ivs:us-east-1:123456789012:stage/XYZdef1G2hij"
//!     reconnect_window_seconds: 30    # 0-300, default 0
//!     attributes: { via: main }       # merged over the token's; 1 KB in total
//!     preempt: true                   # takes the slots of lower priorities; default false
//!     record_replicas: false          # optional: the destinations' recording of replicas is kept so
//!     status: enabled                 # enabled (default) or paused
//!     expires_at: 2026-12-01T20:00:00Z   # optional
//! ```
//!
//! In JSON it is the same document, and what is wrong with it is told in the same words, without a line.
//!
//! [`replication::Rule::validate`] says what a rule may hold, [`replication::check_together`] which rules contradict each
//! other.

#[cfg_attr(not(feature = "openapi"), allow(unreachable_pub, reason = "public for its schema only"))]
mod document;
pub mod json;
mod rule;
mod tree;
mod wrong;
#[cfg(feature = "yaml")]
mod yaml;

use std::collections::BTreeMap;
use std::fmt::Display;

use replication::{Rule, RuleError, check_count, check_together};

use document::Entry;
#[cfg(feature = "openapi")]
pub use document::{
    DestinationEntry as DestinationDocument, Document, Entry as RuleDocument,
    ParticipantsEntry as ParticipantsDocument, SourceEntry as SourceDocument,
};
pub use json::{Json, Misfit, rule_from_json, rules_from_json};
pub use wrong::Wrong;
#[cfg(feature = "yaml")]
pub use yaml::{Error, parse};

/// A rule as written, and where.
struct Written<P> {
    place: P,
    entry: Entry,
}

/// The rules that are meant; or what is wrong first, and with which of them.
fn rules<P: Copy + Display>(
    written: impl IntoIterator<Item = Written<P>>,
) -> Result<Vec<Rule>, (Option<P>, Wrong)> {
    let mut places = BTreeMap::new();
    let mut rules = Vec::new();
    for (i, Written { place, entry }) in written.into_iter().enumerate() {
        let wrong = |error| (Some(place), Wrong::Rule(error));
        let rule = entry.rule(i + 1).map_err(wrong)?;
        if rule.id.is_of_versus() {
            return Err(wrong(RuleError {
                rule: rule.id.to_string(),
                field: "id".to_owned(),
                value: format!("{:?}", rule.id.as_str()),
                allowed: "an id that does not begin with \"versus.\"".to_owned(),
            }));
        }
        rule.validate().map_err(wrong)?;
        if let Some(first) = places.insert(rule.id.clone(), place) {
            return Err(wrong(RuleError {
                rule: rule.id.to_string(),
                field: "id".to_owned(),
                value: format!("{:?}, as in {first},", rule.id.as_str()),
                allowed: "each id once".to_owned(),
            }));
        }
        rules.push(rule);
    }
    check_count(&rules).map_err(|error| (None, Wrong::Rule(error)))?;
    check_together(&rules)
        .map_err(|error| (places.get(&error.second).copied(), Wrong::Conflict(Box::new(error))))?;
    Ok(rules)
}
