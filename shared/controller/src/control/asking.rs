//! Asking IVS what a plan depends on. A read changes nothing, so it needs no intent; but its call is taken from the budget,
//! and the news that led to it is stored before it.

use std::collections::BTreeMap;

use futures::future::{OptionFuture, join};
use jiff::{SignedDuration, Timestamp};
use replication::sweep::{ListedStage, StageKnowledge};
use replication::{
    Allowance, CallError, Capabilities, Context, Moment, Observation, Operation, Plan, Question, Refusal,
    View, plan,
};
use tracing::{info, warn};

use super::{Controller, Error, Invocation, not_allowed, stamp};
use crate::{StoreError, Write};

/// How soon a free call is looked for again.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_millis(50);

/// What asking came to.
pub(super) struct Asked {
    /// The view as it is stored.
    pub(super) stored: View,
    /// The same with the answers.
    pub(super) view: View,
    /// The stage that was asked for, to be stored.
    pub(super) stage: Option<StageKnowledge>,
    /// Questions without an answer. Asking again at once would not help.
    pub(super) unanswered: Vec<Question>,
}

impl Controller {
    /// Stores the news in `view`, and asks. Nothing, if somebody else interfered.
    pub(super) async fn ask(
        &self,
        asks: &[Question],
        stored: &View,
        view: View,
        now: Timestamp,
        invocation: &Invocation,
    ) -> Result<Option<Asked>, Error> {
        let operations: Vec<_> = asks.iter().copied().map(Operation::answering).collect();
        let budgets = self.calls_left.spend(&operations, now, stamp(&invocation.id, &view.key, now));
        let write = Write { budgets, ..Write::between(stored, &view) };
        if !write.is_empty() {
            match self.store.write(&write).await {
                Ok(()) => self.calls_left.written(&write.budgets),
                Err(StoreError::Conflict) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        let stored = write.stored(view);
        let mut asked = Asked { view: stored.clone(), stored, stage: None, unanswered: Vec::new() };
        let (tags, attributes) = join(
            OptionFuture::from(asks.contains(&Question::Tags).then(|| self.stage(&asked.stored))),
            OptionFuture::from(asks.contains(&Question::Attributes).then(|| self.attributes(&asked.stored))),
        )
        .await;
        if let Some(answer) = tags
            && let Some(listed) = self.answer(Question::Tags, answer, &mut asked, invocation).await?
        {
            asked.view.tags = Some(listed.tags.clone());
            asked.stage = Some(StageKnowledge::new(listed, now));
        }
        if let Some(answer) = attributes
            && let Some(attributes) =
                self.answer(Question::Attributes, answer, &mut asked, invocation).await?
        {
            let at = Moment::between(now, self.clock.now());
            let news = Observation::Attributes { key: asked.view.key.clone(), attributes, at };
            news.fold_into(&mut asked.view, &self.policy);
        }
        Ok(Some(asked))
    }

    async fn stage(&self, view: &View) -> Result<ListedStage, CallError> {
        match &self.calls.stage {
            Some(get) => get.get_stage(&view.key.stage).await,
            None => Err(not_allowed()),
        }
    }

    async fn attributes(&self, view: &View) -> Result<BTreeMap<String, String>, CallError> {
        let session = view.publisher.as_ref().and_then(|publisher| publisher.session.as_ref());
        match (&self.calls.participant, session) {
            (Some(get), Some(session)) => get.get_participant(&view.key, session).await,
            _ => Err(not_allowed()),
        }
    }

    /// The answer, if it is one; what was answered stays out of the log.
    async fn answer<T>(
        &self,
        question: Question,
        answer: Result<T, CallError>,
        asked: &mut Asked,
        invocation: &Invocation,
    ) -> Result<Option<T>, StoreError> {
        let operation = Operation::answering(question);
        match answer {
            Ok(answer) => {
                info!(operation = operation.name(), "asked");
                Ok(Some(answer))
            }
            Err(error) => {
                warn!(operation = operation.name(), %error, "not answered, and left to the sweep");
                asked.unanswered.push(question);
                if matches!(error.refusal, Refusal::Throttled { .. }) {
                    let key = asked.view.key.clone();
                    self.slow_down(operation, self.clock.now(), invocation, &key).await?;
                }
                Ok(None)
            }
        }
    }

    /// When a question may be asked that only waits for a free call; nothing if there is none.
    pub(super) fn next_ask(&self, view: &View, made: &Plan, context: Context<'_>) -> Option<Timestamp> {
        let unlimited = Context { allowance: Allowance::UNLIMITED, ..context };
        let waiting = made.report.questions().iter().any(|question| !made.asks.contains(question));
        let waiting = if waiting { plan(view, unlimited).asks } else { Vec::new() };
        let free = waiting.into_iter().map(Operation::answering);
        let free = free.map(|operation| self.calls_left.next_free(operation, context.now)).min()?;
        let soon = context.now.checked_add(LOOK_AGAIN).unwrap_or(Timestamp::MAX);
        Some(made.wake_at.unwrap_or(Timestamp::MAX).min(free.max(soon)))
    }
}

/// What may be asked after these questions had no answer.
pub(super) fn without(mut can: Capabilities, unanswered: &[Question]) -> Capabilities {
    for question in unanswered {
        match question {
            Question::Tags => can.get_stage = false,
            Question::Attributes => can.get_participant = false,
        }
    }
    can
}
