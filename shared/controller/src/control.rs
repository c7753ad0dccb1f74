//! The one loop: observe, plan, record the intent, execute, record the outcome.
//!
//! # Guarantees
//! * Every mutating call has its intent in the store before it, and its outcome after it.
//! * What a plan depends on and is not known is asked first, if it may be; what has no answer stays as it is.
//! * Killed after any await, the next one who looks finds a lease that ends by itself, and has the doubt verified.
//!
//! # Caveats
//! * The loop waits for what falls due within its [`Patience`]; what is due later is in the store, for others to do.

mod asking;
mod executing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use replication::invariant::{Invariant, applied, forbids};
use replication::{
    Allowance, BlockedReason, CallError, Context, Crowd, Desired, Observation, Phase, Plan, Policy,
    PublisherKey, Refusal, Replica, Report, SecondWitness, StageArn, Step, View, plan,
};
use tracing::{debug, info, warn};

use crate::placement::Placement;
use crate::{Calls, CallsLeft, Clock, Measure, Store, StoreError, Write, calls_left};
use asking::Answers;

/// How often a lost race is run again before the event is given back.
pub(crate) const MAX_CONFLICTS: u32 = 20;

/// From how many lost races on it asks for no call any more, and leaves the work due: as many calls as the budget has went to
/// others meanwhile, and without them there is less to lose a race for.
const MODEST_AFTER: u32 = 8;

/// Reacts to news, whatever brought it.
pub struct Controller {
    /// The one table.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The IVS calls it may make.
    pub calls: Calls,
    /// Limits and spans of time.
    pub policy: Policy,
    /// How long it waits for what falls due.
    pub patience: Patience,
    /// The call budget.
    pub calls_left: CallsLeft,
    /// Takes in how starts and stops went.
    pub measure: Arc<dyn Measure>,
}

/// How long one invocation waits for what falls due: short waits are cheaper than waking up again.
#[derive(Debug, Clone, Copy)]
pub struct Patience(pub Duration);

impl Default for Patience {
    /// 10 s.
    fn default() -> Self {
        Self(Duration::from_secs(10))
    }
}

/// Who asks, and how long there is time.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The Lambda request id; leases are held by it.
    pub id: String,
    /// When the answer must be there.
    pub deadline: Timestamp,
}

/// What became of a piece of news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handled {
    /// No rule speaks of the stage and nothing is known of the publisher: nothing was written.
    Unconcerned,
    /// All is as it should be.
    Settled(Report),
    /// All that can be done now is done; more is due at that time, and the store says so.
    Deferred(Report, Timestamp),
}

/// News that could not be handled. It should be delivered again later.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// Others kept changing the same items.
    #[error("{publisher}: lost {MAX_CONFLICTS} races for the same items")]
    Contended {
        /// The publisher.
        publisher: PublisherKey,
    },
    /// Time ran out before IVS gave an answer that settles it.
    #[error("{publisher}: not settled in time, next attempt at {next}: {why}")]
    Unsettled {
        /// The publisher.
        publisher: PublisherKey,
        /// When it should be tried again.
        next: Timestamp,
        /// The replications that are not settled, and their last errors.
        why: String,
    },
    /// A plan would have broken what must always hold. Nothing of it was written, and no call was made: this is a fault of ours.
    #[error("{publisher}: a plan would break {}; nothing of it was done", ids(.invariants))]
    Forbidden {
        /// The publisher.
        publisher: PublisherKey,
        /// What it would have broken.
        invariants: Vec<Invariant>,
    },
}

impl Controller {
    /// Takes in the news and brings its publisher's replications to what the rules want.
    ///
    /// # Errors
    /// See [`Error`]; nothing is lost then, and delivering the news again is safe.
    pub async fn handle(&self, news: &Observation, invocation: &Invocation) -> Result<Handled, Error> {
        self.reconcile(&news.publisher(), Some(news), invocation).await
    }

    /// Brings a publisher's replications to what the rules want, with or without news of it.
    ///
    /// # Errors
    /// See [`Error`]; nothing is lost then, and trying again is safe.
    pub async fn reconcile(
        &self,
        publisher: &PublisherKey,
        news: Option<&Observation>,
        invocation: &Invocation,
    ) -> Result<Handled, Error> {
        self.run(publisher, news, Carried::default(), invocation).await
    }

    /// Like [`Controller::handle`], of somebody whom a sweep saw at a destination: there they take a place, also where no rule speaks of
    /// the stage that they come from.
    ///
    /// # Errors
    /// See [`Error`]; nothing is lost then, and trying again is safe.
    pub async fn take_in(&self, news: &Observation, invocation: &Invocation) -> Result<Handled, Error> {
        let carried = Carried { takes_a_place: true, ..Carried::default() };
        self.run(&news.publisher(), Some(news), carried, invocation).await
    }

