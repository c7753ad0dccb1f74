//! Arbitrary views: every phase, owner, lease and evidence, also combinations that no history should lead to.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::{collection, option, sample};
use replication::{
    Blocked, BlockedReason, Braked, Crowd, Desired, Destination, Evidence, GiveWay, LastError, Lease, Moment,
    Observation, Owner, ParticipantFilter, Phase, Publisher, PublisherKey, Rejection, Replica,
    ReplicationKey, Rule, RuleRef, Source, StageArn, Status, Tags, View,
};

use crate::build::{publisher, rule, session, stage, tags, time, to, window};

/// When every plan is made. Times lie around it, mostly in its minute.
pub(crate) fn now() -> Timestamp {
    time("00:01:00")
}

pub(crate) fn timestamp() -> impl Strategy<Value = Timestamp> {
    let near = (-40_i64..40).prop_map(|halves| now() + SignedDuration::from_millis(halves * 500));
    let far = sample::select(vec![Timestamp::MIN, Timestamp::MAX, now()]);
    prop_oneof![20 => near, 1 => far]
}

/// An instant, a whole second, a call of some length, or the end of time.
pub(crate) fn moment() -> impl Strategy<Value = Moment> {
    let second = timestamp().prop_map(|at| {
        Moment::between(at, at.checked_add(SignedDuration::from_nanos(999_999_999)).unwrap_or(at))
    });
    let call = (timestamp(), timestamp()).prop_map(|(a, b)| Moment::between(a, b));
    prop_oneof![timestamp().prop_map(Moment::exact), second, call]
}

pub(crate) fn evidence() -> impl Strategy<Value = Evidence> {
    (option::of(moment()), option::of(moment())).prop_map(|(on, off)| Evidence { on, off })
}

pub(crate) fn observation() -> impl Strategy<Value = Observation> {
    let session = sample::select(vec!["st-1", "st-2"]).prop_map(session);
    let user = sample::select(vec!["", "host-1"]).prop_map(str::to_owned);
    let place = sample::select(vec!["B", "C"]).prop_map(to);
    prop_oneof![
        (session.clone(), user.clone(), moment()).prop_map(|(session, user_id, at)| {
            Observation::Published { key: publisher(), session, user_id, at }
        }),
        (session.clone(), user, moment()).prop_map(|(session, user_id, at)| {
            Observation::Unpublished { key: publisher(), session, user_id, at }
        }),
        (place.clone(), option::of(session), moment()).prop_map(|(key, destination_session, at)| {
            Observation::ReplicaActive { key, destination_session, at }
        }),
        (place.clone(), moment()).prop_map(|(key, at)| Observation::ReplicaEnded { key, at }),
        (place.clone(), any::<bool>(), moment()).prop_map(|(key, ours, at)| Observation::ReplicaOwner {
            key,
            ours,
            at
        }),
        // A token does not change, nor does what it says of its participant.
        moment().prop_map(|at| Observation::Attributes {
            key: publisher(),
            attributes: tags("role=host"),
            at
        }),
        (place, moment()).prop_map(|(key, at)| Observation::ReplicaFailed {
            key,
            code: "QUOTA_EXCEEDED".to_owned(),
            at
        }),
    ]
}

fn stage_name() -> impl Strategy<Value = &'static str> {
    sample::select(vec!["A", "B", "C", "D", "E", "F", "G", "H", "I"])
}

/// Tags of few kinds, so that they often match.
fn some_tags() -> impl Strategy<Value = Tags> {
    let values = sample::select(vec!["role=main", "role=overflow", "show=7", "show=8"]);
    collection::vec(values, 0..3).prop_map(|pairs| tags(&pairs.join(" ")))
}

fn by_tag() -> impl Strategy<Value = Destination> {
    let same = sample::subsequence(vec!["role", "show"], 0..=1);
    let same = same.prop_map(|keys| keys.into_iter().map(str::to_owned).collect());
    (some_tags(), same).prop_map(|(tags, same)| Destination::Tags { tags, same })
}

