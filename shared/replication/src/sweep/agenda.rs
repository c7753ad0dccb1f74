//! What to read next: what somebody asked for, then those in doubt, then those not looked at for the longest time. A look that came to
//! no end counts here, so that a stage that cannot be read keeps no other waiting.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Inventory, ListedStage, StageKnowledge, SweepPolicy, is_live};
use crate::{Phase, Publishing, Replica, Rule, SessionId, StageArn, Standing};

/// The stages of the account, as far as they are known.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    /// The stages.
    pub stages: BTreeMap<StageArn, ListedStage>,
    /// Whether they were listed to the end. If not, that a stage is not here says nothing.
    pub complete: bool,
}

impl Roster {
    /// The stages as earlier sweeps left them.
    pub fn remembered(inventory: &Inventory) -> Self {
        let known = inventory.stages.values().filter_map(|items| items.knowledge.as_ref());
        let stages = known.map(|known| (known.listed.stage.clone(), known.listed.clone())).collect();
        Self { stages, complete: false }
    }
}

/// What a sweep has to do, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Agenda {
    /// Stages to look at, the most urgent first.
    pub looks: Vec<Look>,
    /// The time that what is known of every active stage is at least as new as; nothing if there is no such stage.
    pub oldest: Option<Timestamp>,
}

/// A stage to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The stage.
    pub stage: StageArn,
    /// What is there to be read.
    pub target: Target,
    /// Whether to make sure that its publishers still publish, although nothing speaks against it.
    pub confirm: bool,
    /// Whether something is in doubt here.
    pub in_doubt: bool,
}

/// What is there to be read of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Its active session.
    Session(SessionId),
    /// Nobody is there, although somebody should be.
    Empty,
    /// ListStages does not list it, although somebody should be there.
    Unlisted,
}

/// Everything to look at, if `capacity` looks fit in the time there is.
pub fn agenda(
    inventory: &Inventory,
    roster: &Roster,
    capacity: usize,
    now: Timestamp,
    policy: &SweepPolicy,
) -> Agenda {
    let mut concerned = inventory.concerned(roster, now, policy);
    // Also where nothing is wanted: whoever asks wants to know what is there.
    concerned.extend(roster.stages.keys().filter(|stage| inventory.asked_of(stage, now, policy).is_some()));
    let mut looks: Vec<(Option<Timestamp>, Look)> =
        concerned.into_iter().filter_map(|stage| look(inventory, roster, stage, now, policy)).collect();
    looks.sort_by_cached_key(|(counts, look)| {
        (inventory.urgency(&look.stage, now, policy), *counts, look.stage.clone())
    });
    let active = looks.iter().filter(|(_, look)| matches!(look.target, Target::Session(_)));
    let oldest = active.map(|(_, look)| known_at(inventory.knowledge(&look.stage), now)).min();
    let mut looks: Vec<Look> = looks.into_iter().map(|(_, look)| look).collect();
    confirm(inventory, &mut looks, capacity, now, policy);
    Agenda { looks, oldest }
}

/// What has to be kept of a roster, so that the next sweep knows it without listing: stages that are looked at for the first
/// time, those that somebody asks for or a rule names (so that people know what they are called), and those that are not as they
/// were. If a rule depends on the tags of sources, every stage, so that nobody has to ask when somebody publishes there.
pub fn to_remember(
    inventory: &Inventory,
    roster: &Roster,
    agenda: &Agenda,
    now: Timestamp,
    policy: &SweepPolicy,
) -> Vec<StageKnowledge> {
    let looked_at: BTreeSet<_> = agenda.looks.iter().map(|look| &look.stage).collect();
    let tags_matter = inventory.rules.iter().any(Rule::asks_for_source_tags);
    let named: BTreeSet<_> = inventory.rules.iter().flat_map(Rule::named_stages).collect();
    let is_of_interest = |stage: &StageArn| {
        tags_matter
            || looked_at.contains(stage)
            || named.contains(stage)
            || inventory.asked_of(stage, now, policy).is_some()
    };
    let new = roster.stages.values().filter(|listed| is_of_interest(&listed.stage));
    let new = new.filter(|listed| inventory.knowledge(&listed.stage).is_none());
    let mut kept: Vec<_> = new.map(|listed| StageKnowledge::new(listed.clone(), now)).collect();
    for known in inventory.stages.values().filter_map(|items| items.knowledge.as_ref()) {
        let listed = match roster.stages.get(&known.listed.stage) {
            Some(listed) => listed.clone(),
            None if roster.complete => ListedStage { active_session: None, ..known.listed.clone() },
            None => continue,
        };
        if listed != known.listed {
            kept.push(StageKnowledge { listed, ..known.clone() });
        }
    }
    kept
}

