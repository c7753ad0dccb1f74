//! What happened on the way to what must not be, step by step, for people to read.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt::Write as _;

use jiff::Timestamp;
use replication::invariant::Invariant;
use replication::{
    Evidence, Moment, Observation, Outcome, Phase, Publisher, PublisherKey, Replica, ReplicationKey, StageArn,
};

use crate::check::{Broken, wrong};
use crate::control::Answered;
use crate::explore::{Found, Space};
use crate::ivs::By;
use crate::state::{Message, Pace, State};
use crate::step::{self, Delivery, Step};
use crate::sweep::Sweeping;
use crate::world::{World, tick_of};

/// How far to look for a circle, in states.
const FAR: usize = 100_000;

/// The story of what was found: every step with what it changed, and in the end what is wrong.
pub fn story(world: &World, found: &Found<Broken>) -> String {
    let way = match found {
        Found::Broken(way, _) | Found::NeverWell(way) | Found::NeverRests(way) => way,
    };
    let mut told = String::new();
    let mut state = State::of(world);
    for number in way {
        let Some((step, then)) = step::next(world, &state).nth(*number) else { break };
        match then {
            Ok(then) => {
                told += &one(world, &state, &step, &then);
                state = then;
            }
            Err(_) => told += &headline(world, &state, &step),
        }
    }
    told + &match found {
        Found::Broken(_, broken) => format!("\n{broken}\n"),
        Found::NeverWell(_) => {
            let wrong = wrong(world, &state).join("\n  ");
            let id = Invariant::Settles.id();
            format!("\n{id}: from here on, the ordinary course of things never ends well:\n  {wrong}\n")
        }
        Found::NeverRests(_) => {
            let id = Invariant::Stays.id();
            format!("\n{id}: from here on, calls are made for ever:\n{}", circle(world, &state))
        }
    }
}

/// The shortest way by the ordinary course of things from a state to itself, on which a Start or a Stop is called.
fn circle(world: &World, first: &State) -> String {
    let goal = world.fingerprint(first);
    let mut seen = HashSet::from([(goal, false)]);
    let mut line = VecDeque::from([(first.clone(), false, String::new())]);
    while let Some((state, acted, told)) = line.pop_front() {
        for (step, then) in step::next(world, &state).filter(|(step, _)| step.is_calm()) {
            let Ok(then) = then else { continue };
            let acted = acted || step.acts(&state);
            let fingerprint = world.fingerprint(&then);
            let closes = acted && fingerprint == goal;
            let is_new = seen.insert((fingerprint, acted));
            if seen.len() > FAR || !(is_new || closes) {
                continue;
            }
            let told = format!("{told}{}", one(world, &state, &step, &then));
            if closes {
                return told;
            }
            line.push_back((then, acted, told));
        }
    }
    String::new()
}

/// One step, and what it changed.
fn one(world: &World, before: &State, step: &Step, after: &State) -> String {
    let mut told = headline(world, before, step);
    let mut line = |what: String| {
        let _ = writeln!(told, "         {what}");
    };
    for (i, key) in world.replications.iter().enumerate() {
        let (was, is) = (before.ivs.replications[i].by, after.ivs.replications[i].by);
        if was != is {
            line(format!("IVS: {} {}", replication(key), runs(is)));
        }
    }
    let keys: BTreeMap<_, _> = before.table.publishers.iter().chain(&after.table.publishers).collect();
    for key in keys.into_keys() {
        let of = |state: &State| state.table.publishers.get(key).map(|row| publisher_row(row));
        if let Some(is) = of(after).filter(|is| of(before).as_ref() != Some(is)) {
            line(format!("table: {} {is}", publisher(key)));
        }
    }
    let keys: BTreeMap<_, _> = before.table.replicas.iter().chain(&after.table.replicas).collect();
    for key in keys.into_keys() {
        let of = |state: &State| state.table.replicas.get(key).map(|row| row_of(row));
        if let Some(is) = of(after).filter(|is| of(before).as_ref() != Some(is)) {
            line(format!("table: {} {is}", replication(key)));
        }
    }
    told
}

