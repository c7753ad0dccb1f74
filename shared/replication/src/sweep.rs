//! The sweep: what to read of IVS next, and what its answers mean.
//!
//! Events get lost, so from time to time everything is looked at. A *look* is one ListParticipants of a stage's active
//! session. It shows both the publishers of a source stage and the replica participants of a destination stage, up to 100
//! of them in one call. What a look leaves open is asked of a second witness, and only then:
//!
//! | a look shows | second witness |
//! |---|---|
//! | somebody connected who once published, and is not known to publish now | ListParticipantEvents |
//! | a known publisher disconnected, or not at all | ListParticipantEvents |
//! | a known publisher of another session | ListStageSessions, one call for all of them |
//! | a replica that should be there and is not | ListParticipantReplicas, one call for all of its publisher's |
//! | a participant that is replicated, without a replica known | ListParticipantReplicas |
//! | a stage that ListStages does not list | GetStage |
//! | a publisher whose attributes a rule depends on | GetParticipant |
//!
//! # Guarantees
//! * Everything here is a total function of values.
//! * An observation never rests on silence. That a participant stopped publishing follows from a line of history, from the
//!   end of its session, or from its stage being refused as unknown. That a replica ended follows from two lists without
//!   it, and can only make it start again.
//! * What is known already is not told again: a sweep of a world that is as the table says gives no observation.
//!
//! [`agenda()`] says what to read, [`mod@asked`] what somebody wants read first, [`mod@stage`], [`mod@history`] and [`mod@second`] what the answers mean, [`mod@directory`]
//! which stages rules can select as destinations, and [`mod@gauges`] what there is in numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::occupancy::PLACES;
use crate::{
    BlockedReason, Capabilities, Context, Control, Destination, Directory, Match, Moment, Occupant, Owner,
    ParticipantId, Phase, PlaceChange, PlaceKind, Policy, Publisher, PublisherKey, Publishing, Replica,
    ReplicationKey, Rule, SessionId, StageArn, Standing, Tags, View, plan,
};
pub mod agenda;
pub mod asked;
mod brake;
pub mod directory;
pub mod gauges;
pub mod history;
pub mod recording;
pub mod second;
pub mod stage;

pub use agenda::{Agenda, Look, Roster, Target, agenda};
pub use asked::{Answer, Asked};
pub use gauges::{Gauges, RuleGauges};
pub use recording::{Recording, RecordingCheck, RecordingDue, recordings_due, wanted_recording};

/// The spans of time and shares a sweep goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepPolicy {
    /// How long IVS gets to show a change in its lists. What was started or stopped since is neither missing nor leaked.
    pub settle: SignedDuration,
    /// How far the clock of a function and that of IVS, or those of two functions, may be apart.
    pub clocks_differ: SignedDuration,
    /// How much older a stage in doubt counts than it is.
    pub doubt: SignedDuration,
    /// How long it may be taken for granted that a connected publisher still publishes.
    pub confirm_after: SignedDuration,
    /// The same where somebody waits for a place: whoever is gone, and was not seen to go, takes one.
    pub confirm_where_full_after: SignedDuration,
    /// Of how many looks one may go along with a confirmation or a page of ListStages, while looks are scarce.
    pub looks_per_extra: usize,
    /// How long what was found of a stage's recording is taken for granted.
    pub recording_after: SignedDuration,
    /// How many stages' recordings one sweep looks at.
    pub recordings_per_sweep: usize,
    /// How long a look that somebody asked for comes before others, if it cannot be made.
    pub asked_lasts: SignedDuration,
    /// How long the stages of a replica of ours are looked at after its end, whatever the rules say: that it ended may have been
    /// read wrong, and what is not looked for would run and cost for ever.
    pub after_end: SignedDuration,
}

