//! What can happen next: the ordinary course of things, what people do, and what goes wrong.

use std::collections::BTreeSet;
use std::sync::Arc;

use replication::{Observation, Pause, PublisherKey, Rule, Source, Status};

use crate::check::Broken;
use crate::control::{Answered, Turn};
use crate::ivs::By;
use crate::spec::{Doing, Sabotage, Trouble};
use crate::state::{At, Function, Letter, Message, Pace, Run, State};
use crate::sweep::Sweeping;
use crate::world::{LEASE, World, at};

/// One step. Messages, functions under way and calls are named by their places in the state before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A message is delivered, in one way or another.
    Deliver(usize, Delivery),
    /// `dispatch` does what is due for a publisher. If it is slow, others come between its reading and its writing.
    Dispatch(PublisherKey, bool),
    /// A function that was slow writes.
    Write(usize),
    /// IVS carries out a call of a function, and answers.
    Call(usize, usize, Answered),
    /// A function writes what a call came to.
    Record(usize, usize),
    /// A function takes longer.
    Slow(usize, Pace),
    /// A function is killed.
    Kill(usize),
    /// `reconcile` sweeps.
    Sweep(Sweeping),
    /// Time passes.
    Tick,
    /// A replica fails at its destination.
    Fail(usize),
    /// A participant begins to publish, or stops.
    Publish(usize, bool),
    /// A rule is paused, or resumed.
    PauseRule(usize),
    /// A rule is deleted, or put back.
    DeleteRule(usize),
    /// An operator pauses everything, or resumes it.
    PauseAll,
    /// Somebody else starts a replication.
    Others(usize),
}

/// How a message is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Once.
    Once,
    /// Now, and again later.
    Twice,
    /// To a function that is slow between reading and writing.
    Slowly,
    /// Not now: it is late.
    Late,
    /// Not at all: it is lost.
    Never,
}

impl Step {
    /// What goes wrong with it, if anything does.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        Some(match self {
            Self::Deliver(_, Delivery::Never) => Trouble::Lost,
            Self::Deliver(_, Delivery::Late) => Trouble::Late,
            Self::Deliver(_, Delivery::Twice) => Trouble::Doubled,
            Self::Deliver(_, Delivery::Slowly) | Self::Dispatch(_, true) => Trouble::SlowWrite,
            Self::Call(_, _, Answered::NotAtAll { .. }) => Trouble::Unanswered,
            Self::Call(_, _, Answered::Throttled) => Trouble::Throttled,
            Self::Call(_, _, Answered::Denied) => Trouble::Denied,
            Self::Call(_, _, Answered::Refused) => Trouble::Refused,
            Self::Call(_, _, Answered::Empty) => Trouble::ListsLie,
            Self::Sweep(Sweeping::Blindly | Sweeping::HalfBlindly) => Trouble::ListsLie,
            Self::Sweep(Sweeping::Slowly) => Trouble::SlowSweep,
            Self::Slow(_, Pace::Late) => Trouble::SlowRecord,
            Self::Slow(..) => Trouble::SlowCall,
            Self::Kill(_) => Trouble::Killed,
            Self::Fail(_) => Trouble::FailsLater,
            _ => return None,
        })
    }

    /// What somebody does with it, if anybody does anything.
    fn doing(&self) -> Option<Doing> {
        Some(match self {
            Self::Publish(..) => Doing::Publish,
            Self::PauseRule(_) => Doing::PauseRule,
            Self::DeleteRule(_) => Doing::DeleteRule,
            Self::PauseAll => Doing::PauseAll,
            Self::Others(_) => Doing::Others,
            _ => return None,
        })
    }

    /// Whether it belongs to the ordinary course of things: nobody does anything, and nothing goes wrong.
    pub(crate) fn is_calm(&self) -> bool {
        self.trouble().is_none() && self.doing().is_none()
    }

    /// Whether a Start or Stop reaches IVS with it.
    pub(crate) fn acts(&self, before: &State) -> bool {
        let Self::Call(run, call, _) = self else { return false };
        let call = before.runs.get(*run).and_then(|run| run.calls().get(*call));
        call.is_some_and(|call| !matches!(call.step, replication::Step::Verify(_)))
    }
}

