//! What must never happen, and what must be once nothing goes wrong any more, told from what is the case.

use std::fmt;

use replication::invariant::Invariant;
use replication::occupancy::PLACES;
use replication::{
    Destination, Lease, Owner, Phase, PublisherKey, Rejection, Replica, ReplicationKey, Rule, Source, Status,
    Step, View,
};

use crate::control::Turn;
use crate::ivs::By;
use crate::state::State;
use crate::world::{World, at};

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub promise: Invariant,
    /// By what.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise.id(), self.what)
    }
}

impl Turn<'_> {
    /// A Start or Stop reaches IVS: its intent is stored, under a lease that nobody else has.
    pub(crate) fn check_call(&mut self, key: &ReplicationKey, phase: Phase, lease: &Lease) {
        let row = self.state.table.replicas.get(key).cloned();
        let is_intended = row.as_ref().is_some_and(|row| {
            row.phase == phase && row.lease.as_ref() == Some(lease) && row.is_leased(at(self.state.now))
        });
        if !is_intended {
            self.breaks(Invariant::IntentBeforeCall, || {
                format!("{phase} of {key} under {lease:?} while the table has {row:?}")
            });
        }
    }

    /// A Start reaches IVS.
    pub(crate) fn check_start(&mut self, key: &ReplicationKey) {
        let is_original = self.world.people.contains(&key.publisher());
        if key.source == key.destination || !is_original {
            self.breaks(Invariant::NoLoops, || format!("starts {key}, which is a replica there"));
        }
    }

    /// A Stop reaches IVS, of a plan that was stored with this view. It cannot be called back any more.
    pub(crate) fn check_stop(&mut self, key: &ReplicationKey, planned: &View) {
        let Some(replication) = self.state.ivs.replication(self.world, key).copied() else { return };
        // After a Start without an answer nobody can tell whose it is that runs since.
        if replication.by == Some(By::Others)
            && !replication.is_unclear
            && !self.was_news_on_its_way(key, planned)
        {
            self.breaks(Invariant::OwnOnly, || format!("stops {key}, which somebody else started"));
        }
        if replication.by == Some(By::Us) && self.nothing_speaks_against(key) {
            self.breaks(Invariant::NoStopWithoutNews, || format!("stops {key}, which is wanted as ever"));
        }
    }

    /// Whether it could not be known yet, when the Stop was planned, that a replica of ours ended here, before somebody else started one.
    fn was_news_on_its_way(&self, key: &ReplicationKey, planned: &View) -> bool {
        let row = planned.replica(&key.destination);
        let Some(row) = row.filter(|row| row.owner == Owner::Stagelink) else {
            return false;
        };
        let ended = self.state.ivs.replication(self.world, key).and_then(|replication| replication.stopped);
        let ended = ended.map(at);
        let publisher = planned.publisher.as_ref();
        let told = [row.evidence.off, publisher.and_then(|publisher| publisher.evidence.off)];
        ended.is_some_and(|ended| told.into_iter().flatten().all(|off| off.latest() < ended))
    }

    /// Whether nobody ever did anything for which a replica could have to be stopped: its publisher has never left, the rules are as
    /// they were, nothing is paused, and there is room for all.
    fn nothing_speaks_against(&self, key: &ReplicationKey) -> bool {
        let State { ivs, table, now, .. } = &self.state;
        let left = self.world.people.iter().zip(&ivs.people).any(|(person, known)| {
            *person == key.publisher() && (known.stopped.is_some() || !known.publishes)
        });
        let rules_changed = *table.rules != self.world.rules;
        !left
            && !rules_changed
            && !self.world.is_contested()
            && wants(self.world, &table.rules, key, *now).is_some()
    }

    /// An intent is stored: with it, no participant has more replications of our own doing than it may.
    pub(crate) fn check_slots(&mut self, publisher: &PublisherKey, steps: &[Step]) {
        if !steps.iter().any(|step| matches!(step, Step::Start(_))) {
            return;
        }
        let ivs = &self.state.ivs;
        let runs = |row: &Replica| {
            row.lease.is_some() || ivs.replication(self.world, &row.key).is_some_and(|it| it.by.is_some())
        };
        let held =
            self.state.table.replicas_of(publisher).filter(|row| row.holds_slot() && runs(row)).count();
        if held > self.world.policy.slots_per_participant {
            self.breaks(Invariant::ParticipantSlots, || format!("{publisher} has {held}"));
        }
    }
}

