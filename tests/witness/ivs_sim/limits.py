"""Requests at the limits that the model sets, and just beyond them: each is taken, or refused by the name of the member.

The requests come from the shapes of the model: for each member a value that is missing, of another type, too short, too long, too
small, too large, in no enumeration or against the pattern; and beside each of these one that is just right. botocore writes only what
it understands, so the body is put in its place right before the request is signed.
"""

import dataclasses
import json
import re
import typing

from checks import check
from . import absent, matrix, model

ARN = "arn:aws:ivs:us-east-1:123456789012:"
# What matches the patterns that a letter does not match, by shape or member. Nothing of it exists.
SAMPLES = {
    "StageArn": ARN + "stage/nowhere",
    "ResourceArn": ARN + "stage/nowhere",
    "destinationStageArn": ARN + "stage/elsewhere",
    "StageSessionId": "st-0123456789abc",
    "AutoParticipantRecordingStorageConfigurationArn": ARN + "storage-configuration/nowhere",
}
# The model's pattern of a ResourceArn leaves one letter for the type of the resource. It would refuse every ARN there is, and is no limit
# that anybody keeps; what fits it is taken all the same.
FITTING = {"ResourceArn": ARN + "x/nowhere"}


@dataclasses.dataclass
class Variant:
    """A value of a shape, at one limit of one of its members."""
    member: str
    kind: str
    value: typing.Any
    is_refused: bool


MISSING = object()


def all_limits():
    """Every limit of the requests of the offered operations, as cells of the matrix."""
    return [(name, variant.member, variant.kind) for name, variant in _requests()]


def _requests():
    for name, operation in model.OPERATIONS.items():
        if name not in absent.OPERATIONS:
            for variant in _of_structure(operation.input_shape):
                if _can_be_sent(operation.input_shape, variant):
                    yield name, variant


def _can_be_sent(shape, variant):
    """What stands in the path or in the query is a text in any case, and without its ARN a path is another one."""
    top = variant.member.split(".")[0]
    location = shape.members[top].serialization.get("location")
    if location is None:
        return True
    return not variant.kind.endswith("of another type") and (location != "uri" or variant.value[top] not in (MISSING, ""))


def sample(shape):
    """A value that the shape allows."""
    if shape.type_name == "structure":
        return {name: SAMPLES.get(name) or sample(shape.members[name]) for name in shape.required_members}
    if shape.type_name == "list":
        return [sample(shape.member)]
    if shape.type_name == "map":
        return {}
    if shape.type_name == "boolean":
        return True
    if shape.type_name == "integer":
        return shape.metadata.get("min", 0)
    return SAMPLES.get(shape.name) or (shape.metadata.get("enum") or ["a" * max(1, shape.metadata.get("min", 0))])[0]


def variants(shape):
    """Values at every limit of a shape, and beyond it."""
    yield Variant("", "of another type", 7 if shape.type_name == "string" else "seven", True)
    yield from {"structure": _of_structure, "list": _of_list, "map": _of_map, "integer": _of_integer, "string": _of_text,
                "boolean": lambda _: ()}[shape.type_name](shape)


def _of_structure(shape):
    whole = sample(shape)
    for name, member in shape.members.items():
        if name in shape.required_members:
            yield Variant(name, "missing", whole | {name: MISSING}, True)
        for inner in variants(member):
            path = f"{name}.{inner.member}" if inner.member else name
            yield Variant(path, inner.kind, whole | {name: inner.value}, inner.is_refused)


def _of_list(shape):
    most = shape.metadata.get("max")
    several = (shape.member.metadata.get("enum") or [sample(shape.member)]) * ((most or 0) + 1)
    if most is not None:
        yield Variant("", "of the most", several[:most], False)
        yield Variant("", "of more than the most", several[:most + 1], True)
    for inner in variants(shape.member):
        yield Variant(inner.member, f"item {inner.kind}", [inner.value], inner.is_refused)


def _of_map(shape):
    most = shape.metadata.get("max")
    if most is not None:
        entries = {f"k{n}": sample(shape.value) for n in range(most + 1)}
        yield Variant("", "of more than the most", entries, True)
        yield Variant("", "of the most", dict(list(entries.items())[:most]), False)
    for inner in variants(shape.key):
        if isinstance(inner.value, str):  # JSON has no other keys.
            yield Variant(inner.member, f"key {inner.kind}", {inner.value: sample(shape.value)}, inner.is_refused)
    for inner in variants(shape.value):
        yield Variant(inner.member, f"value {inner.kind}", {"k": inner.value}, inner.is_refused)


def _of_integer(shape):
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None:
        yield Variant("", "the least", least, False)
        yield Variant("", "less than the least", least - 1, True)
    if most is not None:
        yield Variant("", "the most", most, False)
        yield Variant("", "more than the most", most + 1, True)


def _of_text(shape):
    for option in shape.metadata.get("enum", ()):
        yield Variant("", f"the option {option}", option, False)
    if "enum" in shape.metadata:
        yield Variant("", "no option", "SOMETHING_ELSE", True)
        return
    least, most, plain = shape.metadata.get("min", 0), shape.metadata.get("max"), sample(shape)
    if least > 0:
        yield Variant("", "too short", plain[:least - 1], True)
    if most is not None:
        longest = plain.ljust(most, "a")
        yield Variant("", "of the most", longest, False)
        yield Variant("", "too long", longest + "a", True)
    pattern = shape.metadata.get("pattern")
    if pattern:
        against = next(text for text in (plain[:-1] + "?", plain + "/", "\u00fc" * len(plain)) if not re.fullmatch(pattern, text))
        yield Variant("", "against the pattern", against, True)
        fitting = FITTING.get(shape.name, plain)
        assert re.fullmatch(pattern, fitting), f"{fitting} does not match {pattern}"
        yield Variant("", "fitting the pattern", fitting, False)


def run(simulator):
    # In turn, so that no operation has to wait for its quota for long.
    of_operation = {}
    for name, variant in _requests():
        of_operation.setdefault(name, []).append(variant)
    while of_operation:
        for name in list(of_operation):
            _try(simulator, name, of_operation[name].pop(0))
            if not of_operation[name]:
                del of_operation[name]


def _try(simulator, operation, variant):
    what = f"{operation} with {variant.member or 'a body'} {variant.kind}"
    error = simulator.answer(operation, variant.value)
    code, text = error or (None, "")
    named = f"'{variant.member.split('.')[0]}"
    if variant.is_refused:
        is_kept = code == "ValidationException" and named in text
    else:
        is_kept = code in (None, "ResourceNotFoundException") or (code == "ValidationException" and named not in text)
    if is_kept:
        matrix.kept(operation, variant.member, variant.kind)
    check(f"{what}:", is_kept, f"{code} {text}")


def body_of(operation, value):
    """The members that go into the body, as JSON; those that are missing are left out."""
    if not isinstance(value, dict):
        return json.dumps(value).encode()
    located = operation.input_shape.members
    in_body = {name: entry for name, entry in value.items() if not located[name].serialization.get("location")}
    return json.dumps(_without_missing(in_body)).encode()


def _without_missing(value):
    if isinstance(value, dict):
        return {name: _without_missing(entry) for name, entry in value.items() if entry is not MISSING}
    if isinstance(value, list):
        return [_without_missing(entry) for entry in value]
    return value
