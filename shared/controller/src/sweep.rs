//! The sweep: reads what IVS says within its own budget of calls, and hands the news to the one loop.
//!
//! # Guarantees
//! * It makes no call that changes anything. What has to follow is planned, and left in the table to those who may call.
//! * A read that fails is no answer: it skips its stage, and only that.
//! * A stage counts as looked at once everything found there is stored. Killed anywhere, the next sweep looks again.
//!
//! # Caveats
//! * It ends at its deadline, and the next one goes on with what was not looked at for the longest time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use replication::sweep::agenda::{roster_is_due, to_remember};
use replication::sweep::{Inventory, Look, Roster, StageKnowledge, SweepPolicy, Target, agenda};
use replication::{Observation, PublisherKey, ReplicationKey, StageArn};
use tracing::{Instrument, info, info_span, warn};

use crate::{Clock, Controller, Invocation, StoreError};
use port::{Pace, Reads, SweepStore};
use witness::{Silence, Witness};

pub mod pace;
pub mod port;
pub mod scout;
mod witness;

/// How often a sweep is begun.
pub const SWEEP_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// What is left of a sweep's time for the last look to be stored.
const MARGIN: SignedDuration = SignedDuration::from_secs(2);

/// Looks at IVS for what events missed.
pub struct Sweep {
    /// The table.
    pub store: Arc<dyn SweepStore>,
    /// Takes the news. It makes no IVS calls, and does not wait.
    pub controller: Controller,
    /// The reads.
    pub reads: Reads,
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
    /// Publishers planned again because the rules had changed.
    pub planned_again: usize,
    /// Running replicas that somebody else started.
    pub foreign: usize,
    /// The age of the oldest knowledge of an active stage, in seconds.
    pub oldest_knowledge: u64,
}

impl Sweep {
    /// Sweeps until everything is looked at, or the invocation's deadline is near.
    ///
    /// # Errors
    /// When the table cannot be read: then there is nothing to compare IVS with.
    pub async fn run(&self, invocation: &Invocation) -> Result<Swept, StoreError> {
        let inventory = self.store.inventory().await?;
        let began = self.clock.now();
        let until = invocation.deadline.checked_sub(MARGIN).unwrap_or(invocation.deadline);
        let mut sweeping = Sweeping {
            sweep: self,
            invocation,
            until,
            witness: Witness::new(&self.reads, &*self.pace, &*self.clock, until),
            inventory: &inventory,
            unowned: inventory.foreign().cloned().collect(),
            known_at: BTreeMap::new(),
            swept: Swept::default(),
        };
        let capacity = self.pace.calls_in(until.duration_since(began));
        sweeping.plan_again().await;
        let roster = sweeping.roster(capacity).await;
        let agenda = agenda(&inventory, &roster, capacity, self.clock.now(), &self.policy);
        sweeping.swept.stages = agenda.looks.len();
        for stage in to_remember(&inventory, &roster, &agenda, self.clock.now()) {
            sweeping.remember(&stage).await;
        }
        for look in &agenda.looks {
            let span = info_span!("look", stage = %look.stage, in_doubt = look.in_doubt);
            if sweeping.look(look, &roster).instrument(span).await.is_err() {
                break;
            }
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
    inventory: &'a Inventory,
    unowned: BTreeSet<ReplicationKey>,
    known_at: BTreeMap<StageArn, Timestamp>,
    swept: Swept,
}

/// There is no time left.
struct OutOfTime;

impl Sweeping<'_> {
    /// Has publishers planned again for whom the rules changed while nobody listened.
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

    /// The stages: listed anew if that is due, else as they were left. A list that breaks off adds to what is known, and
    /// says nothing of what it does not hold.
    async fn roster(&mut self, capacity: usize) -> Roster {
        let Sweep { clock, policy, .. } = self.sweep;
        let mut roster = Roster::remembered(self.inventory);
        let pages = roster.stages.len().div_ceil(100).max(1);
        if !roster_is_due(self.inventory, pages, capacity, SWEEP_EVERY, clock.now(), policy) {
            return roster;
        }
        let (listed, silence) = self.witness.stages().await;
        if let Some(silence) = silence {
            warn!(%silence, stages = listed.len(), "the stages were not listed to the end");
            roster.stages.extend(listed.into_iter().map(|stage| (stage.stage.clone(), stage)));
            return roster;
        }
        if let Err(error) = self.sweep.store.remember_listing(clock.now()).await {
            warn!(%error, "not remembered that the stages were listed");
        }
        Roster {
            stages: listed.into_iter().map(|stage| (stage.stage.clone(), stage)).collect(),
            complete: true,
        }
    }

    async fn remember(&self, knowledge: &StageKnowledge) {
        if let Err(error) = self.sweep.store.remember_stage(knowledge).await {
            warn!(%error, stage = %knowledge.listed.stage, "not remembered what is known of the stage");
        }
    }

    /// Looks at one stage, and at all that this leaves open.
    async fn look(&mut self, look: &Look, roster: &Roster) -> Result<(), OutOfTime> {
        let began = self.sweep.clock.now();
        let read = self.witness.look(self.inventory, look, &self.sweep.policy).await;
        let (complete, news) = match read.silence {
            None => (true, read.news),
            Some(Silence::OutOfTime) if read.news.is_empty() => return Err(OutOfTime),
            Some(Silence::OutOfTime) => (false, read.news),
            Some(Silence::Failed(error)) => {
                warn!(%error, "skipped, a read failed");
                self.swept.skipped += 1;
                (false, read.news)
            }
        };
        self.unowned.extend(read.unowned);
        let mut stored = true;
        for observation in &news {
            self.swept.news += 1;
            stored &= self.reconcile(&observation.publisher(), Some(observation)).await;
        }
        if complete && !stored {
            self.swept.skipped += 1;
        }
        if complete && stored {
            self.looked_at(look, roster, began).await;
        }
        Ok(())
    }

    async fn looked_at(&mut self, look: &Look, roster: &Roster, at: Timestamp) {
        self.swept.looked_at += 1;
        self.known_at.insert(look.stage.clone(), at);
        let known = self.inventory.knowledge(&look.stage);
        let Some(listed) = roster.stages.get(&look.stage).or(known.map(|known| &known.listed)) else {
            return;
        };
        let before = known.cloned().unwrap_or_else(|| StageKnowledge::new(listed.clone(), at));
        let looked_in = match &look.target {
            Target::Session(session) => Some(session.clone()),
            Target::Empty | Target::Unlisted => None,
        };
        let confirmed_at = if look.confirm { Some(at) } else { before.confirmed_at };
        let after =
            StageKnowledge { listed: listed.clone(), looked_at: Some(at), looked_in, confirmed_at, ..before };
        self.remember(&after).await;
    }

    /// Hands a publisher to the one loop. Whether that could take the news.
    async fn reconcile(&self, publisher: &PublisherKey, news: Option<&Observation>) -> bool {
        let reconciled = self.sweep.controller.reconcile(publisher, news, self.invocation).await;
        match reconciled {
            Ok(_) => true,
            // Somebody else's call is under way, who will do the rest.
            Err(crate::Error::Unsettled { .. }) => true,
            Err(error) => {
                warn!(%error, %publisher, "not reconciled");
                false
            }
        }
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