fn a_source() -> impl Strategy<Value = Source> {
    prop_oneof![
        3 => sample::select(vec![Source::Any, Source::Stage(stage("A")), Source::Stage(stage("Z"))]),
        1 => some_tags().prop_map(Source::Tags),
    ]
}

/// A rule with destinations by name and by tag, in any order.
fn a_rule(id: usize) -> impl Strategy<Value = Rule> {
    let by_tag = collection::vec(by_tag(), 0..3);
    let attributes = option::weighted(0.3, sample::select(vec!["host", "g*"]));
    (a_plain_rule(id), a_source(), by_tag, attributes, any::<u64>()).prop_map(
        |(mut rule, source, by_tag, attributes, order)| {
            for (i, destination) in by_tag.into_iter().enumerate() {
                let at = usize::try_from(order >> (8 * i)).unwrap_or(0) % (rule.destinations.len() + 1);
                rule.destinations.insert(at, destination);
            }
            let role = attributes.map(|pattern| ("role".to_owned(), pattern.parse().unwrap()));
            rule.participants.attributes = role.into_iter().collect();
            Rule { source, ..rule }
        },
    )
}

fn a_plain_rule(id: usize) -> impl Strategy<Value = Rule> {
    let places = collection::btree_set(stage_name(), 1..8);
    let source = Just(Source::Any);
    let user = option::of(sample::select(vec!["host-*", "guest-*"]));
    let paused = prop::bool::weighted(0.1);
    let seconds = sample::select(vec![0, 5, 30, 300]);
    let rank = (0..3_u8, prop::bool::weighted(0.4));
    (places.prop_shuffle_vec(), source, user, paused, seconds, rank, option::weighted(0.2, timestamp()))
        .prop_map(move |(places, source, user, paused, seconds, (priority, preempt), expires_at)| Rule {
            priority,
            source,
            status: if paused { Status::Paused } else { Status::Enabled },
            participants: ParticipantFilter {
                user_id: user.map(|pattern| pattern.parse().unwrap()),
                ..ParticipantFilter::default()
            },
            destinations: places.into_iter().map(|id| Destination::Stage(stage(id))).collect(),
            reconnect_window: window(seconds),
            preempt,
            record_replicas: None,
            expires_at,
            ..rule(&format!("rule-{id}"), &[])
        })
}

/// A set in any order.
trait ShuffledSet: Strategy<Value = std::collections::BTreeSet<&'static str>> + Sized {
    fn prop_shuffle_vec(self) -> impl Strategy<Value = Vec<&'static str>> {
        self.prop_map(|set| set.into_iter().collect::<Vec<_>>()).prop_shuffle()
    }
}

impl<S: Strategy<Value = std::collections::BTreeSet<&'static str>>> ShuffledSet for S {}

fn phase() -> impl Strategy<Value = Phase> {
    let blocked = (sample::select(BlockedReason::ALL.to_vec()), option::of(timestamp()));
    prop_oneof![
        Just(Phase::Pending),
        Just(Phase::Starting),
        Just(Phase::Active),
        Just(Phase::Stopping),
        Just(Phase::Stopped),
        blocked.prop_map(|(reason, until)| Phase::Blocked(Blocked { reason, until })),
    ]
}

fn lease() -> impl Strategy<Value = Lease> {
    (timestamp(), timestamp()).prop_map(|(a, b)| Lease {
        holder: "another".to_owned(),
        since: a.min(b),
        until: a.max(b),
    })
}

fn braked() -> impl Strategy<Value = Braked> {
    (timestamp(), option::of(timestamp())).prop_map(|(since, confirmed_at)| Braked { since, confirmed_at })
}

fn last_error() -> impl Strategy<Value = LastError> {
    let rejection = option::of(sample::select(Rejection::ALL.to_vec()));
    (rejection, timestamp()).prop_map(|(rejection, at)| LastError {
        rejection,
        code: "ConflictException".to_owned(),
        message: "p1 is not publishing".to_owned(),
        request_id: None,
        at,
    })
}

