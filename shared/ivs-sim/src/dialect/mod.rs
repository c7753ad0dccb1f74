//! The dialect: one switch for every question about IVS that its documentation leaves open.
//!
//! A client that is right under every combination of switches is right about IVS, whatever the answers turn out to be.
//! Each switch states its question, its options and a default; the default is the reading the documentation supports
//! best, or else the one that is harder on the client.

mod choices;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use choices::*;

use crate::error::SettingError;
use crate::faults::{object, unknown};

/// One row of the table of switches.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Switch {
    /// Name of the field of [`Dialect`].
    pub name: &'static str,
    /// The question that the documentation leaves open.
    pub question: String,
    /// Every option of a choice; for a number, values worth trying.
    pub options: Vec<Value>,
    /// The option in force unless told otherwise.
    pub default: Value,
}

impl Dialect {
    /// This dialect with one switch set.
    ///
    /// # Errors
    /// [`SettingError`] if there is no such switch, or the value is none of its options.
    pub fn with(mut self, name: &str, value: &Value) -> Result<Self, SettingError> {
        self.set(name, value)?;
        Ok(self)
    }

    /// Merges a partial setting, such as `{"duplicate_start": "success"}`, into this one.
    ///
    /// # Errors
    /// [`SettingError`] for an unknown switch or option; then nothing is changed.
    pub fn merge(&mut self, patch: &Value) -> Result<(), SettingError> {
        let mut merged = self.clone();
        for (name, value) in object(patch, "dialect")? {
            merged.set(name, value).map_err(|error| error.under("dialect"))?;
        }
        *self = merged;
        Ok(())
    }
}

