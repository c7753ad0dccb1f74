//! The sweep, as `controller/src/sweep.rs` goes, in one moment: what it asks IVS is answered at once, and written at once, unless it
//! is slow. What the answers mean, the core says.

use std::collections::BTreeSet;
use std::sync::Arc;

use replication::sweep::history::{has_stopped, read_history};
use replication::sweep::second::{read_replications, read_sessions};
use replication::sweep::stage::{Findings, read_stage};
use replication::sweep::{Inventory, Look, Roster, agenda};
use replication::{Listed, Moment, Observation, ParticipantId, PublisherKey};

use crate::control::Turn;
use crate::ivs::stages;
use crate::state::{Function, Letter, Message};
use crate::world::{at, session};

/// How a sweep goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sweeping {
    /// As it should.
    Well,
    /// Every list that it reads shows nothing.
    Blindly,
    /// Every list that it reads shows no replica, but all else.
    HalfBlindly,
    /// What it read comes later, in any order, or is lost.
    Slowly,
}

impl Turn<'_> {
    /// Looks at every stage.
    pub(crate) fn sweep(&mut self, how: Sweeping) {
        let (now, world) = (at(self.state.now), self.world);
        let inventory = self.state.table.inventory();
        let listed = stages(world).into_iter().map(|stage| (stage.stage.clone(), stage));
        let roster = Roster { stages: listed.collect(), complete: true };
        let agenda = agenda(&inventory, &roster, usize::MAX, now, &world.sweep);
        inventory.misplaced().iter().for_each(|change| self.correct(change));
        inventory.with_free_places().for_each(|stage| self.hand_on(stage));
        for publisher in inventory.out_of_date(now, &world.policy) {
            self.wake(Function::RECONCILE, &publisher, None, None, false);
        }
        for (publisher, witness) in inventory.confirmable(now, &world.policy) {
            self.wake(Function::RECONCILE, &publisher, None, Some(&witness), false);
        }
        for look in &agenda.looks {
            let (news, gone) = self.look(&inventory, look, how);
            for observation in news {
                if how == Sweeping::Slowly {
                    let message = Arc::new(Message::Read(observation));
                    self.state.mail.push(Letter { message, is_late: true });
                } else {
                    let publisher = observation.publisher();
                    self.wake(Function::RECONCILE, &publisher, Some(&observation), None, false);
                }
            }
            if how != Sweeping::Slowly {
                self.confirm_after_look(&inventory, look, &gone);
            }
        }
    }

    /// Says of replicas that the brake holds that a look found their publishers gone.
    fn confirm_after_look(&mut self, inventory: &Inventory, look: &Look, gone: &BTreeSet<ParticipantId>) {
        let now = at(self.state.now);
        let held = inventory.held_by_brake().filter(|replica| replica.key.source == look.stage);
        let held = held.filter(|replica| gone.contains(&replica.key.participant));
        let publishers: BTreeSet<_> = held.map(|replica| replica.key.publisher()).collect();
        for publisher in publishers {
            let witness = inventory.second_witness(&publisher, Some(now), now, &self.world.policy);
            self.wake(Function::RECONCILE, &publisher, None, Some(&witness), false);
        }
    }

    /// What a look finds, and who is gone by it.
    fn look(
        &self,
        inventory: &Inventory,
        look: &Look,
        how: Sweeping,
    ) -> (Vec<Observation>, BTreeSet<ParticipantId>) {
        let (world, ivs, took) = (self.world, &self.state.ivs, Moment::exact(at(self.state.now)));
        let sees = |is_replica: bool| match how {
            Sweeping::Well | Sweeping::Slowly => true,
            Sweeping::HalfBlindly => !is_replica,
            Sweeping::Blindly => false,
        };
        let mut participants = ivs.participants(world, &look.stage);
        participants.retain(|row| sees(matches!(row.role, replication::sweep::Role::Replica { .. })));
        // Each by its name, so that what is new in a look is not overlooked here.
        let Findings { observations, histories, owners, elsewhere, gone, replications, unowned: _ } =
            read_stage(inventory, look, &participants, took, &world.sweep);
        let (mut news, mut gone) = (observations, gone);
        let mut asked_of = owners;
        asked_of.extend(histories);
        let mut histories: Vec<_> =
            asked_of.into_iter().map(|(who, user_id)| (who, session(), user_id)).collect();
        let (ended, open) = read_sessions(inventory, &look.stage, &elsewhere, &[]);
        news.extend(ended);
        histories.extend(open.into_iter().map(|(who, session)| (who, session, String::new())));
        for (participant, session, user_id) in histories {
            let key = PublisherKey { stage: look.stage.clone(), participant };
            let events = if how == Sweeping::Blindly { Vec::new() } else { ivs.events(world, &key) };
            if has_stopped(&events, took, &world.sweep) {
                gone.insert(key.participant.clone());
            }
            news.extend(read_history(inventory, &key, &session, &user_id, &events, took, &world.sweep));
        }
        for (publisher, missing) in replications {
            let listed: Vec<Listed> = if sees(true) { ivs.listed(world, &publisher) } else { Vec::new() };
            news.extend(read_replications(inventory, &publisher, &missing, &listed, took, &world.sweep).0);
        }
        news.extend(self.world.misread(inventory, look, &participants, took));
        (news, gone)
    }
}