    /// Like [`Controller::reconcile`], with what a sweep says of the publisher from readings of its own.
    ///
    /// # Errors
    /// See [`Error`]; nothing is lost then, and trying again is safe.
    pub async fn confirm(
        &self,
        publisher: &PublisherKey,
        witness: &SecondWitness,
        invocation: &Invocation,
    ) -> Result<Handled, Error> {
        let carried = Carried { witness: Some(witness), ..Carried::default() };
        self.run(publisher, None, carried, invocation).await
    }

    async fn run(
        &self,
        publisher: &PublisherKey,
        news: Option<&Observation>,
        mut carried: Carried<'_>,
        invocation: &Invocation,
    ) -> Result<Handled, Error> {
        let until = self.wait_until(invocation);
        let mut polls = 0;
        loop {
            match self.round(publisher, news, &mut carried, invocation, until).await? {
                Round::Done(handled) => return Ok(handled),
                Round::Full(crowds) => carried.full.extend(crowds),
                Round::Conflict => {
                    carried.conflicts += 1;
                    let conflicts = carried.conflicts;
                    if conflicts > MAX_CONFLICTS {
                        return Err(Error::Contended { publisher: publisher.clone() });
                    }
                    debug!(conflicts, "lost a race, planning again");
                    let now = self.clock.now();
                    let aside = step_aside(conflicts, stamp(&invocation.id, publisher, now));
                    self.clock.sleep_until(now.checked_add(aside).unwrap_or(now)).await;
                    if self.calls_left.limit.is_some() {
                        self.calls_left.read(self.store.budgets().await?);
                    }
                }
                Round::Wait { due, leased } => {
                    // Somebody else's call may be over long before its lease ends: look again soon.
                    let pause = SignedDuration::from_millis(50 << polls.min(4));
                    let poll = self.clock.now().checked_add(pause).unwrap_or(due);
                    polls += 1;
                    carried.full.clear();
                    self.clock.sleep_until(if leased { due.min(poll) } else { due }).await;
                }
            }
        }
    }

