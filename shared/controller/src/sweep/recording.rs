//! Keeps the recording of replicas on destination stages as the rules want it.
//!
//! # Guarantees
//! * UpdateStage is the only call here that changes anything. It is made once, at the sweep's pace, and only if the sweep
//!   may change anything at all. Its intent is in the history before it, its outcome after it.
//! * Of a stage's settings, nothing but the recording of replicas is changed.
//!
//! # Caveats
//! * UpdateStage knows no condition. Who changes the recording of a stage between our GetStage and our UpdateStage, about a
//!   second later, is overwritten.

use replication::sweep::{RecordingCheck, RecordingDue, Roster, StageKnowledge, recordings_due};
use replication::{HandsOff, Operation, Receipt, Refusal};
use tracing::{info, warn};

use super::Sweeping;
use super::port::SetRecording;
use super::witness::Silence;
use crate::{Activity, Sweep, Write};

/// IVS's name of the call.
const UPDATE_STAGE: &str = "UpdateStage";

impl<'a> Sweeping<'a> {
    /// The call that changes a stage, if anything may be changed.
    fn set_recording(&self) -> Option<&'a dyn SetRecording> {
        let hands_off = HandsOff::of(&self.sweep.controller.policy, &self.inventory.control);
        hands_off.is_none().then_some(&*self.sweep.recordings.set)
    }

    /// Looks at the recordings that are due. What IVS refuses for one stage skips that stage; when IVS does not answer, the
    /// rest is left to the next sweep, for the looks need the time.
    pub(super) async fn recordings(&mut self, roster: &Roster) {
        let Sweep { clock, policy, .. } = self.sweep;
        for due in recordings_due(&self.inventory, roster, clock.now(), policy) {
            let (found, go_on) = match self.bring_in_line(&due).await {
                Ok(in_line) => (Some(in_line), true),
                Err(Silence::OutOfTime) => (None, false),
                Err(Silence::Failed(error)) => {
                    warn!(%error, stage = %due.stage.stage, "the recording of replicas is not as the rules want it");
                    match error.refusal {
                        Refusal::Throttled { .. } => (None, false),
                        Refusal::Unavailable => (Some(false), false),
                        Refusal::Rejected(_) | Refusal::AccessDenied => (Some(false), true),
                    }
                }
            };
            if let Some(in_line) = found {
                self.remember_recording(&due, in_line).await;
            }
            if !go_on {
                return;
            }
        }
    }

    /// Whether the stage's recording is as it has to be, once that was tried.
    async fn bring_in_line(&mut self, due: &RecordingDue) -> Result<bool, Silence> {
        let RecordingDue { stage, record_replicas, .. } = due;
        let sweep = self.sweep;
        let recording =
            self.witness.call(Operation::GetStage, sweep.recordings.get.get_recording(&stage.stage)).await?;
        if recording.is_in_line(*record_replicas) {
            return Ok(true);
        }
        let Some(set) = self.set_recording() else {
            info!(stage = %stage.stage, record_replicas, "left as it is: nothing may be changed");
            return Ok(false);
        };
        self.witness.leave(Operation::UpdateStage, self.until).await?;
        let intent = format!("intent: record_replicas from {} to {record_replicas}", recording.replicas);
        if !self.write_down(due, intent, None).await {
            return Ok(false);
        }
        let call = set.set_record_replicas(&stage.stage, &recording, *record_replicas);
        let answer = self.witness.answer(Operation::UpdateStage, call).await;
        let (outcome, request_id) = match &answer {
            Ok(Receipt { request_id }) => ("ok".to_owned(), request_id.clone()),
            Err(Silence::Failed(error)) => (error.to_string(), error.request_id.clone()),
            Err(Silence::OutOfTime) => ("not called: out of time".to_owned(), None),
        };
        self.write_down(due, outcome, request_id).await;
        answer?;
        info!(stage = %stage.stage, record_replicas, rule = %due.rule, "recording of replicas set");
        self.swept.recordings_set += 1;
        Ok(true)
    }

    /// Adds a line to the stage's history. Whether that could be stored.
    async fn write_down(&self, due: &RecordingDue, outcome: String, request_id: Option<String>) -> bool {
        let Sweep { clock, controller, .. } = self.sweep;
        let line = Activity {
            at: clock.now(),
            stage: due.stage.stage.clone(),
            participant: None,
            destination: None,
            operation: UPDATE_STAGE,
            rule: Some(due.rule.clone()),
            outcome,
            reason: None,
            request_id,
            caller: self.invocation.id.clone(),
        };
        let written = controller.store.write(&Write { activity: vec![line], ..Write::default() }).await;
        written.map_err(|error| warn!(%error, stage = %due.stage.stage, "not written down")).is_ok()
    }

    async fn remember_recording(&mut self, due: &RecordingDue, in_line: bool) {
        let at = self.sweep.clock.now();
        let stage = &due.stage.stage;
        let found = RecordingCheck { record_replicas: due.record_replicas, in_line, at };
        self.recordings_found.insert(stage.clone(), found);
        let known = self.inventory.knowledge(stage).cloned();
        let known = known.unwrap_or_else(|| StageKnowledge::new(due.stage.clone(), at));
        self.remember(&StageKnowledge { listed: due.stage.clone(), ..known }).await;
    }
}