/// `12   IVS starts p1 A→B, and answers: ok`
fn headline(world: &World, before: &State, step: &Step) -> String {
    let trouble = step.trouble().map_or(String::new(), |trouble| format!("   [{trouble}]"));
    format!("tick {:<3} {}{trouble}\n", before.now, what(world, before, step))
}

fn what(world: &World, before: &State, step: &Step) -> String {
    let holder = |run: &usize| before.runs.get(*run).map_or("", |run| &*run.holder).to_owned();
    match step {
        Step::Deliver(i, how) => {
            let message = message(&before.mail[*i].message);
            let how = match how {
                Delivery::Once => "comes",
                Delivery::Twice => "comes, and will come again",
                Delivery::Slowly => "comes to a function that is slow to write",
                Delivery::Late => "is late",
                Delivery::Never => "is lost",
            };
            format!("\"{message}\" {how}")
        }
        Step::Dispatch(who, slowly) => {
            let slowly = if *slowly { ", and is slow to write" } else { "" };
            format!("dispatch does what is due for {}{slowly}", publisher(who))
        }
        Step::Write(run) => format!("{} writes at last", holder(run)),
        Step::Call(run, call, how) => called(before, *run, *call, *how),
        Step::Record(run, call) => {
            let answer = before.runs[*run].calls()[*call].answer.as_ref();
            let outcome = answer.map_or(String::new(), |(outcome, _)| outcome_of(outcome));
            format!("{} writes the outcome: {outcome}", holder(run))
        }
        Step::Slow(run, Pace::Late) => {
            format!("{} takes longer than its lease to write the outcome", holder(run))
        }
        Step::Slow(run, _) => format!("the call of {} takes almost as long as its lease", holder(run)),
        Step::Kill(run) => format!("{} is killed", holder(run)),
        Step::Sweep(Sweeping::Well) => "reconcile sweeps".to_owned(),
        Step::Sweep(Sweeping::Blindly) => "reconcile sweeps, and all lists are empty".to_owned(),
        Step::Sweep(Sweeping::HalfBlindly) => "reconcile sweeps, and no list shows a replica".to_owned(),
        Step::Sweep(Sweeping::Slowly) => "reconcile sweeps, and is slow to write".to_owned(),
        Step::Tick => "time passes".to_owned(),
        Step::Fail(i) => format!("{} fails at its destination", replication(&world.replications[*i])),
        Step::Publish(i, true) => format!("{} begins to publish", publisher(&world.people[*i])),
        Step::Publish(i, false) => format!("{} stops publishing", publisher(&world.people[*i])),
        Step::PauseRule(i) => format!("rule {} is paused, or resumed", world.rules[*i].id),
        Step::DeleteRule(i) => format!("rule {} is deleted, or put back", world.rules[*i].id),
        Step::PauseAll if before.table.pause.is_none() => "an operator pauses everything".to_owned(),
        Step::PauseAll => "an operator resumes everything".to_owned(),
        Step::Others(i) => format!("somebody else starts {}", replication(&world.replications[*i])),
    }
}

fn called(before: &State, run: usize, call: usize, how: Answered) -> String {
    let run = &before.runs[run];
    let what = match &run.calls()[call].step {
        replication::Step::Start(request) => format!("start {}", replication(&request.key)),
        replication::Step::Stop(request) => format!("stop {}", replication(&request.key)),
        replication::Step::Verify(_) => format!("list the replicas of {}", publisher(&run.publisher)),
    };
    let how = match how {
        Answered::Truly => "is answered",
        Answered::NotAtAll { done: true } => "is done, and not answered",
        Answered::NotAtAll { done: false } => "is neither done nor answered",
        Answered::Throttled => "is throttled",
        Answered::Denied => "is denied",
        Answered::Refused => "is refused for no reason",
        Answered::Empty => "is answered with an empty list",
    };
    format!("{}: {what}: {how}", run.holder)
}

// ---- values in short ----------------------------------------------------------------------------------------------------

fn stage(stage: &StageArn) -> &str {
    stage.resource_id()
}

