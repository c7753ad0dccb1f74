//! Asks IVS, page by page and at its pace, and has the answers read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use replication::sweep::history::{has_stopped, read_history, started_before};
use replication::sweep::second::{read_gone, read_replications, read_sessions, session_at};
use replication::sweep::stage::{Findings, read_stage};
use replication::sweep::{
    Inventory, ListedEvent, ListedParticipant, ListedSession, ListedStage, Look, SweepPolicy, Target,
};
use replication::{
    CallError, Listed, Moment, Observation, Operation, ParticipantId, PublisherKey, Refusal, Rejection,
    ReplicationKey, SessionId, StageArn,
};

use super::port::{Pace, Page, Reads};
use crate::Clock;

/// Pages of one list. 100 lines of history each: a participant of 24 h does not come near.
const MAX_PAGES: usize = 50;

/// The code of our own for a list with more.
const TOO_MANY_PAGES: &str = "TooManyPages";

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Silence {
    /// The sweep is over.
    OutOfTime,
    /// The read failed.
    Failed(CallError),
}

impl Silence {
    /// Whether there may be an answer in a moment.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::OutOfTime => true,
            Self::Failed(error) => {
                let passes = matches!(error.refusal, Refusal::Throttled { .. } | Refusal::Unavailable);
                passes && error.code != TOO_MANY_PAGES
            }
        }
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfTime => f.write_str("out of time"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

/// What a look came to. News that was found before a silence is news all the same.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) news: Vec<Observation>,
    pub(super) unowned: BTreeSet<ReplicationKey>,
    /// Participants who publish no more, by what was read here, whatever else is known.
    pub(super) gone: BTreeSet<ParticipantId>,
    pub(super) silence: Option<Silence>,
}

/// The way to IVS during one sweep.
pub(super) struct Witness<'a> {
    reads: &'a Reads,
    pace: &'a dyn Pace,
    clock: &'a dyn Clock,
    until: Timestamp,
    calls: usize,
    /// When the last call was sent.
    sent_at: Timestamp,
    /// Replications that were listed in this sweep: each publisher once.
    listed: BTreeMap<PublisherKey, (Vec<Listed>, Moment)>,
    /// Stages that were asked for in this sweep: each once.
    asked: BTreeMap<StageArn, (Option<ListedStage>, Moment)>,
}

impl<'a> Witness<'a> {
    pub(super) fn new(reads: &'a Reads, pace: &'a dyn Pace, clock: &'a dyn Clock, until: Timestamp) -> Self {
        let (listed, asked) = Default::default();
        Self { reads, pace, clock, until, calls: 0, sent_at: Timestamp::MIN, listed, asked }
    }

    /// Calls made so far.
    pub(super) fn calls(&self) -> usize {
        self.calls
    }

    /// All stages, or those before a silence.
    pub(super) async fn stages(&mut self) -> (Vec<ListedStage>, Option<Silence>) {
        let mut stages = Vec::new();
        let mut token = None;
        loop {
            let reads = self.reads;
            let page = self.call(Operation::ListStages, reads.stages.list_stages(token.take())).await;
            match page {
                Ok(page) => {
                    stages.extend(page.rows);
                    token = page.next;
                }
                Err(silence) => return (stages, Some(silence)),
            }
            if token.is_none() {
                return (stages, None);
            }
        }
    }

    /// Looks at a stage, and asks the second witnesses for what that leaves open.
    pub(super) async fn look(&mut self, inventory: &Inventory, look: &Look, policy: &SweepPolicy) -> Answer {
        let mut answer = Answer::default();
        answer.silence = self.ask(inventory, look, policy, &mut answer).await.err();
        answer
    }

    async fn ask(
        &mut self,
        inventory: &Inventory,
        look: &Look,
        policy: &SweepPolicy,
        answer: &mut Answer,
    ) -> Result<(), Silence> {
        let mut look = look.clone();
        if look.target == Target::Unlisted {
            match self.stage(&look.stage).await? {
                (None, took) => {
                    answer.news.extend(read_gone(inventory, &look.stage, took));
                    let publishers = inventory.publishers_on(&look.stage);
                    answer.gone.extend(publishers.map(|publisher| publisher.key.participant.clone()));
                }
                (Some(listed), _) => {
                    look.target = listed.active_session.map_or(Target::Empty, Target::Session);
                }
            }
        }
        let (participants, took) = match &look.target {
            Target::Session(session) => self.participants(&look.stage, session).await?,
            Target::Empty | Target::Unlisted => (Vec::new(), Moment::exact(self.clock.now())),
        };
        let mut findings = read_stage(inventory, &look, &participants, took, policy);
        if look.target == Target::Unlisted {
            (findings.elsewhere, findings.histories, findings.owners) = Default::default();
        }
        answer.news.append(&mut findings.observations);
        answer.unowned.append(&mut findings.unowned);
        answer.gone.append(&mut findings.gone);
        self.follow_up(inventory, &look, findings, policy, answer).await
    }

