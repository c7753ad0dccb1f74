//! What must never happen, and what must be once nothing goes wrong any more, told without the controller.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Mutex;

use controller::Write;
use controller::sweep::port::SweepStore;
use jiff::{SignedDuration, Timestamp};
use replication::invariant::Invariant;
use replication::occupancy::PLACES;
use replication::{
    Destination, Limit, Mode, Operation, Owner, Phase, Replica, ReplicationKey, Rule, Source, Status, Tags,
};
use serde_json::Value;

use crate::case::Concerned;
use crate::fleet::SHARE;
use crate::world::{World, lock};

/// Within which time a pause holds everything that is not under way.
const PAUSE_HOLDS: SignedDuration = SignedDuration::from_secs(10);

/// By how much the clocks of functions differ at most.
const SKEW: SignedDuration = SignedDuration::from_millis(100);

/// Within which time everything that is done takes effect: the longest reconnect window, and some seconds.
const TAKES_EFFECT: SignedDuration = SignedDuration::from_secs(30);

/// The same, if an event can be lost or a function fail: a sweep or two later.
const TAKES_EFFECT_LATE: SignedDuration = SignedDuration::from_secs(150);

/// How much later a call can leave than it was granted, beside the difference of clocks: a write to the table.
const LEAVES_LATER: SignedDuration = SignedDuration::from_millis(20);

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// When.
    pub at: Timestamp,
    /// By what.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.invariant, self.at, self.what)
    }
}

/// Source stage, participant and destination stage.
pub(crate) type Replication = (String, String, String);

/// Looks on.
#[derive(Default)]
pub(crate) struct Oracle(Mutex<State>);

#[derive(Default)]
struct State {
    violations: Vec<Violation>,
    /// How often each was looked at.
    checked: BTreeMap<Invariant, usize>,
    rules: Vec<Rule>,
    others: BTreeSet<Replication>,
    paused: Option<Timestamp>,
    grants: BTreeMap<Operation, Vec<Timestamp>>,
    /// The latest calls that left, by operation.
    calls: BTreeMap<&'static str, Vec<Timestamp>>,
    /// Starts that were tried in a row, by replication.
    attempts: BTreeMap<ReplicationKey, u32>,
    mutations: usize,
    /// Until when something that was done to a participant, or to everybody, may take effect.
    touched: BTreeMap<Option<String>, Timestamp>,
}

impl Oracle {
    pub(crate) fn violations(&self) -> Vec<Violation> {
        lock(&self.0).violations.clone()
    }

    /// How often each promise was looked at.
    pub(crate) fn checked(&self) -> BTreeMap<Invariant, usize> {
        lock(&self.0).checked.clone()
    }

    /// Starts and stops so far.
    pub(crate) fn mutations(&self) -> usize {
        lock(&self.0).mutations
    }

    pub(crate) fn rules_are(&self, rules: Vec<Rule>) {
        lock(&self.0).rules = rules;
    }

    /// Something was done, and takes effect until then.
    pub(crate) fn touched(&self, whom: Concerned<'_>, until: Timestamp) {
        let who = match whom {
            Concerned::Everybody => None,
            Concerned::One(who) => Some(who),
            Concerned::Nobody => return,
        };
        let mut state = lock(&self.0);
        let known = state.touched.entry(who.map(str::to_owned)).or_insert(until);
        *known = until.max(*known);
    }

    pub(crate) fn paused(&self, at: Timestamp) {
        lock(&self.0).paused.get_or_insert(at);
    }

    pub(crate) fn resumed(&self) {
        lock(&self.0).paused = None;
    }

    pub(crate) fn others_started(&self, from: &str, who: &str, to: &str) {
        lock(&self.0).others.insert((from.to_owned(), who.to_owned(), to.to_owned()));
    }

    /// IVS accepted a Start of ours: whatever others had there is over.
    pub(crate) fn ours_started(&self, input: &Value) {
        if let Some(key) = key(input) {
            lock(&self.0).others.remove(&name(&key));
        }
    }

    pub(crate) fn is_others(&self, from: &str, who: &str, to: &str) -> bool {
        lock(&self.0).others.contains(&(from.to_owned(), who.to_owned(), to.to_owned()))
    }

