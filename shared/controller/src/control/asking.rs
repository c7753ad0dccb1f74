//! Asking IVS what a plan depends on. A read changes nothing, so it needs no intent; but its call is taken from the budget,
//! and the news that led to it is stored before it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::{OptionFuture, join};
use jiff::Timestamp;
use replication::sweep::{ListedStage, StageKnowledge};
use replication::{
    Allowance, CallError, Capabilities, Context, Moment, Observation, Operation, Plan, Policy, Question,
    Refusal, View, plan,
};
use tracing::{info, warn};

use super::{Controller, Error, Invocation, not_allowed, stamp};
use crate::{StoreError, Write};

/// Those who wait for a free call come back spread over this time: at once, all but a few would lose a race.
const SPREAD_MS: u64 = 1_000;

/// What was asked in one invocation. Whatever has to be read again meanwhile, it is not asked again.
#[derive(Default)]
pub(super) struct Answers {
    stage: Option<StageKnowledge>,
    attributes: Option<Observation>,
    unanswered: BTreeSet<Question>,
}

impl Answers {
    /// What may still be asked: a question that had no answer would have none at once.
    pub(super) fn left(&self, can: Capabilities) -> Capabilities {
        let open = |question| !self.unanswered.contains(&question);
        Capabilities {
            get_stage: can.get_stage && open(Question::Tags),
            get_participant: can.get_participant && open(Question::Attributes),
            ..can
        }
    }

    /// Takes the answers into a view that does not know them. Gives the stage, if it has to be stored.
    pub(super) fn fold_into(&self, view: &mut View, policy: &Policy) -> Option<StageKnowledge> {
        let attributes = view.publisher.as_ref().and_then(|publisher| publisher.attributes.as_ref());
        if let Some(news) = self.attributes.as_ref().filter(|_| attributes.is_none()) {
            news.fold_into(view, policy);
        }
        let stage = self.stage.clone().filter(|_| view.tags.is_none())?;
        view.tags = Some(stage.listed.tags.clone());
        Some(stage)
    }
}

impl Controller {
    /// Stores the news in `view`, and asks. Gives the view as it is stored; nothing, if somebody else interfered.
    pub(super) async fn ask(
        &self,
        asks: &[Question],
        stored: &View,
        view: View,
        invocation: &Invocation,
        answers: &mut Answers,
    ) -> Result<Option<View>, Error> {
        let now = self.clock.now();
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
        let (stage, attributes) = join(
            OptionFuture::from(asks.contains(&Question::Tags).then(|| self.stage(&stored))),
            OptionFuture::from(asks.contains(&Question::Attributes).then(|| self.attributes(&stored))),
        )
        .await;
        if let Some(answer) = stage {
            let listed = self.answer(Question::Tags, answer, &stored, invocation, answers).await?;
            answers.stage = listed.map(|listed| StageKnowledge::new(listed, now));
        }
        if let Some(answer) = attributes {
            let attributes = self.answer(Question::Attributes, answer, &stored, invocation, answers).await?;
            let (key, at) = (stored.key.clone(), Moment::between(now, self.clock.now()));
            answers.attributes = attributes.map(|attributes| Observation::Attributes { key, attributes, at });
        }
        Ok(Some(stored))
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
        view: &View,
        invocation: &Invocation,
        answers: &mut Answers,
    ) -> Result<Option<T>, StoreError> {
        let operation = Operation::answering(question);
        match answer {
            Ok(answer) => {
                info!(operation = operation.name(), "asked");
                Ok(Some(answer))
            }
            Err(error) => {
                warn!(operation = operation.name(), %error, "not answered, and left to the sweep");
                answers.unanswered.insert(question);
                if matches!(error.refusal, Refusal::Throttled { .. }) {
                    self.slow_down(operation, self.clock.now(), invocation, &view.key).await?;
                }
                Ok(None)
            }
        }
    }

    /// When a question may be asked that only waits for a free call; nothing if there is none.
    pub(super) fn next_ask(&self, view: &View, made: &Plan, context: Context<'_>) -> Option<Timestamp> {
        if made.report.questions().is_empty() {
            return None;
        }
        let waiting = plan(view, Context { allowance: Allowance::UNLIMITED, ..context }).asks;
        let free = waiting.into_iter().map(Operation::answering);
        let free = free.map(|operation| self.calls_left.next_free(operation, context.now)).min()?;
        let spread = 1 + stamp(context.holder, &view.key, context.now) % SPREAD_MS;
        let due = free.checked_add(Duration::from_millis(spread)).ok()?;
        Some(made.wake_at.map_or(due, |wake| wake.min(due)))
    }
}
