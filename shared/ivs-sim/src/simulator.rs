//! A handle on a simulated account that any thread may hold.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

use crate::clock::Clock;
use crate::config::Config;
use crate::dialect::Dialect;
use crate::error::{ApiError, SettingError};
use crate::faults::{CallFaults, Faults};
use crate::world::{Answer, LedgerEntry, Publish, Published, ReplicationKey, World};

/// A simulated account in one Region: a [`World`] on a [`Clock`], with subscribers to its events. Clones share it.
///
/// Every method first lets happen what is due by the clock, and at its end hands on the events that are due. On a clock
/// that is moved by hand, [`Simulator::tick`] does only that.
#[derive(Clone)]
pub struct Simulator {
    clock: Arc<dyn Clock>,
    shared: Arc<Mutex<Shared>>,
    /// Rung whenever the time of the next due thing may have changed.
    pub(crate) changed: Arc<Notify>,
}

struct Shared {
    world: World,
    subscribers: Vec<mpsc::UnboundedSender<Value>>,
}

impl Simulator {
    /// An empty account.
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Self {
        let world = World::new(config, clock.now());
        let shared = Shared { world, subscribers: Vec::new() };
        Self { clock, shared: Arc::new(Mutex::new(shared)), changed: Arc::new(Notify::new()) }
    }

    /// The EventBridge envelopes from here on, in the order of delivery, after faults. Every subscriber sees all.
    pub fn subscribe(&self) -> mpsc::UnboundedReceiver<Value> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.with(|world, now| world.advance(now));
        self.lock().subscribers.push(sender);
        receiver
    }

    /// One API call inside the process, with quota and ledger. `operation` is the API's name, such as `GetStage`.
    ///
    /// # Errors
    /// What the service would answer; see [`crate::ErrorCode`].
    pub fn call(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        self.answer(operation, &input).result
    }

    /// Lets a participant begin to publish; it joins first if needed. Publishing twice changes nothing.
    ///
    /// # Errors
    /// 404 unknown stage · 400 malformed ids or attributes · 402 the stage has its 12 publishers · 403 the token expired
    /// or does not allow publishing · 409 the participant is a replica there.
    pub fn publish(&self, publish: Publish) -> Result<Published, ApiError> {
        self.with(|world, now| world.publish(now, publish))
    }

    /// Lets a participant stop publishing; it stays connected.
    ///
    /// # Errors
    /// 404 unknown stage, or not connected · 409 the participant is a replica there.
    pub fn unpublish(&self, stage_arn: &str, participant_id: &str) -> Result<(), ApiError> {
        self.with(|world, now| world.unpublish(now, stage_arn, participant_id))
    }

    /// Lets a participant disconnect.
    ///
    /// # Errors
    /// 404 unknown stage, or not connected · 409 the participant is a replica there.
    pub fn leave(&self, stage_arn: &str, participant_id: &str) -> Result<(), ApiError> {
        self.with(|world, now| world.leave(now, stage_arn, participant_id))
    }

    /// Creates a stage and returns its ARN. Takes the path of the API operation, but no quota and no line of the ledger.
    ///
    /// # Panics
    /// If the name or the tags are not what CreateStage accepts, or the account is full.
    pub fn create_stage(&self, name: &str, tags: BTreeMap<String, String>) -> String {
        let input = json!({"name": name, "tags": tags});
        let created = self.with(|world, now| world.perform(now, "CreateStage", &input));
        match created {
            Ok(output) => output["stage"]["arn"].as_str().unwrap_or_default().to_owned(),
            Err(error) => panic!("stage {name:?} cannot be created: {error}"),
        }
    }

    /// Puts a stage with this ARN into the account, for events that were recorded elsewhere.
    ///
    /// # Errors
    /// 400 not an ARN of this account and Region, or malformed tags · 402 the account is full · 409 there is such a stage.
    pub fn place_stage(&self, arn: &str, name: &str, tags: BTreeMap<String, String>) -> Result<(), ApiError> {
        self.with(|world, now| {
            world.advance(now);
            world.place_stage(arn, name.to_owned(), tags)
        })
    }

    /// Replaces all faults, and starts their dice anew from their seed.
    ///
    /// # Errors
    /// [`SettingError`] for a value out of range; then nothing is changed.
    pub fn set_faults(&self, faults: Faults) -> Result<(), SettingError> {
        faults.check()?;
        self.with(|world, now| {
            world.advance(now);
            world.set_faults(faults);
        });
        Ok(())
    }

    /// Merges a partial setting of faults and dialect, as `PUT /_sim/faults` takes it, and returns the full setting.
    ///
    /// # Errors
    /// [`SettingError`] for an unknown field, or a value out of range; then nothing is changed.
    pub fn merge_settings(&self, patch: &Value) -> Result<Value, SettingError> {
        self.with(|world, now| {
            world.advance(now);
            world.merge_settings(patch)
        })
    }

    /// The full setting of faults and dialect.
    pub fn settings(&self) -> Value {
        self.with(|world, _| world.settings())
    }

    /// Replaces the dialect, for what happens from here on.
    pub fn set_dialect(&self, dialect: Dialect) {
        self.with(|world, now| {
            world.advance(now);
            world.set_dialect(dialect);
        });
    }

    /// Every API call received so far (at most `Config::ledger_capacity`, the latest), oldest first.
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.with(|world, _| world.ledger().cloned().collect())
    }

    /// Stages, sessions, participants and replications, as `GET /_sim/state` answers them.
    pub fn state(&self) -> Value {
        self.with(|world, now| {
            world.advance(now);
            world.state()
        })
    }

    /// The replications that are ACTIVE now, in order of source stage, participant and destination stage.
    pub fn replicas(&self) -> Vec<ReplicationKey> {
        self.with(|world, now| {
            world.advance(now);
            world.active_replications()
        })
    }

    /// The replications that are ACTIVE now or were accepted and will soon be, in the same order.
    pub fn accepted(&self) -> Vec<ReplicationKey> {
        self.with(|world, now| {
            world.advance(now);
            world.accepted_replications()
        })
    }

    /// Lets happen what is due by the clock, and hands on the events that are due.
    pub fn tick(&self) {
        self.act(|world, now| world.advance(now));
    }

    /// When something will happen, or an event arrive, without anybody's doing.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.lock().world.next_due()
    }

    /// The clock's present moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn answer(&self, operation: &str, input: &Value) -> Answer {
        self.with(|world, now| world.call(now, operation, input))
    }

    /// Records a request that never became a call, and returns its request id.
    pub(crate) fn reject(&self, operation: &str, error: ApiError) -> Answer {
        self.with(|world, now| world.reject(now, operation, error))
    }

    pub(crate) fn call_faults(&self) -> CallFaults {
        self.lock().world.faults().calls.clone()
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.lock().world.dialect().clone()
    }

    /// Like [`Self::act`], and rings for whoever waits for the next due thing.
    fn with<T>(&self, act: impl FnOnce(&mut World, Timestamp) -> T) -> T {
        let result = self.act(act);
        self.changed.notify_one();
        result
    }

    /// Runs `act` on the world at the present moment, then delivers what is due.
    fn act<T>(&self, act: impl FnOnce(&mut World, Timestamp) -> T) -> T {
        let now = self.clock.now();
        let mut shared = self.lock();
        let result = act(&mut shared.world, now);
        let due = shared.world.take_events(now);
        shared
            .subscribers
            .retain(|subscriber| due.iter().all(|event| subscriber.send(event.clone()).is_ok()));
        result
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
