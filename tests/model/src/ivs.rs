//! IVS as it is, whoever knows of it: who publishes, what is replicated, and whose that is.

use replication::occupancy::PLACES;
use replication::sweep::{EventName, ListedEvent, ListedParticipant, ListedStage, Role};
use replication::{
    CallError, Listed, Moment, Observation, ParticipantId, PublisherKey, Receipt, Refusal, Rejection,
    ReplicationKey, StageArn, StartRequest,
};

use crate::world::{TICK, World, at, id, session};

/// Who started a replication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Us,
    Others,
}

/// A participant, in the order of [`World::people`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Person {
    pub(crate) publishes: bool,
    pub(crate) started: Option<i64>,
    pub(crate) stopped: Option<i64>,
}

/// A replication, in the order of [`World::replications`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Replication {
    pub(crate) by: Option<By>,
    /// How long it outlives its publisher, in ticks.
    pub(crate) window: i64,
    pub(crate) started: Option<i64>,
    pub(crate) stopped: Option<i64>,
    /// Whether nobody can tell whose it is that runs: a Start of ours had no answer, or one of ours ended so soon that its end cannot
    /// be told from its beginning. Until another Start of ours takes effect.
    pub(crate) is_unclear: bool,
}

impl Replication {
    fn end(&mut self, now: i64) {
        self.is_unclear |= self.by == Some(By::Us) && self.started == Some(now);
        self.by = None;
        self.stopped = Some(now);
    }
}

/// What is the case.
#[derive(Debug, Clone)]
pub(crate) struct Ivs {
    pub(crate) people: Vec<Person>,
    pub(crate) replications: Vec<Replication>,
}

/// What a call came to, and what IVS tells of it.
pub(crate) type Answer<T> = (Result<T, CallError>, Vec<Observation>);

impl Ivs {
    pub(crate) fn of(world: &World) -> Self {
        Self {
            people: vec![Person::default(); world.people.len()],
            replications: vec![Replication::default(); world.replications.len()],
        }
    }

    /// Somebody begins to publish, or stops.
    pub(crate) fn publish(
        &mut self,
        world: &World,
        who: usize,
        publishes: bool,
        now: i64,
    ) -> Vec<Observation> {
        let person = &mut self.people[who];
        person.publishes = publishes;
        let time = if publishes { &mut person.started } else { &mut person.stopped };
        *time = Some(now);
        let (key, session, user_id) = (world.people[who].clone(), session(), String::new());
        let at = whole(now);
        let news = match publishes {
            true => Observation::Published { key, session, user_id, at },
            false => Observation::Unpublished { key, session, user_id, at },
        };
        let mut told = vec![news];
        told.extend(self.end_what_is_over(world, now));
        told
    }

    /// Ends the replicas whose publishers have been gone for longer than their reconnect windows.
    pub(crate) fn end_what_is_over(&mut self, world: &World, now: i64) -> Vec<Observation> {
        let mut told = Vec::new();
        if world.spec.lingers {
            return told;
        }
        for (key, replication) in world.replications.iter().zip(&mut self.replications) {
            let Some(who) = index(world, &key.publisher()) else { continue };
            let Person { publishes, stopped, .. } = self.people[who];
            let over = stopped.is_some_and(|stopped| now - stopped >= replication.window);
            if replication.by.is_some() && !publishes && over {
                replication.end(now);
                told.push(Observation::ReplicaEnded { key: key.clone(), at: whole(now) });
            }
        }
        told
    }

    /// A replica cannot publish at its destination, and ends.
    pub(crate) fn fail(&mut self, world: &World, number: usize, now: i64) -> Vec<Observation> {
        let replication = &mut self.replications[number];
        replication.end(now);
        let (key, at) = (world.replications[number].clone(), whole(now));
        let failed = Observation::ReplicaFailed { key: key.clone(), code: "BITRATE_EXCEEDED".to_owned(), at };
        vec![failed, Observation::ReplicaEnded { key, at }]
    }

