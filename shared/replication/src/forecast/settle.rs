//! The table as it will be once everything is done that rules ask for, if no news comes and IVS accepts every call.
//!
//! Nothing here decides anything: every publisher is planned by [`plan`], and what follows for the others at a full destination is
//! what the controller makes of it. Only the order is chosen here, and it is that of `dispatch`: releases first, then starts, the
//! highest priority first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::invariant::applied;
use crate::moment::later;
use crate::occupancy::{PLACES, changes, in_line};
use crate::sweep::directory::directory_changes;
use crate::sweep::{Inventory, Roster};
use crate::{
    Allowance, Capabilities, Context, Crowd, Desired, Eviction, GiveWay, Lease, Listed, Mode, Moment,
    Occupant, Outcome, Phase, PlaceChange, PlaceKind, Policy, PublisherKey, Publishing, Question, Receipt,
    Replica, ReplicationKey, Rule, RuleId, StageArn, Step, StopReason, Unmatched, View, plan,
};

/// Plans of one publisher in a row. Each makes a call or meets a full destination, so that few are ever needed.
const ROUNDS: usize = 50;

const NO_CALLS: Capabilities =
    Capabilities { start: false, stop: false, verify: false, get_stage: false, get_participant: false };

/// Questions aside, which have no answer here.
const ALL_CALLS: Capabilities = Capabilities { start: true, stop: true, verify: true, ..NO_CALLS };

/// What everything comes to.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Every publisher with its replications.
    pub(super) views: BTreeMap<PublisherKey, View>,
    /// The calls of each replication that had any.
    pub(super) calls: BTreeMap<ReplicationKey, Made>,
    /// Who is on each stage.
    pub(super) occupants: BTreeMap<StageArn, BTreeSet<Occupant>>,
    /// Rules that cannot be decided on for a publisher yet.
    pub(super) open: BTreeSet<(PublisherKey, RuleId, Unmatched)>,
    /// What IVS is asked about publishers before that.
    pub(super) questions: BTreeSet<(PublisherKey, Question)>,
}

/// The calls of one replication.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Made {
    pub(super) starts: usize,
    pub(super) stops: Vec<StopReason>,
}

/// A place in the line of what is due: as `dispatch` takes it.
type Turn = (u8, Reverse<u8>, Timestamp, PublisherKey);

struct Settling<'a> {
    now: Timestamp,
    policy: &'a Policy,
    settled: Settled,
    /// Who has a replication to a stage.
    sources: BTreeMap<StageArn, BTreeSet<PublisherKey>>,
    line: BTreeSet<Turn>,
}

/// Settles the table under these rules. Neither a pause nor the brake holds anything here.
pub(super) fn settle(inventory: &Inventory, rules: &[Rule], now: Timestamp, policy: &Policy) -> Settled {
    let policy = Policy { mode: Mode::Enforce, brake_percent: 100, ..policy.clone() };
    let inventory = under(inventory, rules);
    let mut settling = Settling {
        now,
        policy: &policy,
        settled: Settled::default(),
        sources: BTreeMap::new(),
        line: BTreeSet::new(),
    };
    for key in inventory.publishers() {
        settling.take_in(inventory.view(&key));
    }
    settling.run();
    settling.settled
}

/// The inventory with other rules: what a sweep would make of the directory and of an operator's pause comes with them.
fn under(inventory: &Inventory, rules: &[Rule]) -> Inventory {
    let mut under = Inventory { rules: rules.to_vec(), ..inventory.clone() };
    under.control.pause = None;
    let changes = directory_changes(&under, &Roster::remembered(inventory), &BTreeSet::new());
    let directory = Arc::make_mut(&mut under.directory);
    for (stage, tags) in changes {
        match tags {
            Some(tags) => drop(directory.insert(stage, tags)),
            None => drop(directory.remove(&stage)),
        }
    }
    under
}

