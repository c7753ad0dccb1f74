//! All contenders in turn: in each round one process of each, and then one event for each, over and over.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep, sleep_until};

use crate::Error;
use crate::back_end::{Call, START, round_trips_before};
use crate::contender::{Contender, Kind, Running, Surroundings, Trust};
use crate::statistics::{Spread, percentile};
use crate::units::{Meter, Units};
use crate::wire::Authority;

/// How the back ends are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// Its name in files.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// Whether they speak TLS.
    pub tls: bool,
    /// How long they take for an answer.
    pub delay_ms: u64,
}

/// All conditions. What has one of its own in the report is [`PLAIN`], [`TLS`] and [`NEAR`].
pub const CONDITIONS: [Condition; 4] = [
    PLAIN,
    TLS,
    NEAR,
    Condition { name: "tls-20ms", title: "TLS, back ends that take 20 ms", tls: true, delay_ms: 20 },
];

/// Nothing but the contender.
pub const PLAIN: Condition =
    Condition { name: "plain", title: "no TLS, back ends that answer at once", tls: false, delay_ms: 0 };

/// With TLS.
pub const TLS: Condition =
    Condition { name: "tls", title: "TLS, back ends that answer at once", tls: true, delay_ms: 0 };

/// As in a Region: what AWS bills is taken from here.
pub const NEAR: Condition =
    Condition { name: "tls-5ms", title: "TLS, back ends that take 5 ms", tls: true, delay_ms: 5 };

/// Events after the first that are not measured: what compiles itself while it runs shall have done so.
pub const WARM_UP: usize = 10;

/// How long a contender rests between an answer and its next event. Ours makes 4 Starts a second, which is its share of IVS's quota, and
/// leaves what is more for later: with less rest there would be events that it does not finish.
pub const REST: Duration = Duration::from_millis(262);

/// A pause before the next contender starts, so that it has the machine to itself.
const SETTLE: Duration = Duration::from_millis(150);

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Extent {
    /// Processes of each contender in each condition.
    pub rounds: usize,
    /// Warm events of each process.
    pub events: usize,
}

/// What one process measured. Times in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// From its start to its first poll.
    pub init: f64,
    /// The time on a processor for that.
    pub init_cpu: f64,
    /// The first event.
    pub first: f64,
    /// The warm events.
    pub warm: Vec<f64>,
    /// The time on a processor for a warm event; for all that happened between the first of them and the poll after the last.
    pub cpu: f64,
    /// The most memory, in MB.
    pub peak: f64,
}

/// What one event has the back ends do, the mean of those that were counted.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Work {
    /// Requests to DynamoDB.
    pub dynamodb: f64,
    /// Requests to IVS.
    pub ivs: f64,
    /// The most round trips, one after the other, before the Start; nothing for who does not start.
    pub before_start: Option<usize>,
    /// Request units.
    pub units: Units,
}

/// What was measured of a contender in one condition, over all rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// From start to first poll, ms.
    pub init: Spread,
    /// Time on a processor until then, ms.
    pub init_cpu: Spread,
    /// The first event, ms.
    pub first: Spread,
    /// The median of a round's warm events, ms.
    pub p50: Spread,
    /// The 99th percentile of the warm events of all rounds, ms.
    pub p99: f64,
    /// Time on a processor for a warm event, ms.
    pub cpu: Spread,
    /// The most memory, MB.
    pub peak: Spread,
}

/// A figure out of a summary.
pub type Figure = fn(&Summary) -> Spread;

impl Summary {
    /// Of these samples; nothing of none.
    pub fn of(samples: &[Sample]) -> Option<Self> {
        let spread = |value: fn(&Sample) -> f64| Spread::of(samples.iter().map(value));
        let medians = samples.iter().filter_map(|sample| percentile(sample.warm.iter().copied(), 50));
        Some(Self {
            init: spread(|sample| sample.init)?,
            init_cpu: spread(|sample| sample.init_cpu)?,
            first: spread(|sample| sample.first)?,
            p50: Spread::of(medians)?,
            p99: percentile(samples.iter().flat_map(|sample| sample.warm.iter().copied()), 99)?,
            cpu: spread(|sample| sample.cpu)?,
            peak: spread(|sample| sample.peak)?,
        })
    }
}

/// All that was measured.
#[derive(Debug, Default, Serialize)]
pub struct Measured {
    /// By the name of the condition.
    pub samples: BTreeMap<&'static str, BTreeMap<Kind, Vec<Sample>>>,
    /// What an event has the back ends do: the same in each condition, and looked at in the last one, whose answers take the longest. Of
    /// two requests that are sent at once, the first is answered before the second has come where answers take no time.
    pub work: BTreeMap<Kind, Work>,
}

impl Measured {
    /// What was measured of a contender.
    pub fn summary(&self, condition: Condition, kind: Kind) -> Option<Summary> {
        Summary::of(self.samples.get(condition.name)?.get(&kind)?)
    }
}

