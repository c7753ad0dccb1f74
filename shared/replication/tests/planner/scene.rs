//! A scenario: one publisher, told as it goes.

use std::fmt::Write as _;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use replication::invariant::{applied, violations};
use replication::{
    Allowance, CallError, Capabilities, Context, Crowd, Decision, Directory, Eviction, GiveWay, Lease,
    Listed, Moment, Observation, Operation, Outcome, Phase, Plan, Policy, Publishing, Receipt, Refusal,
    Rejection, Replica, ReplicationKey, Rule, SecondWitness, Step, View, plan,
};

use crate::build::{ALL_CALLS, moment, publisher, session, stage, tags, time, to};

pub(crate) struct Scene {
    pub(crate) view: View,
    pub(crate) can: Capabilities,
    pub(crate) policy: Policy,
    pub(crate) allowance: Allowance,
    pub(crate) witness: Option<SecondWitness>,
    now: Timestamp,
    text: String,
}

impl Scene {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        let view = View { rules, ..View::empty(publisher()) };
        Self {
            view,
            can: ALL_CALLS,
            policy: Policy::default(),
            allowance: Allowance::UNLIMITED,
            witness: None,
            now: time("00:00:00"),
            text: String::new(),
        }
    }

    /// A publisher whose replications to these stages were started at once when it published, at 00:00:05.
    pub(crate) fn running(rules: Vec<Rule>, destinations: &[&str]) -> Self {
        let mut scene = Self::new(rules);
        scene.published("00:00:05.000000").at("00:00:05.2").plan();
        destinations.iter().for_each(|destination| scene.start_ok(destination));
        scene.plan();
        scene
    }

    pub(crate) fn at(&mut self, now: &str) -> &mut Self {
        self.now = time(now);
        self
    }

    pub(crate) fn only(&mut self, can: Capabilities) -> &mut Self {
        self.can = can;
        self
    }

    pub(crate) fn rules(&mut self, rules: Vec<Rule>) -> &mut Self {
        self.tell("the rules change");
        self.view.rules = rules;
        self
    }

    /// What is known of the source stage's tags from now on: `role=main show=7`.
    pub(crate) fn tags(&mut self, known: Option<&str>) -> &mut Self {
        self.tell(&format!("tags of the stage: {}", known.unwrap_or("not known")));
        self.view.tags = known.map(tags);
        self
    }

    /// The stages whose tags are known from now on.
    pub(crate) fn directory(&mut self, stages: &[(&str, &str)]) -> &mut Self {
        self.tell(&format!("directory: {stages:?}"));
        self.view.directory =
            stages.iter().map(|(id, known)| (stage(id), tags(known))).collect::<Directory>().into();
        self
    }

    pub(crate) fn attributes(&mut self, known: &str) -> &mut Self {
        let at = Moment::exact(self.now);
        let news = Observation::Attributes { key: publisher(), attributes: tags(known), at };
        self.news(&format!("attributes of the participant: {known}"), &news)
    }

    pub(crate) fn published(&mut self, at: &str) -> &mut Self {
        self.published_by("", at)
    }

    pub(crate) fn published_by(&mut self, user: &str, at: &str) -> &mut Self {
        let (session, user_id) = (session("st-1"), user.to_owned());
        self.news(
            &format!("published {at}"),
            &Observation::Published { key: publisher(), session, user_id, at: moment(at) },
        )
    }

    pub(crate) fn unpublished(&mut self, at: &str) -> &mut Self {
        let (session, user_id) = (session("st-1"), String::new());
        self.news(
            &format!("unpublished {at}"),
            &Observation::Unpublished { key: publisher(), session, user_id, at: moment(at) },
        )
    }

    pub(crate) fn replica_active(&mut self, destination: &str, at: &str) -> &mut Self {
        let news = Observation::ReplicaActive {
            key: to(destination),
            destination_session: Some(session("st-2")),
            at: moment(at),
        };
        self.news(&format!("replication to {destination} started {at}"), &news)
    }

    pub(crate) fn replica_ended(&mut self, destination: &str, at: &str) -> &mut Self {
        let news = Observation::ReplicaEnded { key: to(destination), at: moment(at) };
        self.news(&format!("replication to {destination} ended {at}"), &news)
    }

    pub(crate) fn replica_failed(&mut self, destination: &str, code: &str, at: &str) -> &mut Self {
        let news = Observation::ReplicaFailed { key: to(destination), code: code.to_owned(), at: moment(at) };
        self.news(&format!("replica on {destination} failed with {code} {at}"), &news)
    }

    fn news(&mut self, told: &str, news: &Observation) -> &mut Self {
        self.tell(told);
        news.fold_into(&mut self.view, &self.policy);
        self
    }

    /// Plans, checks what must hold of every plan, and stores its changes.
    pub(crate) fn plan(&mut self) -> Plan {
        let context = Context {
            now: self.now,
            policy: &self.policy,
            can: self.can,
            allowance: self.allowance,
            holder: "me",
            witness: self.witness.as_ref(),
        };
        let made = plan(&self.view, context);
        assert_eq!(violations(&self.view, context, &made), vec![], "{}", self.text);
        let then = applied(&self.view, &made);
        let again = plan(&then, Context { allowance: context.allowance.after(&made.steps), ..context });
        assert!(again.is_empty(), "the second plan is not empty:\n{}{:#?}", self.text, again.changes);
        let _ = write!(self.text, "plan at {}\n{}", self.now, made.report);
        made.changes.iter().for_each(|change| describe(&mut self.text, change));
        for question in &made.asks {
            let _ = writeln!(self.text, "  ask {}", Operation::answering(*question));
        }
        for step in &made.steps {
            let _ = writeln!(self.text, "  call {}", call(step));
        }
        for eviction in &made.evictions {
            let Eviction { key, priority } = eviction;
            let _ = writeln!(self.text, "  {key} has to give way to priority {priority}");
        }
        if let Some(at) = made.wake_at {
            let _ = writeln!(self.text, "  look again at {at}");
        }
        self.view = then;
        made
    }

    pub(crate) fn start_ok(&mut self, destination: &str) {
        self.answer(&format!("start {destination}"), |_| {
            Outcome::Start(to(destination), Ok(Receipt::default()))
        });
    }

    pub(crate) fn start_failed(&mut self, destination: &str, refusal: Refusal, message: &str) {
        let failed = error(refusal, message);
        self.answer(&format!("start {destination}"), |_| Outcome::Start(to(destination), Err(failed)));
    }

    pub(crate) fn stop_ok(&mut self, destination: &str) {
        self.answer(&format!("stop {destination}"), |_| {
            Outcome::Stop(to(destination), Ok(Receipt::default()))
        });
    }

    pub(crate) fn stop_failed(&mut self, destination: &str, refusal: Refusal) {
        let failed = error(refusal, "no such replication");
        self.answer(&format!("stop {destination}"), |_| Outcome::Stop(to(destination), Err(failed)));
    }

    /// The answer to the verification of everything that is under a lease.
    pub(crate) fn listed(&mut self, destinations: &[&str]) {
        let row = |id: &&str| Listed { destination: stage(id), destination_session: None };
        let rows = destinations.iter().map(row).collect();
        self.answer("list", |doubtful| Outcome::Verify(doubtful, Ok(rows)));
    }

    pub(crate) fn not_listed(&mut self, refusal: Refusal) {
        let failed = error(refusal, "not now");
        self.answer("list", |doubtful| Outcome::Verify(doubtful, Err(failed)));
    }

    /// Takes in the answer to a call that was made when the last plan was, and took 100 ms.
    fn answer(&mut self, name: &str, outcome: impl FnOnce(Vec<replication::ReplicationKey>) -> Outcome) {
        let leased = self.view.replicas.iter().filter(|replica| replica.is_leased(self.now));
        let leased: Vec<&Replica> = leased.collect();
        let lease = leased.first().and_then(|replica| replica.lease.clone());
        let lease: Lease = lease.expect("a call under way");
        let outcome = outcome(leased.iter().map(|replica| replica.key.clone()).collect());
        let told = match &outcome {
            Outcome::Start(_, Err(error)) | Outcome::Stop(_, Err(error)) | Outcome::Verify(_, Err(error)) => {
                error.to_string()
            }
            Outcome::Verify(_, Ok(rows)) => format!("{} running", rows.len()),
            _ => "ok".to_owned(),
        };
        let answered = lease.since + SignedDuration::from_millis(100);
        outcome.apply(&mut self.view, &lease, Moment::between(lease.since, answered), &self.policy);
        self.now = self.now.max(answered + SignedDuration::from_millis(1));
        self.tell(&format!("{name} was answered: {told}"));
    }

    /// A Start answers when its lease is somebody else's by now.
    pub(crate) fn start_ok_late(&mut self, destination: &str, lease: &Lease, answered: &str) {
        let took = Moment::between(lease.since, time(answered));
        Outcome::Start(to(destination), Ok(Receipt::default())).apply(
            &mut self.view,
            lease,
            took,
            &self.policy,
        );
        self.tell(&format!("start {destination} was answered late: ok"));
    }

    pub(crate) fn replica(&self, destination: &str) -> &Replica {
        let key = to(destination);
        self.view.replicas.iter().find(|replica| replica.key == key).expect("a replication")
    }

    pub(crate) fn phase(&self, destination: &str) -> Phase {
        self.replica(destination).phase.clone()
    }

    pub(crate) fn tell(&mut self, what: &str) {
        let _ = writeln!(self.text, "* {what}");
    }

    /// A place was asked for at a destination that has none left, and the one with this priority is the weakest there.
    pub(crate) fn found_full(&mut self, destination: &str, weakest: Option<u8>) {
        let other = ReplicationKey { participant: "p2".parse().unwrap(), ..to(destination) };
        let crowd = Crowd { weakest: weakest.map(|priority| (other, priority)) };
        self.view.full.insert(stage(destination), crowd);
        self.tell(&format!("{destination} is full"));
    }

    /// Somebody of a higher priority needs its place.
    pub(crate) fn has_to_give_way(&mut self, destination: &str, priority: u8, until: &str) {
        let mut replica = self.replica(destination).clone();
        replica.gives_way = Some(GiveWay { priority, until: time(until) });
        replica.next_attempt = Some(self.now);
        self.view.put(replica);
        self.tell(&format!("{destination} has to give way to priority {priority} until {until}"));
    }

    /// Compares all that was told with `golden/<name>.txt`.
    pub(crate) fn golden(&self, name: &str) {
        let text =
            self.text.replace("arn:aws:ivs:us-east-1:123456789012:stage/", "").replace("2026-01-01T", "");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/planner/golden/{name}.txt"));
        if std::env::var_os("BLESS").is_some() {
            return std::fs::write(&path, text).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, expected, "golden/{name}.txt differs; BLESS=1 writes it anew");
    }
}

