//! An explanation in sentences.

use std::fmt;

use jiff::Timestamp;

use super::{ExplainedReplication, Explanation, Places};
use crate::occupancy::Holder;
use crate::{Moment, Owner, Phase, PublisherKey, Publishing, StageArn, plain};

/// A sentence, or part of one, under what it belongs to. Nothing in it would be obeyed by a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// How deep: 0 is the participant, 1 a destination or a rule, 2 what is said of a destination.
    pub depth: usize,
    /// The words, without a full stop.
    pub text: String,
}

/// The sentence with these words; whatever stands in them.
pub(super) fn sentence(depth: usize, words: fmt::Arguments<'_>) -> Sentence {
    Sentence { depth, text: plain(&words.to_string()).into_owned() }
}

/// Two spaces for each level.
impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:indent$}{}", "", self.text, indent = 2 * self.depth)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sentences().iter().try_for_each(|sentence| writeln!(f, "{sentence}"))
    }
}

/// How long before `now` something was, in two units at most: `3 min 20 s ago`; or how long after it: `in 12 s`.
pub fn ago(now: Timestamp, at: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs();
    let span = match seconds.unsigned_abs() {
        s @ 0..=59 => format!("{s} s"),
        s @ 60..=3_599 if s % 60 == 0 || s >= 600 => format!("{} min", s / 60),
        s @ 60..=3_599 => format!("{} min {} s", s / 60, s % 60),
        s @ 3_600..=86_399 if s / 60 % 60 == 0 => format!("{} h", s / 3_600),
        s @ 3_600..=86_399 => format!("{} h {} min", s / 3_600, s / 60 % 60),
        s if s / 3_600 % 24 == 0 => format!("{} d", s / 86_400),
        s => format!("{} d {} h", s / 86_400, s / 3_600 % 24),
    };
    if at > now { format!("in {span}") } else { format!("{span} ago") }
}

impl Explanation {
    /// The whole chain, each sentence under what it belongs to.
    pub fn sentences(&self) -> Vec<Sentence> {
        let mut told = vec![self.who()];
        told.push(sentence(1, format_args!("{}", self.publishes())));
        self.orders(&mut told);
        told.push(sentence(1, format_args!("{}", self.slots_in_words())));
        for replication in &self.replications {
            replication.tell(self.at, &mut told);
        }
        for rule in &self.unmatched {
            let verdict = if rule.why.is_open() { "is not decided" } else { "does not apply" };
            told.push(sentence(1, format_args!("rule {} {verdict}: {}", rule.id, rule.words)));
        }
        if self.rules == 0 {
            told.push(sentence(1, format_args!("no rule speaks of this stage")));
        }
        told
    }

    fn who(&self) -> Sentence {
        let PublisherKey { stage, participant } = &self.publisher;
        let on = named(self.stage_name.as_deref(), stage);
        match &self.known {
            None => sentence(0, format_args!("{participant} on {on}")),
            Some(known) if known.user_id.is_empty() => {
                sentence(0, format_args!("{participant} (no user id) on {on}"))
            }
            Some(known) => sentence(0, format_args!("{participant} ({}) on {on}", known.user_id)),
        }
    }

    fn publishes(&self) -> String {
        let evidence = self.evidence();
        let at = |moment: Option<Moment>| match moment {
            Some(moment) => format!("{}, {}", exactly(moment), ago(self.at, moment.latest().min(self.at))),
            None => "never".to_owned(),
        };
        match (self.publishing, evidence.off, evidence.on) {
            (Publishing::Yes, None, _) => {
                format!("publishes, by news of {}; no news says that it ever stopped", at(evidence.on))
            }
            (Publishing::Yes, Some(off), _) => {
                format!(
                    "publishes, by news of {}; before that it did not, by news of {}",
                    at(evidence.on),
                    exactly(off)
                )
            }
            (Publishing::No, _, None) => {
                format!("does not publish, by news of {}; no news says that it ever did", at(evidence.off))
            }
            (Publishing::No, _, Some(on)) => {
                format!(
                    "does not publish, by news of {}; before that it did, by news of {}",
                    at(evidence.off),
                    exactly(on)
                )
            }
            (Publishing::Uncertain, _, _) => format!(
                "publishes or not: news of {} says so, and news of {} the contrary, and which was later cannot be told",
                at(evidence.on),
                at(evidence.off)
            ),
            (Publishing::Unknown, _, _) => match self.looked_at {
                Some(looked_at) => format!(
                    "there is no news of it publishing; a sweep looked at the stage {}",
                    ago(self.at, looked_at)
                ),
                None => "there is no news of it publishing".to_owned(),
            },
        }
    }

    fn orders(&self, told: &mut Vec<Sentence>) {
        if let Some(pause) = &self.control.pause {
            let (by, since, reason) = (&pause.by, pause.at, &pause.reason);
            told.push(sentence(
                1,
                format_args!(
                    "everything is paused by {by} since {since}, {}: {reason}; nothing is started or stopped",
                    ago(self.at, since)
                ),
            ));
        }
        if self.observing {
            told.push(sentence(
                1,
                format_args!("the deployment only observes (Mode=observe): nothing is started or stopped"),
            ));
        }
        if let Some(until) = self.control.brake_released_until.filter(|until| self.at < *until) {
            told.push(sentence(1, format_args!("the brake on mass stops is off until {until}")));
        }
    }

    fn slots_in_words(&self) -> String {
        let is = if self.slots_held == 1 { "is" } else { "are" };
        format!("{} of its {} slots {is} taken", self.slots_held, self.slots)
    }
}

