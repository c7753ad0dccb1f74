//! Controllers that are wrong, for tests of the tests.

use replication::sweep::{Inventory, ListedParticipant, Look};
use replication::{
    Context, Moment, Observation, Owner, Phase, Plan, Publishing, Step, StopReason, StopRequest, View, plan,
};

use crate::spec::Sabotage;
use crate::world::{World, session};

impl World {
    /// What the controller plans.
    pub(crate) fn plan(&self, view: &View, context: Context<'_>) -> Plan {
        let Some(sabotage) = self.spec.sabotage else { return plan(view, context) };
        let mut view = view.clone();
        if sabotage == Sabotage::NeverForgets
            && let Some(publisher) = view.publisher.as_mut().filter(|known| known.evidence.on.is_some())
        {
            publisher.evidence.off = None;
        }
        let mut made = plan(&view, context);
        match sabotage {
            Sabotage::NoIntent => made.changes.retain(|change| !change.is_leased(context.now)),
            Sabotage::NoLease => made.changes.iter_mut().for_each(|change| change.lease = None),
            Sabotage::StopsOthers => stop_others(&view, context, &mut made),
            Sabotage::NeverVerifies => {
                made.steps.retain(|step| !matches!(step, Step::Verify(_)));
                let is_called = |key: &_| {
                    made.steps.iter().any(|step| match step {
                        Step::Start(request) => request.key == *key,
                        Step::Stop(request) => request.key == *key,
                        Step::Verify(_) => false,
                    })
                };
                made.changes.retain(|change| !change.is_leased(context.now) || is_called(&change.key));
            }
            Sabotage::NeverStops => {
                made.steps.retain(|step| !matches!(step, Step::Stop(_)));
                made.changes.retain(|change| change.phase != Phase::Stopping);
            }
            _ => {}
        }
        made
    }

    /// Whether two who start something for one participant at the same time find that out.
    pub(crate) fn guards_slots(&self) -> bool {
        self.spec.sabotage != Some(Sabotage::NoSlotGuard)
    }

    /// What is read out of a look that it does not say.
    pub(crate) fn misread(
        &self,
        inventory: &Inventory,
        look: &Look,
        participants: &[ListedParticipant],
        took: Moment,
    ) -> Vec<Observation> {
        if self.spec.sabotage != Some(Sabotage::EmptyListIsProof) || !participants.is_empty() {
            return Vec::new();
        }
        let known = inventory.publishers_on(&look.stage).filter(|it| it.publishing() == Publishing::Yes);
        let gone = known.map(|it| (it.key.clone(), session(), it.user_id.clone()));
        gone.map(|(key, session, user_id)| Observation::Unpublished { key, session, user_id, at: took })
            .collect()
    }

    /// An event as the controller reads it.
    pub(crate) fn decode(&self, news: &Observation) -> Observation {
        match news {
            Observation::ReplicaActive { key, at, .. }
                if self.spec.sabotage == Some(Sabotage::NoReplicaFlag) =>
            {
                let publisher = replication::PublisherKey {
                    stage: key.destination.clone(),
                    participant: key.participant.clone(),
                };
                let (session, user_id) = (session(), String::new());
                Observation::Published { key: publisher, session, user_id, at: *at }
            }
            news => news.clone(),
        }
    }
}

fn stop_others(view: &View, context: Context<'_>, made: &mut Plan) {
    for known in view.replicas.iter().filter(|known| known.phase == Phase::Active && known.lease.is_none()) {
        if known.owner == Owner::Foreign && context.can.stop {
            let lease = replication::Lease::taken(context.holder, context.now, context.policy);
            let mut stopping = known.clone();
            stopping.phase = Phase::Stopping;
            stopping.lease = Some(lease);
            made.changes.push(stopping);
            let (key, reason) = (known.key.clone(), StopReason::Unwanted);
            made.steps.push(Step::Stop(StopRequest { key, reason, confirmed: false }));
        }
    }
}
