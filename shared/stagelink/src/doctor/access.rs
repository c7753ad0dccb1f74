//! Whether this machine and these credentials can work on the deployment at all.

use aws_adapters::stack::{Caller, ClockReading, TableAction};
use aws_adapters::{ConnectionError, LookError, Stack};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};

use super::finding::{Finding, Level, Section};
use super::{in_time, not_checked, span};
use crate::Deployment;
use crate::remedy::Remedies;

/// AWS refuses what was signed longer ago than this, or later than now by as much.
const SIGNATURE: SignedDuration = SignedDuration::from_mins(5);

/// Differences that nobody has to care for.
const SLIGHT: SignedDuration = SignedDuration::from_secs(30);

/// Credentials that end sooner may end within a drain.
const SOON: SignedDuration = SignedDuration::from_mins(15);

pub(super) struct Access {
    caller: Result<Caller, LookError>,
    expiry: Result<Option<Timestamp>, ConnectionError>,
    clock: Result<ClockReading, LookError>,
    table: Vec<(TableAction, Result<(), LookError>)>,
    stages: Result<(), LookError>,
}

pub(super) async fn look(deployment: &Deployment, stack: &Stack) -> Access {
    let tries = TableAction::ALL.map(|action| async move { (action, in_time(stack.may(action)).await) });
    let (caller, expiry, clock, table, stages) = tokio::join!(
        in_time(stack.caller()),
        deployment.connection.credentials_expire(),
        in_time(stack.clock()),
        join_all(tries),
        in_time(stack.may_list_stages()),
    );
    Access { caller, expiry, clock, table, stages }
}

pub(super) fn findings(access: &Access, remedies: &Remedies, now: Timestamp) -> Vec<Finding> {
    let mut findings = vec![caller(&access.caller), expiry(&access.expiry, now), clock(&access.clock)];
    findings.extend(access.table.iter().map(|(action, tried)| permission(*action, tried, remedies)));
    let (section, subject) = (Section::Permissions, "ivs:ListStages");
    findings.push(match &access.stages {
        Ok(()) => Finding::ok(section, subject, "allowed"),
        Err(LookError::Denied { message, .. }) => {
            Finding::new(section, subject, Level::Warning, format_args!("not allowed: {message}"))
                .remedy("commands about stages need ivs:*Stage* on the stages; the others work without")
        }
        Err(error) => not_checked(section, subject, error),
    });
    findings
}

fn caller(caller: &Result<Caller, LookError>) -> Finding {
    let (section, subject) = (Section::Credentials, "who");
    match caller {
        Ok(Caller { account, arn }) => {
            Finding::ok(section, subject, format_args!("{arn} of account {account}"))
        }
        Err(LookError::Denied { message, .. }) => {
            Finding::new(section, subject, Level::Failed, format_args!("AWS does not take them: {message}"))
                .remedy("sign in (`aws sso login`) or name other credentials (--profile, AWS_PROFILE)")
        }
        Err(error) => not_checked(section, subject, error),
    }
}

fn expiry(expiry: &Result<Option<Timestamp>, ConnectionError>, now: Timestamp) -> Finding {
    let (section, subject) = (Section::Credentials, "expiry");
    let renew = "sign in again (`aws sso login`) before long commands such as drain";
    match expiry {
        Ok(None) => Finding::ok(section, subject, "these do not expire by themselves"),
        Ok(Some(at)) if now >= *at => {
            let ago = span(now.duration_since(*at));
            Finding::new(section, subject, Level::Failed, format_args!("they expired {ago} ago, at {at:.0}"))
                .remedy("sign in again (`aws sso login`)")
        }
        Ok(Some(at)) => {
            let left = at.duration_since(now);
            let level = if left < SOON { Level::Warning } else { Level::Ok };
            let finding =
                Finding::new(section, subject, level, format_args!("in {}, at {at:.0}", span(left)));
            if level == Level::Ok { finding } else { finding.remedy(renew) }
        }
        Err(error) => Finding::new(section, subject, Level::Failed, error)
            .remedy("sign in (`aws sso login`) or name other credentials (--profile, AWS_PROFILE)"),
    }
}

fn clock(clock: &Result<ClockReading, LookError>) -> Finding {
    let (section, subject) = (Section::Clock, "this machine's");
    let ahead = match clock {
        Ok(reading) => reading.ahead(),
        Err(error) => return not_checked(section, subject, error),
    };
    let off = ahead.unsigned_abs();
    let way = if ahead.is_negative() { "behind" } else { "ahead of" };
    let words = format!("{} {way} DynamoDB's", span(ahead.abs()));
    let level = match SignedDuration::try_from(off).unwrap_or(SignedDuration::MAX) {
        off if off <= SLIGHT => return Finding::ok(section, subject, words),
        off if off < SIGNATURE => Level::Warning,
        _ => Level::Failed,
    };
    Finding::new(section, subject, level, words)
        .expected("less than 30 s; AWS refuses what is signed 5 min off")
        .remedy("set the clock: `sudo timedatectl set-ntp true`, or the time service of this system")
}

fn permission(action: TableAction, tried: &Result<(), LookError>, remedies: &Remedies) -> Finding {
    let (section, subject) = (Section::Permissions, format!("{}{}", action.name(), index(action)));
    match tried {
        Ok(()) if action.writes() => Finding::ok(section, subject, "allowed (tried in vain, on purpose)"),
        Ok(()) => Finding::ok(section, subject, "allowed"),
        Err(LookError::Denied { message, .. }) => {
            let resource = format!("table {}{}", remedies.table(), action.resource());
            let (level, without) = match action.writes() {
                true => (Level::Warning, "commands that change something are refused"),
                false => (Level::Failed, "commands cannot read what they tell"),
            };
            Finding::new(section, subject, level, format_args!("not allowed, so {without}: {message}"))
                .remedy(format_args!("allow {} on {resource} to these credentials", action.name()))
        }
        Err(error) => not_checked(section, &subject, error),
    }
}

fn index(action: TableAction) -> &'static str {
    if action == TableAction::QueryIndex { " by_destination" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_clock_may_be_off_by_half_a_minute() {
        for (ours, level, words) in [
            ("2026-07-01T18:00:00.9Z", Level::Ok, "0s ahead of DynamoDB's"),
            ("2026-07-01T17:59:31Z", Level::Ok, "29s behind DynamoDB's"),
            ("2026-07-01T18:02:00Z", Level::Warning, "2m ahead of DynamoDB's"),
            ("2026-07-01T17:50:00Z", Level::Failed, "10m behind DynamoDB's"),
        ] {
            let reading = ClockReading { theirs: at("2026-07-01T18:00:00Z"), ours: at(ours) };
            let finding = clock(&Ok(reading));
            assert_eq!((finding.level, finding.found.as_str()), (level, words));
            assert_eq!(finding.remedy.is_some(), level != Level::Ok);
        }
    }

    #[test]
    fn credentials_that_end_soon_are_told() {
        let now = at("2026-07-01T18:00:00Z");
        for (end, level, words) in [
            (None, Level::Ok, "do not expire"),
            (Some("2026-07-01T19:30:00Z"), Level::Ok, "in 1h30m, at 2026-07-01T19:30:00Z"),
            (Some("2026-07-01T18:05:00Z"), Level::Warning, "in 5m"),
            (Some("2026-07-01T17:59:00Z"), Level::Failed, "they expired 1m ago"),
        ] {
            let finding = expiry(&Ok(end.map(at)), now);
            assert_eq!(finding.level, level, "{end:?}");
            assert!(finding.found.contains(words), "{}", finding.found);
        }
    }
}
