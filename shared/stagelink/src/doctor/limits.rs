//! How near the installation is to what IVS allows.

use std::collections::BTreeMap;

use aws_adapters::LookError;
use replication::BlockedReason;
use replication::occupancy::PLACES;

use super::finding::{Finding, Level, Section};
use super::functions::FunctionLook;
use super::heartbeat::Pulse;

/// Stages that one account has in a Region, if nobody asked for more (IVS service quotas).
const STAGES: usize = 1_000;

/// Replications of one participant (IVS service quotas).
const SLOTS: usize = 5;

/// Calls of one operation each second (IVS service quotas).
const CALLS: u32 = 5;

const SECTION: Section = Section::Limits;

pub(super) fn findings(pulse: &Result<Pulse, LookError>, functions: &[FunctionLook]) -> Vec<Finding> {
    let mut findings: Vec<_> = share(functions).into_iter().collect();
    if let Ok(pulse) = pulse {
        findings.extend([stages(pulse), places(pulse), slots(pulse)]);
    }
    findings
}

fn share(functions: &[FunctionLook]) -> Option<Finding> {
    let dispatch = functions.iter().find(|look| look.expected.name == "dispatch")?;
    let share: u32 = dispatch.variable("QUOTA_SHARE_PERCENT")?.parse().ok()?;
    let calls = f64::from(CALLS * share) / 100.0;
    Some(Finding::ok(
        SECTION,
        "call budget",
        format_args!("{share} % of IVS's: {calls} of {CALLS} calls per second"),
    ))
}

/// As far as a sweep keeps them: those that a rule or a replica concerns.
fn stages(pulse: &Pulse) -> Finding {
    let known = pulse.inventory.stages.values().filter(|items| items.knowledge.is_some()).count();
    let words = format!("{known} known of {STAGES} that an account may have");
    if known * 10 < STAGES * 9 {
        return Finding::ok(SECTION, "stages", words);
    }
    Finding::new(SECTION, "stages", Level::Warning, words)
        .remedy("delete stages that are over, or ask AWS for a higher quota of stages")
}

fn places(pulse: &Pulse) -> Finding {
    let occupied = pulse.inventory.stages.iter();
    let occupied = occupied.filter_map(|(stage, items)| Some((items.occupants.as_ref()?.len(), stage)));
    let occupied: Vec<_> = occupied.collect();
    let full = occupied.iter().filter(|(occupants, _)| *occupants >= PLACES).count();
    let waiting = blocked(pulse, BlockedReason::DestinationFull);
    let fullest = occupied.iter().max().map_or_else(
        || "no destination has publishers".to_owned(),
        |(occupants, stage)| format!("the fullest destination has {occupants} of {PLACES}: {stage}"),
    );
    if full == 0 && waiting == 0 {
        return Finding::ok(SECTION, "publishers per stage", fullest);
    }
    let words =
        format!("full destinations: {full}, replications that wait for a place: {waiting}; {fullest}");
    Finding::new(SECTION, "publishers per stage", Level::Warning, words)
        .remedy("send fewer participants there, or spread them over more destinations")
}

fn slots(pulse: &Pulse) -> Finding {
    let mut held: BTreeMap<_, usize> = BTreeMap::new();
    for replica in pulse.inventory.replicas().filter(|replica| replica.holds_slot()) {
        *held.entry(replica.key.publisher()).or_default() += 1;
    }
    let most = held.values().max().copied().unwrap_or(0);
    let waiting = blocked(pulse, BlockedReason::ParticipantSlotsFull);
    let words = format!("{most} of {SLOTS} at most");
    if waiting == 0 {
        return Finding::ok(SECTION, "replications per participant", words);
    }
    let words = format!("{words}; replications that wait because their participant has {SLOTS}: {waiting}");
    Finding::new(SECTION, "replications per participant", Level::Warning, words)
        .remedy("fewer destinations per participant, or a higher priority for the rule that matters")
}

fn blocked(pulse: &Pulse, reason: BlockedReason) -> usize {
    let blocked = pulse.inventory.replicas().filter_map(|replica| replica.blocked());
    blocked.filter(|blocked| blocked.reason == reason).count()
}
