//! The sweep: reads what IVS says within its own budget of calls, and hands the news to the one loop.
//!
//! # Guarantees
//! * It starts and stops nothing. What has to follow is planned, and left in the table to those who may call. The one thing
//!   it changes is the recording of replicas, where rules say what it has to be, and only while nothing says hands off.
//! * A read that fails is no answer: it skips its stage, and only that.
//! * A stage counts as looked at once everything found there is stored. Killed anywhere, the next sweep looks again.
//! * A stage that cannot be read, or not within one sweep, has its turn as often as the others, and no more.
//!
//! # Caveats
//! * It ends at its deadline, and the next one goes on with what was not looked at for the longest time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use replication::sweep::agenda::{roster_is_due, to_remember};
use replication::sweep::{
    Agenda, Gauges, Inventory, Look, RecordingCheck, Roster, StageKnowledge, SweepPolicy, Target, agenda,
};
use replication::{
    Observation, ParticipantId, PublisherKey, ReplicationKey, SecondWitness, SessionId, StageArn,
};
use tracing::{Instrument, info, info_span, warn};

use crate::{Clock, Controller, Invocation, StoreError, with_causes};
use port::{Pace, Reads, RecordingCalls, SweepStore};
use witness::{Silence, Witness};

pub mod pace;
pub mod port;
mod recording;
pub mod scout;
pub mod single_pace;
mod tags;
mod witness;

/// How often a sweep is begun.
pub const SWEEP_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// What is left of a sweep's time for the last look to be stored.
const MARGIN: SignedDuration = SignedDuration::from_secs(2);

/// Stages that are written at the same time.
const SIDE_BY_SIDE: usize = 20;

/// Looks at IVS for what events missed.
pub struct Sweep {
    /// The table.
    pub store: Arc<dyn SweepStore>,
    /// Takes the news. It makes no IVS calls, and does not wait.
    pub controller: Controller,
    /// The reads.
    pub reads: Reads,
    /// The calls about recordings.
    pub recordings: RecordingCalls,
    /// When they may be made.
    pub pace: Arc<dyn Pace>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Spans of time and shares.
    pub policy: SweepPolicy,
}

/// What a sweep did and found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Swept {
    /// IVS calls made.
    pub calls: usize,
    /// Stages that were to be looked at.
    pub stages: usize,
    /// Stages that were looked at, all of them that is open included.
    pub looked_at: usize,
    /// Stages that a failed read or write skipped.
    pub skipped: usize,
    /// Pieces of news.
    pub news: usize,
    /// Publishers planned again because rules or tags had changed, or a question was open.
    pub planned_again: usize,
    /// Running replicas that somebody else started.
    pub foreign: usize,
    /// Running replicas that the brake on mass stops held when the sweep began.
    pub braked: usize,
    /// Publishers with such replicas for whom the sweep was the second witness.
    pub confirmed: usize,
    /// Stages whose recording of replicas was changed.
    pub recordings_set: usize,
    /// The age of the oldest knowledge of an active stage, in seconds.
    pub oldest_knowledge: u64,
    /// What the table held when the sweep began.
    pub gauges: Gauges,
}

