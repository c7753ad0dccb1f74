"""Short sequences of invocations for each function, which together need everything that it is granted.

A step sets its world up through the other functions, whose roles are whole, and gives the answers of the function it is about.
"""

import time

from bench import moment
from world import rule

# Seconds: longer than functions keep the rules for any stage, and the directory.
SELECTORS_KEPT = 5.2


def starts(bench):
    """A publisher is replicated."""
    (source, destination), who = bench.stages(2), bench.somebody()
    bench.rule(source, [destination])
    return [bench.invoke("participant-published", bench.publish(source, who))]


def starts_what_runs(bench):
    """Somebody else has started it: IVS refuses, and ListParticipantReplicas tells."""
    (source, destination), who = bench.stages(2), bench.somebody()
    bench.rule(source, [destination])
    event = bench.publish(source, who)
    bench.ivs.api.start_participant_replication(sourceStageArn=source, destinationStageArn=destination, participantId=who)
    return [bench.invoke("participant-published", event)]


def starts_in_vain(bench):
    """The participant has left already: the place at the destination is free again, and given on."""
    (source, destination), who = bench.stages(2), bench.somebody()
    bench.rule(source, [destination])
    event = bench.publish(source, who)
    bench.leave(source, who)
    return [bench.invoke("participant-published", event)]


def asks_whom_rules_mean(bench):
    """A rule by tag and by attribute of the token: GetStage and GetParticipant."""
    (source, destination), who = bench.stages(2), bench.somebody()
    bench.select(source, destination)
    event = bench.publish(source, who, attributes={"role": "host"})
    time.sleep(SELECTORS_KEPT)
    return [bench.invoke("participant-published", event)]


def releases(bench):
    """Who leaves is replicated no more."""
    source, who, _ = bench.replicated()
    return [bench.invoke("participant-unpublished", bench.leave(source, who))]


def releases_what_stays(bench):
    """IVS keeps the replica of somebody who is only gone by the news: it has to be stopped."""
    source, who, _ = bench.replicated()
    event = bench.event("Participant Published", source, who)
    left = event | {"detail": event["detail"] | {"event_name": "Participant Unpublished"} | bench.now()}
    return [bench.invoke("participant-unpublished", left)]


def records_an_end(bench):
    """IVS tells that a replication ended that no rule wants: its place is free, and given on."""
    source, who, (destination,) = bench.replicated()
    bench.table.delete(f"STAGE#{source}", "RULE#r")
    bench.ivs.api.stop_participant_replication(sourceStageArn=source, destinationStageArn=destination, participantId=who)
    ended = bench.event("Participant Replication End", source, who)
    return [bench.invoke("replication-changed", ended | {"detail": ended["detail"] | bench.now()})]


def plans_a_changed_rule(bench):
    """A rule for any stage changed: every publisher is planned again."""
    source, _, _ = bench.replicated()
    bench.table.delete(f"STAGE#{source}", "RULE#r")
    return [bench.invoke("rule-changed", bench.rules_changed(None))]


def finds_an_end(bench):
    """A rule is gone, and so is its replica, of which nobody has drawn the conclusion: its place is free, and given on."""
    source, who, (destination,) = bench.replicated()
    bench.table.delete(f"STAGE#{source}", "RULE#r")
    bench.table.put(bench.table.replica(source, who, destination) | {"seen_ended": moment()})
    return [bench.invoke("rule-changed", bench.rules_changed(source))]


def starts_what_is_due(bench):
    """A new rule for somebody who publishes already."""
    become_due(bench)
    return [bench.invoke("dispatch")]


def become_due(bench, **more):
    """A replica to be started by dispatch; gives its stages and participant."""
    (source, destination), who = bench.stages(2), bench.somebody()
    bench.rule(source, [destination], user_id="nobody")
    bench.invoke("participant-published", bench.publish(source, who, **more))
    bench.rule(source, [destination], revision=2)
    bench.invoke("rule-changed", bench.rules_changed(source))
    return source, who, destination


def stops_what_is_due(bench):
    """A rule is gone."""
    source, _, _ = bench.replicated()
    bench.table.delete(f"STAGE#{source}", "RULE#r")
    bench.invoke("rule-changed", bench.rules_changed(source))
    return [bench.invoke("dispatch")]


def starts_what_runs_late(bench):
    """Somebody else has started what is due: IVS refuses, and ListParticipantReplicas tells."""
    source, who, destination = become_due(bench)
    bench.ivs.api.start_participant_replication(sourceStageArn=source, destinationStageArn=destination, participantId=who)
    return [bench.invoke("dispatch")]


def asks_whom_rules_mean_late(bench):
    """A rule by tag and by attribute came while something is due."""
    source, _, _ = become_due(bench, attributes={"role": "host"})
    (further,) = bench.stages(1)
    bench.select(source, further)
    return [bench.invoke("dispatch")]


def looks_for_a_versus_session(bench):
    """A session begins where somebody unknown publishes, and somebody known of an earlier session: the stages are looked at."""
    (first, second), known, unknown = bench.stages(2), bench.somebody(), bench.somebody()
    stage_sessions(bench, first, second, known, unknown)
    versus(bench, first, second, began=0)
    return [bench.invoke("dispatch")]


def ends_a_versus_session(bench):
    """A session on whose stages nobody publishes has failed: its rules are deleted."""
    versus(bench, *bench.stages(2), began=-60)
    return [bench.invoke("dispatch")]