/// Defines the struct, its default, the setter and the table from one list, so that they cannot disagree.
macro_rules! dialect {
    ($($(#[doc = $question:literal])+ $name:ident: $options:ty = $default:expr;)+) => {
        /// How the simulated service answers what the documentation leaves open. See the [module](self).
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Dialect {
            $(
                $(#[doc = $question])+
                #[doc = concat!("\n\nDefault: `", stringify!($default), "`.")]
                pub $name: $options,
            )+
        }

        impl Default for Dialect {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl Dialect {
            /// Every switch with its options and its default, in the order of the fields.
            pub fn switches() -> Vec<Switch> {
                let default = Self::default();
                vec![$(Switch {
                    name: stringify!($name),
                    question: concat!($($question),+).trim().to_owned(),
                    options: <$options as Options>::options(),
                    default: json!(default.$name),
                },)+]
            }

            fn set(&mut self, name: &str, value: &Value) -> Result<(), SettingError> {
                match name {
                    $(stringify!($name) => {
                        self.$name = serde_json::from_value(value.clone())
                            .map_err(|_| SettingError::new(name, value, <$options as Options>::allowed()))?;
                    })+
                    _ => return Err(unknown(name, value, concat!($(stringify!($name), " ",)+).trim())),
                }
                Ok(())
            }
        }
    };
}

dialect! {
    // Start
    /// Which error answers Start for a participant that is known but not publishing?
    start_not_publishing: Refusal = Refusal::NotFound;
    /// Which error answers Start for a participant that the source stage has never heard of?
    start_unknown_participant: Refusal = Refusal::NotFound;
    /// What answers Start for a replication that is active already?
    duplicate_start: DuplicateStart = DuplicateStart::Conflict;
    /// Which error answers Start from a stage to itself?
    same_stage: SameStage = SameStage::Validation;
    /// Which error answers the sixth concurrent replication of a participant?
    replication_limit: ReplicationLimit = ReplicationLimit::QuotaExceeded;
    /// How is a replica refused by a destination that has its 12 publishers: at once, or later by an event?
    publisher_limit: PublisherLimit = PublisherLimit::Refused;
    /// Do replicas count toward the 12 publishers of their destination, and the publishers of the account?
    replicas_count_as_publishers: bool = true;
    /// Can a replica be replicated on, and which error answers if not?
    replica_as_source: ReplicaAsSource = ReplicaAsSource::Allowed;
    /// What becomes of Start when the destination has no active session?
    empty_destination: EmptyDestination = EmptyDestination::CreatesSession;
    /// Which error answers Start or Stop with a stage of another Region?
    cross_region: CrossRegion = CrossRegion::Validation;
    /// What answers Start with a destination stage of another account?
    cross_account: CrossAccount = CrossAccount::AccessDenied;
    /// Does the limit of 1 KB for attributes hold for the request only, or for the merged result too?
    attributes_limit: AttributesLimit = AttributesLimit::Request;
    /// How long after Start's answer does the replica appear, in ms?
    replication_start_delay_ms: Milliseconds = Milliseconds::ZERO;
    /// Which comes first when a replica appears?
    start_event_order: StartEventOrder = StartEventOrder::StartThenPublished;

    // Stop
    /// What answers Stop for a known participant that is not replicated there?
    stop_not_replicated: StopAnswer = StopAnswer::NotFound;
    /// What answers Stop for a participant that the source stage has never heard of?
    stop_unknown_participant: StopAnswer = StopAnswer::NotFound;
    /// Does DisconnectParticipant on a replica end its replication, or is a replica not found?
    disconnect_replica: DisconnectReplica = DisconnectReplica::EndsReplication;

    // The source stops publishing
    /// Does a replication without a reconnect window end by itself when its source stops publishing?
    source_stops: Fate = Fate::Ends;
    /// Does a replication end by itself when its reconnect window expires?
    window_expires: Fate = Fate::Ends;
    /// In which order come the source's Unpublished, Replication End, and the replica's Unpublished?
    source_stop_event_order: SourceStopEventOrder = SourceStopEventOrder::UnpublishedEndReplica;
    /// Who emits Unpublished and Published when the source goes and comes back inside the window?
    reconnect_events: ReconnectEvents = ReconnectEvents::Both;
    /// Does a source that was alone come back inside the window to the same stage session?
    reconnect_session: ReconnectSession = ReconnectSession::Same;

    // Stages and sessions
    /// What becomes of a replication whose destination stage is deleted?
    destination_deleted: Fate = Fate::Ends;
    /// Does DeleteStage disconnect the participants, or is it refused while there are any?
    delete_active_stage: DeleteActiveStage = DeleteActiveStage::Disconnects;
    /// After whom does a session end?
    session_ends_after: SessionEndsAfter = SessionEndsAfter::LastParticipantLeaves;
    /// How long after that does it end, in ms?
    session_end_delay_ms: Milliseconds = Milliseconds(180_000);

    // Lists
    /// What answers ListParticipantReplicas for a participant that the source stage has never heard of?
    list_replicas_unknown_participant: UnknownInList = UnknownInList::Empty;
    /// What answers a List operation (none models a 404) for a stage, session or participant that does not exist?
    list_unknown_resource: UnknownInList = UnknownInList::Empty;
    /// Which STOPPED rows does ListParticipantReplicas return?
    list_replicas_stopped: StoppedRows = StoppedRows::CurrentSession;
    /// How long do Start and Stop take to show in ListParticipantReplicas, in ms?
    list_replicas_lag_ms: Milliseconds = Milliseconds::ZERO;
    /// In which order does ListParticipantEvents return its rows?
    list_events_order: ListEventsOrder = ListEventsOrder::NewestFirst;
    /// How precise is `eventTime` in ListParticipantEvents?
    list_events_time: ListEventsTime = ListEventsTime::Seconds;
    /// What are `sourceStageArn` and `sourceSessionId` of a SOURCE in ListParticipants?
    source_fields_of_sources: SourceFields = SourceFields::Empty;
    /// May a participant id contain an underscore? (Not in the model of botocore 1.43.11, yes in 1.44.5.)
    participant_id_underscore: bool = true;

    // Events
    /// Do events of participants that are no replicas carry `replica: false`?
    replica_false_present: bool = false;
    /// How precise is `event_time`?
    event_time: EventTime = EventTime::Seconds;
    /// Is `event_time_precise` present in Published and Unpublished, and with how many digits?
    event_time_precise: EventTimePrecise = EventTimePrecise::Micros;

    // Errors
    /// Where does the text of a modelled error stand?
    error_text: ErrorText = ErrorText::ExceptionMessage;
    /// Which HTTP status has a ThrottlingException?
    throttling_status: ThrottlingStatus = ThrottlingStatus::BadRequest;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_switch_states_its_question_and_can_be_set_to_each_of_its_options() {
        for switch in Dialect::switches() {
            assert!(switch.question.ends_with(['?', ')']), "{}: {}", switch.name, switch.question);
            assert!(switch.options.len() > 1, "{}", switch.name);
            for option in &switch.options {
                let dialect = Dialect::default().with(switch.name, option).unwrap();
                let json = serde_json::to_value(&dialect).unwrap();
                assert_eq!(&json[switch.name], option);
                assert_eq!(serde_json::from_value::<Dialect>(json).unwrap(), dialect);
            }
            let default = Dialect::default().with(switch.name, &switch.default).unwrap();
            assert_eq!(default, Dialect::default(), "{}", switch.name);
        }
    }

    #[test]
    fn a_wrong_option_is_refused_with_the_right_ones_and_changes_nothing() {
        let mut dialect = Dialect::default();
        let patch = json!({"cross_region": "not_found", "duplicate_start": "explode"});
        let error = dialect.merge(&patch).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"dialect.duplicate_start cannot be "explode": allowed is one of "conflict", "success", "validation""#
        );
        assert_eq!(dialect, Dialect::default());
        let error = dialect.merge(&json!({"list_replicas_lag_ms": 3_600_001})).unwrap_err();
        assert_eq!(error.allowed, "a whole number from 0 to 3600000");
        assert!(dialect.merge(&json!({"no_such_switch": true})).is_err());
    }
}