    /// Looks at a promise: `what` tells how it was not kept, if it was not.
    pub(crate) fn check(&self, world: &World, invariant: Invariant, kept: bool, what: impl fmt::Display) {
        *lock(&self.0).checked.entry(invariant).or_default() += 1;
        if kept {
            return;
        }
        let what = world.short(&what.to_string());
        world.tell(|| format!("!!! {invariant}: {what}"));
        lock(&self.0).violations.push(Violation { invariant, at: world.now(), what });
    }

    /// A call leaves a function.
    pub(crate) fn called(&self, world: &World, operation: &'static str, input: &Value) {
        self.left(world, operation);
        let verb = match operation {
            "StartParticipantReplication" => Operation::Start,
            "StopParticipantReplication" => Operation::Stop,
            "UpdateStage" => Operation::UpdateStage,
            _ => return,
        };
        let refuses = verb == Operation::Start && world.refuses_empty_destinations() && {
            let destination = input["destinationStageArn"].as_str().unwrap_or_default();
            Truth::of(world).is_refused_for_nobody(destination, world)
        };
        lock(&self.0).mutations += usize::from(!refuses);
        let paused = lock(&self.0).paused;
        let paused = paused.is_some_and(|since| world.now().duration_since(since) > PAUSE_HOLDS);
        let may = world.policy.mode != Mode::Observe && !paused;
        self.check(world, Invariant::HandsOff, may, format_args!("{operation} {input}, paused: {paused}"));
        let Some(key) = key(input) else { return };
        let row = world.store.replicas().into_iter().find(|row| row.key == key);
        let phase = if verb == Operation::Start { Phase::Starting } else { Phase::Stopping };
        let leased = |now| row.as_ref().is_some_and(|row| row.phase == phase && row.is_leased(now));
        let intended = leased(world.now()) || leased(world.now() - SKEW);
        self.check(world, Invariant::IntentBeforeCall, intended, format_args!("{operation} {key}: {row:?}"));
        let running = running(world);
        if verb == Operation::Start {
            let is_replica =
                |(_, who, to): &Replication| *who == key.participant.as_str() && *to == key.source.as_str();
            let loops = key.source == key.destination || running.iter().any(is_replica);
            self.check(world, Invariant::NoLoops, !loops, format_args!("{operation} {key}"));
        } else {
            let named = name(&key);
            // After a Start without an answer nobody can tell whose it is that runs since the same second.
            let is_others = self.is_others(&named.0, &named.1, &named.2) && world.every_call_is_answered();
            let is_others = is_others && running.contains(&named);
            self.check(world, Invariant::OwnOnly, !is_others, format_args!("{operation} {key}"));
            let for_nothing = self.is_stopped_for_nothing(world, &named);
            self.check(world, Invariant::NoStopWithoutNews, !for_nothing, format_args!("{operation} {key}"));
        }
    }

    /// A call left: no second may have more of them than our share, but for what the way from the grant to the call takes.
    fn left(&self, world: &World, operation: &'static str) {
        let limit = Limit::share(5, SHARE).calls;
        let calls = {
            let mut state = lock(&self.0);
            let calls = state.calls.entry(operation).or_default();
            calls.push(world.now());
            let keep = calls.len().saturating_sub(limit + 1);
            calls.drain(..keep);
            calls.clone()
        };
        let window = SignedDuration::from_secs(1) - SKEW - SKEW - LEAVES_LATER;
        let over = calls.len() > limit && calls[limit].duration_since(calls[0]) < window;
        self.check(world, Invariant::Budget, !over, format_args!("{operation} called at {calls:?}"));
    }

