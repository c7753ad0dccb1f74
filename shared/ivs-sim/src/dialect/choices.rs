//! The options of each switch, in the words that JSON uses for them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a switch can be set to.
pub(super) trait Options {
    /// Every option, or values worth trying.
    fn options() -> Vec<Value>;

    /// What is allowed, in words.
    fn allowed() -> String {
        let options: Vec<String> = Self::options().iter().map(Value::to_string).collect();
        format!("one of {}", options.join(", "))
    }
}

impl Options for bool {
    fn options() -> Vec<Value> {
        vec![json!(false), json!(true)]
    }
}

/// A span of time in ms, 0–3 600 000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64")]
pub struct Milliseconds(pub u64);

impl Milliseconds {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest span: one hour.
    pub const MAX: Self = Self(3_600_000);

    /// The span of time.
    pub fn duration(self) -> jiff::SignedDuration {
        jiff::SignedDuration::from_millis(i64::try_from(self.0.min(Self::MAX.0)).unwrap_or(i64::MAX))
    }
}

impl TryFrom<u64> for Milliseconds {
    type Error = &'static str;

    fn try_from(ms: u64) -> Result<Self, Self::Error> {
        if ms <= Self::MAX.0 { Ok(Self(ms)) } else { Err("more than one hour") }
    }
}

impl Options for Milliseconds {
    fn options() -> Vec<Value> {
        vec![json!(0), json!(1_500), json!(180_000)]
    }

    fn allowed() -> String {
        format!("a whole number from 0 to {}", Self::MAX.0)
    }
}

macro_rules! choice {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[$meta:meta])+ $option:ident,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$meta])+ $option,)+ }

        impl Options for $name {
            fn options() -> Vec<Value> {
                vec![$(json!($name::$option),)+]
            }
        }
    };
}

choice! {
    /// An error that refuses Start.
    Refusal {
        /// ResourceNotFoundException, 404.
        NotFound,
        /// ConflictException, 409.
        Conflict,
        /// ValidationException, 400.
        Validation,
    }
}

choice! {
    /// The answer to Start for what is replicated already.
    DuplicateStart {
        /// ConflictException, 409.
        Conflict,
        /// 200, and nothing changes, neither window nor attributes.
        Success,
        /// ValidationException, 400.
        Validation,
    }
}

choice! {
    /// The error for a source that is also the destination.
    SameStage {
        /// ValidationException, 400.
        Validation,
        /// ConflictException, 409.
        Conflict,
    }
}

choice! {
    /// The error for one replication too many.
    ReplicationLimit {
        /// ServiceQuotaExceededException, 402.
        QuotaExceeded,
        /// ConflictException, 409.
        Conflict,
        /// ValidationException, 400.
        Validation,
    }
}

choice! {
    /// How a full destination refuses a replica.
    PublisherLimit {
        /// ServiceQuotaExceededException, 402, answers Start.
        Refused,
        /// Start succeeds; then the destination emits Participant Publish Error QUOTA_EXCEEDED.
        PublishError,
    }
}

choice! {
    /// Whether a replica can be a source.
    ReplicaAsSource {
        /// It can.
        Allowed,
        /// ResourceNotFoundException, 404.
        NotFound,
        /// ConflictException, 409.
        Conflict,
        /// ValidationException, 400.
        Validation,
    }
}

choice! {
    /// Start into a stage without a session.
    EmptyDestination {
        /// A session begins with the replica.
        CreatesSession,
        /// ResourceNotFoundException, 404.
        NotFound,
        /// ConflictException, 409.
        Conflict,
    }
}

choice! {
    /// The error for a stage of another Region.
    CrossRegion {
        /// ValidationException, 400.
        Validation,
        /// ResourceNotFoundException, 404.
        NotFound,
        /// AccessDeniedException, 403.
        AccessDenied,
    }
}

choice! {
    /// Start into a stage of another account.
    CrossAccount {
        /// AccessDeniedException, 403.
        AccessDenied,
        /// It works; the destination's events go to the other account's bus and are not seen here.
        Allowed,
        /// ResourceNotFoundException, 404.
        NotFound,
        /// ValidationException, 400.
        Validation,
    }
}

choice! {
    /// What the limit of 1 KB applies to.
    AttributesLimit {
        /// The attributes in the request.
        Request,
        /// These, and the result of merging them over the token's: ValidationException, 400.
        Merged,
    }
}

choice! {
    /// Order of the two events of a new replica.
    StartEventOrder {
        /// Replication Start, then the replica's Published.
        StartThenPublished,
        /// The replica's Published, then Replication Start.
        PublishedThenStart,
    }
}