/// Measures all contenders.
///
/// # Errors
/// When one of them does not do its job.
pub async fn measure(
    contenders: &[Contender],
    extent: Extent,
    conditions: &[Condition],
    (authority, trust): (&Authority, &Trust),
    logs: &std::path::Path,
) -> Result<Measured, Error> {
    let mut measured = Measured::default();
    for round in 0..extent.rounds {
        for condition in conditions {
            eprintln!("round {} of {}: {}", round + 1, extent.rounds, condition.title);
            let surroundings = Surroundings {
                delay: Duration::from_millis(condition.delay_ms),
                authority: condition.tls.then_some(authority),
                trust,
                logs,
            };
            let mut turn: Vec<&Contender> = contenders.iter().collect();
            // Nobody is always the first.
            turn.rotate_left(round % contenders.len().max(1));
            for course in run(&turn, extent.events, surroundings).await? {
                let kind = course.running.kind();
                measured.work.insert(kind, course.work()?);
                let by_kind = measured.samples.entry(condition.name).or_default();
                by_kind.entry(kind).or_default().push(course.sample);
            }
        }
    }
    Ok(measured)
}

/// One process of a contender, and what it has measured.
struct Course {
    running: Running,
    sample: Sample,
    calls: Vec<Vec<Call>>,
    rested: Instant,
}

/// One process of each: all are started, one after the other, and then they get their events in turn.
async fn run(
    contenders: &[&Contender],
    events: usize,
    surroundings: Surroundings<'_>,
) -> Result<Vec<Course>, Error> {
    let mut courses = Vec::new();
    for contender in contenders {
        sleep(SETTLE).await;
        courses.push(Course::start(contender, surroundings).await?);
    }
    let mut before = Vec::new();
    for number in 0..WARM_UP + events {
        for course in &mut courses {
            sleep_until(course.rested).await;
            if number == WARM_UP {
                before.push(course.running.cpu()?);
            }
            let (handled, calls) = course.running.handle().await?;
            course.rested = Instant::now() + REST;
            if number >= WARM_UP {
                course.sample.warm.push(ms(handled.latency));
                course.calls.push(calls);
            }
        }
    }
    for (course, before) in courses.iter_mut().zip(before) {
        let used = course.running.cpu()?.saturating_sub(before);
        course.sample.cpu = ms(used) / divisor(events);
        course.sample.peak = megabytes(course.running.peak_kib()?);
    }
    Ok(courses)
}

impl Course {
    async fn start(contender: &Contender, surroundings: Surroundings<'_>) -> Result<Self, Error> {
        let (mut running, init) = Running::start(contender, surroundings, &[]).await?;
        let init_cpu = ms(running.cpu()?);
        let (first, _) = running.handle().await?;
        let sample = Sample {
            init: ms(init),
            init_cpu,
            first: ms(first.latency),
            warm: Vec::new(),
            cpu: 0.0,
            peak: 0.0,
        };
        Ok(Self { running, sample, calls: Vec::new(), rested: Instant::now() + REST })
    }

    fn work(&self) -> Result<Work, Error> {
        let events = divisor(self.calls.len());
        let mut meter = Meter::default();
        let calls = || self.calls.iter().flatten();
        calls().try_for_each(|call| meter.take(call))?;
        let units = meter.units();
        let count = |of_dynamodb: bool| {
            calls().filter(|call| call.is_of_dynamodb() == of_dynamodb).fold(0.0, |sum, _| sum + 1.0) / events
        };
        Ok(Work {
            dynamodb: count(true),
            ivs: count(false),
            before_start: self.calls.iter().filter_map(|calls| round_trips_before(calls, START)).max(),
            units: Units {
                reads: units.reads / events,
                writes: units.writes / events,
                index_writes: units.index_writes / events,
            },
        })
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn megabytes(kib: u64) -> f64 {
    u32::try_from(kib).map_or(f64::INFINITY, f64::from) * 1_024.0 / 1e6
}

/// What a sum is divided by for its mean.
fn divisor(count: usize) -> f64 {
    u32::try_from(count.max(1)).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kibibyte_is_a_little_more_than_a_kilobyte() {
        assert!((megabytes(1_000) - 1.024).abs() < 1e-12);
    }

    #[test]
    fn a_summary_has_the_medians_of_rounds_and_the_percentile_of_all() {
        let sample = |init: f64, warm: &[f64]| Sample {
            init,
            init_cpu: 1.0,
            first: 2.0,
            warm: warm.to_vec(),
            cpu: 0.5,
            peak: 9.0,
        };
        let rounds =
            [sample(10.0, &[1.0, 1.0, 9.0]), sample(30.0, &[2.0, 2.0, 2.0]), sample(20.0, &[3.0, 3.0, 3.0])];
        let summary = Summary::of(&rounds).unwrap();
        assert_eq!(summary.init, Spread { median: 20.0, least: 10.0, most: 30.0 });
        assert_eq!(summary.p50.median, 2.0);
        assert_eq!(summary.p99, 9.0);
        assert_eq!(Summary::of(&[]), None);
    }
}
