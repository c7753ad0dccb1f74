"""Lists in pages: by hand, and by the paginators that the service model has."""

from checks import check, equal
from . import absent, matrix, model


def prepare(simulator):
    """A stage with five sessions, of which the last has five participants, one of them replicated five times. Gives for each list
    a request, and how many rows it has; none if others are in the list, too."""
    stage = simulator.stage("pages")
    destinations = [simulator.stage(f"page{number}") for number in range(5)]
    with simulator.dialect(session_end_delay_ms=0):
        for _ in range(4):
            simulator.publish(stage, "early")
            simulator.play("leave", stage, "early")
    session = simulator.publish(stage, "host")
    for number in range(4):
        simulator.publish(stage, f"guest{number}")
    for destination in destinations:
        simulator.call("StartParticipantReplication", sourceStageArn=stage, destinationStageArn=destination, participantId="host")
    here = {"stageArn": stage, "sessionId": session}
    return {
        "ListStages": ({}, None),
        "ListStageSessions": ({"stageArn": stage}, 5),
        "ListParticipants": (here, 5),
        "ListParticipantEvents": (here | {"participantId": "host"}, 7),
        "ListParticipantReplicas": ({"sourceStageArn": stage, "participantId": "host"}, 5),
    }


def run(simulator):
    lists = prepare(simulator)
    for operation, (members, count) in lists.items():
        by_hand(simulator, operation, members, count)
    for operation in model.PAGINATORS:
        if operation not in absent.OPERATIONS:
            members, count = lists[operation]
            by_paginator(simulator, operation, members, count)
    return lists


def by_hand(simulator, operation, members, count):
    """Pages of two join to the whole, without a row missing or twice; and a token is good for its own request only."""
    rows = model.rows(operation)
    whole = simulator.call(operation, **members)[rows]
    if count is not None:
        equal(f"{operation}: rows", len(whole), count)
    joined, page = [], {"nextToken": ""}
    while "nextToken" in page:
        token = {"nextToken": page["nextToken"]} if page["nextToken"] else {}
        page = simulator.call(operation, maxResults=2, **members, **token)
        size = len(page[rows])
        check(f"{operation}: size of a page", size == 2 if "nextToken" in page else 0 < size <= 2, page)
        joined += page[rows]
        last = page.get("nextToken") or token.get("nextToken")
    equal(f"{operation}: pages join", joined, whole)
    other = "ListStages" if operation != "ListStages" else "ListStageSessions"
    given = {} if other == "ListStages" else {"stageArn": whole[0]["arn"]}
    simulator.refused(f"{other} with a token of {operation}", "ValidationException", other, nextToken=last, **given)
    simulator.refused(f"{operation} with a token from nowhere", "ValidationException", operation, nextToken="AAAA", **members)
    matrix.paged("boto3", operation)


def by_paginator(simulator, operation, members, count):
    name, rows = model.method(operation), model.rows(operation)
    check(f"paginator of {operation}", simulator.client.can_paginate(name))
    paginator = simulator.client.get_paginator(name)

    def pages(**settings):
        simulator.wait_a_second()
        return [len(page[rows]) for page in paginator.paginate(**members, PaginationConfig=settings)]

    equal(f"paginator of {operation}: pages", pages(PageSize=2), [2, 2, 1])
    equal(f"paginator of {operation}: as many as wanted", sum(pages(PageSize=2, MaxItems=3)), 3)
    simulator.wait_a_second()
    first = paginator.paginate(**members, PaginationConfig={"PageSize": 2, "MaxItems": 2}).build_full_result()
    rest = paginator.paginate(**members, PaginationConfig={"StartingToken": first["NextToken"]}).build_full_result()
    equal(f"paginator of {operation}: from a token on", len(first[rows]) + len(rest[rows]), count)
    matrix.paged("boto3", f"paginator of {operation}")