    /// StartParticipantReplication, by whomever.
    pub(crate) fn start(
        &mut self,
        world: &World,
        key: &ReplicationKey,
        window: i64,
        by: By,
        now: i64,
    ) -> Answer<Receipt> {
        let (Some(place), Some(person)) = (place(world, key), index(world, &key.publisher())) else {
            return (Err(rejected(Rejection::NotFound, "no such participant")), Vec::new());
        };
        let running = self.replications[place].by.is_some();
        if running && !world.spec.lenient {
            return (Err(rejected(Rejection::Conflict, "already replicated")), Vec::new());
        }
        if !self.people[person].publishes {
            let error = rejected(Rejection::Validation, "the participant is not publishing");
            return (Err(error), Vec::new());
        }
        let slots = self.listed(world, &key.publisher()).len();
        if !running
            && (slots >= world.policy.slots_per_participant || self.there(world, &key.destination) >= PLACES)
        {
            return (Err(rejected(Rejection::QuotaExceeded, "too many")), Vec::new());
        }
        let replication = &mut self.replications[place];
        replication.by = Some(by);
        replication.window = window;
        if running {
            return (Ok(Receipt::default()), Vec::new());
        }
        replication.started = Some(now);
        replication.is_unclear &= by == By::Others;
        let told = Observation::ReplicaActive { key: key.clone(), destination_session: None, at: whole(now) };
        (Ok(Receipt::default()), vec![told])
    }

    /// StopParticipantReplication.
    pub(crate) fn stop(&mut self, world: &World, key: &ReplicationKey, now: i64) -> Answer<Receipt> {
        let Some(replication) = self.replication_mut(world, key) else {
            return (Err(rejected(Rejection::NotFound, "no such replication")), Vec::new());
        };
        if replication.by.is_none() {
            let refused = Err(rejected(Rejection::NotFound, "no such replication"));
            return (if world.spec.lenient { Ok(Receipt::default()) } else { refused }, Vec::new());
        }
        replication.end(now);
        let told = Observation::ReplicaEnded { key: key.clone(), at: whole(now) };
        (Ok(Receipt::default()), vec![told])
    }

    pub(crate) fn replication(&self, world: &World, key: &ReplicationKey) -> Option<&Replication> {
        self.replications.get(place(world, key)?)
    }

    pub(crate) fn replication_mut(
        &mut self,
        world: &World,
        key: &ReplicationKey,
    ) -> Option<&mut Replication> {
        self.replications.get_mut(place(world, key)?)
    }

