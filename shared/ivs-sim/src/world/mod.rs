//! The world: everything IVS knows of one account in one Region. No I/O, no clock; time is an argument.
//!
//! | module | holds |
//! |---|---|
//! | `entities`, `recording` | what there is |
//! | `presence`, `session` | participants that come, publish and go; sessions that begin and end |
//! | `replication` | replications that appear, wait and end |
//! | `api_*` | the operations |
//! | `events`, `delivery` | what EventBridge hears |
//! | `quota`, `ledger`, `page`, `ids`, `dice` | the machinery |

mod api_participants;
mod api_replication;
mod api_stages;
mod api_tags;
mod api_tokens;
mod delivery;
mod dice;
mod entities;
mod events;
mod ids;
mod ledger;
mod page;
mod presence;
mod quota;
mod recording;
mod replication;
mod session;
mod state;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

pub use self::entities::ReplicationKey;
pub use self::ledger::LedgerEntry;
pub use self::presence::{Publish, Published};

use self::delivery::Delivery;
use self::dice::Dice;
use self::entities::{Ended, Participant, Replication, Session, Stage};
use self::ids::Ids;
use self::ledger::Ledger;
use self::quota::Quotas;
use crate::config::Config;
use crate::dialect::{Dialect, ThrottlingStatus};
use crate::error::{ApiError, ErrorCode, SettingError};
use crate::faults::{FaultCode, Faults, object};
use crate::model::{Operation, validate};

/// One account in one Region, as a value that changes when it is told so.
///
/// # Guarantees
/// - Every method that takes `now` first lets happen what was due until then, in order of time.
/// - Time never runs backwards: an earlier `now` counts as the latest one seen.
#[derive(Debug)]
pub struct World {
    config: Config,
    now: Timestamp,
    /// By ARN.
    stages: BTreeMap<String, Stage>,
    /// Started and not ended.
    replications: BTreeMap<ReplicationKey, Replication>,
    /// Ended, oldest first.
    ended: BTreeMap<ReplicationKey, Vec<Ended>>,
    timers: BTreeMap<(Timestamp, u64), Timer>,
    /// Source of all orders of origin.
    order: u64,
    ids: Ids,
    request_ids: Ids,
    dice: Dice,
    delivery: Delivery,
    quotas: Quotas,
    ledger: Ledger,
}

/// The answer to an API call.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Id of the request, as in header `x-amzn-RequestId`.
    pub request_id: String,
    /// The output, or the error.
    pub result: Result<Value, ApiError>,
}

/// What time brings.
#[derive(Debug)]
enum Timer {
    /// Unless somebody came back, which moves the generation on.
    SessionEnds {
        stage_arn: String,
        generation: u64,
    },
    ReplicaAppears {
        key: ReplicationKey,
        id: u64,
    },
    /// Unless the source came back, or left anew.
    WindowExpires {
        key: ReplicationKey,
        id: u64,
    },
}

impl World {
    /// An empty account.
    pub fn new(config: Config, now: Timestamp) -> Self {
        Self {
            now,
            stages: BTreeMap::new(),
            replications: BTreeMap::new(),
            ended: BTreeMap::new(),
            timers: BTreeMap::new(),
            order: 0,
            ids: Ids::new(config.seed, 0),
            request_ids: Ids::new(config.seed, 1),
            dice: Dice::new(config.faults.seed),
            delivery: Delivery::default(),
            quotas: Quotas::default(),
            ledger: Ledger::new(config.ledger_capacity),
            config,
        }
    }