impl Sweep {
    /// Sweeps until everything is looked at, or the invocation's deadline is near.
    ///
    /// # Errors
    /// When the table cannot be read: then there is nothing to compare IVS with.
    pub async fn run(&self, invocation: &Invocation) -> Result<Swept, StoreError> {
        let inventory = self.store.inventory().await?;
        let braked = inventory.held_by_brake().count();
        let began = self.clock.now();
        let gauges = Gauges::of(&inventory, began);
        let until = invocation.deadline.checked_sub(MARGIN).unwrap_or(invocation.deadline);
        let mut sweeping = Sweeping {
            sweep: self,
            invocation,
            until,
            witness: Witness::new(&self.reads, &*self.pace, &*self.clock, until),
            unowned: inventory.foreign().cloned().collect(),
            inventory,
            open: VecDeque::new(),
            known_at: BTreeMap::new(),
            recordings_found: BTreeMap::new(),
            listed_at: None,
            swept: Swept { braked, gauges, ..Swept::default() },
        };
        let capacity = self.pace.calls_in(until.duration_since(began));
        let roster = sweeping.roster(capacity).await;
        sweeping.keep_directory(&roster).await;
        let agenda = agenda(&sweeping.inventory, &roster, capacity, self.clock.now(), &self.policy);
        sweeping.swept.stages = agenda.looks.len();
        sweeping.keep_roster(&roster, &agenda).await;
        sweeping.keep_listing().await;
        sweeping.correct_places().await;
        sweeping.plan_again().await;
        sweeping.confirm_what_is_known().await;
        sweeping.recordings(&roster).await;
        for (i, look) in agenda.looks.iter().enumerate() {
            // Looks do not wait for questions: both have a quota of their own.
            sweeping.ask(self.clock.now()).await;
            let span = info_span!("look", stage = %look.stage, in_doubt = look.in_doubt);
            let began = self.clock.now();
            if sweeping.look(look, &roster).instrument(span).await.is_err() {
                if i == 0 {
                    warn!(stage = %look.stage, "one sweep has no time for all that there is to read");
                    sweeping.attempted(look, &roster, began).await;
                }
                break;
            }
        }
        sweeping.ask(until).await;
        if let Some(running) = sweeping.inventory.running_to_remember(&self.controller.policy)
            && let Err(error) = self.store.remember_running(running).await
        {
            warn!(%error, running, "not remembered how many replicas run");
        }
        Ok(sweeping.finish(agenda.oldest.unwrap_or(began), &agenda.looks))
    }
}

/// A sweep under way.
struct Sweeping<'a> {
    sweep: &'a Sweep,
    invocation: &'a Invocation,
    until: Timestamp,
    witness: Witness<'a>,
    inventory: Inventory,
    /// Publishers whose attributes have to be asked for, with their sessions.
    open: VecDeque<(PublisherKey, SessionId)>,
    unowned: BTreeSet<ReplicationKey>,
    known_at: BTreeMap<StageArn, Timestamp>,
    recordings_found: BTreeMap<StageArn, RecordingCheck>,
    /// When this sweep began to list the stages, if it came to the end of the list.
    listed_at: Option<Timestamp>,
    swept: Swept,
}

/// There is no time left.
struct OutOfTime;