impl ExplainedReplication {
    fn tell(&self, now: Timestamp, told: &mut Vec<Sentence>) {
        let mut say = |depth, words: fmt::Arguments<'_>| told.push(sentence(depth, words));
        let on = named(self.name.as_deref(), &self.destination);
        let phase =
            self.replica.as_ref().map_or("nothing yet".to_owned(), |replica| replica.phase.to_string());
        say(1, format_args!("to {on}: {phase}"));
        match &self.wanted {
            Some(rule) => {
                let until = rule.until.map_or(String::new(), |at| format!(", until {at} ({})", ago(now, at)));
                say(
                    2,
                    format_args!(
                        "wanted by rule {} (priority {}, revision {}){until}: {}",
                        rule.id, rule.priority, rule.revision, rule.because
                    ),
                );
            }
            None => {
                let last = self.replica.as_ref().and_then(|replica| replica.rule.as_ref());
                let last = last.map_or(String::new(), |rule| format!("; rule {} did last", rule.id));
                say(2, format_args!("wanted by no rule{last}"));
            }
        }
        for rule in &self.wanted_too {
            say(2, format_args!("rule {rule} wants it too, and is outranked"));
        }
        say(2, format_args!("{}: {}", self.decision, self.why));
        if let Some(waits_for) = &self.waits_for {
            say(2, format_args!("it waits for {waits_for}"));
        }
        self.tell_of_replica(now, told);
        self.tell_of_places(told);
        let mut say = |depth, words: fmt::Arguments<'_>| told.push(sentence(depth, words));
        if let Some(error) = self.replica.as_ref().and_then(|replica| replica.last_error.as_ref()) {
            let request = error.request_id.as_ref().map_or("none".to_owned(), Clone::clone);
            say(
                2,
                format_args!(
                    "last error: {}: {} (at {}, {}; request id {request})",
                    error.code,
                    error.message,
                    error.at,
                    ago(now, error.at)
                ),
            );
        }
        if let Some(next) = self.next {
            match next <= now {
                true => say(2, format_args!("next: it is due now")),
                false => say(2, format_args!("next: at {next}, {}", ago(now, next))),
            }
        }
    }

    fn tell_of_replica(&self, now: Timestamp, told: &mut Vec<Sentence>) {
        let Some(replica) = &self.replica else { return };
        let mut say = |words: fmt::Arguments<'_>| told.push(sentence(2, words));
        match (replica.owner, &replica.phase) {
            (Owner::Foreign, _) => say(format_args!(
                "somebody else started it: it is never stopped by Stagelink, unless it is adopted (`stagelink adopt`)"
            )),
            (_, Phase::Active) => {
                if let Some(on) = replica.evidence.on {
                    say(format_args!("seen running at {}, {}", exactly(on), ago(now, on.latest().min(now))));
                }
            }
            (_, Phase::Stopped) => {
                if let Some(off) = replica.evidence.off {
                    say(format_args!("ended at {}, {}", exactly(off), ago(now, off.latest().min(now))));
                }
            }
            _ => {}
        }
        if replica.attempts > 0 {
            say(format_args!("calls since the last that succeeded: {}", replica.attempts));
        }
    }

    fn tell_of_places(&self, told: &mut Vec<Sentence>) {
        let mut say = |words: fmt::Arguments<'_>| told.push(sentence(2, words));
        if let Some(slot) = self.slot {
            say(format_args!("it has slot {} of the participant's {}", slot.number, slot.of));
        }
        let Some(Places { taken, of, has_one, in_line, holders }) = &self.places else { return };
        let own = if *has_one { ", one of them by it" } else { "" };
        say(format_args!("at the destination {taken} of {of} places are taken{own}"));
        if let Some(place) = in_line {
            say(format_args!("it is number {place} of those who wait for a place there"));
        }
        if !has_one && !holders.is_empty() {
            let holders: Vec<_> =
                holders.iter().map(|(holder, priority)| holder_in_words(holder, *priority)).collect();
            say(format_args!("there are: {}", holders.join(", ")));
        }
    }
}

fn holder_in_words(holder: &Holder, priority: Option<u8>) -> String {
    match (holder, priority) {
        (Holder::Publisher(key), _) => format!("{} (a participant of that stage)", key.participant),
        (Holder::Replica(key), Some(priority)) => {
            format!("{} of {} (priority {priority})", key.participant, key.source.resource_id())
        }
        (Holder::Replica(key), None) => format!("{} of {}", key.participant, key.source.resource_id()),
    }
}

/// A stage by its name, if it has one, and its ARN.
fn named(name: Option<&str>, stage: &StageArn) -> String {
    match name {
        Some(name) => format!("{name}, {stage}"),
        None => stage.to_string(),
    }
}

/// A moment as exactly as it is known.
fn exactly(moment: Moment) -> String {
    let (earliest, latest) = (moment.earliest(), moment.latest());
    let width = latest.duration_since(earliest);
    if width.as_millis() < 1 {
        return earliest.to_string();
    }
    if width.as_millis() < 1_000 && earliest.subsec_nanosecond() == 0 {
        return format!("{earliest} (in that second)");
    }
    format!("a time from {earliest} to {latest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_two_units_at_most() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (seconds, expected) in [
            (0, "0 s ago"),
            (59, "59 s ago"),
            (60, "1 min ago"),
            (61, "1 min 1 s ago"),
            (3_599, "59 min ago"),
            (3_600, "1 h ago"),
            (7_320, "2 h 2 min ago"),
            (86_400, "1 d ago"),
            (-12, "in 12 s"),
            (-90_000, "in 1 d 1 h"),
        ] {
            let at = Timestamp::from_second(1_000_000 - seconds).unwrap();
            assert_eq!(ago(now, at), expected, "{seconds}");
        }
    }
}
