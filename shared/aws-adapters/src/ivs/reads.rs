//! The reads of the sweep, and what rules ask. A row that cannot be read is left out, loudly; a value that is not known is told as such.

use std::collections::BTreeMap;

use aws_sdk_ivsrealtime::primitives::DateTime;
use aws_sdk_ivsrealtime::types::{
    Event, EventName as Name, ParticipantState, ParticipantSummary, ReplicationState, ReplicationType,
};
use controller::sweep::port::{ListParticipantEvents, ListParticipants, ListStageSessions, ListStages, Page};
use controller::{GetParticipant, GetStage};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use replication::sweep::{EventName, ListedEvent, ListedParticipant, ListedSession, ListedStage, Role};
use replication::{
    CallError, IdError, Moment, Operation, ParticipantId, PublisherKey, Refusal, SessionId, StageArn,
};
use tracing::warn;

use super::IvsRealTime;

/// Rows per page: the most there are (IVS API reference).
const ROWS: i32 = 100;

impl ListStages for IvsRealTime {
    fn list_stages(&self, token: Option<String>) -> BoxFuture<'_, Result<Page<ListedStage>, CallError>> {
        async move {
            let request = self.client.list_stages().max_results(ROWS).set_next_token(token);
            let output = self.counted(Operation::ListStages, request.send().await)?;
            let rows = output
                .stages
                .into_iter()
                .map(|row| stage(&row.arn, row.name, row.tags, row.active_session_id));
            Ok(Page { rows: readable(rows), next: next(output.next_token) })
        }
        .boxed()
    }
}

impl GetStage for IvsRealTime {
    fn get_stage<'a>(&'a self, arn: &'a StageArn) -> BoxFuture<'a, Result<ListedStage, CallError>> {
        async move {
            let request = self.client.get_stage().arn(arn.as_str());
            let output = self.counted(Operation::GetStage, request.send().await)?;
            let row = output.stage.ok_or_else(|| unreadable("the answer has no stage"))?;
            stage(&row.arn, row.name, row.tags, row.active_session_id)
                .map_err(|error| unreadable(&error.to_string()))
        }
        .boxed()
    }
}

impl GetParticipant for IvsRealTime {
    fn get_participant<'a>(
        &'a self,
        publisher: &'a PublisherKey,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, CallError>> {
        async move {
            let request = self.client.get_participant().stage_arn(publisher.stage.as_str());
            let request = request.session_id(session.as_str()).participant_id(publisher.participant.as_str());
            let output = self.counted(Operation::GetParticipant, request.send().await)?;
            let row = output.participant.ok_or_else(|| unreadable("the answer has no participant"))?;
            // No rule can ask for one without a name, and the table would take none.
            let named = row.attributes.unwrap_or_default().into_iter().filter(|(name, _)| !name.is_empty());
            Ok(named.collect())
        }
        .boxed()
    }
}

impl ListStageSessions for IvsRealTime {
    fn list_stage_sessions<'a>(
        &'a self,
        stage: &'a StageArn,
        token: Option<String>,
    ) -> BoxFuture<'a, Result<Page<ListedSession>, CallError>> {
        async move {
            let request = self.client.list_stage_sessions().stage_arn(stage.as_str());
            let request = request.max_results(ROWS).set_next_token(token);
            let output = self.counted(Operation::ListStageSessions, request.send().await)?;
            let rows = output.stage_sessions.into_iter().map(|row| {
                Ok(ListedSession {
                    session: row.session_id.unwrap_or_default().parse()?,
                    ended: row.end_time.as_ref().and_then(moment),
                })
            });
            Ok(Page { rows: readable(rows), next: next(output.next_token) })
        }
        .boxed()
    }
}

impl ListParticipants for IvsRealTime {
    fn list_participants<'a>(
        &'a self,
        stage: &'a StageArn,
        session: &'a SessionId,
        token: Option<String>,
    ) -> BoxFuture<'a, Result<Page<ListedParticipant>, CallError>> {
        async move {
            let request = self.client.list_participants().stage_arn(stage.as_str());
            let request = request.session_id(session.as_str()).filter_by_published(true);
            let request = request.max_results(ROWS).set_next_token(token);
            let output = self.counted(Operation::ListParticipants, request.send().await)?;
            let rows = output.participants.into_iter().map(participant);
            Ok(Page { rows: readable(rows), next: next(output.next_token) })
        }
        .boxed()
    }
}

impl ListParticipantEvents for IvsRealTime {
    fn list_participant_events<'a>(
        &'a self,
        stage: &'a StageArn,
        session: &'a SessionId,
        participant: &'a ParticipantId,
        token: Option<String>,
    ) -> BoxFuture<'a, Result<Page<ListedEvent>, CallError>> {
        async move {
            let request = self.client.list_participant_events().stage_arn(stage.as_str());
            let request = request.session_id(session.as_str()).participant_id(participant.as_str());
            let request = request.max_results(ROWS).set_next_token(token);
            let output = self.counted(Operation::ListParticipantEvents, request.send().await)?;
            let rows = output.events.into_iter().filter_map(|row| event(row).transpose());
            Ok(Page { rows: readable(rows), next: next(output.next_token) })
        }
        .boxed()
    }
}