/// Every step that can be made, with the state after it.
pub(crate) fn next<'a>(
    world: &'a World,
    state: &'a State,
) -> impl Iterator<Item = (Step, Result<State, Broken>)> + use<'a> {
    let mut steps = Vec::new();
    of_messages(state, &mut steps);
    state.runs.iter().enumerate().for_each(|(i, run)| of_run(i, run, &mut steps));
    of_due_work(state, &mut steps);
    of_sweeps(world, &mut steps);
    of_time(world, state, &mut steps);
    of_people(world, state, &mut steps);
    let can_be = |step: &Step| {
        let troubles = state.faults_left > 0;
        let does = state.doings_left > 0;
        step.trouble().is_none_or(|trouble| troubles && world.spec.troubles.contains(&trouble))
            && step.doing().is_none_or(|doing| does && world.may(doing))
    };
    steps.into_iter().filter(can_be).filter_map(|step| {
        let then = after(world, state, &step)?;
        Some((step, then))
    })
}

fn of_messages(state: &State, steps: &mut Vec<Step>) {
    for (i, letter) in state.mail.iter().enumerate() {
        let ways = [Delivery::Once, Delivery::Twice, Delivery::Slowly, Delivery::Never];
        steps.extend(ways.map(|how| Step::Deliver(i, how)));
        steps.extend((!letter.is_late).then_some(Step::Deliver(i, Delivery::Late)));
    }
}

fn of_run(number: usize, run: &Run, steps: &mut Vec<Step>) {
    steps.push(Step::Kill(number));
    let At::Calling(calling) = &run.at else { return steps.push(Step::Write(number)) };
    for (i, call) in calling.calls.iter().enumerate().filter(|(_, call)| !call.is_recorded) {
        match &call.answer {
            None => {
                steps.extend(Answered::all(&call.step).iter().map(|how| Step::Call(number, i, *how)));
            }
            Some(_) => steps.push(Step::Record(number, i)),
        }
    }
    let all_answered = calling.calls.iter().all(|call| call.answer.is_some());
    match run.pace {
        Pace::Prompt if !all_answered => steps.push(Step::Slow(number, Pace::Slow)),
        Pace::Prompt | Pace::Slow if all_answered => steps.push(Step::Slow(number, Pace::Late)),
        _ => {}
    }
}

fn of_due_work(state: &State, steps: &mut Vec<Step>) {
    let rows = state.table.replicas.values();
    let due = rows.filter(|row| row.due().is_some_and(|due| due <= at(state.now)));
    let publishers: BTreeSet<_> = due.map(|row| row.key.publisher()).collect();
    for publisher in publishers {
        steps.push(Step::Dispatch(publisher.clone(), false));
        steps.push(Step::Dispatch(publisher, true));
    }
}

fn of_sweeps(world: &World, steps: &mut Vec<Step>) {
    if world.spec.sabotage != Some(Sabotage::NeverSweeps) {
        let ways = [Sweeping::Well, Sweeping::Blindly, Sweeping::HalfBlindly, Sweeping::Slowly];
        steps.extend(ways.map(Step::Sweep));
    }
}

/// Time passes once everything is done that has to be by then.
fn of_time(world: &World, state: &State, steps: &mut Vec<Step>) {
    let may_wait = |run: &Arc<Run>| match run.pace {
        Pace::Prompt => false,
        Pace::Slow => state.now - run.planned_at < LEASE - 1,
        Pace::Late => true,
    };
    if state.mail.iter().all(|letter| letter.is_late) && state.runs.iter().all(may_wait) {
        steps.push(Step::Tick);
    }
    let ours = |i: &usize| state.ivs.replications[*i].by == Some(By::Us);
    steps.extend((0..world.replications.len()).filter(ours).map(Step::Fail));
}

fn of_people(world: &World, state: &State, steps: &mut Vec<Step>) {
    if state.mail.len() >= world.mail {
        return;
    }
    steps.extend(state.ivs.people.iter().enumerate().map(|(i, person)| Step::Publish(i, !person.publishes)));
    steps.extend((0..world.rules.len()).map(Step::PauseRule));
    steps.extend((0..world.rules.len()).map(Step::DeleteRule));
    steps.push(Step::PauseAll);
    let startable = |i: &usize| {
        let person = world.people.iter().position(|person| *person == world.replications[*i].publisher());
        let publishes = person.is_some_and(|person| state.ivs.people[person].publishes);
        publishes && state.ivs.replications[*i].by.is_none()
    };
    steps.extend((0..world.replications.len()).filter(startable).map(Step::Others));
}

/// The state after a step; nothing, if it cannot be made now.
fn after(world: &World, before: &State, step: &Step) -> Option<Result<State, Broken>> {
    let mut turn = Turn::new(world, before.clone());
    turn.state.faults_left -= u8::from(step.trouble().is_some());
    turn.state.doings_left -= u8::from(step.doing().is_some());
    turn.take(step);
    match turn.broken {
        Some(broken) => Some(Err(broken)),
        None => (turn.state.runs.len() <= world.busy).then_some(Ok(turn.state)),
    }
}