    async fn follow_up(
        &mut self,
        inventory: &Inventory,
        look: &Look,
        findings: Findings,
        policy: &SweepPolicy,
        answer: &mut Answer,
    ) -> Result<(), Silence> {
        let mut histories = Vec::new();
        let present = match &look.target {
            Target::Session(session) => Some(session),
            Target::Empty | Target::Unlisted => None,
        };
        for (participant, user_id) in findings.owners {
            let key = PublisherKey { stage: look.stage.clone(), participant: participant.clone() };
            let known = inventory.publisher(&key).and_then(|known| known.session.as_ref()).or(present);
            let asked = known == present && findings.histories.contains_key(&participant);
            histories.extend(known.filter(|_| !asked).map(|session| (participant, session.clone(), user_id)));
        }
        if let Some(session) = present {
            let of_session = findings.histories.into_iter();
            histories
                .extend(of_session.map(|(participant, user_id)| (participant, session.clone(), user_id)));
        }
        if !findings.elsewhere.is_empty() {
            let sessions = self.sessions(&look.stage).await?;
            let (news, open) = read_sessions(inventory, &look.stage, &findings.elsewhere, &sessions);
            answer.news.extend(news);
            let is_open = |participant: &ParticipantId| open.iter().any(|(other, _)| other == participant);
            answer.gone.extend(findings.elsewhere.into_iter().filter(|participant| !is_open(participant)));
            for (participant, session) in open {
                let key = PublisherKey { stage: look.stage.clone(), participant: participant.clone() };
                let user_id = inventory.publisher(&key).map(|known| known.user_id.clone());
                histories.push((participant, session, user_id.unwrap_or_default()));
            }
        }
        // Where there are too many for one sweep, another one begins with others.
        let first = usize::try_from(self.clock.now().as_second()).unwrap_or(0) % histories.len().max(1);
        histories.rotate_left(first);
        let mut before = Vec::new();
        for (participant, session, user_id) in histories {
            let (events, took) = self.events(&look.stage, &session, &participant).await?;
            if has_stopped(&events, took, policy) {
                answer.gone.insert(participant.clone());
            }
            let key = PublisherKey { stage: look.stage.clone(), participant };
            let news = read_history(inventory, &key, &session, &user_id, &events, took, policy);
            answer.news.extend(news);
            before.extend(started_before(inventory, &key, &events).map(|begun| (key, session, begun)));
        }
        if !before.is_empty() {
            self.owned_before(inventory, &look.stage, before, policy, answer).await?;
        }
        for (publisher, missing) in findings.replications {
            let (listed, took) = self.replications(&publisher).await?;
            let (news, unowned) = read_replications(inventory, &publisher, &missing, &listed, took, policy);
            answer.news.extend(news);
            answer.unowned.extend(unowned);
        }
        Ok(())
    }

    /// Whose replicas are that run on from a session before the one whose history was read.
    async fn owned_before(
        &mut self,
        inventory: &Inventory,
        stage: &StageArn,
        open: Vec<(PublisherKey, SessionId, Moment)>,
        policy: &SweepPolicy,
        answer: &mut Answer,
    ) -> Result<(), Silence> {
        let sessions = self.sessions(stage).await?;
        for (key, read, begun) in open {
            let Some(session) = session_at(&sessions, begun).filter(|session| **session != read) else {
                continue;
            };
            let (events, took) = self.events(stage, session, &key.participant).await?;
            let news = read_history(inventory, &key, session, "", &events, took, policy);
            // All else in it is older than what the later one says.
            answer
                .news
                .extend(news.into_iter().filter(|news| matches!(news, Observation::ReplicaOwner { .. })));
        }
        Ok(())
    }