choice! {
    /// The answer to Stop where there is nothing to stop.
    StopAnswer {
        /// ResourceNotFoundException, 404.
        NotFound,
        /// 200.
        Success,
        /// ValidationException, 400.
        Validation,
        /// ConflictException, 409, although Stop does not model it.
        Conflict,
    }
}

choice! {
    /// DisconnectParticipant on a replica.
    DisconnectReplica {
        /// The replica leaves and its replication ends.
        EndsReplication,
        /// ResourceNotFoundException, 404.
        NotFound,
    }
}

choice! {
    /// What becomes of a replication.
    Fate {
        /// It ends by itself.
        Ends,
        /// It stays ACTIVE until it is stopped; the replica reappears when the source publishes again.
        Stays,
    }
}

choice! {
    /// Order of the three events when the end of the source's publishing ends a replication.
    SourceStopEventOrder {
        /// Unpublished, Replication End, replica's Unpublished.
        UnpublishedEndReplica,
        /// Unpublished, replica's Unpublished, Replication End.
        UnpublishedReplicaEnd,
        /// Replication End, Unpublished, replica's Unpublished.
        EndUnpublishedReplica,
        /// Replication End, replica's Unpublished, Unpublished.
        EndReplicaUnpublished,
        /// Replica's Unpublished, Unpublished, Replication End.
        ReplicaUnpublishedEnd,
        /// Replica's Unpublished, Replication End, Unpublished.
        ReplicaEndUnpublished,
    }
}

choice! {
    /// Who emits Unpublished and Published inside a reconnect window.
    ReconnectEvents {
        /// The source and the replica.
        Both,
        /// The source alone; the replica shows as publishing all the time.
        SourceOnly,
        /// Nobody; the source's Unpublished comes when the window expires.
        Neither,
    }
}

choice! {
    /// The session a source comes back to.
    ReconnectSession {
        /// The same: a session does not end while a window is open in it.
        Same,
        /// A new one, if nobody else is connected.
        New,
    }
}

choice! {
    /// DeleteStage while participants are connected.
    DeleteActiveStage {
        /// They are disconnected.
        Disconnects,
        /// ConflictException, 409.
        Conflict,
    }
}

choice! {
    /// Who keeps a session alive.
    SessionEndsAfter {
        /// Every connected participant (API reference).
        LastParticipantLeaves,
        /// Publishers alone (user guide, Stage health).
        LastPublisherStops,
    }
}

choice! {
    /// A List operation on what does not exist.
    UnknownInList {
        /// 200 and no rows.
        Empty,
        /// ValidationException, 400.
        Validation,
    }
}

choice! {
    /// Which ended replications are listed.
    StoppedRows {
        /// Those of the participant's latest source session.
        CurrentSession,
        /// None.
        Omitted,
        /// Those of earlier source sessions too.
        EverySession,
    }
}

choice! {
    /// Order of ListParticipantEvents.
    ListEventsOrder {
        /// Newest first.
        NewestFirst,
        /// Oldest first.
        OldestFirst,
    }
}

choice! {
    /// Precision of `eventTime` in ListParticipantEvents.
    ListEventsTime {
        /// Whole seconds.
        Seconds,
        /// Milliseconds.
        Millis,
    }
}

choice! {
    /// Source fields of a participant that is a source itself.
    SourceFields {
        /// Empty strings (AWS CLI examples).
        Empty,
        /// Absent.
        Absent,
    }
}

choice! {
    /// Precision of `event_time`.
    EventTime {
        /// Whole seconds, as in `…32Z`.
        Seconds,
        /// Nine digits, as in `…17.089061676Z`.
        Nanos,
    }
}

choice! {
    /// Field `event_time_precise`.
    EventTimePrecise {
        /// Six digits, as in the example of the user guide.
        Micros,
        /// Three digits, as its history of changes says.
        Millis,
        /// Absent, as before 2026-06-29.
        Absent,
    }
}

choice! {
    /// Where the text of an error stands.
    ErrorText {
        /// Body member `exceptionMessage` (service model).
        ExceptionMessage,
        /// Body member `message`.
        Message,
        /// Header `x-amzn-errormessage`; the body is empty.
        Header,
    }
}

choice! {
    /// Status of a ThrottlingException.
    ThrottlingStatus {
        /// 400 (API reference, common errors).
        #[serde(rename = "400")]
        BadRequest,
        /// 429.
        #[serde(rename = "429")]
        TooManyRequests,
    }
}
