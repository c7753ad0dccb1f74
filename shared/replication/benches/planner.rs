//! What a plan costs: all publishers of a stage, one after the other, against as many rules as a customer may have.
//!
//! ```sh
//! cargo bench -p replication
//! ```
//!
//! A time is that of [`PUBLISHERS`] plans. What each world holds is asserted before anything is measured.

#![allow(clippy::unwrap_used, reason = "a world that cannot be made shall not be measured")]

use std::collections::BTreeMap;

use divan::{Bencher, black_box};
use jiff::{SignedDuration, Timestamp};
use replication::invariant::applied;
use replication::{
    Allowance, Capabilities, Context, Destination, Evidence, Lease, Moment, Outcome, ParticipantFilter, Plan,
    Policy, Publisher, PublisherKey, Receipt, ReconnectWindow, Rule, Source, StageArn, Status, Step, View,
    plan,
};

/// Publishers of a stage: as many as IVS allows (12, IVS service quotas).
const PUBLISHERS: usize = 12;

/// Destinations of each rule. No two rules share one unless said, so that every plan has a line for each.
const DESTINATIONS: usize = 5;

/// Replications that a participant may have (5, IVS service quotas).
const SLOTS: usize = 5;

fn main() {
    divan::main();
}

/// Everybody has just begun to publish: five destinations get a slot, the others a reason.
#[divan::bench(args = [1, 50, 500])]
fn all_to_start(bencher: Bencher<'_, '_>, rules: usize) {
    let world = World::of(rules, Source::Stage(stage("source")));
    let plans = world.plans();
    assert!(plans.iter().all(|plan| plan.steps.len() == SLOTS));
    assert!(plans.iter().all(|plan| plan.changes.len() == rules * DESTINATIONS));
    world.measure(bencher);
}

/// As before, by rules that name no source stage.
#[divan::bench(args = [50])]
fn all_to_start_by_rules_for_any_stage(bencher: Bencher<'_, '_>, rules: usize) {
    let world = World::of(rules, Source::Any);
    assert!(world.plans().iter().all(|plan| plan.steps.len() == SLOTS));
    world.measure(bencher);
}

/// All is as the rules want it: what most events and every sweep find.
#[divan::bench(args = [1, 50, 500])]
fn nothing_to_do(bencher: Bencher<'_, '_>, rules: usize) {
    let world = World::of(rules, Source::Stage(stage("source"))).settled();
    assert!(world.views.iter().all(|view| view.replicas.len() == rules * DESTINATIONS));
    let plans = world.plans();
    assert!(plans.iter().all(|plan| plan.is_empty() && plan.report.lines.len() == rules * DESTINATIONS));
    world.measure(bencher);
}

/// The same where every rule names the same five destinations, and the first of them is in force.
#[divan::bench(args = [50])]
fn nothing_to_do_by_rules_that_agree(bencher: Bencher<'_, '_>, rules: usize) {
    let mut world = World::of(rules, Source::Stage(stage("source")));
    for view in &mut world.views {
        let destinations = view.rules[0].destinations.clone();
        view.rules.iter_mut().for_each(|rule| rule.destinations.clone_from(&destinations));
    }
    let world = world.settled();
    let plans = world.plans();
    assert!(plans.iter().all(|plan| plan.is_empty() && plan.report.lines.len() == DESTINATIONS));
    world.measure(bencher);
}

/// The rules speak of other participants.
#[divan::bench(args = [50])]
fn no_rule_matches(bencher: Bencher<'_, '_>, rules: usize) {
    let mut world = World::of(rules, Source::Stage(stage("source")));
    for rule in world.views.iter_mut().flat_map(|view| &mut view.rules) {
        rule.participants.user_id = Some("host-*".parse().unwrap());
    }
    let plans = world.plans();
    assert!(plans.iter().all(|plan| plan.is_empty() && plan.report.unmatched.len() == rules));
    world.measure(bencher);
}

/// What is known of each publisher of a stage.
struct World {
    views: Vec<View>,
    policy: Policy,
}

impl World {
    /// Everybody publishes, nobody is replicated yet.
    fn of(rules: usize, source: Source) -> Self {
        let rules: Vec<Rule> = (0..rules).map(|i| rule(i, source.clone())).collect();
        let view = |i: usize| {
            let participant = format!("participant-{i}").parse().unwrap();
            let key = PublisherKey { stage: stage("source"), participant };
            let publisher = Publisher {
                session: Some("st-1CVugbu2cf2n8".parse().unwrap()),
                user_id: format!("guest-{i}"),
                evidence: Evidence { on: Some(Moment::exact(now())), off: None },
                ..Publisher::new(key.clone())
            };
            View { publisher: Some(publisher), rules: rules.clone(), ..View::empty(key) }
        };
        Self { views: (0..PUBLISHERS).map(view).collect(), policy: Policy::default() }
    }

    /// The same once every call that is planned has succeeded.
    fn settled(mut self) -> Self {
        for i in 0..self.views.len() {
            let made = self.plan(&self.views[i]);
            let mut after = applied(&self.views[i], &made);
            for step in &made.steps {
                let Step::Start(request) = step else { unreachable!("nothing but starts is planned") };
                let outcome = Outcome::Start(request.key.clone(), Ok(Receipt::default()));
                let lease = Lease::taken(HOLDER, now(), &self.policy);
                let answered = now() + SignedDuration::from_millis(100);
                outcome.apply(&mut after, &lease, Moment::between(now(), answered), &self.policy);
            }
            self.views[i] = after;
        }
        self
    }

    fn plans(&self) -> Vec<Plan> {
        assert_eq!(self.views.len(), PUBLISHERS);
        self.views.iter().map(|view| self.plan(view)).collect()
    }

    fn plan(&self, view: &View) -> Plan {
        let context = Context {
            now: now(),
            policy: &self.policy,
            can: Capabilities { start: true, stop: true, verify: true, ..Capabilities::default() },
            allowance: Allowance::UNLIMITED,
            witness: None,
            holder: HOLDER,
        };
        plan(view, context)
    }

    fn measure(&self, bencher: Bencher<'_, '_>) {
        bencher.bench(|| {
            for view in black_box(&self.views) {
                black_box(self.plan(view));
            }
        });
    }
}

/// A Lambda request id.
const HOLDER: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";

fn now() -> Timestamp {
    Timestamp::from_second(1_782_751_232).unwrap()
}

fn stage(id: &str) -> StageArn {
    format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}").parse().unwrap()
}

fn rule(i: usize, source: Source) -> Rule {
    let destination = |j: usize| Destination::Stage(stage(&format!("destination-{i}-{j}")));
    Rule {
        id: format!("rule-{i}").parse().unwrap(),
        revision: 1,
        priority: u8::try_from(i % 101).unwrap(),
        status: Status::Enabled,
        source,
        participants: ParticipantFilter::default(),
        destinations: (0..DESTINATIONS).map(destination).collect(),
        reconnect_window: ReconnectWindow::default(),
        attributes: BTreeMap::new(),
        preempt: false,
        record_replicas: None,
        expires_at: None,
    }
}
