//! The loop of the controller, cut where others can come in between: read and plan, write, each call, each outcome.
//!
//! It goes as `controller/src/control.rs` does, with nothing decided here. What is not written at once goes in steps of its own, and
//! what waits there is gone if the function is killed.

use std::collections::BTreeMap;
use std::sync::Arc;

use controller::Write;
use replication::budget::counts_for_brake;
use replication::invariant::{Invariant, applied, violations};
use replication::{
    Allowance, Context, Moment, Observation, Outcome, Phase, PublisherKey, Refusal, ReplicationKey,
    SecondWitness, Step, View,
};

use crate::check::Broken;
use crate::ivs::{By, refused, window};
use crate::state::{At, Call, Calling, Function, Pace, Planned, Run, State};
use crate::table::{NotWritten, Stops};
use crate::world::{World, at};

/// More rounds in a row than this are a circle.
const ROUNDS: usize = 20;

/// How IVS answers a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    /// As it does.
    Truly,
    /// Not at all, whether it was done or not.
    NotAtAll {
        /// Whether it was.
        done: bool,
    },
    /// It throttles.
    Throttled,
    /// It denies access.
    Denied,
    /// It refuses for no reason.
    Refused,
    /// With an empty list.
    Empty,
}

impl Answered {
    /// In which ways IVS can answer a call.
    pub(crate) fn all(step: &Step) -> &'static [Self] {
        match step {
            Step::Verify(_) => {
                const { &[Self::Truly, Self::NotAtAll { done: false }, Self::Denied, Self::Empty] }
            }
            Step::Start(_) | Step::Stop(_) => {
                const {
                    &[
                        Self::Truly,
                        Self::NotAtAll { done: false },
                        Self::NotAtAll { done: true },
                        Self::Throttled,
                        Self::Denied,
                        Self::Refused,
                    ]
                }
            }
        }
    }
}