pub(super) fn stage(
    arn: &str,
    name: Option<String>,
    tags: Option<std::collections::HashMap<String, String>>,
    session: Option<String>,
) -> Result<ListedStage, IdError> {
    let session = session.filter(|session| !session.is_empty());
    Ok(ListedStage {
        stage: arn.parse()?,
        name: name.unwrap_or_default(),
        tags: tags.unwrap_or_default().into_iter().collect(),
        active_session: session.map(|session| session.parse()).transpose()?,
    })
}

fn participant(row: ParticipantSummary) -> Result<ListedParticipant, IdError> {
    let active = row.replication_state == Some(ReplicationState::Active);
    Ok(ListedParticipant {
        participant: row.participant_id.unwrap_or_default().parse()?,
        user_id: row.user_id.unwrap_or_default(),
        connected: match row.state {
            Some(ParticipantState::Connected) => Some(true),
            Some(ParticipantState::Disconnected) => Some(false),
            _ => None,
        },
        role: match row.replication_type {
            Some(ReplicationType::Source) => Role::Original { replicated: active },
            Some(ReplicationType::None) | None => Role::Original { replicated: false },
            Some(ReplicationType::Replica) => {
                Role::Replica { source: row.source_stage_arn.unwrap_or_default().parse()?, active }
            }
            Some(_) => Role::Unknown,
        },
    })
}

/// A line of history; nothing if it has no time.
fn event(row: Event) -> Result<Option<ListedEvent>, IdError> {
    let Some(at) = row.event_time.as_ref().and_then(moment) else { return Ok(None) };
    let destination = || row.destination_stage_arn.as_deref().unwrap_or_default().parse();
    let name = match row.name {
        Some(Name::Joined) => EventName::Joined,
        Some(Name::Left) => EventName::Left,
        Some(Name::PublishStarted) => EventName::PublishStarted,
        Some(Name::PublishStopped) => EventName::PublishStopped,
        Some(Name::ReplicationStarted) => EventName::ReplicationStarted(destination()?),
        Some(Name::ReplicationStopped) => EventName::ReplicationStopped(destination()?),
        _ => EventName::Other,
    };
    // In a subscribe event the flag is about the other one.
    let replica = row.replica && name != EventName::Other;
    Ok(Some(ListedEvent { name, at, replica }))
}

/// A time as IVS gives it. How precise it is cannot be seen any more: what has no fraction is taken for a whole second, what
/// has whole milliseconds for a millisecond.
fn moment(at: &DateTime) -> Option<Moment> {
    let nanos = i32::try_from(at.subsec_nanos()).ok()?;
    let earliest = Timestamp::new(at.secs(), nanos).ok()?;
    let width = match nanos {
        0 => 1_000_000_000,
        n if n % 1_000_000 == 0 => 1_000_000,
        n if n % 1_000 == 0 => 1_000,
        _ => 1,
    };
    let latest = earliest.checked_add(SignedDuration::from_nanos(width - 1)).unwrap_or(Timestamp::MAX);
    Some(Moment::between(earliest, latest))
}

fn readable<T>(rows: impl Iterator<Item = Result<T, IdError>>) -> Vec<T> {
    rows.filter_map(|row| row.map_err(|error| warn!(%error, "listed row left out")).ok()).collect()
}

fn next(token: Option<String>) -> Option<String> {
    token.filter(|token| !token.is_empty())
}

pub(super) fn unreadable(message: &str) -> CallError {
    CallError {
        refusal: Refusal::Unavailable,
        code: "Unreadable".to_owned(),
        message: message.to_owned(),
        request_id: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_a_fraction_is_its_whole_second() {
        let of = |secs, nanos| moment(&DateTime::from_secs_and_nanos(secs, nanos)).unwrap().to_string();
        assert_eq!(of(0, 0), "1970-01-01T00:00:00Z/1970-01-01T00:00:00.999999999Z");
        assert_eq!(of(5, 250_000_000), "1970-01-01T00:00:05.25Z/1970-01-01T00:00:05.250999999Z");
        assert_eq!(of(5, 7), "1970-01-01T00:00:05.000000007Z");
    }

    #[test]
    fn what_is_not_known_is_no_error() {
        let row = ParticipantSummary::builder()
            .participant_id("p1")
            .state(ParticipantState::from("SLEEPING"))
            .replication_type(ReplicationType::from("TWIN"))
            .build();
        let read = participant(row).unwrap();
        assert_eq!((read.connected, read.role), (None, Role::Unknown));
        let row = Event::builder().name(Name::from("SANG")).event_time(DateTime::from_secs(1)).build();
        assert_eq!(event(row).unwrap().unwrap().name, EventName::Other);
        assert!(event(Event::builder().build()).unwrap().is_none());
        assert!(participant(ParticipantSummary::builder().build()).is_err());
    }

    #[test]
    fn a_source_with_empty_source_fields_is_an_original() {
        let row = ParticipantSummary::builder()
            .participant_id("p1")
            .replication_type(ReplicationType::Source)
            .replication_state(ReplicationState::Active)
            .source_stage_arn("")
            .build();
        assert_eq!(participant(row).unwrap().role, Role::Original { replicated: true });
    }
}