    /// Whether somebody publishes who is wanted there, nothing that could matter was done for a while, and there is room for all.
    fn is_stopped_for_nothing(&self, world: &World, named: &Replication) -> bool {
        let seconds = i64::try_from(world.ivs_takes_its_time()).unwrap_or(i64::MAX);
        let takes_effect = SignedDuration::from_secs(seconds)
            + if world.reacts_at_once() { TAKES_EFFECT } else { TAKES_EFFECT_LATE };
        // News that is late tells of what was true before, and what the brake holds is in the way of others for a sweep or two.
        let braked = world.store.replicas().iter().any(|replica| replica.braked.is_some());
        if braked || !world.news_is_new() {
            return false;
        }
        let (quiet, rules) = {
            let state = lock(&self.0);
            let over = |who| {
                state.touched.get(&who).is_none_or(|until| world.now().duration_since(*until) > takes_effect)
            };
            (over(None) && over(Some(named.1.clone())), state.rules.clone())
        };
        let before = world.now() - takes_effect;
        let truth = Truth::of(world);
        let (wanted, wanted_before) = (truth.wanted(&rules, world.now()), truth.wanted(&rules, before));
        if !quiet || !wanted.contains_key(named) || !wanted_before.contains_key(named) {
            return false;
        }
        // What runs and is not wanted takes a place as well, until its window is over.
        let claims = |concerns: &dyn Fn(&&Replication) -> bool| {
            wanted.keys().chain(&truth.running).filter(concerns).collect::<BTreeSet<_>>().len()
        };
        let slots = claims(&|(from, who, _)| *from == named.0 && *who == named.1);
        let places = claims(&|(.., to)| *to == named.2);
        let publishers = truth.publishing.keys().filter(|(stage, _)| *stage == named.2).count();
        slots <= world.policy.slots_per_participant && places + publishers <= PLACES
    }

    /// Something was written.
    pub(crate) fn written(&self, world: &World, write: &Write) {
        for budget in &write.budgets {
            self.granted(world, budget.operation, &budget.after.grants);
        }
        let running = LazyCell::new(|| running(world));
        let rows = LazyCell::new(|| world.store.replicas());
        for row in &write.replicas {
            let before = lock(&self.0).attempts.insert(row.key.clone(), row.attempts);
            let is_new = row.phase == Phase::Starting && row.attempts > before.unwrap_or(0);
            if !is_new {
                continue;
            }
            let of = row.key.publisher();
            // What a list that is out of date says to run is news of the table's, and no doing of ours.
            let runs = |row: &&Replica| row.lease.is_some() || running.contains(&name(&row.key));
            let own = rows.iter().filter(|row| row.key.publisher() == of && row.holds_slot());
            let held = own.filter(runs).count();
            let few = held <= world.policy.slots_per_participant;
            self.check(world, Invariant::ParticipantSlots, few, format_args!("{of} has {held}"));
        }
    }

    /// Calls were granted: no second may have more of them than our share of the quota.
    fn granted(&self, world: &World, operation: Operation, grants: &[Timestamp]) {
        let limit = Limit::share(5, SHARE).calls;
        let over = {
            let mut state = lock(&self.0);
            let known = state.grants.entry(operation).or_default();
            // Known are those that were written before; the same moment can be granted more than once.
            let mut before = known.clone();
            for at in grants {
                match before.iter().position(|known| known == at) {
                    Some(same) => drop(before.swap_remove(same)),
                    None => known.push(*at),
                }
            }
            known.sort();
            let window = SignedDuration::from_secs(1) - SKEW - SKEW;
            let over = known.windows(limit + 1).find(|calls| calls[limit].duration_since(calls[0]) < window);
            let over = over.map(<[_]>::to_vec);
            let keep = known.len().saturating_sub(50);
            known.drain(..keep);
            over
        };
        self.check(
            world,
            Invariant::Budget,
            over.is_none(),
            format_args!("{} at {over:?}", operation.name()),
        );
    }

