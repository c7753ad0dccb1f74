//! Faults of calls and events, as the account's clients meet them.

use ivs_sim::{CallFaults, Config, ErrorCode, EventFaults, Faults};
use serde_json::json;

use crate::bench::Bench;

fn bench(faults: Faults) -> Bench {
    Bench::with(Config { faults, ..Config::default() })
}

#[test]
fn a_call_may_fail_before_or_after_it_took_effect() {
    let bench =
        bench(Faults { calls: CallFaults { error_rate: 1.0, ..CallFaults::default() }, ..Faults::default() });
    bench.publish("A", "p");
    let mut took_effect = 0;
    for _ in 0..200 {
        assert_eq!(bench.start("A", "p", "B"), "500 Internal server error");
        took_effect += bench.simulator.replicas().len();
        let _ = bench.simulator.merge_settings(&json!({"calls": {"error_rate": 0}})).unwrap();
        bench.stop("A", "p", "B");
        let _ = bench.simulator.merge_settings(&json!({"calls": {"error_rate": 1}})).unwrap();
    }
    assert!((60..140).contains(&took_effect), "about half, not {took_effect}");
}

#[test]
fn a_call_may_fail_with_an_error_of_choice_and_then_takes_no_effect() {
    let bench = Bench::new();
    bench.publish("A", "p");
    for (code, status) in
        [("AccessDeniedException", 403), ("PendingVerification", 403), ("ThrottlingException", 400)]
    {
        bench.simulator.merge_settings(&json!({"calls": {"error_rate": 1, "error_code": code}})).unwrap();
        for _ in 0..10 {
            assert!(bench.start("A", "p", "B").starts_with(&status.to_string()), "{code}");
        }
        assert!(bench.simulator.replicas().is_empty());
        assert_eq!(bench.simulator.ledger().pop().unwrap().error.as_deref(), Some(code));
    }
}

#[test]
fn a_dropped_call_took_effect_and_is_in_the_ledger() {
    let bench =
        bench(Faults { calls: CallFaults { drop_rate: 1.0, ..CallFaults::default() }, ..Faults::default() });
    bench.publish("A", "p");
    assert!(bench.start("A", "p", "B").starts_with("0 "));
    assert_eq!(bench.simulator.replicas().len(), 1);
    let entry = bench.simulator.ledger().pop().unwrap();
    assert_eq!((entry.status, entry.error.as_deref()), (0, Some("ConnectionClosed")));
    assert_eq!(entry.key, format!("{} p {}", bench.arn("A"), bench.arn("B")));
}

#[test]
fn a_start_that_was_accepted_may_fail_afterwards() {
    let calls = CallFaults { start_failure_rate: 1.0, ..CallFaults::default() };
    let mut bench = bench(Faults { calls, ..Faults::default() });
    bench.publish("A", "p");
    bench.events();
    assert_eq!(bench.start("A", "p", "B"), "ok");
    assert_eq!(bench.events(), ["B Publish Error p from A INTERNAL_SERVER_EXCEPTION"]);
    assert!(bench.simulator.replicas().is_empty());
}

#[test]
fn events_may_be_lost_and_late() {
    let mut bench =
        bench(Faults { events: EventFaults { loss: 1.0, ..EventFaults::default() }, ..Faults::default() });
    bench.publish("A", "p");
    bench.wait(10);
    assert!(bench.events().is_empty());
    let late = EventFaults { delay_ms: 14_400_000, ..EventFaults::default() };
    bench.simulator.set_faults(Faults { events: late, ..Faults::default() }).unwrap();
    bench.unpublish("A", "p");
    assert_eq!(
        bench.simulator.next_due().map(|due| due - bench.simulator.now()).unwrap().get_seconds(),
        14_400
    );
    bench.wait(14_399);
    assert!(bench.events().is_empty());
    bench.wait(1);
    assert_eq!(bench.events(), ["A Unpublished p"]);
}

#[test]
fn a_duplicate_has_the_same_id() {
    let events = EventFaults { duplicate: 1.0, ..EventFaults::default() };
    let mut bench = bench(Faults { events, ..Faults::default() });
    bench.publish("A", "p");
    bench.wait(10);
    let envelopes = bench.envelopes();
    assert_eq!(envelopes.len(), 2);
    assert_eq!(envelopes[0], envelopes[1]);
}

#[test]
fn a_refused_call_is_in_the_ledger_and_counts_for_nothing() {
    let bench = Bench::new();
    let input = json!({"arn": bench.arn("A")});
    let statuses: Vec<u16> = (0..8)
        .map(|_| bench.simulator.call("GetStage", input.clone()).err().map_or(200, |error| error.status))
        .collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 400, 400, 400]);
    let ledger = bench.simulator.ledger();
    assert_eq!(ledger.len(), 8);
    assert_eq!(ledger[7].error.as_deref(), Some("ThrottlingException"));
    bench.wait(1);
    assert!(bench.simulator.call("GetStage", input).is_ok());
}

#[test]
fn an_unknown_operation_is_a_loud_error() {
    let bench = Bench::new();
    let error = bench.simulator.call("StartComposition", json!({})).unwrap_err();
    assert_eq!((error.code, error.status), (ErrorCode::UnknownOperationException, 404));
    assert!(error.message.contains("StartComposition is not an operation"), "{error}");
    assert_eq!(bench.simulator.ledger()[0].operation, "StartComposition");
}

#[test]
fn settings_out_of_range_change_nothing() {
    let bench = Bench::new();
    let before = bench.simulator.settings();
    let error = bench
        .simulator
        .merge_settings(&json!({"dialect": {"same_stage": "conflict"}, "events": {"loss": 2}}))
        .unwrap_err();
    assert_eq!(error.field, "events.loss");
    assert_eq!(bench.simulator.settings(), before);
    let faults = Faults { events: EventFaults { loss: -0.1, ..EventFaults::default() }, ..Faults::default() };
    assert!(bench.simulator.set_faults(faults).is_err());
    assert_eq!(bench.simulator.settings(), before);
}

#[test]
fn subscribers_all_see_the_same_from_when_they_came() {
    let mut bench = Bench::new();
    bench.publish("A", "p");
    let mut late = bench.simulator.subscribe();
    bench.unpublish("A", "p");
    assert_eq!(bench.envelopes().len(), 2);
    assert_eq!(late.try_recv().unwrap()["detail"]["event_name"], "Participant Unpublished");
    assert!(late.try_recv().is_err());
}