    /// Lets happen what is due until `now`: windows expire, sessions end, replicas appear.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some(entry) = self.timers.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((at, _), timer) = entry.remove_entry();
            self.now = self.now.max(at);
            match timer {
                Timer::SessionEnds { stage_arn, generation } => self.session_due(&stage_arn, generation),
                Timer::ReplicaAppears { key, id } => self.replica_due(&key, id),
                Timer::WindowExpires { key, id } => self.window_due(&key, id),
            }
        }
        self.now = self.now.max(now);
    }

    /// The EventBridge envelopes that have arrived by `now`, in order, after faults.
    pub fn take_events(&mut self, now: Timestamp) -> Vec<Value> {
        self.advance(now);
        self.delivery.arrived(self.now)
    }

    /// When the next thing happens, or the next event arrives, without anybody's doing.
    pub fn next_due(&self) -> Option<Timestamp> {
        let timer = self.timers.keys().next().map(|(at, _)| *at);
        timer.into_iter().chain(self.delivery.next_due()).min()
    }

    /// One API call, with quota, faults and a line of the ledger.
    pub fn call(&mut self, now: Timestamp, operation: &str, input: &Value) -> Answer {
        self.advance(now);
        let result = match Operation::from_name(operation) {
            Some(known) if self.quotas.admit(known, self.now) => self.perform_with_faults(known, input),
            Some(_) => Err(self.throttled()),
            None => Err(unknown_operation(operation)),
        };
        self.record(operation, ledger::key(input), result)
    }

    /// A request that never became a call, such as one without a signature. It goes into the ledger all the same.
    pub fn reject(&mut self, now: Timestamp, operation: &str, error: ApiError) -> Answer {
        self.advance(now);
        self.record(operation, String::new(), Err(error))
    }

    /// One operation without quota, faults or ledger.
    ///
    /// # Errors
    /// What the service would answer.
    pub fn perform(&mut self, now: Timestamp, operation: &str, input: &Value) -> Result<Value, ApiError> {
        self.advance(now);
        let known = Operation::from_name(operation).ok_or_else(|| unknown_operation(operation))?;
        self.dispatch(known, input)
    }

    /// Replaces all faults, and starts their dice anew.
    pub fn set_faults(&mut self, faults: Faults) {
        self.dice = Dice::new(faults.seed);
        self.config.faults = faults;
    }

    /// Replaces the dialect, for what happens from here on.
    pub fn set_dialect(&mut self, dialect: Dialect) {
        self.config.dialect = dialect;
    }

    /// Merges a partial setting, `{seed, events, calls, dialect}`, and returns the full one. Giving a seed starts the
    /// dice anew.
    ///
    /// # Errors
    /// [`SettingError`] for an unknown field, or a value out of range; then nothing is changed.
    pub fn merge_settings(&mut self, patch: &Value) -> Result<Value, SettingError> {
        let mut faults_patch = object(patch, "faults")?.clone();
        let mut dialect = self.config.dialect.clone();
        if let Some(patch) = faults_patch.remove("dialect") {
            dialect.merge(&patch)?;
        }
        let seeded = faults_patch.contains_key("seed");
        self.config.faults.merge(&Value::Object(faults_patch))?;
        self.config.dialect = dialect;
        if seeded {
            self.dice = Dice::new(self.config.faults.seed);
        }
        Ok(self.settings())
    }

    /// The full setting of faults and dialect.
    pub fn settings(&self) -> Value {
        let mut settings = json!(self.config.faults);
        settings["dialect"] = json!(self.config.dialect);
        settings
    }

    /// The faults in force.
    pub fn faults(&self) -> &Faults {
        &self.config.faults
    }

    /// The dialect in force.
    pub fn dialect(&self) -> &Dialect {
        &self.config.dialect
    }

    /// Every API call received so far (at most the capacity, the latest), oldest first.
    pub fn ledger(&self) -> impl Iterator<Item = &LedgerEntry> {
        self.ledger.entries()
    }

    fn perform_with_faults(&mut self, operation: Operation, input: &Value) -> Result<Value, ApiError> {
        let faults = self.config.faults.calls.clone();
        let failure = self.dice.roll(faults.error_rate).then(|| self.failure(faults.error_code));
        let in_vain = faults.error_code != FaultCode::InternalServerException || self.dice.roll(0.5);
        let dropped = self.dice.roll(faults.drop_rate);
        if let Some(error) = failure.clone().filter(|_| in_vain) {
            return Err(error);
        }
        let result = self.dispatch(operation, input);
        if dropped {
            return Err(ApiError::new(
                ErrorCode::ConnectionClosed,
                "the connection was closed without an answer",
            ));
        }
        failure.map_or(result, Err)
    }

    fn failure(&self, code: FaultCode) -> ApiError {
        match code {
            FaultCode::InternalServerException => {
                ApiError::new(ErrorCode::InternalServerException, "Internal server error")
            }
            FaultCode::AccessDeniedException => {
                ApiError::access_denied("User is not authorized to perform this action")
            }
            FaultCode::PendingVerification => {
                ApiError::new(ErrorCode::PendingVerification, "Your account is pending verification")
            }
            FaultCode::ThrottlingException => self.throttled(),
        }
    }

    fn dispatch(&mut self, operation: Operation, input: &Value) -> Result<Value, ApiError> {
        validate(operation.input(), input, self.config.dialect.participant_id_underscore)?;
        match operation {
            Operation::CreateStage => self.create_stage(parse(input)?),
            Operation::GetStage => self.get_stage(&text(input, "arn")),
            Operation::UpdateStage => self.update_stage(parse(input)?),
            Operation::DeleteStage => self.delete_stage(&text(input, "arn")),
            Operation::ListStages => self.list_stages(input),
            Operation::CreateParticipantToken => self.create_participant_token(parse(input)?),
            Operation::DisconnectParticipant => {
                self.disconnect_participant(&text(input, "stageArn"), &text(input, "participantId"))
            }
            Operation::ListStageSessions => self.list_stage_sessions(input),
            Operation::GetStageSession => self.get_stage_session(input),
            Operation::GetParticipant => self.get_participant(input),
            Operation::ListParticipants => self.list_participants(input),
            Operation::ListParticipantEvents => self.list_participant_events(input),
            Operation::ListParticipantReplicas => self.list_participant_replicas(input),
            Operation::StartParticipantReplication => self.start_participant_replication(parse(input)?),
            Operation::StopParticipantReplication => self.stop_participant_replication(&parse(input)?),
            Operation::TagResource => self.tag_resource(&text(input, "resourceArn"), parse(&input["tags"])?),
            Operation::UntagResource => {
                self.untag_resource(&text(input, "resourceArn"), parse(&input["tagKeys"])?)
            }
            Operation::ListTagsForResource => self.list_tags_for_resource(&text(input, "resourceArn")),
        }
    }

    fn record(&mut self, operation: &str, key: String, result: Result<Value, ApiError>) -> Answer {
        let request_id = self.request_ids.uuid();
        let error = result.as_ref().err();
        self.ledger.push(LedgerEntry {
            at: self.now,
            operation: operation.to_owned(),
            key,
            status: error.map_or(200, |error| error.status),
            error: error.map(|error| error.code.to_string()),
            request_id: request_id.clone(),
        });
        Answer { request_id, result }
    }

    fn throttled(&self) -> ApiError {
        let error = ApiError::new(ErrorCode::ThrottlingException, "Rate exceeded");
        match self.config.dialect.throttling_status {
            ThrottlingStatus::BadRequest => error,
            ThrottlingStatus::TooManyRequests => ApiError { status: 429, ..error },
        }
    }

    /// The next place in the order of origin.
    fn next_order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    fn set_timer(&mut self, at: Timestamp, timer: Timer) {
        let order = self.next_order();
        self.timers.insert((at, order), timer);
    }

    /// A stage of this account.
    fn stage(&self, arn: &str) -> Result<&Stage, ApiError> {
        match self.stages.get(arn) {
            Some(stage) if stage.foreign => {
                Err(ApiError::access_denied(format!("Access to {arn} is denied")))
            }
            Some(stage) => Ok(stage),
            None => Err(no_such_stage(arn)),
        }
    }

    fn stage_mut(&mut self, arn: &str) -> Result<&mut Stage, ApiError> {
        self.stage(arn)?;
        self.stages.get_mut(arn).ok_or_else(|| no_such_stage(arn))
    }

    /// The participant in the active session of the stage.
    fn present(&self, stage_arn: &str, participant_id: &str) -> Option<&Participant> {
        self.stages.get(stage_arn)?.active_session()?.participants.get(participant_id)
    }

    fn present_mut(&mut self, stage_arn: &str, participant_id: &str) -> Option<&mut Participant> {
        self.stages.get_mut(stage_arn)?.active_session_mut()?.participants.get_mut(participant_id)
    }

    /// The participant in the latest session that had it.
    fn latest(&self, stage_arn: &str, participant_id: &str) -> Option<(&Session, &Participant)> {
        let sessions = &self.stages.get(stage_arn)?.sessions;
        sessions.iter().rev().find_map(|session| Some((session, session.participants.get(participant_id)?)))
    }

    fn latest_mut(&mut self, stage_arn: &str, participant_id: &str) -> Option<&mut Participant> {
        let sessions = &mut self.stages.get_mut(stage_arn)?.sessions;
        sessions.iter_mut().rev().find_map(|session| session.participants.get_mut(participant_id))
    }
}

fn no_such_stage(arn: &str) -> ApiError {
    ApiError::not_found(format!("{arn} does not exist"))
}

fn unknown_operation(operation: &str) -> ApiError {
    let known: Vec<&str> = Operation::ALL.iter().map(|operation| operation.name()).collect();
    ApiError::new(
        ErrorCode::UnknownOperationException,
        format!("{operation} is not an operation of this simulator; it knows {}", known.join(", ")),
    )
}

/// Reads a request that was validated; a member that is null counts as absent.
fn parse<T: DeserializeOwned>(input: &Value) -> Result<T, ApiError> {
    serde_json::from_value(without_nulls(input)).map_err(|error| ApiError::validation(error.to_string()))
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.clone(), without_nulls(value)))
                .collect::<Map<_, _>>(),
        ),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

/// A required string of a request that was validated.
fn text(input: &Value, member: &str) -> String {
    input[member].as_str().unwrap_or_default().to_owned()
}