/// Whether the stages have to be listed again: if somebody has asked for a look since. Else, if the looks do not fit into one
/// sweep anyway, it is enough to list them once in so many looks.
pub fn roster_is_due(
    inventory: &Inventory,
    pages: usize,
    capacity: usize,
    sweep_every: jiff::SignedDuration,
    now: Timestamp,
    policy: &SweepPolicy,
) -> bool {
    let Some(listed_at) = inventory.listed_at else { return true };
    if inventory.is_asked_since_listing(now, policy) {
        return true;
    }
    let looks = agenda(inventory, &Roster::remembered(inventory), capacity, now, policy).looks.len();
    if looks <= capacity {
        return true;
    }
    let sweeps = (pages * policy.looks_per_extra).div_ceil(capacity.max(1)).max(1);
    // Half a sweep of tolerance: schedules are not exact.
    let every = sweep_every.saturating_mul(i32::try_from(sweeps).unwrap_or(i32::MAX)) - sweep_every / 2;
    now.duration_since(listed_at) >= every
}

/// The look at one stage, and how old its knowledge counts; nothing if there is nothing to read.
fn look(
    inventory: &Inventory,
    roster: &Roster,
    stage: &StageArn,
    now: Timestamp,
    policy: &SweepPolicy,
) -> Option<(Option<Timestamp>, Look)> {
    let knowledge = inventory.knowledge(stage);
    let target = match roster.stages.get(stage) {
        Some(ListedStage { active_session: Some(session), .. }) => Target::Session(session.clone()),
        _ if !somebody_should_be_there(inventory, stage) => return None,
        Some(_) => Target::Empty,
        None if roster.complete => Target::Unlisted,
        None => return None,
    };
    let in_doubt = match &target {
        Target::Session(session) => is_in_doubt(inventory, stage, session),
        Target::Empty | Target::Unlisted => true,
    };
    let looked_at = knowledge.and_then(|knowledge| knowledge.looked_at);
    let counts = looked_at
        .map(|at| if in_doubt { at.checked_sub(policy.doubt).unwrap_or(Timestamp::MIN) } else { at });
    let counts = counts.max(knowledge.and_then(|knowledge| knowledge.attempted_at));
    // Whoever asks for one stage wants to know whether its publishers still publish.
    let confirm = inventory.asked_of(stage, now, policy).is_some();
    Some((counts, Look { stage: stage.clone(), target, confirm, in_doubt }))
}

fn somebody_should_be_there(inventory: &Inventory, stage: &StageArn) -> bool {
    let on = |standing| matches!(standing, Standing::On | Standing::Uncertain);
    inventory.publishers_on(stage).any(|publisher| on(publisher.evidence.standing()))
        || inventory
            .replicas_from(stage)
            .any(|replica| on(replica.evidence.standing()) || replica_in_doubt(replica))
        || inventory.replicas_to(stage).any(|replica| on(replica.evidence.standing()))
}

fn is_in_doubt(inventory: &Inventory, stage: &StageArn, session: &SessionId) -> bool {
    let new_session =
        inventory.knowledge(stage).is_none_or(|known| known.looked_in.as_ref() != Some(session));
    let publisher_in_doubt = || {
        inventory.publishers_on(stage).any(|publisher| match publisher.publishing() {
            Publishing::Yes => {
                publisher.session.as_ref() != Some(session)
                    || inventory.is_said_not_to_publish(&publisher.key)
            }
            Publishing::Uncertain => true,
            Publishing::No | Publishing::Unknown => false,
        })
    };
    new_session
        || publisher_in_doubt()
        || inventory.is_waited_for_by_brake(stage)
        || inventory.replicas_to(stage).any(replica_in_doubt)
}

pub(super) fn replica_in_doubt(replica: &Replica) -> bool {
    let unrecorded = matches!(replica.phase, Phase::Starting | Phase::Stopping);
    is_live(replica) && (unrecorded || replica.evidence.standing() == Standing::Uncertain)
}

fn known_at(knowledge: Option<&StageKnowledge>, now: Timestamp) -> Timestamp {
    knowledge.map_or(now, |known| known.looked_at.unwrap_or(known.known_since))
}

/// Chooses the stages whose publishers are confirmed, those that were not for the longest time first. As long as the looks
/// are more than there is time for, only one publisher is confirmed in so many looks.
fn confirm(inventory: &Inventory, looks: &mut [Look], capacity: usize, now: Timestamp, policy: &SweepPolicy) {
    let scarce = looks.len() > capacity;
    let mut left = if scarce { capacity.div_ceil(policy.looks_per_extra.max(1)) } else { usize::MAX };
    let confirmed_at = |look: &Look| {
        let known = inventory.knowledge(&look.stage);
        known.map_or(now, |known| known.confirmed_at.unwrap_or(known.known_since))
    };
    let mut by_age: Vec<&mut Look> = looks.iter_mut().take(capacity.max(1)).collect();
    by_age.sort_by_key(|look| confirmed_at(look));
    for look in by_age {
        let publishers = inventory.publishers_on(&look.stage);
        let publishers = publishers.filter(|publisher| publisher.publishing() == Publishing::Yes).count();
        let waited_for = inventory.replicas_to(&look.stage).any(Replica::waits_for_place);
        let after = match waited_for {
            true => policy.confirm_where_full_after.min(policy.confirm_after),
            false => policy.confirm_after,
        };
        let due = now.duration_since(confirmed_at(look)) >= after;
        if !due || publishers == 0 || left == 0 {
            continue;
        }
        look.confirm = true;
        left = left.saturating_sub(publishers);
    }
}