impl Default for SweepPolicy {
    fn default() -> Self {
        Self {
            settle: SignedDuration::from_secs(30),
            clocks_differ: SignedDuration::from_secs(2),
            doubt: SignedDuration::from_mins(10),
            confirm_after: SignedDuration::from_mins(10),
            confirm_where_full_after: SignedDuration::from_mins(2),
            looks_per_extra: 25,
            recording_after: SignedDuration::from_mins(10),
            recordings_per_sweep: 10,
            asked_lasts: SignedDuration::from_mins(30),
            after_end: SignedDuration::from_mins(5),
        }
    }
}

/// Everything the table knows, at one time.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// All rules that can be read.
    pub rules: Vec<Rule>,
    /// Whether a rule could not be read. Then nothing may be concluded from a rule's absence.
    pub rules_incomplete: bool,
    /// What is known of each stage.
    pub stages: BTreeMap<StageArn, StageItems>,
    /// The stages that rules can select as destinations, with their tags.
    pub directory: Arc<Directory>,
    /// When the stages were listed last, to the end.
    pub listed_at: Option<Timestamp>,
    /// What is ordered for all stages.
    pub control: Control,
    /// Items that are left out because they cannot be read, each in words.
    pub left_out: Vec<String>,
    /// That somebody asks for a look at every stage.
    pub asked_of_all: Option<Asked>,
}

/// What the table knows of one stage.
#[derive(Debug, Clone, Default)]
pub struct StageItems {
    /// What earlier sweeps learnt of it.
    pub knowledge: Option<StageKnowledge>,
    /// Its publishers.
    pub publishers: BTreeMap<ParticipantId, Publisher>,
    /// The replications of its publishers.
    pub replicas: BTreeMap<(ParticipantId, StageArn), Replica>,
    /// Who has a place on it; nothing if it is no destination.
    pub occupants: Option<BTreeSet<Occupant>>,
    /// That somebody asks for a look at it.
    pub asked: Option<Asked>,
}

/// What sweeps know of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageKnowledge {
    /// The stage, as ListStages gave it last.
    pub listed: ListedStage,
    /// When it was first seen.
    pub known_since: Timestamp,
    /// When its participants were looked at last, all of them.
    pub looked_at: Option<Timestamp>,
    /// The session that was active then.
    pub looked_in: Option<SessionId>,
    /// When a look last came to no end, and the next one may not either: a read was refused, or there is too much for one sweep.
    pub attempted_at: Option<Timestamp>,
    /// When its publishers were last confirmed to publish.
    pub confirmed_at: Option<Timestamp>,
    /// What was found of its recording; nothing while no rule had a say in it.
    pub recording: Option<RecordingCheck>,
}

impl StageKnowledge {
    /// A stage that is seen for the first time.
    pub fn new(listed: ListedStage, now: Timestamp) -> Self {
        Self {
            listed,
            known_since: now,
            looked_at: None,
            looked_in: None,
            attempted_at: None,
            confirmed_at: None,
            recording: None,
        }
    }
}

/// A stage as ListStages and GetStage give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedStage {
    /// The stage.
    pub stage: StageArn,
    /// Its name; empty if it has none.
    pub name: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its active session, if somebody is there.
    pub active_session: Option<SessionId>,
}

/// A session of a stage as ListStageSessions gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSession {
    /// The session.
    pub session: SessionId,
    /// When it ended; nothing while it is active.
    pub ended: Option<Moment>,
}

/// A participant as ListParticipants gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedParticipant {
    /// Who.
    pub participant: ParticipantId,
    /// The token's user id; empty if it has none.
    pub user_id: String,
    /// Whether it is connected; nothing for a state that is not known.
    pub connected: Option<bool>,
    /// What it is there as.
    pub role: Role,
}

/// What a participant is on a stage as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// By itself. Whether it is replicated, if IVS says so.
    Original {
        /// Whether it has a running replication.
        replicated: bool,
    },
    /// As the replica of somebody on this stage.
    Replica {
        /// The stage it publishes to.
        source: StageArn,
        /// Whether its replication runs.
        active: bool,
    },
    /// Of a type that is not known.
    Unknown,
}