/// One step of the world, being made.
pub(crate) struct Turn<'a> {
    pub(crate) world: &'a World,
    pub(crate) state: State,
    /// The first promise that was not kept.
    pub(crate) broken: Option<Broken>,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(world: &'a World, state: State) -> Self {
        Self { world, state, broken: None }
    }

    pub(crate) fn breaks(&mut self, promise: Invariant, what: impl FnOnce() -> String) {
        if self.broken.is_none() {
            self.broken = Some(Broken { promise, what: what() });
        }
    }

    /// A function is woken for a publisher. If it is slow, it waits between reading and writing.
    pub(crate) fn wake(
        &mut self,
        function: Function,
        publisher: &PublisherKey,
        news: Option<&Observation>,
        witness: Option<&SecondWitness>,
        slowly: bool,
    ) {
        self.state.begun += 1;
        let run = Run {
            holder: format!("{}-{}", function.name, self.state.begun).into(),
            function,
            publisher: publisher.clone(),
            news: news.cloned(),
            witness: witness.cloned(),
            full: BTreeMap::new(),
            planned_at: self.state.now,
            pace: Pace::Prompt,
            at: At::Calling(Box::new(Calling::none(View::empty(publisher.clone())))),
        };
        self.go_on(run, None, slowly);
    }

    /// Reads, unless the view is given as it was stored last; plans, and writes.
    fn go_on(&mut self, mut run: Run, mut stored: Option<View>, slowly: bool) {
        for _ in 0..ROUNDS {
            let (stored, view) = match stored.take() {
                Some(stored) => (stored.clone(), stored),
                None => {
                    let read = self.state.table.load(&run.publisher);
                    if read.is_unconcerned() {
                        return;
                    }
                    let read = View { full: run.full.clone(), ..read };
                    let mut view = read.clone();
                    run.news.iter().for_each(|news| news.fold_into(&mut view, &self.world.policy));
                    (read, view)
                }
            };
            run.planned_at = self.state.now;
            run.pace = if slowly { Pace::Slow } else { Pace::Prompt };
            let planned = self.plan(&run, &stored, &view);
            if slowly && !(planned.write.is_empty() && planned.stops.is_none()) {
                run.at = At::Writing(Box::new(planned));
                return self.state.runs.push(Arc::new(run));
            }
            if self.write(&mut run, planned) {
                return;
            }
        }
        self.breaks(Invariant::Settles, || format!("{} plans {ROUNDS} times in a row", run.holder));
    }

    /// Writes what it has planned, and waits for its calls. Whether it does not have to plan again.
    fn write(&mut self, run: &mut Run, planned: Planned) -> bool {
        let Planned { view, plan, write, stops } = planned;
        match self.state.write(&write, stops.as_ref()) {
            Ok(()) => {}
            Err(NotWritten::Conflict) => return false,
            Err(NotWritten::Full(stages)) => {
                run.full.extend(self.state.table.crowds(stages));
                return false;
            }
        }
        self.check_slots(&run.publisher, &plan.steps);
        let view = write.stored(view);
        self.after_write(&write, &plan.evictions);
        if !plan.steps.is_empty() {
            let calls = plan.steps.into_iter().map(Call::of).collect();
            let sent_at = self.state.now;
            run.at = At::Calling(Box::new(Calling { sent_at, calls, ..Calling::none(view) }));
            self.state.runs.push(Arc::new(run.clone()));
        }
        true
    }

    /// A plan for what it has read, with what must hold of every plan.
    fn plan(&mut self, run: &Run, stored: &View, view: &View) -> Planned {
        let stops = &self.state.table.stops;
        let recent_stops = stops.within_a_minute(at(self.state.now));
        let context = Context {
            now: at(self.state.now),
            policy: &self.world.policy,
            can: run.function.can,
            allowance: Allowance { recent_stops, ..Allowance::UNLIMITED },
            holder: &run.holder,
            witness: run.witness.as_ref(),
        };
        let plan = self.world.plan(view, context);
        self.world.saw(&plan.report);
        let broken = match self.world.spec.sabotage {
            None => violations(view, context, &plan),
            // It would be told by its plans at once. What it leads to has to be seen, too.
            Some(_) => Vec::new(),
        };
        let view = applied(view, &plan);
        let mut write = Write::between(stored, &view);
        if plan.steps.iter().any(|step| matches!(step, Step::Start(_))) {
            // Two who start different replicas of one participant share no replica.
            write.publisher = view.publisher.clone().filter(|_| self.world.guards_slots());
        }
        let counted = plan.steps.iter().filter(|step| counts_for_brake(step)).count();
        let stops = (counted > 0).then(|| Stops { count: counted, planned_with: stops.clone() });
        if let Some(invariant) = broken.first() {
            self.breaks(*invariant, || format!("{} plans:\n{}", run.holder, plan.report));
        }
        Planned { view, plan, write, stops }
    }

    /// A function that was slow writes at last.
    pub(crate) fn write_late(&mut self, number: usize) {
        let mut run = Run::clone(&self.state.runs.remove(number));
        let At::Writing(planned) = run.at.clone() else { return };
        if !self.write(&mut run, *planned) {
            self.go_on(run, None, false);
        }
    }

    /// IVS carries out a call, and answers, the one and the other in its way.
    pub(crate) fn carry_out(&mut self, number: usize, call: usize, answered: Answered) {
        let mut run = Run::clone(&self.state.runs[number]);
        let lease = run.lease(self.world);
        let At::Calling(calling) = &mut run.at else { return };
        let Some(call) = calling.calls.get_mut(call) else { return };
        let now = self.state.now;
        let left_out = match answered {
            Answered::Truly | Answered::Empty | Answered::NotAtAll { done: true } => None,
            Answered::NotAtAll { done: false } => {
                Some(refused(Refusal::Unavailable, "Timeout", "no answer in time"))
            }
            Answered::Throttled => {
                let refusal = Refusal::Throttled { retry_after: None };
                Some(refused(refusal, "ThrottlingException", "slow down"))
            }
            Answered::Denied => Some(refused(Refusal::AccessDenied, "AccessDeniedException", "no leave")),
            Answered::Refused => Some(crate::ivs::rejected(replication::Rejection::Conflict, "not now")),
        };
        let unheard = (answered == Answered::NotAtAll { done: true })
            .then(|| refused(Refusal::Unavailable, "Timeout", "no answer in time"));
        let (outcome, told) = match (&call.step, left_out) {
            (Step::Start(request), left_out) => {
                self.check_call(&request.key, Phase::Starting, &lease);
                self.check_start(&request.key);
                let (result, told) = match left_out {
                    Some(error) => (Err(error), Vec::new()),
                    None => {
                        let window = window(request);
                        self.state.ivs.start(self.world, &request.key, window, By::Us, now)
                    }
                };
                if matches!(answered, Answered::NotAtAll { .. }) {
                    self.is_unclear(&request.key);
                }
                (Outcome::Start(request.key.clone(), unheard.map_or(result, Err)), told)
            }
            (Step::Stop(request), left_out) => {
                self.check_call(&request.key, Phase::Stopping, &lease);
                self.check_stop(&request.key, &calling.view);
                let (result, told) = match left_out {
                    Some(error) => (Err(error), Vec::new()),
                    None => self.state.ivs.stop(self.world, &request.key, now),
                };
                (Outcome::Stop(request.key.clone(), unheard.map_or(result, Err)), told)
            }
            (Step::Verify(keys), left_out) => {
                let listed = match answered {
                    Answered::Empty => Vec::new(),
                    _ => self.state.ivs.listed(self.world, &run.publisher),
                };
                let result = left_out.or(unheard).map_or(Ok(listed), Err);
                (Outcome::Verify(keys.clone(), result), Vec::new())
            }
        };
        call.answer = Some((outcome, Moment::between(at(calling.sent_at), at(now))));
        self.state.runs[number] = Arc::new(run);
        self.send(told);
    }

    /// A function writes what a call came to. If it was the last one, it plans again.
    pub(crate) fn record(&mut self, number: usize, call: usize) {
        let mut run = Run::clone(&self.state.runs[number]);
        let lease = run.lease(self.world);
        let At::Calling(calling) = &mut run.at else { return };
        let Some(call) = calling.calls.get_mut(call) else { return };
        let Some((outcome, took)) = &call.answer else { return };
        call.is_recorded = true;
        let mut before = calling.view.clone();
        loop {
            let mut after = before.clone();
            outcome.apply(&mut after, &lease, *took, &self.world.policy);
            let write = Write::between(&before, &after);
            if self.state.write(&write, None).is_ok() {
                let stored = write.stored(View { replicas: Vec::new(), ..after });
                stored.replicas.into_iter().for_each(|replica| calling.after.put(replica));
                self.after_write(&write, &[]);
                break;
            }
            calling.interfered = true;
            before = self.state.table.load(&run.publisher);
        }
        if !calling.calls.iter().all(|call| call.is_recorded) {
            self.state.runs[number] = Arc::new(run);
            return;
        }
        let stored = (!calling.interfered).then(|| calling.after.clone());
        self.state.runs.remove(number);
        self.go_on(run, stored, false);
    }

    /// A function is killed, and takes with it what it knew.
    pub(crate) fn kill(&mut self, number: usize) {
        let run = self.state.runs.remove(number);
        self.unrecorded(&run);
    }

    /// A function takes longer.
    pub(crate) fn slow_down(&mut self, number: usize, pace: Pace) {
        let mut run = Run::clone(&self.state.runs[number]);
        if pace == Pace::Late {
            self.unrecorded(&run);
        }
        run.pace = pace;
        self.state.runs[number] = Arc::new(run);
    }

    /// What came of its calls is not written while its lease lasts. So nobody can tell whose it is that runs since.
    fn unrecorded(&mut self, run: &Run) {
        for call in run.calls().iter().filter(|call| !call.is_recorded) {
            if let Step::Start(request) = &call.step {
                self.is_unclear(&request.key);
            }
        }
    }

    fn is_unclear(&mut self, key: &ReplicationKey) {
        if let Some(replication) = self.state.ivs.replication_mut(self.world, key) {
            replication.is_unclear = true;
        }
    }
}

impl Calling {
    fn none(view: View) -> Self {
        Self { after: view.clone(), view, interfered: false, sent_at: 0, calls: Vec::new() }
    }
}

impl Call {
    fn of(step: Step) -> Self {
        Self { step, answer: None, is_recorded: false }
    }
}