    /// What is not as it should be, now that it should.
    pub(crate) async fn wrong(&self, world: &World) -> Vec<String> {
        let truth = Truth::of(world);
        let others = lock(&self.0).others.clone();
        let mut rules = lock(&self.0).rules.clone();
        let Ok(inventory) = world.store.inventory().await else { return vec!["no inventory".to_owned()] };
        rules.extend(inventory.rules.iter().filter(|rule| rule.id.is_of_versus()).cloned());
        let wanted = truth.wanted(&rules, world.now());
        let mut wrong = Vec::new();
        for runs in &truth.running {
            if !wanted.contains_key(runs) && !others.contains(runs) {
                let row = inventory.replicas().find(|row| name(&row.key) == *runs);
                wrong.push(format!("leaked: {runs:?}, in the table as {row:?}"));
            }
        }
        for (key, want) in &wanted {
            if !truth.running.contains(key) && !truth.is_excused(key, want, &wanted, &others, world) {
                let row = inventory.replicas().find(|row| name(&row.key) == *key);
                let (rule, priority) = (&want.rule, want.priority);
                wrong.push(format!(
                    "missing: {key:?} for rule {rule} of priority {priority}, in the table as {row:?}"
                ));
            }
        }
        for row in inventory.replicas() {
            let runs = truth.running.contains(&name(&row.key));
            let ours = row.owner == Owner::Stagelink && row.phase == Phase::Active;
            let unclear = row.lease.is_some() || matches!(row.phase, Phase::Starting | Phase::Stopping);
            // After a Start without an answer nobody can tell whose it is.
            if ours && world.every_call_is_answered() && others.contains(&name(&row.key)) {
                wrong.push(format!("not ours: {}", row.key));
            }
            if unclear && !truth.is_refused_for_nobody(row.key.destination.as_str(), world) || ours && !runs {
                wrong.push(format!("in the table: {} {} {:?}", row.key, row.phase, row.lease));
            }
        }
        for runs in truth.running.iter().filter(|runs| !others.contains(*runs)) {
            if !inventory.replicas().any(|row| name(&row.key) == *runs && row.phase == Phase::Active) {
                wrong.push(format!("not in the table: {runs:?}"));
            }
        }
        wrong
    }
}

fn key(input: &Value) -> Option<ReplicationKey> {
    Some(ReplicationKey {
        source: input["sourceStageArn"].as_str()?.parse().ok()?,
        participant: input["participantId"].as_str()?.parse().ok()?,
        destination: input["destinationStageArn"].as_str()?.parse().ok()?,
    })
}

fn name(key: &ReplicationKey) -> Replication {
    (key.source.to_string(), key.participant.to_string(), key.destination.to_string())
}

/// Whether the replication that a call is about runs, or will soon.
pub(crate) fn is_accepted(world: &World, input: &Value) -> bool {
    key(input).is_some_and(|key| names(world.ivs.accepted()).contains(&name(&key)))
}

fn running(world: &World) -> BTreeSet<Replication> {
    names(world.ivs.replicas())
}

fn names(replications: Vec<ivs_sim::ReplicationKey>) -> BTreeSet<Replication> {
    let name =
        |key: ivs_sim::ReplicationKey| (key.source_stage_arn, key.participant_id, key.destination_stage_arn);
    replications.into_iter().map(name).collect()
}

/// What is the case in IVS.
struct Truth {
    /// Stages with their tags, and whether there is a session.
    stages: BTreeMap<String, (Tags, bool)>,
    /// Who publishes, with the user id.
    publishing: BTreeMap<(String, String), String>,
    running: BTreeSet<Replication>,
}

/// What wants a replica.
struct Want {
    rule: String,
    priority: u8,
    preempt: bool,
}

impl Truth {
    fn of(world: &World) -> Self {
        let state = world.ivs.state();
        let mut truth =
            Self { stages: BTreeMap::new(), publishing: BTreeMap::new(), running: running(world) };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for stage in state["stages"].as_array().into_iter().flatten() {
            let arn = text(&stage["arn"]);
            let tags = serde_json::from_value(stage["tags"].clone()).unwrap_or_default();
            let active = &stage["activeSessionId"];
            truth.stages.insert(arn.clone(), (tags, active.is_string()));
            let sessions = stage["sessions"].as_array().into_iter().flatten();
            for session in sessions.filter(|session| session["sessionId"] == *active) {
                for participant in session["participants"].as_array().into_iter().flatten() {
                    if participant["publishing"] == true && participant["replica"] == false {
                        let who = (arn.clone(), text(&participant["participantId"]));
                        truth.publishing.insert(who, text(&participant["userId"]));
                    }
                }
            }
        }
        truth
    }