/// A line of history as ListParticipantEvents gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedEvent {
    /// What happened.
    pub name: EventName,
    /// When.
    pub at: Moment,
    /// Whether it happened to the participant as a replica.
    pub replica: bool,
}

/// What happened to a participant, as far as it says something about replications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventName {
    /// `JOINED`
    Joined,
    /// `LEFT`
    Left,
    /// `PUBLISH_STARTED`
    PublishStarted,
    /// `PUBLISH_STOPPED`
    PublishStopped,
    /// `REPLICATION_STARTED`, with its destination.
    ReplicationStarted(StageArn),
    /// `REPLICATION_STOPPED`, with its destination.
    ReplicationStopped(StageArn),
    /// Anything else.
    Other,
}

impl Inventory {
    /// Adds a publisher.
    pub fn put_publisher(&mut self, publisher: Publisher) {
        let items = self.stages.entry(publisher.key.stage.clone()).or_default();
        items.publishers.insert(publisher.key.participant.clone(), publisher);
    }

    /// Adds a replication.
    pub fn put_replica(&mut self, replica: Replica) {
        let items = self.stages.entry(replica.key.source.clone()).or_default();
        items.replicas.insert((replica.key.participant.clone(), replica.key.destination.clone()), replica);
    }

    /// Adds what is known of a stage.
    pub fn put_knowledge(&mut self, knowledge: StageKnowledge) {
        let items = self.stages.entry(knowledge.listed.stage.clone()).or_default();
        items.knowledge = Some(knowledge);
    }

    /// Adds who has a place on a stage.
    pub fn put_occupants(&mut self, stage: StageArn, occupants: BTreeSet<Occupant>) {
        self.stages.entry(stage).or_default().occupants = Some(occupants);
    }

    /// Adds that somebody asks for a look at a stage; at every stage, if none is named.
    pub fn put_asked(&mut self, stage: Option<StageArn>, asked: Asked) {
        match stage {
            Some(stage) => self.stages.entry(stage).or_default().asked = Some(asked),
            None => self.asked_of_all = Some(asked),
        }
    }

    /// Who has a place on a stage; nothing if it is no destination.
    pub fn occupants(&self, stage: &StageArn) -> Option<&BTreeSet<Occupant>> {
        self.stages.get(stage)?.occupants.as_ref()
    }

    /// Destinations with free places that somebody waits for.
    pub fn with_free_places(&self) -> impl Iterator<Item = &StageArn> {
        let waited_for: BTreeSet<_> = self
            .replicas()
            .filter(|replica| replica.waits_for_place())
            .map(|replica| &replica.key.destination)
            .collect();
        let has_room = |stage: &&StageArn| self.occupants(stage).is_none_or(|there| there.len() < PLACES);
        waited_for.into_iter().filter(has_room)
    }

    /// Places that are not as the publishers and replications say. A moment's difference is none: the reader saw one before a
    /// write and the other after it.
    pub fn misplaced(&self) -> Vec<PlaceChange> {
        let mut wrong = Vec::new();
        for (stage, items) in &self.stages {
            let Some(occupants) = &items.occupants else { continue };
            let replicas = self.replicas_to(stage).filter(|replica| replica.holds_slot());
            let publishers = items.publishers.values().filter(|known| known.publishing() == Publishing::Yes);
            let holders: BTreeSet<_> = replicas
                .map(|replica| Occupant::replica(&replica.key))
                .chain(publishers.map(|publisher| Occupant::publisher(&publisher.key)))
                .collect();
            let change = |kind| {
                move |occupant: &Occupant| PlaceChange {
                    stage: stage.clone(),
                    occupant: occupant.clone(),
                    kind,
                }
            };
            wrong.extend(holders.difference(occupants).map(change(PlaceKind::Take)));
            wrong.extend(occupants.difference(&holders).map(change(PlaceKind::Leave)));
        }
        wrong
    }

    /// A publisher, if it is known.
    pub fn publisher(&self, key: &PublisherKey) -> Option<&Publisher> {
        self.stages.get(&key.stage)?.publishers.get(&key.participant)
    }