impl Settling<'_> {
    /// Adds a publisher as it is stored, with the calls that are under way done.
    fn take_in(&mut self, mut view: View) {
        let under_way: Vec<_> =
            view.replicas.iter().filter(|replica| replica.lease.is_some()).cloned().collect();
        for replica in under_way {
            let Some(lease) = &replica.lease else { continue };
            let outcome = match replica.phase {
                Phase::Starting => Outcome::Start(replica.key.clone(), Ok(Receipt::default())),
                Phase::Stopping => Outcome::Stop(replica.key.clone(), Ok(Receipt::default())),
                _ => self.verified(&view, vec![replica.key.clone()]),
            };
            outcome.apply(&mut view, lease, Moment::exact(self.now), self.policy);
        }
        let publishes = view.publisher.as_ref().is_some_and(|known| known.publishing() == Publishing::Yes);
        if publishes {
            let there = self.settled.occupants.entry(view.key.stage.clone()).or_default();
            there.insert(Occupant::publisher(&view.key));
        }
        for replica in &view.replicas {
            if replica.holds_slot() {
                let there = self.settled.occupants.entry(replica.key.destination.clone()).or_default();
                there.insert(Occupant::replica(&replica.key));
            }
        }
        self.keep(view);
    }

    fn run(&mut self) {
        // First everybody is planned as `rule-changed` does, without a call: what there is to do gets its place in the line.
        let everybody: Vec<_> = self.settled.views.keys().cloned().collect();
        for key in &everybody {
            let Some(view) = self.settled.views.get(key) else { continue };
            let made = plan(view, self.context(NO_CALLS));
            let after = applied(view, &made);
            self.note(key, &made.report);
            self.keep(after);
            self.stand_in_line(key);
        }
        // Each turn serves somebody for whom something changed. Far more turns than replications are a circle, of which there
        // is none known; it would end here.
        let mut turns = 1_000 + 100 * everybody.len();
        while let Some((.., key)) = self.next_turn() {
            self.serve(&key);
            turns -= 1;
            if turns == 0 {
                break;
            }
        }
    }

    /// Whose turn it is. When nothing else is due, those try again who wait for a place that is free, or who gave way for it:
    /// whoever was to have it may have had no slot left.
    fn next_turn(&mut self) -> Option<Turn> {
        if self.line.is_empty() {
            let with_places = self.settled.occupants.iter().filter(|(_, there)| there.len() < PLACES);
            let stages: Vec<_> = with_places.map(|(stage, _)| stage.clone()).collect();
            for stage in stages {
                self.forget_who_gave_way(&stage);
                self.hand_on(&stage);
            }
        }
        self.line.pop_first()
    }

    fn context(&self, can: Capabilities) -> Context<'_> {
        let (now, policy, allowance) = (self.now, self.policy, Allowance::UNLIMITED);
        Context { now, policy, can, allowance, holder: "forecast", witness: None }
    }

    /// Plans a publisher and makes its calls, until there is nothing left to do for it now.
    fn serve(&mut self, key: &PublisherKey) {
        let Some(mut view) = self.settled.views.get(key).cloned() else { return };
        for _ in 0..ROUNDS {
            // One call after the other: of two at one time, nobody could tell which came last.
            self.now = later(self.now, SignedDuration::from_micros(1));
            let made = plan(&view, self.context(ALL_CALLS));
            if made.is_empty() {
                break;
            }
            let planned = applied(&view, &made);
            let places = changes(&view, &planned);
            let full = self.full(&places);
            if !full.is_empty() {
                view.full.extend(full);
                continue;
            }
            let mut after = planned.clone();
            for step in &made.steps {
                let (outcome, lease) =
                    (self.answered(&after, step), Lease::taken("forecast", self.now, self.policy));
                outcome.apply(&mut after, &lease, Moment::exact(self.now), self.policy);
            }
            let left: Vec<_> = places.into_iter().chain(changes(&planned, &after)).collect();
            view = after;
            self.keep(view.clone());
            self.follow(&left, &made.evictions);
        }
        view.full.clear();
        self.keep(view);
    }

    /// IVS accepts the call.
    fn answered(&mut self, view: &View, step: &Step) -> Outcome {
        match step {
            Step::Start(request) => {
                self.settled.calls.entry(request.key.clone()).or_default().starts += 1;
                Outcome::Start(request.key.clone(), Ok(Receipt::default()))
            }
            Step::Stop(request) => {
                self.settled.calls.entry(request.key.clone()).or_default().stops.push(request.reason);
                Outcome::Stop(request.key.clone(), Ok(Receipt::default()))
            }
            Step::Verify(keys) => self.verified(view, keys.clone()),
        }
    }

    /// What was in doubt is as the last call meant it to be, unless IVS refused that.
    fn verified(&self, view: &View, keys: Vec<ReplicationKey>) -> Outcome {
        let runs = |replica: &&Replica| match replica.phase {
            Phase::Starting => replica.last_error.is_none(),
            Phase::Stopping => false,
            _ => true,
        };
        let doubtful = view.replicas.iter().filter(|replica| keys.contains(&replica.key));
        let listed = doubtful.filter(runs).map(|replica| Listed {
            destination: replica.key.destination.clone(),
            destination_session: replica.destination_session.clone(),
        });
        Outcome::Verify(keys.clone(), Ok(listed.collect()))
    }

    /// Of the places that are asked for, those that are not to be had.
    fn full(&self, places: &[PlaceChange]) -> BTreeMap<StageArn, Crowd> {
        let asked = places.iter().filter(|place| place.kind == PlaceKind::TakeIfFree);
        let full = asked.filter(|place| {
            let there = self.settled.occupants.get(&place.stage);
            there.is_some_and(|there| there.len() >= PLACES && !there.contains(&place.occupant))
        });
        full.map(|place| (place.stage.clone(), Crowd::of(self.replicas_to(&place.stage)))).collect()
    }

    /// What follows for others: those who have to give way, and those who can have the places that were left.
    fn follow(&mut self, places: &[PlaceChange], evictions: &[Eviction]) {
        for PlaceChange { stage, occupant, kind } in places {
            let there = self.settled.occupants.entry(stage.clone()).or_default();
            match kind {
                PlaceKind::Take | PlaceKind::TakeIfFree => there.insert(occupant.clone()),
                PlaceKind::Leave => there.remove(occupant),
            };
        }
        let now = self.now;
        for eviction in evictions {
            let until = later(now, self.policy.full_retry);
            let gives_way = Some(GiveWay { priority: eviction.priority, until });
            self.tell(&eviction.key, |replica| Replica { gives_way, next_attempt: Some(now), ..replica });
        }
        for place in places.iter().filter(|place| place.kind == PlaceKind::Leave) {
            self.hand_on(&place.stage);
        }
    }

    /// Makes due whoever comes next at a destination.
    fn hand_on(&mut self, destination: &StageArn) {
        let now = self.now;
        let next = in_line(self.replicas_to(destination), now).first().map(|next| next.key.clone());
        if let Some(next) = next {
            let due = |replica| Replica { phase: Phase::Pending, next_attempt: Some(now), ..replica };
            self.tell(&next, due);
        }
    }

    fn forget_who_gave_way(&mut self, destination: &StageArn) {
        let gave_way = self.replicas_to(destination).filter(|replica| replica.gives_way.is_some());
        let gave_way: Vec<_> = gave_way.map(|replica| replica.key.clone()).collect();
        for key in gave_way {
            self.tell(&key, |replica| Replica { gives_way: None, ..replica });
        }
    }

    /// Changes a replication of somebody, who gets a turn for it.
    fn tell(&mut self, key: &ReplicationKey, change: impl FnOnce(Replica) -> Replica) {
        let publisher = key.publisher();
        let Some(view) = self.settled.views.get_mut(&publisher) else { return };
        let Some(known) = view.replica(&key.destination).cloned() else { return };
        view.put(change(known));
        self.stand_in_line(&publisher);
    }

    fn stand_in_line(&mut self, key: &PublisherKey) {
        let Some(view) = self.settled.views.get(key) else { return };
        let due = view.replicas.iter().filter_map(|replica| {
            let at = replica.due().filter(|at| *at <= self.now)?;
            Some((class(replica), Reverse(replica.rule.as_ref().map_or(0, |rule| rule.priority)), at))
        });
        if let Some((class, priority, at)) = due.min() {
            self.line.insert((class, priority, at, key.clone()));
        }
    }

    fn keep(&mut self, view: View) {
        for replica in &view.replicas {
            self.sources.entry(replica.key.destination.clone()).or_default().insert(view.key.clone());
        }
        self.settled.views.insert(view.key.clone(), view);
    }

    fn replicas_to<'b>(&'b self, stage: &'b StageArn) -> impl Iterator<Item = &'b Replica> {
        let publishers = self.sources.get(stage).into_iter().flatten();
        publishers.filter_map(|key| self.settled.views.get(key)?.replica(stage))
    }

    fn note(&mut self, key: &PublisherKey, report: &crate::Report) {
        let worth_it = matches!(report.publishing, Publishing::Yes | Publishing::Uncertain);
        let open = report.unmatched.iter().filter(|(_, why)| worth_it && why.is_open());
        self.settled.open.extend(open.map(|(rule, why)| (key.clone(), rule.clone(), *why)));
        self.settled.questions.extend(report.questions().into_iter().map(|question| (key.clone(), question)));
    }
}

/// The classes of due work in the order in which `dispatch` does them.
fn class(replica: &Replica) -> u8 {
    match (&replica.phase, replica.desired) {
        (Phase::Starting | Phase::Stopping, _) => 1,
        (_, Desired::Released) => 0,
        (Phase::Active, _) => 0,
        _ if replica.backfill => 3,
        _ => 2,
    }
}