    /// The stage; nothing if IVS knows of none.
    pub(super) async fn stage(&mut self, stage: &StageArn) -> Result<(Option<ListedStage>, Moment), Silence> {
        if let Some(answer) = self.asked.get(stage) {
            return Ok(answer.clone());
        }
        let reads = self.reads;
        let answer = self.call(Operation::GetStage, reads.stage.get_stage(stage)).await;
        let took = Moment::between(self.sent_at, self.clock.now());
        let listed = match answer {
            Ok(listed) => Some(listed),
            Err(Silence::Failed(error)) if error.refusal == Refusal::Rejected(Rejection::NotFound) => None,
            Err(silence) => return Err(silence),
        };
        self.asked.insert(stage.clone(), (listed.clone(), took));
        Ok((listed, took))
    }

    /// What a publisher's token says of it, if there is leave to ask before `until`.
    pub(super) async fn attributes(
        &mut self,
        publisher: &PublisherKey,
        session: &SessionId,
        until: Timestamp,
    ) -> Result<Observation, Silence> {
        let reads = self.reads;
        let ask = reads.participant.get_participant(publisher, session);
        self.leave(Operation::GetParticipant, until).await?;
        let attributes = self.answer(Operation::GetParticipant, ask).await?;
        let at = Moment::between(self.sent_at, self.clock.now());
        Ok(Observation::Attributes { key: publisher.clone(), attributes, at })
    }

    async fn participants(
        &mut self,
        stage: &StageArn,
        session: &SessionId,
    ) -> Result<(Vec<ListedParticipant>, Moment), Silence> {
        let reads = self.reads;
        let list = |token| reads.participants.list_participants(stage, session, token);
        self.pages(Operation::ListParticipants, list).await
    }

    async fn sessions(&mut self, stage: &StageArn) -> Result<Vec<ListedSession>, Silence> {
        let reads = self.reads;
        // The newest 100 are enough: who publishes does so for at most 24 h.
        Ok(self
            .call(Operation::ListStageSessions, reads.sessions.list_stage_sessions(stage, None))
            .await?
            .rows)
    }

    async fn events(
        &mut self,
        stage: &StageArn,
        session: &SessionId,
        participant: &ParticipantId,
    ) -> Result<(Vec<ListedEvent>, Moment), Silence> {
        let reads = self.reads;
        let list = |token| reads.events.list_participant_events(stage, session, participant, token);
        self.pages(Operation::ListParticipantEvents, list).await
    }

    async fn replications(&mut self, publisher: &PublisherKey) -> Result<(Vec<Listed>, Moment), Silence> {
        if let Some(listed) = self.listed.get(publisher) {
            return Ok(listed.clone());
        }
        let reads = self.reads;
        let listed = self.call(Operation::List, reads.replicas.list_participant_replicas(publisher)).await?;
        let answer = (listed, Moment::between(self.sent_at, self.clock.now()));
        self.listed.insert(publisher.clone(), answer.clone());
        Ok(answer)
    }

    /// All pages of a list. One that breaks off, or has no end, is no answer.
    async fn pages<T, F>(
        &mut self,
        read: Operation,
        list: impl Fn(Option<String>) -> F,
    ) -> Result<(Vec<T>, Moment), Silence>
    where
        F: Future<Output = Result<Page<T>, CallError>>,
    {
        let mut sent = None;
        let mut rows = Vec::new();
        let mut token = None;
        for _ in 0..MAX_PAGES {
            let page = self.call(read, list(token.take())).await?;
            sent.get_or_insert(self.sent_at);
            rows.extend(page.rows);
            token = page.next;
            if token.is_none() {
                let now = self.clock.now();
                return Ok((rows, Moment::between(sent.unwrap_or(now), now)));
            }
        }
        Err(Silence::Failed(CallError {
            refusal: Refusal::Unavailable,
            code: TOO_MANY_PAGES.to_owned(),
            message: format!("the list has over {MAX_PAGES} pages"),
            request_id: None,
        }))
    }

    /// One call, once there is leave for it.
    pub(super) async fn call<T>(
        &mut self,
        read: Operation,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, Silence> {
        self.leave(read, self.until).await?;
        self.answer(read, call).await
    }

    /// Waits until there is leave for one call, no longer than `until`.
    pub(super) async fn leave(&mut self, read: Operation, until: Timestamp) -> Result<(), Silence> {
        if self.pace.take(read, until.min(self.until)).await { Ok(()) } else { Err(Silence::OutOfTime) }
    }

    /// The answer to a call for which there is leave.
    pub(super) async fn answer<T>(
        &mut self,
        read: Operation,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, Silence> {
        self.calls += 1;
        self.sent_at = self.clock.now();
        match call.await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                if matches!(error.refusal, Refusal::Throttled { .. }) {
                    self.pace.throttled(read).await;
                }
                Err(Silence::Failed(error))
            }
        }
    }
}