impl Turn<'_> {
    fn take(&mut self, step: &Step) {
        let now = self.state.now;
        match step {
            Step::Deliver(i, how) => self.post(*i, *how),
            Step::Dispatch(publisher, slowly) => {
                self.wake(Function::DISPATCH, publisher, None, None, *slowly);
            }
            Step::Write(run) => self.write_late(*run),
            Step::Call(run, call, how) => self.carry_out(*run, *call, *how),
            Step::Record(run, call) => self.record(*run, *call),
            Step::Slow(run, pace) => self.slow_down(*run, *pace),
            Step::Kill(run) => self.kill(*run),
            Step::Sweep(how) => self.sweep(*how),
            Step::Tick => {
                self.state.now += 1;
                let told = self.state.ivs.end_what_is_over(self.world, now + 1);
                self.send(told);
            }
            Step::Fail(number) => {
                let told = self.state.ivs.fail(self.world, *number, now);
                self.send(told);
            }
            Step::Publish(who, publishes) => {
                let told = self.state.ivs.publish(self.world, *who, *publishes, now);
                self.send(told);
            }
            Step::PauseRule(number) => self.change_rule(*number, |rule| {
                let status = match rule?.status {
                    Status::Enabled => Status::Paused,
                    Status::Paused => Status::Enabled,
                };
                rule.map(|rule| Rule { status, ..rule.clone() })
            }),
            Step::DeleteRule(number) => {
                let original = &self.world.rules[*number];
                self.change_rule(*number, |rule| rule.is_none().then(|| original.clone()));
            }
            Step::PauseAll => {
                let pause = Pause { reason: String::new(), by: String::new(), at: at(0) };
                let table = self.state.table_mut();
                table.pause = table.pause.is_none().then_some(pause);
            }
            Step::Others(number) => {
                let key = &self.world.replications[*number];
                let (_, told) = self.state.ivs.start(self.world, key, 0, By::Others, now);
                self.send(told);
            }
        }
    }

    /// Changes a rule, which has a new revision then. If that makes no difference, nobody hears of it.
    fn change_rule(&mut self, number: usize, change: impl FnOnce(Option<&Rule>) -> Option<Rule>) {
        let original = &self.world.rules[number];
        let rules = &self.state.table.rules;
        let known = rules.iter().find(|rule| rule.id == original.id);
        let changed = change(known);
        if known.is_none() && changed.is_none() {
            return;
        }
        let revision = 1 + u64::from(self.world.spec.doings - self.state.doings_left);
        let changed = changed.map(|rule| Rule { revision, ..rule });
        let others = rules.iter().filter(|rule| rule.id != original.id).cloned();
        let mut rules: Vec<_> = others.chain(changed).collect();
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        self.state.table_mut().rules = Arc::new(rules);
        if let Source::Stage(stage) = &original.source
            && !self.world.spec.deaf
        {
            let message = Arc::new(Message::Rules(stage.clone()));
            self.state.mail.push(Letter { message, is_late: false });
        }
    }

    fn post(&mut self, number: usize, how: Delivery) {
        match how {
            Delivery::Late => self.state.mail[number].is_late = true,
            Delivery::Never => drop(self.state.mail.remove(number)),
            Delivery::Once | Delivery::Slowly => {
                let letter = self.state.mail.remove(number);
                self.deliver(&letter.message, how == Delivery::Slowly);
            }
            Delivery::Twice => {
                let letter = self.state.mail[number].clone();
                self.deliver(&letter.message, false);
            }
        }
    }

    fn deliver(&mut self, message: &Message, slowly: bool) {
        match message {
            Message::Event(news) => {
                let news = self.world.decode(news);
                self.wake(Function::of(&news), &news.publisher(), Some(&news), None, slowly);
            }
            Message::Read(news) => {
                self.wake(Function::RECONCILE, &news.publisher(), Some(news), None, slowly);
            }
            Message::Rules(stage) => {
                let of_rows = self.state.table.replicas.keys().map(replication::ReplicationKey::publisher);
                let known = self.state.table.publishers.keys().cloned().chain(of_rows);
                let publishers: BTreeSet<_> = known.filter(|publisher| publisher.stage == *stage).collect();
                for publisher in &publishers {
                    self.wake(Function::RULE_CHANGED, publisher, None, None, slowly);
                }
            }
        }
    }

    /// IVS tells of something.
    pub(crate) fn send(&mut self, told: Vec<Observation>) {
        if !self.world.spec.deaf {
            let letters = told.into_iter().map(|news| Arc::new(Message::Event(news)));
            self.state.mail.extend(letters.map(|message| Letter { message, is_late: false }));
        }
    }
}