    pub(crate) fn placement(&self) -> Placement<'_> {
        Placement { store: &*self.store, clock: &*self.clock, policy: &self.policy }
    }

    fn wait_until(&self, invocation: &Invocation) -> Timestamp {
        let patience = SignedDuration::try_from(self.patience.0).unwrap_or(SignedDuration::MAX);
        let patient = self.clock.now().checked_add(patience).unwrap_or(Timestamp::MAX);
        patient.min(invocation.deadline)
    }

    /// Reads once, then plans and executes until there is nothing left to do, or somebody else interferes.
    async fn round(
        &self,
        publisher: &PublisherKey,
        news: Option<&Observation>,
        carried: &mut Carried<'_>,
        invocation: &Invocation,
        until: Timestamp,
    ) -> Result<Round, Error> {
        let stored = self.store.load(publisher).await?;
        if stored.is_unconcerned() && !carried.takes_a_place {
            return Ok(Round::Done(Handled::Unconcerned));
        }
        let mut stored = View { full: carried.full.clone(), ..stored };
        let mut view = stored.clone();
        if let Some(news) = news {
            news.fold_into(&mut view, &self.policy);
        }
        let mut learnt = carried.answers.fold_into(&mut view, &self.policy);
        loop {
            let now = self.clock.now();
            let modest = carried.conflicts >= MODEST_AFTER;
            let allowance = if modest { Allowance::NONE } else { self.calls_left.allowance(now) };
            let context = Context {
                now,
                policy: &self.policy,
                can: carried.answers.left(self.calls.capabilities()),
                allowance,
                holder: &invocation.id,
                witness: carried.witness,
            };
            let plan = plan(&view, context);
            if !plan.asks.is_empty() {
                let Some(asked) =
                    self.ask(&plan.asks, &stored, view, invocation, &mut carried.answers).await?
                else {
                    return Ok(Round::Conflict);
                };
                (stored, view) = (asked.clone(), asked);
                learnt = carried.answers.fold_into(&mut view, &self.policy).or(learnt);
                continue;
            }
            let invariants = forbids(&view, context, &plan);
            if !invariants.is_empty() {
                invariants.iter().for_each(|invariant| self.measure.forbidden(*invariant));
                return Err(Error::Forbidden { publisher: publisher.clone(), invariants });
            }
            view = applied(&view, &plan);
            let mut write = Write { stage: learnt.take(), ..Write::between(&stored, &view) };
            if plan.steps.iter().any(|step| matches!(step, Step::Start(_))) {
                // Two who start different replicas of one participant share no replica; they must not both take its last slot.
                write.publisher = view.publisher.clone();
            }
            write.budgets = self.calls_left.spend_on(&plan.steps, now, stamp(&invocation.id, publisher, now));
            if !write.is_empty() {
                match self.store.write(&write).await {
                    Ok(()) => {
                        self.calls_left.written(&write.budgets);
                        view = write.stored(view);
                        self.placement().after(&write, &plan.evictions).await;
                    }
                    Err(StoreError::Conflict) => return Ok(Round::Conflict),
                    Err(StoreError::DestinationFull { stages }) => {
                        return Ok(Round::Full(self.placement().crowds(stages).await?));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            let braked = plan.changes.iter().filter(|change| change.is_held_by_brake()).count();
            if braked > 0 {
                warn!(braked, "the brake on mass stops holds replicas");
            }
            info!(plan = %plan.report, steps = plan.steps.len(), "planned");
            if plan.steps.is_empty() {
                if let Some(due) = self.next_ask(&view, &plan, context).filter(|due| *due <= until) {
                    return Ok(Round::Wait { due, leased: false });
                }
                return self.rest(plan, &view, now, until);
            }
            match self.execute(&plan.steps, &view, now, invocation).await? {
                Some(after) => view = after,
                None => return Ok(Round::Conflict),
            }
            stored = view.clone();
        }
    }

    /// Nothing to call right now: done, or worth waiting for, or left to others.
    fn rest(&self, plan: Plan, view: &View, now: Timestamp, until: Timestamp) -> Result<Round, Error> {
        let Some(due) = plan.wake_at else {
            let left_to_others = view.replicas.iter().filter_map(Replica::due).min();
            return Ok(Round::Done(match left_to_others {
                Some(due) => Handled::Deferred(plan.report, due),
                None => Handled::Settled(plan.report),
            }));
        };
        let leased = view.replicas.iter().any(|replica| replica.is_leased(now));
        if due <= until || leased && now < until {
            return Ok(Round::Wait { due: due.min(until), leased });
        }
        let unsettled: Vec<_> =
            view.replicas.iter().filter(|replica| self.is_unsettled(replica, now)).collect();
        if unsettled.is_empty() {
            return Ok(Round::Done(Handled::Deferred(plan.report, due)));
        }
        let why = unsettled.iter().map(|replica| describe(replica)).collect::<Vec<_>>().join("; ");
        Err(Error::Unsettled { publisher: view.key.clone(), next: due, why })
    }

    /// Whether the event has to come again for this replication: it is in the middle of something that is ours to finish,
    /// or of a call by somebody who may not have read this news, and whose outcome takes the due time out of the store.
    fn is_unsettled(&self, replica: &Replica, now: Timestamp) -> bool {
        let can = self.calls.capabilities();
        match &replica.phase {
            _ if replica.is_leased(now) => true,
            Phase::Starting | Phase::Stopping => can.verify,
            Phase::Pending => can.start,
            Phase::Active => can.stop && replica.desired == Desired::Released && replica.attempts > 0,
            Phase::Blocked(blocked) => can.start && blocked.reason == BlockedReason::Throttled,
            Phase::Stopped => false,
        }
    }
}

/// How long who lost so many races lets others go first, drawn evenly from 0 ms to 10 ms, and to twice that with every further
/// race, up to 160 ms: of those who lost together, each comes back alone.
fn step_aside(conflicts: u32, draw: u64) -> SignedDuration {
    let longest_us = 5_000_u64 << conflicts.min(5);
    SignedDuration::from_micros(i64::try_from(draw % longest_us).unwrap_or(0))
}

/// The stamp of a call for a publisher.
fn stamp(holder: &str, publisher: &PublisherKey, now: Timestamp) -> u64 {
    let (stage, participant) = (publisher.stage.as_str(), publisher.participant.as_str());
    calls_left::stamp([holder, stage, participant].into_iter().flat_map(str::bytes), now)
}

/// What goes along from round to round.
#[derive(Default)]
struct Carried<'a> {
    /// Races that were lost.
    conflicts: u32,
    /// What was answered: nothing is asked twice.
    answers: Answers,
    /// What a sweep says from readings of its own.
    witness: Option<&'a SecondWitness>,
    /// Whether the news matters wherever its publisher comes from.
    takes_a_place: bool,
    /// Destinations that had no place left.
    full: BTreeMap<StageArn, Crowd>,
}

/// What one round came to.
enum Round {
    Done(Handled),
    Conflict,
    Full(BTreeMap<StageArn, Crowd>),
    Wait { due: Timestamp, leased: bool },
}

fn ids(invariants: &[Invariant]) -> String {
    invariants.iter().map(|invariant| invariant.id()).collect::<Vec<_>>().join(", ")
}

fn describe(replica: &Replica) -> String {
    let error = replica.last_error.as_ref().map(|error| format!(", {}: {}", error.code, error.message));
    format!("{} {}{}", replica.key.destination, replica.phase, error.unwrap_or_default())
}

/// The planner never asks for a call the executor was not given; if it did, this would be its outcome.
fn not_allowed() -> CallError {
    CallError {
        refusal: Refusal::AccessDenied,
        code: "NotGiven".to_owned(),
        message: "this function was not given that call".to_owned(),
        request_id: None,
    }
}
