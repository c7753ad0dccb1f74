//! Stage sessions: they begin when somebody joins, and end a while after nobody is left.

use super::Timer;
use super::World;
use super::entities::{EventErrorCode, EventName, Origin, ParticipantEvent, Phase, Session, Stage};
use crate::dialect::{ReconnectSession, SessionEndsAfter};

impl World {
    /// The active session of an existing stage; begins one if there is none.
    pub(super) fn ensure_session(&mut self, stage_arn: &str) -> String {
        if let Some(session) = self.stages.get(stage_arn).and_then(Stage::active_session) {
            return session.id.clone();
        }
        let (id, order, started) = (self.ids.session(), self.next_order(), self.now);
        let session =
            Session { id: id.clone(), order, started, ended: None, participants: Default::default() };
        if let Some(stage) = self.stages.get_mut(stage_arn) {
            stage.sessions.push(session);
        }
        id
    }

    /// Plans the end of the session if nobody keeps it alive, and calls it off if somebody does. To be called after
    /// every change of who is there.
    pub(super) fn touch_session(&mut self, stage_arn: &str) {
        let alive = self.is_alive(stage_arn);
        let Some(stage) = self.stages.get_mut(stage_arn).filter(|stage| stage.active_session().is_some())
        else {
            return;
        };
        if alive {
            stage.idle_generation += 1;
            stage.idle = false;
        } else if !stage.idle {
            stage.idle = true;
            let timer =
                Timer::SessionEnds { stage_arn: stage_arn.to_owned(), generation: stage.idle_generation };
            let delay = self.config.dialect.session_end_delay_ms.duration();
            self.set_timer(self.now + delay, timer);
        }
    }

    pub(super) fn session_due(&mut self, stage_arn: &str, generation: u64) {
        let due = |stage: &Stage| stage.idle && stage.idle_generation == generation;
        if self.stages.get(stage_arn).is_some_and(due) {
            self.end_session(stage_arn);
        }
    }

    /// Ends the active session. Whoever is still connected leaves; nobody publishes any more.
    pub(super) fn end_session(&mut self, stage_arn: &str) {
        let now = self.now;
        let Some(stage) = self.stages.get_mut(stage_arn) else { return };
        stage.idle = false;
        stage.idle_generation += 1;
        let Some(session) = stage.active_session_mut() else { return };
        let participants: Vec<String> = session.participants.keys().cloned().collect();
        for participant_id in participants {
            let Some(participant) = self.present_mut(stage_arn, &participant_id) else { continue };
            let deferred = std::mem::replace(&mut participant.unpublish_deferred, false);
            let connected = std::mem::replace(&mut participant.connected, false);
            if deferred {
                self.announce_unpublished(stage_arn, &participant_id);
            }
            if connected {
                self.note(stage_arn, &participant_id, EventName::Left);
            }
        }
        if let Some(session) = self.stages.get_mut(stage_arn).and_then(Stage::active_session_mut) {
            session.ended = Some(now);
        }
    }

    /// Adds a row to what ListParticipantEvents tells of the participant.
    pub(super) fn note(&mut self, stage_arn: &str, participant_id: &str, name: EventName) {
        self.note_row(stage_arn, participant_id, name, None, None);
    }

    pub(super) fn note_error(&mut self, stage_arn: &str, participant_id: &str, error: EventErrorCode) {
        self.note_row(stage_arn, participant_id, EventName::PublishError, Some(error), None);
    }

    pub(super) fn note_replication(
        &mut self,
        stage_arn: &str,
        participant_id: &str,
        name: EventName,
        destination: Origin,
    ) {
        self.note_row(stage_arn, participant_id, name, None, Some(destination));
    }

    fn note_row(
        &mut self,
        stage_arn: &str,
        participant_id: &str,
        name: EventName,
        error: Option<EventErrorCode>,
        destination: Option<Origin>,
    ) {
        let (order, at) = (self.next_order(), self.now);
        if let Some(participant) = self.latest_mut(stage_arn, participant_id) {
            participant.events.push(ParticipantEvent { order, at, name, error, destination });
        }
    }

    fn is_alive(&self, stage_arn: &str) -> bool {
        let Some(session) = self.stages.get(stage_arn).and_then(Stage::active_session) else { return false };
        let dialect = &self.config.dialect;
        let mut participants = session.participants.values();
        let busy = match dialect.session_ends_after {
            SessionEndsAfter::LastParticipantLeaves => participants.any(|participant| participant.connected),
            SessionEndsAfter::LastPublisherStops => participants.any(|participant| participant.publishing),
        };
        busy || (dialect.reconnect_session == ReconnectSession::Same && self.has_open_window(stage_arn))
    }

    /// Whether a replication from or to the stage waits for its source.
    fn has_open_window(&self, stage_arn: &str) -> bool {
        self.replications.iter().any(|(key, replication)| {
            (key.source_stage_arn == stage_arn || key.destination_stage_arn == stage_arn)
                && matches!(replication.phase, Phase::Held(Some(_)))
        })
    }
}
