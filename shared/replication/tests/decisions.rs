//! What each decision leaves in a replication's row: what it needs, and nothing of what was decided before.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod arbitrary;
mod build;

use jiff::Timestamp;
use proptest::prelude::*;
use replication::invariant::applied;
use replication::{
    Allowance, Context, Control, Decision, Desired, HandsOff, Lease, Moment, Pause, Phase, Policy, Replica,
    Standing, View, plan,
};

use arbitrary::now;

/// A row as it was, and as a decision leaves it.
struct Left {
    before: Replica,
    row: Replica,
    /// When the rule that it is decided by ends.
    end: Option<Timestamp>,
    lease: Lease,
    hands_off: bool,
}

impl Left {
    /// Whether everything is as this decision leaves it.
    fn is_as(&self, decision: Decision) -> bool {
        let Self { before, row, end, lease, hands_off } = self;
        let at_rest = row.unfinished().is_none();
        let runs = row.phase == Phase::Active
            && (row.owner, row.begun) == (before.owner_if_running(), begun(before));
        let called = row.lease.as_ref() == Some(lease) && row.next_attempt.is_none();
        let unleased = row.lease.is_none();
        match decision {
            Decision::Start => {
                called && row.last_error.is_none() && row.gives_way.is_none() && row.wanted_until == *end
            }
            Decision::Stop => called && row.wanted_until.is_none() && row.desired == Desired::Released,
            Decision::Verify => called && row.wanted_until == *end && row.begun == begun(before),
            Decision::Keep => runs && at_rest && row.wanted_until == *end,
            Decision::Foreign => runs && at_rest && row.wanted_until.is_none(),
            Decision::Brake => runs && at_rest && row.wanted_until.is_none(),
            Decision::Hold if *hands_off => runs && at_rest && row.wanted_until.is_none(),
            Decision::Hold => runs && unleased && row.next_attempt > Some(now()) && row.wanted_until == *end,
            Decision::Rest => at_rest && row.phase == Phase::Stopped && row.wanted_until.is_none(),
            Decision::Block(_) => {
                let until = end.filter(|_| !hands_off);
                unleased && row.next_attempt.is_none() && row.wanted_until == until
            }
            Decision::Wait if before.is_leased(now()) => row == before,
            Decision::Wait => unleased && row.due() > Some(now()),
            // A question that is left to others, with the lease that tells since when it is open.
            Decision::Defer if is_in_doubt(before, row) => {
                row.lease == before.lease && row.begun == begun(before)
            }
            Decision::Defer => unleased && row.next_attempt.is_some_and(|due| due <= now()),
        }
    }
}

/// From the first of our Starts to the last, also the one whose outcome nobody has.
fn begun(before: &Replica) -> Option<Moment> {
    let open =
        before.lease.as_ref().filter(|_| before.phase == Phase::Starting && before.last_error.is_none());
    let calls = [before.begun, open.map(|lease| Moment::between(lease.since, lease.until))];
    let calls = calls.into_iter().flatten();
    let first = calls.clone().map(Moment::earliest).min()?;
    Some(Moment::between(first, calls.map(Moment::latest).max()?))
}

fn is_in_doubt(before: &Replica, row: &Replica) -> bool {
    let is_open = matches!(row.phase, Phase::Starting | Phase::Stopping);
    row.phase == before.phase && (is_open || before.evidence.standing() == Standing::Uncertain)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_row_says_what_was_decided_and_nothing_of_before(
        view in arbitrary::view(),
        can in arbitrary::capabilities(),
        paused in any::<bool>(),
    ) {
        let pause = Pause { reason: "test".to_owned(), by: "me".to_owned(), at: now() };
        let view = View { control: Control { pause: paused.then_some(pause), ..Control::default() }, ..view };
        let policy = Policy::default();
        let context =
            Context { now: now(), policy: &policy, can, allowance: Allowance::UNLIMITED, holder: "me", witness: None };
        let made = plan(&view, context);
        let after = applied(&view, &made);
        for line in &made.report.lines {
            let Some(row) = after.replica(&line.destination).cloned() else { continue };
            let rule = view.rules.iter().find(|rule| Some(&rule.id) == line.rule.as_ref());
            let left = Left {
                before: view.replica(&line.destination).cloned().unwrap_or_else(|| Replica::new(row.key.clone())),
                row,
                end: rule.and_then(|rule| rule.expires_at),
                lease: Lease::taken(context.holder, now(), &policy),
                hands_off: HandsOff::of(&policy, &view.control).is_some(),
            };
            prop_assert!(left.is_as(line.decision), "{:?}, {}: {:#?}\n{:#?}", line.decision, line.why, left.before, left.row);
        }
    }
}
