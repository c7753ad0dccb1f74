//! Schedules: EventBridge's scheduled events, at the pace that the template says or at a shorter one.
//!
//! # Guarantees
//! Each tick is an asynchronous invocation of its own, whether or not the one before has ended; what a function has no room for
//! waits as any other event does.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior};

use crate::{
    delivery::{Deliveries, Source, Target, Trigger},
    template::{Deployment, Function, STACK},
};

/// A schedule of the stand.
#[derive(Debug, Clone)]
pub(crate) struct Ticker {
    target: Target,
    every: Duration,
    region: String,
    account: String,
}

/// The schedules of all functions, each at its own pace unless `tick` gives another.
pub(crate) fn tickers(
    functions: &[Function],
    tick: Option<Duration>,
    deployment: &Deployment,
) -> Vec<Ticker> {
    let ticker = |function: &Function, schedule: &crate::template::Schedule| Ticker {
        target: Target::new(Trigger::new(Source::Schedule, &schedule.name, &function.name), function),
        every: tick.unwrap_or(schedule.every),
        region: deployment.region.clone(),
        account: deployment.account.clone(),
    };
    let schedules =
        functions.iter().flat_map(|function| function.schedules.iter().map(move |each| (function, each)));
    schedules.map(|(function, schedule)| ticker(function, schedule)).collect()
}

impl Ticker {
    /// Invokes the function at this pace, for the first time after one period, until the deliveries are stopped.
    pub(crate) async fn run(self, deliveries: Arc<Deliveries>) {
        let mut interval = tokio::time::interval_at(Instant::now() + self.every, self.every);
        // A machine that slept does not make up for it.
        interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
        deliveries
            .until_stopped(async {
                for number in 1.. {
                    interval.tick().await;
                    if deliveries.is_on(&self.target.trigger.name) {
                        deliveries.begin(&self.event(number, SystemTime::now()), &[&self.target]);
                    }
                }
            })
            .await;
    }

    /// The envelope of a scheduled event, as in the EventBridge user guide.
    fn event(&self, number: u64, now: SystemTime) -> Value {
        let milliseconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() & 0xffff_ffff_ffff;
        let seconds = Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH).as_second();
        let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        let (region, account, rule) = (&self.region, &self.account, &self.target.trigger.name);
        json!({
            "version": "0",
            "id": format!("{:08x}-{:04x}-4000-8000-{number:012x}", milliseconds >> 16, milliseconds & 0xffff),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": account,
            "time": time.to_string(),
            "region": region,
            "resources": [format!("arn:aws:events:{region}:{account}:rule/{STACK}-{rule}")],
            "detail": {},
        })
    }
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;
    use tokio::sync::watch;

    use super::*;
    use crate::{
        delivery::{Answer, Host, Status, Throttled},
        event_bus,
        template::tests::{deployment, ours},
    };

    /// Answers when it is let go, with room for one invocation of each function.
    struct Gate {
        open: watch::Sender<bool>,
        rooms: std::collections::BTreeMap<String, tokio::sync::Semaphore>,
    }

    impl Gate {
        fn new(open: bool) -> Arc<Self> {
            let names = ours().functions.into_iter().map(|function| function.name);
            let rooms = names.map(|name| (name, tokio::sync::Semaphore::new(1))).collect();
            Arc::new(Self { open: watch::Sender::new(open), rooms })
        }
    }

    impl Host for Gate {
        fn invoke<'a>(
            &'a self,
            function: &'a str,
            event: &'a Value,
        ) -> BoxFuture<'a, Result<Answer, Throttled>> {
            Box::pin(async move {
                let _room = self.rooms[function].try_acquire().map_err(|_| Throttled)?;
                let _ = self.open.subscribe().wait_for(|open| *open).await;
                Ok(Ok(event.clone()))
            })
        }
    }

    const TICK: Duration = Duration::from_millis(5);

    fn run(host: Arc<dyn Host>) -> Arc<Deliveries> {
        let deliveries = Deliveries::new(host, [Duration::from_millis(1); 2]);
        for ticker in tickers(&ours().functions, Some(TICK), &deployment()) {
            tokio::spawn(ticker.run(deliveries.clone()));
        }
        deliveries
    }

    async fn until(holds: impl Fn() -> bool) {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn of(deliveries: &Deliveries, function: &str) -> usize {
        deliveries.recent().iter().filter(|delivery| delivery.function == function).count()
    }

    #[test]
    fn without_another_pace_it_is_the_templates() {
        let tickers = tickers(&ours().functions, None, &deployment());
        assert_eq!(tickers.len(), 2);
        assert!(tickers.iter().all(|ticker| ticker.every == Duration::from_secs(60)));
    }

    #[test]
    fn the_envelope_is_that_of_a_scheduled_event() {
        let tickers = tickers(&ours().functions, None, &deployment());
        let dispatch = tickers.iter().find(|ticker| ticker.target.trigger.function == "dispatch").unwrap();
        let now = UNIX_EPOCH + Duration::from_millis(1_763_484_032_789);
        let event = dispatch.event(7, now);
        assert_eq!(event_bus::validate(&event), Ok(()));
        assert_eq!(
            event,
            json!({
                "version": "0",
                "id": "019a97d6-df15-4000-8000-000000000007",
                "detail-type": "Scheduled Event",
                "source": "aws.events",
                "account": "123456789012",
                "time": "2025-11-18T16:40:32Z",
                "region": "us-east-1",
                "resources": ["arn:aws:events:us-east-1:123456789012:rule/stagelink-DispatchEveryMinute"],
                "detail": {},
            })
        );
    }

    #[tokio::test]
    async fn each_schedule_invokes_its_function_again_and_again() {
        let deliveries = run(Gate::new(true));
        until(|| ["dispatch", "reconcile"].iter().all(|function| of(&deliveries, function) >= 3)).await;
        let delivery = deliveries.recent().remove(0);
        assert_eq!(delivery.source, Source::Schedule);
        assert_eq!(delivery.event_name.as_deref(), Some("Scheduled Event"));
    }

    #[tokio::test]
    async fn a_tick_for_which_there_is_no_room_waits_until_there_is() {
        let gate = Gate::new(false);
        let deliveries = run(gate.clone());
        until(|| of(&deliveries, "reconcile") >= 3).await;
        let waits = |delivery: &crate::delivery::Delivery| delivery.throttles > 0;
        until(|| deliveries.recent().iter().any(waits)).await;
        assert!(deliveries.recent().iter().all(|delivery| delivery.status == Status::Pending));

        gate.open.send_replace(true);
        let numbers: Vec<u64> = deliveries.recent().iter().map(|delivery| delivery.number).collect();
        let ended = deliveries.ended(&numbers).await;
        assert!(ended.iter().all(|delivery| delivery.status == Status::Delivered));
        assert!(ended.iter().all(|delivery| delivery.attempts.len() == 1), "a throttle is no attempt");
    }

    #[tokio::test]
    async fn stop_ends_the_schedules() {
        let deliveries = Deliveries::new(Gate::new(false), [TICK; 2]);
        let tickers = tickers(&ours().functions, Some(TICK), &deployment());
        let running = futures::future::join_all(tickers.into_iter().map(|each| each.run(deliveries.clone())));
        let stop = async {
            until(|| deliveries.recent().len() > 2).await;
            deliveries.stop();
        };
        futures::join!(running, stop);
        deliveries.idle().await;
    }
}