impl Sweeping<'_> {
    /// Has publishers planned again for whom the rules or the tags of stages changed while nobody listened, or a question
    /// is open.
    async fn plan_again(&mut self) {
        if self.inventory.rules_incomplete {
            warn!("a rule cannot be read; what the rules want is not compared with what there is");
        }
        let Sweep { clock, controller, .. } = self.sweep;
        for publisher in self.inventory.out_of_date(clock.now(), &controller.policy) {
            if clock.now() >= self.until {
                return;
            }
            self.swept.planned_again += 1;
            self.reconcile(&publisher, None).await;
        }
    }

    /// Puts places at destinations right that are not as the rows say, and gives on those that nobody was told of.
    async fn correct_places(&self) {
        let Sweep { clock, controller, .. } = self.sweep;
        for change in self.inventory.misplaced() {
            if clock.now() >= self.until {
                return;
            }
            if let Err(error) = controller.placement().correct(&change).await {
                warn!(%error, stage = %change.stage, "a place was not put right");
            }
        }
        for stage in self.inventory.with_free_places() {
            if let Err(error) = controller.placement().hand_on(stage).await {
                warn!(%error, %stage, "nobody was told of a free place");
            }
        }
    }

    /// Says of replicas that the brake holds what all rules tell.
    async fn confirm_what_is_known(&mut self) {
        let Sweep { clock, controller, .. } = self.sweep;
        for (publisher, witness) in self.inventory.confirmable(clock.now(), &controller.policy) {
            if clock.now() >= self.until {
                return;
            }
            self.confirm(&publisher, &witness).await;
        }
    }

    /// Says of replicas that the brake holds that a look found their publishers gone.
    async fn confirm_after_look(
        &mut self,
        stage: &StageArn,
        began: Timestamp,
        gone: &BTreeSet<ParticipantId>,
    ) {
        let Sweep { clock, controller, .. } = self.sweep;
        let held = self.inventory.held_by_brake().filter(|replica| replica.key.source == *stage);
        let held = held.filter(|replica| gone.contains(&replica.key.participant));
        let publishers: BTreeSet<_> = held.map(|replica| replica.key.publisher()).collect();
        for publisher in publishers {
            let witness =
                self.inventory.second_witness(&publisher, Some(began), clock.now(), &controller.policy);
            self.confirm(&publisher, &witness).await;
        }
    }

    async fn confirm(&mut self, publisher: &PublisherKey, witness: &SecondWitness) {
        self.swept.confirmed += 1;
        match self.sweep.controller.confirm(publisher, witness, self.invocation).await {
            Ok(_) | Err(crate::Error::Unsettled { .. }) => {}
            Err(error) => warn!(error = with_causes(&error), %publisher, "not confirmed"),
        }
    }

    /// The stages: listed anew if that is due, else as they were left. A list that breaks off adds to what is known, and
    /// says nothing of what it does not hold.
    async fn roster(&mut self, capacity: usize) -> Roster {
        let Sweep { clock, policy, .. } = self.sweep;
        let mut roster = Roster::remembered(&self.inventory);
        let pages = roster.stages.len().div_ceil(100).max(1);
        if !roster_is_due(&self.inventory, pages, capacity, SWEEP_EVERY, clock.now(), policy) {
            return roster;
        }
        let began = clock.now();
        let (listed, silence) = self.witness.stages().await;
        if let Some(silence) = silence {
            warn!(%silence, stages = listed.len(), "the stages were not listed to the end");
            roster.stages.extend(listed.into_iter().map(|stage| (stage.stage.clone(), stage)));
            return roster;
        }
        self.listed_at = Some(began);
        Roster {
            stages: listed.into_iter().map(|stage| (stage.stage.clone(), stage)).collect(),
            complete: true,
        }
    }

    /// Keeps what a roster says of stages, side by side: after a rule with tags, these can be all there are.
    async fn keep_roster(&mut self, roster: &Roster, agenda: &Agenda) {
        let Sweep { clock, policy, .. } = self.sweep;
        let changed = to_remember(&self.inventory, roster, agenda, clock.now(), policy);
        for some in changed.chunks(SIDE_BY_SIDE) {
            join_all(some.iter().map(|stage| self.remember(stage))).await;
        }
        changed.into_iter().for_each(|stage| self.inventory.put_knowledge(stage));
    }

    /// Keeps that the stages were listed, once what the list says of them is kept: whoever reads the one may rely on the other.
    async fn keep_listing(&self) {
        let Some(at) = self.listed_at else { return };
        if let Err(error) = self.sweep.store.remember_listing(at).await {
            warn!(%error, "not remembered that the stages were listed");
        }
    }

    /// Keeps what is known of a stage, with what this sweep found of its recording.
    async fn remember(&self, knowledge: &StageKnowledge) {
        let stage = &knowledge.listed.stage;
        let recording = self.recordings_found.get(stage).copied().or(knowledge.recording);
        let knowledge = StageKnowledge { recording, ..knowledge.clone() };
        if let Err(error) = self.sweep.store.remember_stage(&knowledge).await {
            warn!(%error, %stage, "not remembered what is known of the stage");
        }
    }

    /// Looks at one stage, and at all that this leaves open.
    async fn look(&mut self, look: &Look, roster: &Roster) -> Result<(), OutOfTime> {
        let began = self.sweep.clock.now();
        let read = self.witness.look(&self.inventory, look, &self.sweep.policy).await;
        self.unowned.extend(read.unowned);
        let mut stored = true;
        for observation in &read.news {
            self.swept.news += 1;
            stored &= self.reconcile(&observation.publisher(), Some(observation)).await;
        }
        match read.silence {
            None if stored => {
                self.looked_at(look, roster, began).await;
                self.confirm_after_look(&look.stage, began, &read.gone).await;
            }
            None => {
                self.swept.skipped += 1;
                self.attempted(look, roster, began).await;
            }
            Some(Silence::OutOfTime) => return Err(OutOfTime),
            Some(silence) => {
                warn!(error = %silence, "skipped, a read failed");
                self.swept.skipped += 1;
                if !silence.passes() {
                    self.attempted(look, roster, began).await;
                }
            }
        }
        Ok(())
    }

    /// What is known of the stage that was looked at, before that look.
    fn known_before(&self, look: &Look, roster: &Roster, at: Timestamp) -> Option<StageKnowledge> {
        let known = self.inventory.knowledge(&look.stage);
        let listed = roster.stages.get(&look.stage).or(known.map(|known| &known.listed))?.clone();
        let before = known.cloned().unwrap_or_else(|| StageKnowledge::new(listed.clone(), at));
        Some(StageKnowledge { listed, ..before })
    }

    /// Keeps that a look came to no end.
    async fn attempted(&self, look: &Look, roster: &Roster, at: Timestamp) {
        if let Some(before) = self.known_before(look, roster, at) {
            self.remember(&StageKnowledge { attempted_at: Some(at), ..before }).await;
        }
    }

    async fn looked_at(&mut self, look: &Look, roster: &Roster, at: Timestamp) {
        self.swept.looked_at += 1;
        self.known_at.insert(look.stage.clone(), at);
        let Some(before) = self.known_before(look, roster, at) else { return };
        let looked_in = match &look.target {
            Target::Session(session) => Some(session.clone()),
            Target::Empty | Target::Unlisted => None,
        };
        let confirmed_at = if look.confirm { Some(at) } else { before.confirmed_at };
        let after = StageKnowledge { looked_at: Some(at), looked_in, confirmed_at, ..before };
        self.remember(&after).await;
    }

    /// Hands a publisher to the one loop. Whether that could take the news.
    async fn reconcile(&mut self, publisher: &PublisherKey, news: Option<&Observation>) -> bool {
        let (controller, invocation) = (&self.sweep.controller, self.invocation);
        let reconciled = match news {
            Some(news) if self.takes_a_place(news) => controller.take_in(news, invocation).await,
            _ => controller.reconcile(publisher, news, invocation).await,
        };
        match reconciled {
            Ok(handled) => {
                self.note_question(publisher, news, &handled);
                true
            }
            // Somebody else's call is under way, who will do the rest.
            Err(crate::Error::Unsettled { .. }) => true,
            Err(error) => {
                warn!(error = with_causes(&error), %publisher, "not reconciled");
                false
            }
        }
    }

    /// Whether somebody was seen at one of our destinations.
    fn takes_a_place(&self, news: &Observation) -> bool {
        matches!(news, Observation::ReplicaActive { key, .. } if self.inventory.occupants(&key.destination).is_some())
    }

    fn finish(self, oldest: Timestamp, looks: &[Look]) -> Swept {
        let now = self.sweep.clock.now();
        let not_looked_at = looks.iter().filter(|look| !self.known_at.contains_key(&look.stage));
        let not_looked_at = not_looked_at.map(|look| self.inventory.knowledge(&look.stage));
        let ages = not_looked_at.map(|known| known.map_or(oldest, |k| k.looked_at.unwrap_or(k.known_since)));
        let oldest = ages.chain(self.known_at.values().copied()).min().unwrap_or(now);
        let swept = Swept {
            calls: self.witness.calls(),
            foreign: self.unowned.len(),
            oldest_knowledge: u64::try_from(now.duration_since(oldest).as_secs()).unwrap_or(0),
            ..self.swept
        };
        for replica in &self.unowned {
            info!(%replica, "a replica that somebody else started");
        }
        info!(?swept, "swept");
        swept
    }
}
