"""Short sequences of invocations for each function, which together need everything that it is granted.

A step sets its world up through the other functions, whose roles are whole, and gives the answers of the function it is about.
"""

from bench import moment


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
    select(bench, source, destination)
    return [bench.invoke("participant-published", bench.publish(source, who, attributes={"role": "host"}))]


def select(bench, source, destination):
    """A rule that depends on the source's tags and on the token's attributes."""
    bench.tag(source, show="1")
    bench.tag(destination, show="1", role="overflow")
    bench.rule(source, [], schema=2, destinations=[{"tags": {"role": "overflow"}, "same": ["show"]}],
               participant_attributes={"role": "host"})


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
    """IVS tells that a replication ended."""
    source, who, (destination,) = bench.replicated()
    bench.ivs.api.stop_participant_replication(sourceStageArn=source, destinationStageArn=destination, participantId=who)
    return [bench.invoke("replication-changed", bench.event("Participant Replication End", source, who))]


def plans_a_changed_rule(bench):
    """A rule for any stage changed: every publisher is planned again."""
    source, who, _ = bench.replicated()
    bench.table.delete(f"STAGE#{source}", "RULE#r")
    return [bench.invoke("rule-changed", bench.rules_changed(None))]


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


STEPS = {
    "participant-published": [starts, starts_what_runs, starts_in_vain, asks_whom_rules_mean],
    "participant-unpublished": [releases, releases_what_stays],
    "replication-changed": [records_an_end],
    "rule-changed": [plans_a_changed_rule],
    "dispatch": [starts_what_is_due, stops_what_is_due],
    "reconcile": [],
}