fn a_replica(destination: &'static str) -> impl Strategy<Value = Replica> {
    let owner = sample::select(vec![Owner::Nobody, Owner::Stagelink, Owner::Foreign]);
    let desired = sample::select(vec![Desired::Replicated, Desired::Released]);
    let gives_way = (0..=100_u8, timestamp()).prop_map(|(priority, until)| GiveWay { priority, until });
    let gives_way = option::weighted(0.1, gives_way);
    let braked = option::weighted(0.3, braked());
    let end = option::weighted(0.2, timestamp());
    let times = (
        option::of(timestamp()),
        option::of(lease()),
        option::of(last_error()),
        gives_way,
        braked,
        end,
        option::of(moment()),
    );
    let seconds = sample::select(vec![0, 5, 30, 300]);
    let behind = option::of(sample::select(vec!["rule-0", "rule-1"]));
    let behind = behind
        .prop_map(|id| id.map(|id: &str| RuleRef { id: id.parse().unwrap(), revision: 1, priority: 1 }));
    (phase(), owner, desired, behind, evidence(), times, 0..4_u32, seconds).prop_map(
        move |(
            phase,
            owner,
            desired,
            rule,
            evidence,
            (next_attempt, lease, last_error, gives_way, braked, wanted_until, begun),
            attempts,
            seconds,
        )| {
            // Nobody waits for a time to come while a call is under way, or what came of it is asked.
            let next_attempt = next_attempt.filter(|at| lease.is_none() || *at <= now());
            Replica {
                phase,
                owner,
                desired,
                rule,
                reconnect_window: window(seconds),
                attributes: BTreeMap::new(),
                evidence,
                attempts,
                next_attempt,
                wanted_until,
                lease,
                last_error,
                braked,
                gives_way,
                begun,
                version: 1,
                ..Replica::new(to(destination))
            }
        },
    )
}

fn a_publisher() -> impl Strategy<Value = Publisher> {
    let attributes = option::of(sample::select(vec!["", "role=host", "role=guest"]));
    (sample::select(vec!["", "host-1", "guest-1"]), evidence(), attributes).prop_map(
        |(user, evidence, attributes)| Publisher {
            user_id: user.to_owned(),
            session: Some(session("st-1")),
            attributes: attributes.map(tags),
            evidence,
            version: 1,
            ..Publisher::new(publisher())
        },
    )
}

/// Destinations without a place, mostly none.
fn full() -> impl Strategy<Value = BTreeMap<StageArn, Crowd>> {
    let crowd = option::of(0..=100_u8).prop_map(|priority| {
        let other = PublisherKey { participant: "p2".parse().unwrap(), ..crate::build::publisher() };
        let key = |destination| ReplicationKey { participant: other.participant.clone(), ..to(destination) };
        Crowd { weakest: priority.map(|priority| (key("B"), priority)) }
    });
    let stages = sample::subsequence(vec!["B", "C", "D"], 0..=2);
    (option::weighted(0.3, stages), crowd).prop_map(|(stages, crowd)| {
        stages.into_iter().flatten().map(|id| (stage(id), crowd.clone())).collect()
    })
}

pub(crate) fn view() -> impl Strategy<Value = View> {
    let rules = (0..4_usize).prop_flat_map(|n| (0..n).map(a_rule).collect::<Vec<_>>());
    let places = sample::subsequence(vec!["B", "C", "D", "E", "F", "G", "H", "I"], 0..=8);
    let replicas = places.prop_flat_map(|places| places.into_iter().map(a_replica).collect::<Vec<_>>());
    let directory = collection::btree_map(stage_name().prop_map(stage), some_tags(), 0..9);
    let stages = (option::of(some_tags()), directory, full(), any::<bool>());
    (rules, option::weighted(0.9, a_publisher()), replicas, stages).prop_map(
        |(rules, publisher, replicas, (tags, directory, full, is_destination))| View {
            publisher,
            tags,
            rules,
            directory: directory.into(),
            replicas,
            full,
            is_destination,
            ..View::empty(crate::build::publisher())
        },
    )
}

pub(crate) fn capabilities() -> impl Strategy<Value = replication::Capabilities> {
    let each = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    each.prop_map(|(start, stop, verify, get_stage, get_participant)| replication::Capabilities {
        start,
        stop,
        verify,
        get_stage,
        get_participant,
    })
}
