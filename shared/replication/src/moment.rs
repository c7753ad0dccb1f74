//! Time as it is really known: an interval, because most IVS events carry whole seconds only.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

/// When something happened: somewhere between `earliest` and `latest`, both included.
///
/// An event time of whole seconds covers its second; a call covers the time from request to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Moment {
    earliest: Timestamp,
    latest: Timestamp,
}

impl Moment {
    /// An exactly known instant.
    pub fn exact(at: Timestamp) -> Self {
        Self { earliest: at, latest: at }
    }

    /// Somewhere between the two instants, in whichever order they are given.
    pub fn between(a: Timestamp, b: Timestamp) -> Self {
        Self { earliest: a.min(b), latest: a.max(b) }
    }

    /// From the earlier beginning to the later end of both.
    pub(crate) fn hull(self, other: Self) -> Self {
        Self::between(self.earliest().min(other.earliest()), self.latest().max(other.latest()))
    }

    /// The first instant it can have been.
    pub fn earliest(self) -> Timestamp {
        self.earliest
    }

    /// The last instant it can have been.
    pub fn latest(self) -> Timestamp {
        self.latest
    }

    /// Whether it was before `other`, whatever the exact instants were.
    pub fn certainly_before(self, other: Self) -> bool {
        self.latest < other.earliest
    }
}

/// Ordered by the last possible instant, then by the first: taking the maximum is associative, commutative and
/// idempotent, which is what makes folding independent of the order in which events arrive.
impl Ord for Moment {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.latest, self.earliest).cmp(&(other.latest, other.earliest))
    }
}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// RFC 3339, one instant or `earliest/latest`. An instant has all nine digits, because reading takes fewer as less precise.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.earliest == self.latest {
            return write!(f, "{:.9}", self.earliest);
        }
        write!(f, "{}/{}", self.earliest, self.latest)
    }
}

/// The time `span` after `at`, or the last one there is: event times come from outside, so no sum may overflow.
pub(crate) fn later(at: Timestamp, span: SignedDuration) -> Timestamp {
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// Text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("time {value:?} is not valid: allowed is RFC 3339, for example 2026-06-29T16:40:32.123456Z")]
pub struct MomentError {
    /// The text as given, cut to 200 characters.
    pub value: String,
}

/// Reads an RFC 3339 time and takes the number of its fractional digits as its precision: `…:32Z` is the whole second,
/// `…:32.123Z` the whole millisecond. `earliest/latest` is read as written.
impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(value: &str) -> Result<Self, MomentError> {
        let error = || MomentError { value: value.chars().take(200).collect() };
        let instant = |text: &str| text.parse::<Timestamp>().map_err(|_| error());
        if let Some((earliest, latest)) = value.split_once('/') {
            return Ok(Self::between(instant(earliest)?, instant(latest)?));
        }
        let at = instant(value)?;
        let digits = value
            .split_once(['.', ','])
            .map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count())
            .min(9);
        let width = 10_i64.pow(9 - digits as u32) - 1;
        let latest = at.checked_add(SignedDuration::from_nanos(width)).unwrap_or(Timestamp::MAX);
        Ok(Self { earliest: at, latest })
    }
}

/// The newest news for and against something being so. Merging is a join: any order and any repetition of the same news
/// gives the same evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Evidence {
    /// The last time it was seen to be so, or to become so.
    pub on: Option<Moment>,
    /// The last time it was seen not to be so, or to end.
    pub off: Option<Moment>,
}

/// What the evidence says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It is so.
    On,
    /// It is not so.
    Off,
    /// News for and against cannot be told apart in time; only reading IVS can tell.
    Uncertain,
    /// There is no news at all.
    Unknown,
}

impl Evidence {
    /// Takes in news that it was so at `at`.
    pub fn saw_on(&mut self, at: Moment) {
        self.on = self.on.max(Some(at));
    }

    /// Takes in news that it was not so at `at`.
    pub fn saw_off(&mut self, at: Moment) {
        self.off = self.off.max(Some(at));
    }

    /// What all the news together says.
    pub fn standing(&self) -> Standing {
        match (self.on, self.off) {
            (None, None) => Standing::Unknown,
            (Some(_), None) => Standing::On,
            (None, Some(_)) => Standing::Off,
            (Some(on), Some(off)) if off.certainly_before(on) => Standing::On,
            (Some(on), Some(off)) if on.certainly_before(off) => Standing::Off,
            (Some(_), Some(_)) => Standing::Uncertain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Moment {
        text.parse().unwrap()
    }

    #[test]
    fn precision_is_the_number_of_fractional_digits() {
        let second = moment("2026-06-29T16:40:32Z");
        assert_eq!(second.latest().to_string(), "2026-06-29T16:40:32.999999999Z");
        let micro = moment("2026-06-29T16:40:32.123456Z");
        assert_eq!(micro.latest().to_string(), "2026-06-29T16:40:32.123456999Z");
        let nano = moment("2024-08-13T14:38:17.089061676Z");
        assert_eq!(nano.earliest(), nano.latest());
    }

    #[test]
    fn text_form_round_trips() {
        for text in ["2026-06-29T16:40:32Z", "2024-08-13T14:38:17.089061676Z"] {
            let once = moment(text);
            assert_eq!(moment(&once.to_string()), once);
        }
    }

    #[test]
    fn a_time_that_is_none_names_the_value() {
        let error = "yesterday".parse::<Moment>().unwrap_err();
        assert!(error.to_string().contains("\"yesterday\""));
    }

    #[test]
    fn the_same_whole_second_for_and_against_is_uncertain() {
        let mut evidence = Evidence::default();
        evidence.saw_on(moment("2026-01-01T00:00:05Z"));
        evidence.saw_off(moment("2026-01-01T00:00:05.4Z"));
        assert_eq!(evidence.standing(), Standing::Uncertain);
        evidence.saw_on(moment("2026-01-01T00:00:06Z"));
        assert_eq!(evidence.standing(), Standing::On);
    }

    #[test]
    fn folding_is_the_same_in_every_order() {
        let news = ["00:00:05Z", "00:00:05.4Z", "00:00:07Z", "00:00:07.9Z", "00:00:01Z"];
        let fold = |order: &[usize]| {
            let mut evidence = Evidence::default();
            for &i in order {
                let at = moment(&format!("2026-01-01T{}", news[i]));
                if i % 2 == 0 { evidence.saw_on(at) } else { evidence.saw_off(at) }
            }
            evidence
        };
        let expected = fold(&[0, 1, 2, 3, 4]);
        for order in [[4, 3, 2, 1, 0], [2, 0, 4, 1, 3], [3, 3, 1, 0, 2]] {
            let mut complete = order.to_vec();
            complete.extend([0, 1, 2, 3, 4]);
            assert_eq!(fold(&complete), expected);
        }
    }
}
