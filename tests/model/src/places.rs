//! The places at destinations, as `controller/src/placement.rs` hands them on.

use controller::Write;
use replication::occupancy::in_line;
use replication::{
    Blocked, Crowd, Eviction, GiveWay, Holder, Phase, PlaceChange, PlaceKind, Replica, ReplicationKey,
    StageArn,
};

use crate::control::Turn;
use crate::world::at;

impl Turn<'_> {
    /// What follows for others once this is written.
    pub(crate) fn after_write(&mut self, written: &Write, evictions: &[Eviction]) {
        evictions.iter().for_each(|eviction| self.evict(eviction));
        let left = written.places.iter().filter(|place| place.kind == PlaceKind::Leave);
        left.for_each(|place| self.hand_on(&place.stage));
    }

    /// Has a running replica give way, if it still is as it was when it was chosen.
    fn evict(&mut self, eviction: &Eviction) {
        let Some(known) = self.row(&eviction.key) else { return };
        let crowd = Crowd::of([&known]);
        if crowd.weakest.is_none_or(|(_, priority)| priority >= eviction.priority) {
            return;
        }
        let now = at(self.state.now);
        let until = now.saturating_add(self.world.policy.full_retry).unwrap_or(now);
        let gives_way = Some(GiveWay { priority: eviction.priority, until });
        self.put(Replica { gives_way, next_attempt: Some(now), ..known });
    }

    /// Makes due whoever comes next at a destination.
    pub(crate) fn hand_on(&mut self, destination: &StageArn) {
        let waiting =
            self.state.table.replicas_to(destination, Phase::Blocked(Blocked::DESTINATION_FULL).name());
        let now = at(self.state.now);
        if let Some(next) = in_line(&waiting, now).first().map(|next| Replica::clone(next)) {
            self.put(Replica { phase: Phase::Pending, next_attempt: Some(now), ..next });
        }
    }

    /// Puts a place right that is not as its holder's row says.
    pub(crate) fn correct(&mut self, change: &PlaceChange) {
        let Some(holder) = change.occupant.on(&change.stage) else { return };
        let view = self.state.table.load(&holder.publisher());
        if holder.holds_place(&view) == (change.kind == PlaceKind::Leave) {
            return;
        }
        let mut write = Write { places: vec![change.clone()], ..Write::default() };
        match holder {
            Holder::Replica(key) => write.replicas.extend(view.replica(&key.destination).cloned()),
            Holder::Publisher(_) => write.publisher = view.publisher,
        }
        if self.state.write(&write, None).is_ok() {
            self.after_write(&write, &[]);
        }
    }

    fn row(&self, key: &ReplicationKey) -> Option<Replica> {
        self.state.table.replicas.get(key).map(|replica| Replica::clone(replica))
    }

    /// Writes a row as nobody else can have changed it.
    fn put(&mut self, replica: Replica) {
        let write = Write { replicas: vec![replica], ..Write::default() };
        drop(self.state.write(&write, None));
    }
}