/// The rule that wants a replication of somebody who publishes.
fn wants<'a>(world: &World, rules: &'a [Rule], key: &ReplicationKey, now: i64) -> Option<&'a Rule> {
    let meant = rules.iter().filter(|rule| {
        let acts = rule.status == Status::Enabled && rule.expires_at.is_none_or(|end| at(now) < end);
        let from = rule.source == Source::Stage(key.source.clone());
        acts && from && rule.destinations.contains(&Destination::Stage(key.destination.clone()))
    });
    let meant = meant.filter(|_| world.people.contains(&key.publisher()) && key.source != key.destination);
    meant.max_by_key(|rule| rule.priority)
}

/// Whether all is as it should be, now that it should.
pub(crate) fn is_well(world: &World, state: &State) -> bool {
    let mut is_well = true;
    look(world, state, &mut |_| is_well = false);
    is_well
}

/// What is not as it should be, in words.
pub(crate) fn wrong(world: &World, state: &State) -> Vec<String> {
    let mut wrong = Vec::new();
    look(world, state, &mut |what| wrong.push(what.to_string()));
    wrong
}

/// Compares what is the case with what the rules want, and with what the table says.
fn look(world: &World, state: &State, wrong: &mut dyn FnMut(fmt::Arguments<'_>)) {
    let State { ivs, table, now, .. } = state;
    let publishes = |key: &ReplicationKey| {
        let mut people = world.people.iter().zip(&ivs.people);
        people.any(|(person, known)| *person == key.publisher() && known.publishes)
    };
    let wanted = |key: &ReplicationKey| wants(world, &table.rules, key, *now).filter(|_| publishes(key));
    for (key, replication) in world.replications.iter().zip(&ivs.replications) {
        let row = table.replicas.get(key).map(|row| &**row);
        match (replication.by, wanted(key)) {
            (Some(By::Us), None) if table.pause.is_none() => {
                wrong(format_args!("{key} is leaked; the table has {row:#?}"));
            }
            (None, Some(rule)) if table.pause.is_none() && !is_excused(world, state, key, rule, &wanted) => {
                wrong(format_args!("{key} is missing; the table has {row:#?}"));
            }
            _ => {}
        }
        let is_ours = row.is_some_and(Replica::runs_as_ours);
        if replication.by == Some(By::Us) && !is_ours {
            wrong(format_args!("{key} runs, and is ours; the table has {row:#?}"));
        }
        if replication.by == Some(By::Others) && !replication.is_unclear && is_ours {
            wrong(format_args!("{key} is somebody else's; the table has {row:#?}"));
        }
        if row
            .is_some_and(|row| matches!(row.phase, Phase::Starting | Phase::Stopping) || row.lease.is_some())
        {
            wrong(format_args!("{key} stays under way; the table has {row:#?}"));
        }
        if replication.by.is_none() && row.is_some_and(|row| row.phase == Phase::Active) {
            wrong(format_args!("{key} does not run; the table has {row:#?}"));
        }
    }
    for key in table.replicas.keys().filter(|key| !world.replications.contains(key)) {
        wrong(format_args!("{key} cannot be, and the table has it"));
    }
}

/// Whether there is a good reason for a wanted replication not to run: there is no slot or no place, and nobody has one who would
/// have to leave it.
fn is_excused<'a>(
    world: &World,
    state: &'a State,
    key: &ReplicationKey,
    rule: &Rule,
    wanted: &dyn Fn(&ReplicationKey) -> Option<&'a Rule>,
) -> bool {
    let running: Vec<_> = state.ivs.running(world).collect();
    // What IVS refused without a reason, it might refuse again.
    let refused =
        state.table.replicas.get(key).and_then(|row| row.last_error.as_ref()).is_some_and(|error| {
            error.rejection.is_some_and(|it| it != Rejection::QuotaExceeded)
                && !error.message.contains("publishing")
        });
    let gives_way = |(other, by): &&(&ReplicationKey, By)| {
        let weaker = wanted(other).is_some_and(|wanted| wanted.priority < rule.priority);
        rule.preempt && !refused && weaker && *by == By::Us
    };
    let own: Vec<_> = running.iter().filter(|(other, _)| other.publisher() == key.publisher()).collect();
    let there: Vec<_> = running.iter().filter(|(other, _)| other.destination == key.destination).collect();
    let slots_full = own.len() >= world.policy.slots_per_participant;
    let places_full = state.ivs.there(world, &key.destination) >= PLACES;
    let no_slot = slots_full && !own.iter().any(&gives_way);
    let no_place = places_full && !there.iter().any(&gives_way);
    // Who has neither pushes nobody out: it would be in vain on the other side.
    no_slot || no_place || slots_full && places_full
}
