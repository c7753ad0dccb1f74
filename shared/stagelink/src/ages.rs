//! Times as they stand in a column: how long ago, or in how long.

use jiff::Timestamp;

/// `45s`, `3m20s`, `2h5m`, `3d4h`.
pub(crate) fn span(seconds: i64) -> String {
    let seconds = seconds.unsigned_abs();
    let two = |whole: u64, unit: char, rest: u64, smaller: char| match rest {
        0 => format!("{whole}{unit}"),
        rest => format!("{whole}{unit}{rest}{smaller}"),
    };
    match seconds {
        0..60 => format!("{seconds}s"),
        60..600 => two(seconds / 60, 'm', seconds % 60, 's'),
        600..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => two(seconds / 3_600, 'h', seconds / 60 % 60, 'm'),
        _ => two(seconds / 86_400, 'd', seconds / 3_600 % 24, 'h'),
    }
}

/// How long ago that was; `-` if it is not known.
pub(crate) fn age(now: Timestamp, at: Option<Timestamp>) -> String {
    at.map_or("-".to_owned(), |at| span(now.duration_since(at).as_secs().max(0)))
}

/// In how long that is: `now` if it is due; nothing if there is no such time.
pub(crate) fn until(now: Timestamp, at: Option<Timestamp>) -> String {
    match at {
        None => String::new(),
        Some(at) if at <= now => "now".to_owned(),
        Some(at) => format!("in {}", span(at.duration_since(now).as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_two_units_at_most() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (200, "3m20s"),
            (3_599, "59m"),
            (7_500, "2h5m"),
            (86_400, "1d"),
            (273_600, "3d4h"),
        ] {
            assert_eq!(span(seconds), expected);
        }
    }

    #[test]
    fn what_is_past_is_due_and_what_is_to_come_has_no_age() {
        let now = Timestamp::from_second(1_000).unwrap();
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        assert_eq!(
            (until(now, at(1_000)), until(now, at(1_012)), until(now, None)),
            ("now".into(), "in 12s".into(), String::new())
        );
        assert_eq!((age(now, at(1_005)), age(now, None)), ("0s".to_owned(), "-".to_owned()));
    }
}
