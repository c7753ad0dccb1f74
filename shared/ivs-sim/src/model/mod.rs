//! The service model: operations with their quotas, and the shape of every request.
//!
//! Source: service model ivs-realtime 2020-07-14 (botocore 1.43.11) and the service quotas of the IVS RealTimeUserGuide.

mod requests;
mod shape;

pub(crate) use requests::{PLACE_STAGE, PRESENT_PARTICIPANT, PUBLISH};
pub(crate) use shape::{MAX_ATTRIBUTES_BYTES, Member, validate, violations};

macro_rules! operations {
    ($($name:ident $calls_per_second:literal $input:ident $about:literal,)+) => {
        /// An operation of the API that is simulated.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation {
            $(#[doc = $about] $name,)+
        }

        impl Operation {
            /// Every simulated operation.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The API's name, such as `GetStage`; also the path of its URI, but for the tag operations.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// Quota in calls per second, per account and Region; not adjustable.
            pub fn calls_per_second(self) -> usize {
                match self {
                    $(Self::$name => $calls_per_second,)+
                }
            }

            /// The operation of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $(stringify!($name) => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// The members of its request.
            pub(crate) fn input(self) -> &'static [Member] {
                match self {
                    $(Self::$name => requests::$input,)+
                }
            }
        }
    };
}

operations! {
    CreateStage 5 CREATE_STAGE "Creates a stage, and tokens for it.",
    GetStage 5 STAGE "Reads a stage.",
    UpdateStage 5 UPDATE_STAGE "Changes a stage's name or recording.",
    DeleteStage 5 STAGE "Deletes a stage, disconnecting all participants.",
    ListStages 5 LIST_STAGES "Lists the stages of the account.",
    CreateParticipantToken 50 CREATE_PARTICIPANT_TOKEN "Creates a token for a participant.",
    DisconnectParticipant 5 DISCONNECT_PARTICIPANT "Disconnects a participant.",
    ListStageSessions 5 LIST_STAGE_SESSIONS "Lists the sessions of a stage.",
    GetStageSession 5 STAGE_SESSION "Reads a session.",
    GetParticipant 5 PARTICIPANT "Reads a participant of a session.",
    ListParticipants 5 LIST_PARTICIPANTS "Lists the participants of a session.",
    ListParticipantEvents 5 LIST_PARTICIPANT_EVENTS "Lists what happened to a participant in a session.",
    ListParticipantReplicas 5 LIST_PARTICIPANT_REPLICAS "Lists the replications of a participant.",
    StartParticipantReplication 5 START_PARTICIPANT_REPLICATION "Starts to replicate a participant.",
    StopParticipantReplication 5 REPLICATION "Stops a replication.",
    TagResource 10 TAG_RESOURCE "Adds tags, or replaces their values.",
    UntagResource 10 UNTAG_RESOURCE "Removes tags.",
    ListTagsForResource 10 RESOURCE "Lists tags.",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_lead_back() {
        for operation in Operation::ALL {
            assert_eq!(Operation::from_name(operation.name()), Some(*operation));
        }
        assert_eq!(Operation::from_name("StartComposition"), None);
    }

    #[test]
    fn all_but_tokens_and_tags_allow_five_calls_per_second() {
        for operation in Operation::ALL {
            let expected = match operation.name() {
                "CreateParticipantToken" => 50,
                name if name.contains("Tag") || name == "UntagResource" => 10,
                _ => 5,
            };
            assert_eq!(operation.calls_per_second(), expected, "{}", operation.name());
        }
    }
}