/// The decision for each destination, in the order of the report: `B start`.
pub(crate) fn decisions(made: &Plan) -> Vec<String> {
    let short = |stage: &str| stage.rsplit('/').next().unwrap_or_default().to_owned();
    let line = |line: &replication::Line| format!("{} {}", short(line.destination.as_str()), line.decision);
    made.report.lines.iter().map(line).collect()
}

pub(crate) fn decided(made: &Plan, decision: Decision) -> usize {
    made.report.lines.iter().filter(|line| line.decision == decision).count()
}

pub(crate) fn is_publishing(made: &Plan) -> bool {
    made.report.publishing == Publishing::Yes
}

fn error(refusal: Refusal, message: &str) -> CallError {
    let code = match refusal {
        Refusal::Rejected(rejection) => rejection.code(),
        Refusal::AccessDenied => "AccessDeniedException",
        Refusal::Throttled { .. } => "ThrottlingException",
        Refusal::Unavailable => "Timeout",
    };
    CallError { refusal, code: code.to_owned(), message: message.to_owned(), request_id: None }
}

pub(crate) fn rejected(rejection: Rejection) -> Refusal {
    Refusal::Rejected(rejection)
}

pub(crate) const THROTTLED: Refusal = Refusal::Throttled { retry_after: None };

fn describe(text: &mut String, replica: &Replica) {
    let Replica { key, phase, desired, owner, begun, attempts, lease, next_attempt, .. } = replica;
    let Replica { wanted_until, backfill, last_error, gives_way, .. } = replica;
    let mut add = |what: String| text.push_str(&what);
    add(format!("  store {}: {phase}, {desired:?}, owner {owner:?}", key.destination));
    if let Some(begun) = begun {
        add(format!(", begun {begun}"));
    }
    if *attempts > 0 {
        add(format!(", attempt {attempts}"));
    }
    match (lease, replica.due()) {
        (Some(Lease { holder, since, until }), _) => add(format!(", leased to {holder} {since}-{until}")),
        (None, Some(due)) => add(format!(", due {due}")),
        (None, None) => {}
    }
    if let Some(next) = next_attempt.filter(|next| lease.is_some() || replica.due() != Some(*next)) {
        add(format!(", next attempt {next}"));
    }
    if let Some(until) = wanted_until {
        add(format!(", wanted until {until}"));
    }
    if *backfill {
        add(", backfill".to_owned());
    }
    if let Some(error) = last_error {
        add(format!(", last error {}", error.code));
    }
    if let Some(gives_way) = gives_way {
        add(format!(", gives way to {} until {}", gives_way.priority, gives_way.until));
    }
    if let Some(braked) = replica.braked {
        let confirmed =
            braked.confirmed_at.map_or("not confirmed".to_owned(), |at| format!("confirmed at {at}"));
        let _ = write!(text, ", braked since {}, {confirmed}", braked.since);
    }
    let _ = writeln!(text);
}

fn call(step: &Step) -> String {
    match step {
        Step::Start(request) => format!(
            "start {} with a window of {} s and attributes {:?}",
            request.key.destination,
            request.reconnect_window.seconds(),
            request.attributes
        ),
        Step::Stop(request) => format!("stop {}", request.key.destination),
        Step::Verify(keys) => {
            let stages: Vec<_> = keys.iter().map(|key| key.destination.as_str()).collect();
            format!("list, to learn of {}", stages.join(" "))
        }
    }
}
