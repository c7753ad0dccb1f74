//! When two states are the same: if nothing that can happen from now on differs.
//!
//! A state is written out with everything in it, but for what makes no difference:
//!
//! * **Past times** count from now, and as ticks. Of what is older than anything is compared with ([`World::horizon`]), only the order
//!   is kept, and how far apart two of them are, as long as that can be within a reconnect window. So time does not make new states
//!   for ever.
//! * **Times to wait for** count in whole ticks from now, rounded up, because time goes in ticks; those that are over are all the
//!   same.
//! * **Versions** only say whether a row is as it was read.
//! * **Names of functions** only say which are the same.
//! * Of **attempts**, only whether there were any: the wait after a failure is one tick, however many there were.
//! * **The order** of messages and of functions under way is no order.
//!
//! Every structure is taken apart by its fields, without a `..`: a new field of the core has to be looked at here.

mod core;

use std::hash::{DefaultHasher, Hasher};
use std::ops::Range;

use controller::Write;
use jiff::Timestamp;
use replication::PlaceChange;

use crate::ivs::{By, Person, Replication};
use crate::state::{At, Call, Calling, Letter, Message, Planned, Run, State};
use crate::table::{Stops, Table};
use crate::world::{TICK, World, at, tick_of};

/// A number that states have in common if, and (but for one in 2^128) only if, they are the same.
pub(crate) fn fingerprint(world: &World, state: &State) -> u128 {
    let mut writer = Writer {
        now: state.now,
        table: &state.table,
        holders: Vec::new(),
        bytes: Vec::with_capacity(1_024),
        ticks: Vec::with_capacity(64),
        unordered: Vec::new(),
    };
    writer.state(state);
    writer.put_ages(world);
    writer.put_in_order();
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(&writer.bytes);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

/// The last nanosecond of a tick, as [`tick_of`] gives it.
const END_OF_TICK: i64 = TICK.as_secs() * 1_000_000_000 - 1;

/// How far ahead of now a time can be that something was at, in ticks: an end that is taken for the time after its tick.
const AHEAD: i64 = 8;

/// Writes a state out.
struct Writer<'a> {
    now: i64,
    table: &'a Table,
    holders: Vec<&'a str>,
    bytes: Vec<u8>,
    /// Where which tick has to be written, once all are known.
    ticks: Vec<(usize, i64)>,
    /// Parts that are in no order.
    unordered: Vec<Range<usize>>,
}

impl<'a> Writer<'a> {
    // ---- what everything is written by ----------------------------------------------------------------------------------

    fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Mostly a small one.
    fn number(&mut self, number: i64) {
        match u8::try_from(number) {
            Ok(small) if small < u8::MAX => self.byte(small),
            _ => {
                self.byte(u8::MAX);
                self.bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
    }

    fn count(&mut self, count: usize) {
        self.number(i64::try_from(count).unwrap_or(i64::MAX));
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn maybe<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn each<T>(&mut self, values: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        for value in values {
            self.byte(1);
            write(self, value);
        }
        self.byte(0);
    }

    /// A tick at which something was.
    fn tick(&mut self, tick: i64) {
        self.ticks.push((self.bytes.len(), tick));
        self.byte(0);
    }

    /// A time at which something was.
    fn was(&mut self, time: Timestamp) {
        let (tick, into) = tick_of(time);
        self.tick(tick);
        match into {
            0 => self.byte(0),
            END_OF_TICK => self.byte(1),
            into => {
                self.byte(2);
                self.number(into);
            }
        }
    }

    /// A time to wait for.
    fn wait(&mut self, time: Timestamp) {
        let (tick, into) = tick_of(time);
        self.number((tick + i64::from(into > 0) - self.now).max(0));
    }

    fn version(&mut self, stored: Option<u64>, version: u64) {
        let is_as_stored = version == stored.unwrap_or(0);
        self.byte(if is_as_stored { u8::from(version > 0) } else { 2 });
    }

    fn holder(&mut self, holder: &'a str) {
        let known = self.holders.iter().position(|known| *known == holder);
        let number = known.unwrap_or_else(|| {
            self.holders.push(holder);
            self.holders.len() - 1
        });
        self.count(number);
    }

    /// Writes how long ago everything was. What will be is less than nothing ago.
    fn put_ages(&mut self, world: &World) {
        // Two windows, because the end of a replica may follow from the one, and be compared by the other.
        let (horizon, farthest) = (world.horizon(), 2 * world.window() + 1);
        let mut ticks = std::mem::take(&mut self.ticks);
        ticks.sort_unstable_by_key(|(_, tick)| std::cmp::Reverse(*tick));
        let (mut before, mut age) = (self.now, 0);
        for (place, tick) in ticks {
            if tick < before {
                let apart = (before - tick).min(farthest);
                age =
                    if self.now - tick <= horizon { self.now - tick } else { (age + apart).max(horizon + 1) };
                before = tick;
            }
            let age = if tick > self.now { self.now - tick } else { age };
            self.bytes[place] = u8::try_from(age + AHEAD).unwrap_or(u8::MAX);
        }
    }

    /// Puts what is in no order into one.
    fn put_in_order(&mut self) {
        let Some((first, last)) = self.unordered.first().zip(self.unordered.last()) else { return };
        let all = first.start..last.end;
        let mut parts: Vec<_> = self.unordered.iter().map(|part| self.bytes[part.clone()].to_vec()).collect();
        parts.sort_unstable();
        self.bytes.splice(all, parts.concat());
    }

    // ---- the state ------------------------------------------------------------------------------------------------------

    fn state(&mut self, state: &'a State) {
        // How many functions there were says nothing but how they are called.
        let State { now: _, ivs, table, mail, runs, begun: _, doings_left, faults_left } = state;
        let crate::ivs::Ivs { people, replications } = ivs;
        self.byte(*doings_left);
        self.byte(*faults_left);
        self.each(people, |writer, Person { publishes, started, stopped }| {
            writer.byte(u8::from(*publishes));
            writer.maybe(*started, Self::tick);
            writer.maybe(*stopped, Self::tick);
        });
        self.each(replications, |writer, replication| {
            let Replication { by, window, started, stopped, is_unclear } = *replication;
            writer.byte(match by {
                None => 0,
                Some(By::Us) => 1,
                Some(By::Others) => 2,
            });
            writer.number(if by.is_some() { window } else { 0 });
            writer.maybe(started, Self::tick);
            writer.maybe(stopped, Self::tick);
            writer.byte(u8::from(is_unclear));
        });
        self.table(table);
        self.count(mail.len());
        for letter in mail {
            let begin = self.bytes.len();
            self.letter(letter);
            self.unordered.push(begin..self.bytes.len());
        }
        // Names that no lease has are given in the order of the functions, which is none; at worst, one state counts as two.
        self.each(runs, |writer, run| writer.run(run));
    }

    fn letter(&mut self, Letter { message, is_late }: &Letter) {
        self.byte(u8::from(*is_late));
        match &**message {
            Message::Event(news) => {
                self.byte(0);
                self.observation(news);
            }
            Message::Read(news) => {
                self.byte(1);
                self.observation(news);
            }
            Message::Rules(stage) => {
                self.byte(2);
                self.text(stage.resource_id());
            }
        }
    }

    fn table(&mut self, table: &'a Table) {
        let Table { rules, pause, publishers, replicas, occupants, stops } = table;
        self.each(rules.iter(), Self::rule);
        self.byte(u8::from(pause.is_some()));
        self.each(publishers.values(), |writer, publisher| writer.publisher(publisher));
        self.each(replicas.values(), |writer, replica| writer.replica(replica));
        self.each(occupants, |writer, (stage, there)| {
            writer.text(stage.resource_id());
            writer.each(there.iter(), |writer, occupant| writer.text(occupant.as_str()));
        });
        let now = at(self.now);
        // Those that do not count any more are the same as none.
        let counting = stops.counts_until() > now;
        let stops = stops.stops.iter().filter(|_| counting);
        let counting = stops.filter(|(from, _)| {
            let alone = replication::Tally { stops: [(**from, 1)].into() };
            alone.counts_until() > now
        });
        self.each(counting, |writer, (from, stops)| {
            writer.was(*from);
            writer.number(i64::from(*stops));
        });
    }

    fn run(&mut self, run: &'a Run) {
        let Run { holder, function, publisher, news, witness, full, planned_at, pace, at } = run;
        self.holder(holder);
        self.text(function.name);
        self.publisher_key(publisher);
        self.maybe(news.as_ref(), Self::observation);
        self.maybe(witness.as_ref(), |writer, witness| {
            let replication::SecondWitness { unwanted, gone_at } = witness;
            writer.each(unwanted, |writer, stage| writer.text(stage.resource_id()));
            writer.maybe(*gone_at, Self::was);
        });
        self.full(full);
        self.tick(*planned_at);
        self.byte(*pace as u8);
        match at {
            At::Writing(planned) => {
                // What is reported is only told to people.
                let Planned { view, plan, write, stops } = &**planned;
                // A plan of the model asks nothing, and what it writes of budgets is the tally of stops.
                let Write { publisher, replicas, places, activity: _, budgets: _, stage: _ } = write;
                self.byte(0);
                self.view(view);
                self.each(&plan.steps, Self::step);
                self.each(&plan.evictions, |writer, replication::Eviction { key, priority }| {
                    writer.key(key);
                    writer.byte(*priority);
                });
                self.maybe(publisher.as_ref(), Self::publisher);
                self.each(replicas, Self::replica);
                self.each(places, |writer, PlaceChange { stage, occupant, kind }| {
                    writer.text(stage.resource_id());
                    writer.text(occupant.as_str());
                    writer.byte(*kind as u8);
                });
                self.maybe(stops.as_ref(), |writer, Stops { count, planned_with }| {
                    writer.count(*count);
                    writer.each(&planned_with.stops, |writer, (from, stops)| {
                        writer.was(*from);
                        writer.number(i64::from(*stops));
                    });
                });
            }
            At::Calling(calling) => {
                let Calling { view, after, interfered, sent_at, calls } = &**calling;
                self.byte(1);
                self.view(view);
                self.each(&after.replicas, Self::replica);
                self.byte(u8::from(*interfered));
                self.tick(*sent_at);
                self.each(calls, |writer, Call { step, answer, is_recorded }| {
                    writer.step(step);
                    writer.byte(u8::from(*is_recorded));
                    writer.maybe(answer.as_ref().filter(|_| !is_recorded), |writer, (outcome, took)| {
                        writer.outcome(outcome);
                        writer.moment(*took);
                    });
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::Space;
    use crate::spec::Spec;

    #[test]
    fn time_in_which_nothing_happens_makes_no_difference() {
        let world = World::of(Spec::one().with(1, 0));
        let mut later = world.first();
        later.now += 1;
        assert_eq!(fingerprint(&world, &later), fingerprint(&world, &world.first()));
        later.doings_left = 0;
        assert_ne!(fingerprint(&world, &later), fingerprint(&world, &world.first()));
    }

    #[test]
    fn time_since_something_happened_makes_a_difference_until_it_is_long_ago() {
        let world = World::of(Spec::one().with(1, 0));
        let mut state = world.first();
        let told = state.ivs.publish(&world, 0, true, 0);
        assert_eq!(told.len(), 1);
        let ages = (0..10).map(|tick| {
            state.now = tick;
            fingerprint(&world, &state)
        });
        let ages: Vec<_> = ages.collect();
        let horizon = usize::try_from(world.horizon()).unwrap();
        assert!(ages[..=horizon + 1].windows(2).all(|pair| pair[0] != pair[1]));
        assert!(ages[horizon + 1..].windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn messages_come_in_no_order() {
        let world = World::of(Spec::one().with(1, 0));
        let mut state = world.first();
        let news = state.ivs.publish(&world, 0, true, 0).into_iter();
        let ended = state.ivs.publish(&world, 0, false, 0).into_iter();
        let letter = |news| Letter { message: std::sync::Arc::new(Message::Event(news)), is_late: false };
        state.mail = news.chain(ended).map(letter).collect();
        let one = fingerprint(&world, &state);
        state.mail.reverse();
        assert_eq!(fingerprint(&world, &state), one);
        state.mail.pop();
        assert_ne!(fingerprint(&world, &state), one);
    }
}
