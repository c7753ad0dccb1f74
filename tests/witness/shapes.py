"""Holds an answer, as it came over the wire, against the shape that botocore's service model has for it.

botocore itself drops what it does not know and takes what it can: an unknown member, a missing one, a number for a string, a value
that is in no enumeration pass unseen. Here they are problems. Read are JSON bodies and headers, as rest-json and json have them.
"""

import json
import re

TIMESTAMPS = {
    "iso8601": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
    "unixTimestamp": None,  # a number
}
TYPES = {
    "string": str, "character": str, "blob": str, "boolean": bool, "integer": int, "long": int, "float": (int, float),
    "double": (int, float), "structure": dict, "map": dict, "list": list}
# Where rest-json says nothing of a timestamp, it is a number of seconds.
DEFAULT_TIMESTAMP = "unixTimestamp"


def of_value(shape, value, path=""):
    """What is wrong with a value, as pairs of a path in the model, such as `stages[].tags`, and words."""
    if shape.type_name == "timestamp":
        yield from _of_timestamp(shape, value, path)
        return
    kind = TYPES[shape.type_name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        yield path, f"is {value!r}, which is no {shape.type_name}"
    elif shape.type_name == "structure":
        yield from _of_members(shape, value, path)
    elif shape.type_name == "list":
        yield from _of_size(shape, len(value), path)
        for item in value:
            yield from of_value(shape.member, item, f"{path}[]")
    elif shape.type_name == "map":
        yield from _of_size(shape, len(value), path)
        for name, entry in value.items():
            yield from of_value(shape.key, name, f"{path}{{key}}")
            yield from of_value(shape.value, entry, f"{path}{{value}}")
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from _of_size(shape, value, path)
    elif shape.type_name == "string":
        yield from _of_text(shape, value, path)


def _of_members(shape, value, path):
    for name in shape.required_members:
        if name not in value and not shape.members[name].serialization.get("location"):
            yield _join(path, name), "is required, and missing"
    known = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()
             if not member.serialization.get("location")}
    for wire_name, entry in value.items():
        if wire_name not in known:
            yield _join(path, wire_name), "is no member of the model"
        else:
            name, member = known[wire_name]
            yield from of_value(member, entry, _join(path, name))


def _of_text(shape, value, path):
    enumeration = shape.metadata.get("enum")
    if enumeration and value not in enumeration:
        yield path, f"is {value!r}, which is none of {', '.join(enumeration)}"
    yield from _of_size(shape, len(value), path)
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        yield path, f"is {value!r}, which does not match {pattern}"


def _of_size(shape, size, path):
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        yield path, f"is of {size}, the least is {least}"
    if most is not None and size > most:
        yield path, f"is of {size}, the most is {most}"


def _of_timestamp(shape, value, path):
    name = shape.serialization.get("timestampFormat", DEFAULT_TIMESTAMP)
    pattern = TIMESTAMPS[name]
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (is_number if pattern is None else isinstance(value, str) and pattern.fullmatch(value)):
        yield path, f"is {value!r}, which is no timestamp of {name}"


def of_answer(operation, status, headers, body):
    """What is wrong with a whole answer to an operation, whose headers have names in small letters."""
    shape = operation.output_shape
    if status >= 300:
        code = error_code(headers)
        shape = next((error for error in operation.error_shapes if error.name == code), None)
        if shape is None:
            return  # The model knows nothing of it.
        expected = shape.metadata["error"]["httpStatusCode"]
    else:
        expected = operation.http.get("responseCode", 200)
    if status != expected:
        yield "status", f"is {status}, not {expected}"
    yield from _of_headers(shape, headers)
    members = shape.members if shape else {}
    in_body = [name for name, member in members.items() if not member.serialization.get("location")]
    if not body:
        if in_body:
            yield "body", f"is empty, without {', '.join(in_body)}"
        return
    if headers.get("content-type") != "application/json":
        yield "content-type", f"is {headers.get('content-type')!r}"
    yield from of_body(shape, body)


def of_body(shape, body):
    """What is wrong with a body that holds a structure as JSON."""
    try:
        value = json.loads(body)
    except ValueError as error:
        yield "body", f"is no JSON: {error}"
    else:
        yield from of_value(shape, value)


def _of_headers(shape, headers):
    for name, member in (shape.members.items() if shape else ()):
        header = member.serialization.get("name", name)
        if member.serialization.get("location") == "header" and header.lower() not in headers:
            yield name, f"is missing: there is no header {header}"


def error_code(headers):
    """The name of the error that an answer carries, as botocore reads it."""
    return (headers.get("x-amzn-errortype") or "").split(":")[0]


def member_paths(shape, path="", inside=()):
    """The paths of all members of a structure, with those of what they hold."""
    if shape is None or shape.name in inside:
        return
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            here = _join(path, name)
            yield here
            yield from member_paths(member, here, (*inside, shape.name))
    elif shape.type_name == "list":
        yield from member_paths(shape.member, f"{path}[]", inside)


def paths_in(value, path=""):
    """The paths of the members that a value has."""
    if isinstance(value, dict):
        for name, entry in value.items():
            here = _join(path, name)
            yield here
            yield from paths_in(entry, here)
    elif isinstance(value, list):
        for item in value:
            yield from paths_in(item, f"{path}[]")


def _join(path, name):
    return f"{path}.{name}" if path else name
