"""What the witness has seen, against what the model asks for.

Filled from the answers that come over the wire to boto3 and to the AWS CLI, whatever the scenario was about: an operation is witnessed
by an answer that keeps its shape, an error by an answer that carries it.
"""

import json

import checks
import shapes
from . import absent, model

CLIENTS = ("boto3", "AWS CLI")
# Errors that every operation can have and no model declares.
THROTTLED, UNKNOWN = "ThrottlingException", "UnknownOperationException"

_succeeded, _refused, _members, _deviated = set(), set(), set(), set()
_paged, _limits, _unmodelled = set(), set(), set()


def answered(client, operation, status, headers, body):
    """Takes an answer into account, and checks it against the model."""
    headers, problems = {name.lower(): value for name, value in headers.items()}, []
    for path, words in shapes.of_answer(operation, status, headers, body):
        if (operation.name, path) in absent.DEVIATIONS:
            _deviated.add((operation.name, path))
        else:
            problems.append(f"{path} {words}")
    checks.check(f"answer {status} to {operation.name}:", not problems, "; ".join(problems))
    if status >= 300:
        code = shapes.error_code(headers)
        _refused.add((operation.name, code, client))
        if code not in model.errors(operation.name) and code not in (THROTTLED, UNKNOWN):
            _unmodelled.add((operation.name, code))
    else:
        _succeeded.add((operation.name, client))
        _members.update((operation.name, path) for path in shapes.paths_in(json.loads(body or b"{}")))
        _members.update((operation.name, name) for name, member in _in_headers(operation) if member in headers)


def _in_headers(operation):
    members = operation.output_shape.members if operation.output_shape else {}
    located = {name: member.serialization for name, member in members.items()}
    return [(name, where["name"].lower()) for name, where in located.items() if where.get("location") == "header"]


def paged(client, operation):
    """Somebody went through all pages of it."""
    _paged.add((operation, client))


def kept(operation, member, kind):
    """A limit of a request is kept."""
    _limits.add((operation, member, kind))


def finish(limits):
    """Checks that nothing is missing, and prints what there is. `limits`: every limit that the model has."""
    offered = [name for name in model.OPERATIONS if name not in absent.OPERATIONS]
    for name in absent.OPERATIONS:
        checks.check(f"operation {name}: its absence is not told",
                     name in model.OPERATIONS and (name, UNKNOWN, "boto3") in _refused)
    _row("operations", [(name, client) for name in offered for client in CLIENTS], _succeeded)
    errors = [(name, error) for name in offered for error in model.errors(name)]
    _row("errors", errors, {(name, error) for name, error, client in _refused if client == "boto3"}, absent.ERRORS)
    _row("errors to the AWS CLI", [(name,) for name in offered], {(name,) for name, _, client in _refused if client == "AWS CLI"})
    _row("throttled", [(name,) for name in offered], {(name,) for name, error, _ in _refused if error == THROTTLED})
    lists = [name for name in offered if model.has_pages(name)]
    _row("lists in pages", [(name, client) for name in lists for client in CLIENTS], _paged)
    paginators = [name for name in model.PAGINATORS if name in offered]
    _row("paginators", [(f"paginator of {name}", client) for name in paginators for client in CLIENTS], _paged)
    members = [(name, path) for name in offered for path in shapes.member_paths(model.OPERATIONS[name].output_shape)]
    _row("members of answers", members, _members, absent.MEMBERS)
    _row("limits of requests", limits, _limits)
    checks.equal("errors that the model lacks", _unmodelled, set(absent.UNMODELLED))
    checks.equal("deviations that AWS's examples have", _deviated, set(absent.DEVIATIONS))
    print(f"{'not offered':<22} {len(absent.OPERATIONS):>4} operations")


def _row(what, wanted, seen, absent_ones=()):
    """One row of the matrix: all that is wanted is seen or argued away, and nothing is argued away in vain."""
    for cell in wanted:
        if cell not in absent_ones:
            checks.check(f"{what}: {' '.join(cell)}", cell in seen, "not witnessed")
    for cell in absent_ones:
        checks.check(f"{what}: {' '.join(cell)}", cell in wanted and cell not in seen, "is argued away in vain")
    witnessed = sum(cell in seen for cell in wanted)
    argued = f", {len(absent_ones)} argued away" if absent_ones else ""
    print(f"{what:<22} {witnessed:>4} of {len(wanted)}{argued}")