    /// A replication, if it is known.
    pub fn replica(&self, key: &ReplicationKey) -> Option<&Replica> {
        self.stages.get(&key.source)?.replicas.get(&(key.participant.clone(), key.destination.clone()))
    }

    /// What earlier sweeps learnt of a stage.
    pub fn knowledge(&self, stage: &StageArn) -> Option<&StageKnowledge> {
        self.stages.get(stage)?.knowledge.as_ref()
    }

    /// The tags of a stage, if they are known.
    pub fn tags(&self, stage: &StageArn) -> Option<&Tags> {
        self.knowledge(stage).map(|known| &known.listed.tags)
    }

    /// The known publishers of a stage.
    pub fn publishers_on(&self, stage: &StageArn) -> impl Iterator<Item = &Publisher> {
        self.stages.get(stage).into_iter().flat_map(|items| items.publishers.values())
    }

    /// The known replications from a stage.
    pub fn replicas_from(&self, stage: &StageArn) -> impl Iterator<Item = &Replica> {
        self.stages.get(stage).into_iter().flat_map(|items| items.replicas.values())
    }

    /// The known replications of a publisher, ordered by destination.
    pub fn replicas_of<'a>(&'a self, key: &'a PublisherKey) -> impl Iterator<Item = &'a Replica> {
        self.replicas_from(&key.stage).filter(|replica| replica.key.participant == key.participant)
    }

    /// The known replications to a stage.
    pub fn replicas_to<'a>(&'a self, stage: &'a StageArn) -> impl Iterator<Item = &'a Replica> {
        self.replicas().filter(move |replica| replica.key.destination == *stage)
    }

    /// All known replications.
    pub fn replicas(&self) -> impl Iterator<Item = &Replica> {
        self.stages.values().flat_map(|items| items.replicas.values())
    }

    /// Replications that somebody else started, and that run as far as is known.
    pub fn foreign(&self) -> impl Iterator<Item = &ReplicationKey> {
        let runs = |replica: &&Replica| replica.evidence.standing() == Standing::On;
        self.replicas()
            .filter(|replica| replica.owner == Owner::Foreign)
            .filter(runs)
            .map(|replica| &replica.key)
    }

    /// Publishers for whom something has to be written or asked although IVS reported nothing: the rules or the tags of
    /// stages changed while nobody listened. None, if a rule cannot be read: what it wants must not be released for that.
    pub fn out_of_date(&self, now: Timestamp, policy: &Policy) -> Vec<PublisherKey> {
        if self.rules_incomplete {
            return Vec::new();
        }
        let can = Capabilities { get_participant: true, ..Capabilities::default() };
        let context = Context { can, ..brake::context(now, policy, None) };
        let is_open = |key: &PublisherKey| {
            let made = plan(&self.view(key), context);
            !made.is_empty() || !made.asks.is_empty()
        };
        self.publishers().filter(is_open).collect()
    }

    /// Everybody who publishes, did so lately, or has a replica.
    pub fn publishers(&self) -> impl Iterator<Item = PublisherKey> {
        self.stages.iter().flat_map(|(stage, items)| {
            let of_replicas = items.replicas.keys().map(|(participant, _)| participant);
            let participants: BTreeSet<_> = items.publishers.keys().chain(of_replicas).collect();
            participants
                .into_iter()
                .map(|participant| PublisherKey { stage: stage.clone(), participant: participant.clone() })
        })
    }

    /// All that is known around one publisher, as the planner wants it.
    pub fn view(&self, key: &PublisherKey) -> View {
        View {
            publisher: self.publisher(key).cloned(),
            tags: self.tags(&key.stage).cloned(),
            rules: self.rules.iter().filter(|rule| self.covers(rule, &key.stage)).cloned().collect(),
            directory: self.directory.clone(),
            replicas: self.replicas_of(key).cloned().collect(),
            is_destination: self.occupants(&key.stage).is_some(),
            control: self.control.clone(),
            ..View::empty(key.clone())
        }
    }