/// `p1 on A`
fn publisher(key: &PublisherKey) -> String {
    format!("{} on {}", key.participant, stage(&key.stage))
}

/// `p1 A→B`
fn replication(key: &ReplicationKey) -> String {
    format!("{} {}→{}", key.participant, stage(&key.source), stage(&key.destination))
}

fn runs(by: Option<By>) -> &'static str {
    match by {
        None => "does not run any more",
        Some(By::Us) => "runs, by us",
        Some(By::Others) => "runs, by somebody else",
    }
}

fn message(message: &Message) -> String {
    match message {
        Message::Event(news) => news_of(news),
        Message::Read(news) => format!("a sweep read: {}", news_of(news)),
        Message::Rules(source) => format!("a rule of {} changed", stage(source)),
    }
}

fn news_of(news: &Observation) -> String {
    let at = moment(news.at());
    match news {
        Observation::Published { key, .. } => format!("{} published at {at}", publisher(key)),
        Observation::Unpublished { key, .. } => format!("{} unpublished at {at}", publisher(key)),
        Observation::Attributes { key, .. } => format!("{} has attributes at {at}", publisher(key)),
        Observation::ReplicaActive { key, .. } => format!("{} began at {at}", replication(key)),
        Observation::ReplicaEnded { key, .. } => format!("{} ended at {at}", replication(key)),
        Observation::ReplicaOwner { key, ours: true, .. } => format!("{} is ours at {at}", replication(key)),
        Observation::ReplicaOwner { key, .. } => format!("{} is not ours at {at}", replication(key)),
        Observation::ReplicaFailed { key, code, .. } => {
            format!("{} failed with {code} at {at}", replication(key))
        }
    }
}

fn outcome_of(outcome: &Outcome) -> String {
    match (outcome.error(), outcome) {
        (Some(error), _) => error.to_string(),
        (None, Outcome::Verify(_, Ok(listed))) => {
            let to: Vec<_> = listed.iter().map(|row| stage(&row.destination)).collect();
            format!("listed: {to:?}")
        }
        (None, _) => "ok".to_owned(),
    }
}

/// `3`: exactly when it began; `3…`: somewhere in it; `3…4`: from when to when.
fn moment(moment: Moment) -> String {
    let ((first, from), (last, to)) = (tick_of(moment.earliest()), tick_of(moment.latest()));
    match (last - first, from, to) {
        (0, 0, 0) => format!("{first}"),
        (0, ..) => format!("{first}…"),
        _ => format!("{first}…{last}"),
    }
}

fn evidence(evidence: Evidence) -> String {
    let told = |moment: Option<Moment>| moment.map_or("-".to_owned(), self::moment);
    format!("on {} off {}", told(evidence.on), told(evidence.off))
}

fn publisher_row(row: &Publisher) -> String {
    format!("publishes: {}", evidence(row.evidence))
}

fn row_of(row: &Replica) -> String {
    let due = |at: Timestamp| {
        let (tick, into) = tick_of(at);
        tick + i64::from(into > 0)
    };
    let mut told = format!("{} {:?}, {:?}'s, {}", row.phase, row.desired, row.owner, evidence(row.evidence));
    let mut add = |what: String| told = format!("{told}, {what}");
    if let Some(rule) = &row.rule {
        add(format!("by {} revision {}", rule.id, rule.revision));
    }
    if let Some(begun) = row.begun {
        add(format!("begun {}", moment(begun)));
    }
    if let Some(lease) = &row.lease {
        add(format!("leased to {} from {} to {}", lease.holder, due(lease.since), due(lease.until)));
    }
    let until = match &row.phase {
        Phase::Blocked(blocked) => blocked.until,
        _ => None,
    };
    if let Some(at) = row.next_attempt.or(until) {
        add(format!("due at {}", due(at)));
    }
    if let Some(error) = &row.last_error {
        add(format!("refused: {}", error.message));
    }
    if row.gives_way.is_some() {
        add("gives way".to_owned());
    }
    if let Some(braked) = row.braked {
        add(if braked.confirmed_at.is_some() { "braked, confirmed" } else { "braked" }.to_owned());
    }
    told
}