    /// Every replication that runs, and who started it.
    pub(crate) fn running<'a>(&'a self, world: &'a World) -> impl Iterator<Item = (&'a ReplicationKey, By)> {
        let all = world.replications.iter().zip(&self.replications);
        all.filter_map(|(key, replication)| Some((key, replication.by?)))
    }

    /// How many publish on a stage, replicas included.
    pub(crate) fn there(&self, world: &World, stage: &StageArn) -> usize {
        let crowd = if world.stages.last() == Some(stage) { world.spec.crowd } else { 0 };
        let own = world.people.iter().zip(&self.people);
        let own = own.filter(|(key, person)| key.stage == *stage && person.publishes).count();
        crowd + own + self.running(world).filter(|(key, _)| key.destination == *stage).count()
    }

    // ---- lists --------------------------------------------------------------------------------------------------------

    /// ListParticipantReplicas.
    pub(crate) fn listed(&self, world: &World, publisher: &PublisherKey) -> Vec<Listed> {
        let own = self.running(world).filter(|(key, _)| key.publisher() == *publisher);
        own.map(|(key, _)| Listed { destination: key.destination.clone(), destination_session: None })
            .collect()
    }

    /// ListParticipants of those who ever published. Who stops publishing leaves, unless its number is even.
    pub(crate) fn participants(&self, world: &World, stage: &StageArn) -> Vec<ListedParticipant> {
        let row = |participant: ParticipantId, connected, role| ListedParticipant {
            participant,
            user_id: String::new(),
            connected: Some(connected),
            role,
        };
        let own = world.people.iter().zip(&self.people).enumerate();
        let own = own.filter(|(_, (key, person))| key.stage == *stage && person.started.is_some());
        let own = own.map(|(i, (key, person))| {
            let replicated = !self.listed(world, key).is_empty();
            let connected = person.publishes || i % 2 == 1;
            row(key.participant.clone(), connected, Role::Original { replicated })
        });
        let replicas = self.running(world).filter(|(key, _)| key.destination == *stage).map(|(key, _)| {
            row(key.participant.clone(), true, Role::Replica { source: key.source.clone(), active: true })
        });
        let crowd = crowd(world).into_iter().filter(|key| key.stage == *stage);
        let crowd = crowd.map(|key| row(key.participant, true, Role::Original { replicated: false }));
        own.chain(replicas).chain(crowd).collect()
    }

    /// ListParticipantEvents, as far as anybody looks at it: the last line of every kind.
    pub(crate) fn events(&self, world: &World, publisher: &PublisherKey) -> Vec<ListedEvent> {
        let line = |name, tick| ListedEvent { name, at: whole(tick), replica: false };
        let Some(who) = index(world, publisher) else {
            return vec![line(EventName::PublishStarted, 0)];
        };
        let person = self.people[who];
        let mut lines = Vec::new();
        let mut pair = |last_is_on: bool, started: Option<i64>, stopped: Option<i64>, on, off| {
            let started = started.map(|tick| line(on, tick));
            let stopped = stopped.map(|tick| line(off, tick));
            match last_is_on {
                true => lines.extend(stopped.into_iter().chain(started)),
                false => lines.extend(started.into_iter().chain(stopped)),
            }
        };
        let Person { publishes, started, stopped } = person;
        pair(publishes, started, stopped, EventName::PublishStarted, EventName::PublishStopped);
        for (key, replication) in world.replications.iter().zip(&self.replications) {
            if key.publisher() == *publisher {
                let Replication { by, started, stopped, .. } = *replication;
                let to = key.destination.clone();
                let (on, off) =
                    (EventName::ReplicationStarted(to.clone()), EventName::ReplicationStopped(to));
                pair(by.is_some(), started, stopped, on, off);
            }
        }
        // Whoever has joined was there before anything else: so the order of lines of one time is known.
        let joined = started.into_iter().map(|_| line(EventName::Joined, BEFORE_ALL));
        joined.chain(lines).collect()
    }
}

/// Before anything happened.
const BEFORE_ALL: i64 = -1_000;

/// ListStages.
pub(crate) fn stages(world: &World) -> Vec<ListedStage> {
    let listed = |stage: &StageArn| ListedStage {
        stage: stage.clone(),
        name: String::new(),
        tags: Default::default(),
        active_session: Some(session()),
    };
    world.stages.iter().map(listed).collect()
}

/// The others who publish on the last stage.
pub(crate) fn crowd(world: &World) -> Vec<PublisherKey> {
    let stage = world.stages.last();
    let one = |i| stage.map(|stage| PublisherKey { stage: stage.clone(), participant: id(&format!("c{i}")) });
    (0..world.spec.crowd).filter_map(one).collect()
}

/// The window that a Start asks for, in ticks.
pub(crate) fn window(request: &StartRequest) -> i64 {
    request.reconnect_window.duration().as_secs() / TICK.as_secs()
}

/// Somewhere within a tick, as an event or a line of history tells of it.
pub(crate) fn whole(tick: i64) -> Moment {
    let end = at(tick + 1).checked_sub(jiff::SignedDuration::from_nanos(1));
    Moment::between(at(tick), end.unwrap_or(at(tick)))
}

pub(crate) fn rejected(rejection: Rejection, message: &str) -> CallError {
    refused(Refusal::Rejected(rejection), rejection.code(), message)
}

pub(crate) fn refused(refusal: Refusal, code: &str, message: &str) -> CallError {
    CallError { refusal, code: code.to_owned(), message: message.to_owned(), request_id: None }
}

fn place(world: &World, key: &ReplicationKey) -> Option<usize> {
    world.replications.iter().position(|known| known == key)
}

fn index(world: &World, publisher: &PublisherKey) -> Option<usize> {
    world.people.iter().position(|person| person == publisher)
}