    /// Of these stages, and those that the rules name, the ones that somebody wants something of: sources and
    /// destinations of active rules, of live replications, and of those that ended lately.
    pub(crate) fn concerned<'a>(
        &'a self,
        roster: &'a Roster,
        now: Timestamp,
        policy: &SweepPolicy,
    ) -> BTreeSet<&'a StageArn> {
        let active: Vec<&Rule> = self.rules.iter().filter(|rule| rule.is_active(now)).collect();
        let destinations = active.iter().flat_map(|rule| &rule.destinations);
        let mut concerned: BTreeSet<_> = destinations
            .filter_map(|destination| match destination {
                Destination::Stage(stage) => Some(stage),
                Destination::Tags { .. } => None,
            })
            .collect();
        let selected =
            self.directory.iter().filter(|(_, tags)| active.iter().any(|rule| rule.can_select(tags)));
        concerned.extend(selected.map(|(stage, _)| stage));
        for stage in roster.stages.keys().chain(self.stages.keys()) {
            let tags = roster.stages.get(stage).map(|listed| &listed.tags).or(self.tags(stage));
            if active.iter().any(|rule| rule.covers(stage, tags) != Match::No) {
                concerned.insert(stage);
            }
        }
        for replica in
            self.replicas().filter(|replica| is_live(replica) || ended_lately(replica, now, policy))
        {
            concerned.extend([&replica.key.source, &replica.key.destination]);
        }
        concerned
    }

    /// Whether a rule speaks of a stage, as far as is known.
    fn covers(&self, rule: &Rule, stage: &StageArn) -> bool {
        rule.covers(stage, self.tags(stage)) != Match::No
    }

    fn publishing(&self, key: &PublisherKey) -> Publishing {
        self.publisher(key).map_or(Publishing::Unknown, Publisher::publishing)
    }

    /// Whether IVS refused to replicate it, because it does not publish.
    fn is_said_not_to_publish(&self, key: &PublisherKey) -> bool {
        self.replicas_of(key).any(|replica| match &replica.phase {
            Phase::Blocked(blocked) => blocked.reason == BlockedReason::NotPublishing,
            _ => false,
        })
    }

    /// Whether news of this publisher can make a difference: a rule means it, it has a live replication, or it is known to
    /// take a place that a replica might want.
    fn matters(&self, key: &PublisherKey, user_id: &str, now: Timestamp) -> bool {
        let attributes = self.publisher(key).and_then(|publisher| publisher.attributes.as_ref());
        let wants = |rule: &&Rule| {
            rule.is_active(now)
                && self.covers(rule, &key.stage)
                && rule.participants.matches(user_id)
                && rule.participants.matches_attributes(attributes) != Match::No
        };
        let takes_a_place =
            || self.occupants(&key.stage).is_some() && self.publishing(key) == Publishing::Yes;
        self.rules.iter().any(|rule| wants(&rule)) || self.replicas_of(key).any(is_live) || takes_a_place()
    }
}

/// Whether a replication may run, or is under way.
fn is_live(replica: &Replica) -> bool {
    let may_run = matches!(replica.evidence.standing(), Standing::On | Standing::Uncertain);
    replica.phase != Phase::Stopped || may_run
}

/// Whether a replica ended that was ours, not by a Stop of ours, and not long ago.
fn ended_lately(replica: &Replica, now: Timestamp, policy: &SweepPolicy) -> bool {
    let lately = replica.evidence.off.is_some_and(|off| now.duration_since(off.latest()) < policy.after_end);
    replica.begun.is_some() && lately
}

/// Whether a replication is believed to run, and long enough for IVS to list it.
fn should_be_listed(replica: &Replica, at: Timestamp, policy: &SweepPolicy) -> bool {
    let settled = replica.evidence.on.is_some_and(|on| at.duration_since(on.latest()) > policy.settle);
    replica.evidence.standing() == Standing::On && !replica.is_leased(at) && settled
}
