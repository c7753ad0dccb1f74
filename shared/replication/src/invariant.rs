//! What must always hold, each part with an id: of every plan, which is told here, and of the world around it, which is told by whoever
//! sees that world. Tests, the exhaustive check, the simulation and the functions themselves speak of the same ones.

use std::collections::BTreeSet;
use std::fmt;

use crate::brake::limit;
use crate::budget::counts_for_brake;
use crate::{
    Context, HandsOff, Match, Owner, Phase, Plan, Publishing, ReplicationKey, Rule, Step, StopRequest, View,
    plan,
};

/// A named part of a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// P1: soon after nothing goes wrong any more, what runs is what the rules want, and the table says so. Of the world.
    Settles,
    /// P1: then it stays so, and two further sweeps call nothing that changes anything. Of the world.
    Stays,
    /// P3: once a plan's changes are stored, planning again changes nothing.
    PlanTwice,
    /// P4, P12: every call has its intent, with a lease, in the same plan's changes, and in the table when it is made.
    IntentBeforeCall,
    /// P5: no second has more calls of an operation than our share of its quota. Of the world.
    Budget,
    /// P6: never more than 5 replications of a participant by our own doing.
    ParticipantSlots,
    /// P7: nothing is replicated to the stage it comes from, and no replica is replicated.
    NoLoops,
    /// P8: what somebody else started is never stopped.
    OwnOnly,
    /// P9: nothing is stopped for want of news.
    NoStopWithoutNews,
    /// P9: nothing is stopped while the rule that wanted it last cannot be decided on, unless another rule that certainly wants it
    /// is outranked.
    UnknownStopsNothing,
    /// P9: no more stops within a minute than the brake lets pass, but for those that somebody else vouches for.
    Brake,
    /// P12: every replication and every wanted destination has exactly one line in the report.
    EveryKeyExplained,
    /// P14: while it is hands off, nothing is started and nothing is stopped.
    HandsOff,
}

impl Invariant {
    /// Every invariant.
    pub const ALL: [Self; 13] = [
        Self::Settles,
        Self::Stays,
        Self::PlanTwice,
        Self::IntentBeforeCall,
        Self::Budget,
        Self::ParticipantSlots,
        Self::NoLoops,
        Self::OwnOnly,
        Self::NoStopWithoutNews,
        Self::UnknownStopsNothing,
        Self::Brake,
        Self::EveryKeyExplained,
        Self::HandsOff,
    ];

    /// Those that calls can break, and that can be told from the plan that asks for them.
    const OF_CALLS: [Self; 8] = [
        Self::IntentBeforeCall,
        Self::ParticipantSlots,
        Self::NoLoops,
        Self::OwnOnly,
        Self::NoStopWithoutNews,
        Self::UnknownStopsNothing,
        Self::Brake,
        Self::HandsOff,
    ];