def versus(bench, first, second, began):
    """A versus session that began so many seconds from now, with its rules."""
    name, ends = bench.somebody(), moment(300)
    bench.table.put({
        "pk": f"VERSUS#{name}", "sk": "VERSUS", "schema": 1, "id": name, "stages": [first, second], "duration_seconds": 300,
        "priority": 90, "preempt": False, "reconnect_window_seconds": 0, "attributes": {}, "starts_at": moment(began),
        "ends_at": ends, "state": "Starting", "revision": 1, "version": 1, "changed_at": moment(), "due_class": "versus",
        "due_at": moment()})
    for number, source, destination in ((1, first, second), (2, second, first)):
        bench.table.put(rule(f"versus.{name}.{number}", source, [destination], priority=90, rule_expires_at=ends))


def stage_sessions(bench, source, destination, known, unknown):
    """Somebody who is known to publish, in a session that is over, and somebody unknown in the one that runs."""
    bench.rule(source, [destination], user_id="nobody")
    bench.invoke("participant-published", bench.publish(source, known))
    bench.ivs.leave(source, known)
    bench.session_ends(source)
    bench.publish(source, unknown)


def sweeps_for_somebody(bench):
    """Somebody publishes of whom nothing was heard, under a rule that depends on the token's attributes."""
    (source, destination), who = bench.stages(2), bench.somebody()
    bench.rule(source, [destination], schema=2, participant_attributes={"role": "host"})
    bench.publish(source, who, attributes={"role": "host"})
    return [bench.invoke("reconcile")]


def sweeps_after_a_session(bench):
    """Somebody is known to publish in a session that is over."""
    (source, destination), known, unknown = bench.stages(2), bench.somebody(), bench.somebody()
    stage_sessions(bench, source, destination, known, unknown)
    bench.rule(source, [destination], revision=2)
    return [bench.invoke("reconcile")]


def sweeps_for_a_replica(bench):
    """A replica that should have been running for a minute is not there."""
    source, who, (destination,) = bench.replicated()
    bench.ivs.api.stop_participant_replication(sourceStageArn=source, destinationStageArn=destination, participantId=who)
    bench.table.put(bench.table.replica(source, who, destination) | {"seen_running": moment(-60)})
    return [bench.invoke("reconcile")]


def sets_a_recording(bench):
    """A rule wants replicas not to be recorded, at a stage that records them."""
    source, destination = bench.stages(2)
    bench.rule(source, [destination], record_replicas=False)
    bench.record(destination, "arn:aws:ivs:us-east-1:123456789012:storage-configuration/abcdABCDefgh")
    answer = bench.invoke("reconcile")
    bench.record(destination, "")
    return [answer]


def forgets_a_destination(bench):
    """A stage is in the directory that no rule can select."""
    (stage,) = bench.stages(1)
    bench.table.put({"pk": "STAGE#*", "sk": f"DEST#{stage}", "schema": 1, "stage": stage, "tags": {}})
    return [bench.invoke("reconcile")]


def puts_a_place_right(bench):
    """Somebody has a place at a destination, and no replica: the place is free, and given on."""
    source, who, (destination,) = bench.replicated()
    bench.table.delete(f"STAGE#{source}", f"REP#{who}#{destination}")
    return [bench.invoke("reconcile")]


def is_asked_for_rules(bench):
    """The rules of a stage."""
    (source,) = bench.stages(1)
    return [bench.invoke("api", bench.request("/rules", source=source))]


def is_asked_for_replicas(bench):
    """The replicas at a destination."""
    _, _, (destination,) = bench.replicated()
    return [bench.invoke("api", bench.request("/replicas", destination=destination))]


def is_asked_for_sessions(bench):
    """The versus sessions that are not over."""
    return [bench.invoke("api", bench.request("/versus"))]


def creates_a_rule(bench):
    """A rule is created, and asked for again under the same key."""
    (source, destination), key = bench.stages(2), {"idempotency-key": bench.somebody()}
    body = {"id": "by-api", "source": {"stage": source}, "destinations": [{"stage": destination}], "status": "paused"}
    return [bench.invoke("api", bench.request("/rules", "POST", body, key)) for _ in range(2)]


def deletes_a_rule(bench):
    """A rule that there is goes."""
    source, destination = bench.stages(2)
    bench.rule(source, [destination])
    return [bench.invoke("api", bench.request("/rules/r", "DELETE", headers={"if-match": '"1"'}))]


def plans(bench):
    """What no rules at all would do."""
    return [bench.invoke("api", bench.request("/plan", "POST", {"rules": []}))]


STEPS = {
    "api": [is_asked_for_rules, is_asked_for_replicas, is_asked_for_sessions, creates_a_rule, deletes_a_rule, plans],
    "participant-published": [starts, starts_what_runs, starts_in_vain, asks_whom_rules_mean],
    "participant-unpublished": [releases, releases_what_stays],
    "replication-changed": [records_an_end],
    "rule-changed": [plans_a_changed_rule, finds_an_end],
    "dispatch": [starts_what_is_due, stops_what_is_due, starts_what_runs_late, asks_whom_rules_mean_late,
                 looks_for_a_versus_session, ends_a_versus_session],
    "reconcile": [sweeps_for_somebody, sweeps_after_a_session, sweeps_for_a_replica, sets_a_recording, forgets_a_destination,
                  puts_a_place_right],
}