    /// What the rules want: for each replica the rule that counts.
    fn wanted(&self, rules: &[Rule], now: Timestamp) -> BTreeMap<Replication, Want> {
        let mut wanted: BTreeMap<Replication, Want> = BTreeMap::new();
        let mut rules: Vec<_> = rules.iter().filter(|rule| acts(rule, now)).collect();
        rules.sort_by_key(|rule| (std::cmp::Reverse(rule.priority), rule.id.to_string()));
        for ((source, who), user) in &self.publishing {
            for rule in rules.iter().filter(|rule| self.is_meant(rule, source, user)) {
                for destination in self.destinations(rule, source) {
                    let key = (source.clone(), who.clone(), destination);
                    let (priority, preempt) = (rule.priority, rule.preempt);
                    wanted.entry(key).or_insert(Want { rule: rule.id.to_string(), priority, preempt });
                }
            }
        }
        wanted
    }

    fn is_meant(&self, rule: &Rule, source: &str, user: &str) -> bool {
        let from = match &rule.source {
            Source::Any => true,
            Source::Stage(stage) => stage.as_str() == source,
            Source::Tags(tags) => self.stages.get(source).is_some_and(|(own, _)| has_all(own, tags)),
        };
        // The only pattern here is a beginning.
        let pattern = rule.participants.user_id.as_ref().map(ToString::to_string);
        from && pattern.is_none_or(|pattern| user.starts_with(pattern.trim_end_matches('*')))
    }

    /// Also a stage that is gone, if the rule names it: what IVS still runs there is wanted, and ends with its publisher.
    fn destinations(&self, rule: &Rule, source: &str) -> BTreeSet<String> {
        let own = self.stages.get(source).map(|(tags, _)| tags);
        let mut found = BTreeSet::new();
        for destination in &rule.destinations {
            match destination {
                Destination::Stage(stage) => drop(found.insert(stage.to_string())),
                Destination::Tags { tags, same } => {
                    for (arn, (there, _)) in self.stages.iter().filter(|(_, (there, _))| has_all(there, tags))
                    {
                        let equal = |key: &String| {
                            own.is_some_and(|own| own.get(key).is_some() && own.get(key) == there.get(key))
                        };
                        if same.iter().all(equal) {
                            found.insert(arn.clone());
                        }
                    }
                }
            }
        }
        found.remove(source);
        found
    }

    /// Whether IVS refuses a Start to there because nobody is there, as it does in some dialects: it is tried again every minute.
    fn is_refused_for_nobody(&self, destination: &str, world: &World) -> bool {
        let session = self.stages.get(destination).is_some_and(|(_, active)| *active);
        !session && world.refuses_empty_destinations()
    }

    /// Whether there is a good reason for it not to run.
    fn is_excused(
        &self,
        (source, who, destination): &Replication,
        want: &Want,
        wanted: &BTreeMap<Replication, Want>,
        others: &BTreeSet<Replication>,
        world: &World,
    ) -> bool {
        let weaker = |runs: &Replication| {
            let other = wanted.get(runs);
            want.preempt
                && !others.contains(runs)
                && other.is_some_and(|other| other.priority < want.priority)
        };
        let own: Vec<_> =
            self.running.iter().filter(|(from, other, _)| from == source && other == who).collect();
        let slots_full = own.len() >= world.policy.slots_per_participant;
        let no_slot = slots_full && !own.iter().any(|runs| weaker(runs));
        let there: Vec<_> = self.running.iter().filter(|(.., to)| to == destination).collect();
        let publishers = self.publishing.keys().filter(|(stage, _)| stage == destination).count();
        let places_full = there.len() + publishers >= PLACES;
        let no_place = places_full && !there.iter().any(|runs| weaker(runs));
        // Who has neither pushes nobody out: it would be in vain on the other side.
        let neither = slots_full && places_full;
        let no_session = self.is_refused_for_nobody(destination, world);
        let gone = !self.stages.contains_key(destination);
        gone || no_slot || no_place || neither || no_session
    }
}

fn acts(rule: &Rule, now: Timestamp) -> bool {
    rule.status == Status::Enabled && rule.expires_at.is_none_or(|at| now < at)
}

fn has_all(own: &Tags, asked: &Tags) -> bool {
    asked.iter().all(|(key, value)| own.get(key) == Some(value))
}