    /// The promise this is a part of, and its own name.
    pub fn id(self) -> &'static str {
        match self {
            Self::Settles => "P1-settles",
            Self::Stays => "P1-stays",
            Self::PlanTwice => "P3-plan-twice",
            Self::IntentBeforeCall => "P12-intent-before-call",
            Self::Budget => "P5-budget",
            Self::ParticipantSlots => "P6-participant-slots",
            Self::NoLoops => "P7-no-loops",
            Self::OwnOnly => "P8-own-only",
            Self::NoStopWithoutNews => "P9-no-stop-without-news",
            Self::UnknownStopsNothing => "P9-unknown-stops-nothing",
            Self::Brake => "P9-brake",
            Self::EveryKeyExplained => "P12-every-key-explained",
            Self::HandsOff => "P14-hands-off",
        }
    }

    /// Whether a plan keeps it. What is of the world, no plan breaks by itself.
    fn holds(self, view: &View, after: &View, context: Context<'_>, made: &Plan) -> bool {
        match self {
            Self::Settles | Self::Stays | Self::Budget => true,
            Self::PlanTwice => {
                plan(after, Context { allowance: context.allowance.after(&made.steps), ..context }).is_empty()
            }
            Self::IntentBeforeCall => called(made).all(|key| {
                let intent = made.changes.iter().find(|change| change.key == *key);
                intent.is_some_and(|change| change.is_leased(context.now))
            }),
            Self::ParticipantSlots => {
                let starts = made.steps.iter().any(|step| matches!(step, Step::Start(_)));
                let held = after.replicas.iter().filter(|replica| replica.holds_slot()).count();
                !starts || held <= context.policy.slots_per_participant
            }
            Self::NoLoops => made.steps.iter().all(|step| match step {
                Step::Start(request) => request.key.source != request.key.destination,
                _ => true,
            }),
            Self::OwnOnly => stops(made).all(|key| {
                let replica = view.replicas.iter().find(|replica| replica.key == *key);
                replica.is_some_and(|replica| replica.owner != Owner::Foreign)
            }),
            Self::NoStopWithoutNews => {
                let unknown = made.report.publishing == Publishing::Unknown;
                let wanted = |key: &ReplicationKey| {
                    let line = made.report.lines.iter().find(|line| line.destination == key.destination);
                    line.is_some_and(|line| line.rule.is_some())
                };
                !unknown || !stops(made).any(wanted)
            }
            Self::UnknownStopsNothing => {
                let gone = made.report.publishing == Publishing::No;
                let undecided = |StopRequest { key, reason, .. }: &StopRequest| {
                    let replica = view.replicas.iter().find(|replica| replica.key == *key);
                    let last = replica.and_then(|replica| replica.rule.as_ref());
                    let rule = view.rules.iter().find(|rule| Some(&rule.id) == last.map(|last| &last.id));
                    let undecided =
                        |rule: &Rule| rule.wants(view, &key.destination, context.now) == Match::Unknown;
                    let unreadable =
                        replica.is_some_and(|replica| view.is_of_unreadable_rule(replica, context.now));
                    !reason.is_for_a_higher_priority() && (unreadable || rule.is_some_and(undecided))
                };
                gone || !stop_requests(made).any(undecided)
            }
            Self::Brake => {
                let Some(limit) = limit(context.policy, &view.control, context.now) else { return true };
                let counted = made.steps.iter().filter(|step| counts_for_brake(step)).count();
                let within = counted == 0 || context.allowance.recent_stops + counted <= limit;
                within
                    && stop_requests(made).filter(|request| request.confirmed).all(|request| {
                        let replica = after.replicas.iter().find(|replica| replica.key == request.key);
                        let braked = replica.and_then(|replica| replica.braked);
                        braked.is_some_and(|braked| braked.confirmed_at.is_some())
                    })
            }
            Self::HandsOff => {
                let acts = |step: &Step| matches!(step, Step::Start(_) | Step::Stop(_));
                HandsOff::of(context.policy, &view.control).is_none() || !made.steps.iter().any(acts)
            }
            Self::EveryKeyExplained => {
                let lines: Vec<_> = made.report.lines.iter().map(|line| &line.destination).collect();
                let explained: BTreeSet<_> = lines.iter().copied().collect();
                lines.len() == explained.len()
                    && after.replicas.iter().all(|replica| explained.contains(&replica.key.destination))
            }
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// The invariants that a plan made for this view does not keep. None, if the planner is right.
pub fn violations(view: &View, context: Context<'_>, made: &Plan) -> Vec<Invariant> {
    broken(&Invariant::ALL, view, context, made)
}

/// Of these, the ones that the plan's calls would break: a plan that has any must not be carried out. Plans nothing again.
pub fn forbids(view: &View, context: Context<'_>, made: &Plan) -> Vec<Invariant> {
    if made.steps.is_empty() {
        return Vec::new();
    }
    broken(&Invariant::OF_CALLS, view, context, made)
}

fn broken(of: &[Invariant], view: &View, context: Context<'_>, made: &Plan) -> Vec<Invariant> {
    let after = applied(view, made);
    of.iter().copied().filter(|invariant| !invariant.holds(view, &after, context, made)).collect()
}

/// The view after the plan's changes are stored and before any call is made.
pub fn applied(view: &View, made: &Plan) -> View {
    let mut after = view.clone();
    made.changes.iter().for_each(|change| after.put(change.clone()));
    after
}

/// Whether a view is at rest: nothing is under way and nothing is waiting to be done. A replica that runs until its rule
/// expires is at rest.
pub fn is_quiet(view: &View) -> bool {
    view.replicas.iter().all(|replica| {
        let moving = matches!(replica.phase, Phase::Pending | Phase::Starting | Phase::Stopping);
        !moving && replica.unfinished().is_none()
    })
}

fn called(made: &Plan) -> impl Iterator<Item = &ReplicationKey> {
    made.steps.iter().flat_map(|step| match step {
        Step::Start(request) => std::slice::from_ref(&request.key),
        Step::Stop(request) => std::slice::from_ref(&request.key),
        Step::Verify(keys) => keys.as_slice(),
    })
}

fn stops(made: &Plan) -> impl Iterator<Item = &ReplicationKey> {
    stop_requests(made).map(|request| &request.key)
}

fn stop_requests(made: &Plan) -> impl Iterator<Item = &StopRequest> {
    made.steps.iter().filter_map(|step| match step {
        Step::Stop(request) => Some(request),
        _ => None,
    })
}
