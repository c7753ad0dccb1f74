"""What requests to DynamoDB cost, in request units, by DynamoDB's published rules for on-demand tables.

A write is one unit per KiB of the larger of the item's old and new image, twice that in a transaction, and also if its condition
fails. An index costs a write more for each item that comes, changes or goes, and two if the item's key in the index changes. A
consistent read is one unit per 4 KiB of all that was looked at, one of an index half of that; nothing found costs as little as
4 KiB. Reading the stream costs nothing where Lambda does it.
"""

import math

# The keys of each index.
INDEXES = {"by_destination": ("destination", "phase"), "due_work": ("due_class", "due_at")}


def size(item):
    """Bytes of an item as DynamoDB counts it: names and values in UTF-8, numbers about half of their digits."""
    return sum(len(name.encode()) + value_size(value) for name, value in item.items())


def value_size(value):
    ((kind, content),) = value.items()
    if kind == "S":
        return len(content.encode())
    if kind == "N":
        return math.ceil(len(content.strip("-").replace(".", "")) / 2) + 1
    if kind in ("BOOL", "NULL"):
        return 1
    if kind == "SS":
        return sum(len(text.encode()) for text in content)
    if kind == "L":
        return 3 + sum(1 + value_size(inner) for inner in content)
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + value_size(inner) for name, inner in content.items())
    raise ValueError(f"attribute type {kind} is not expected here")


def kib(size_in_bytes):
    return max(1, math.ceil(size_in_bytes / 1024))


class Units:
    """Counts units of calls in the order in which they were made, and remembers the items on the way."""

    def __init__(self, items):
        self.items = {key_of(item): item for item in items}
        self.reads = 0.0
        self.writes = 0
        self.index_writes = 0

    def take(self, call):
        if call.operation in ("Query", "Scan"):
            self.reads += self.read_units(call)
        elif call.operation == "TransactWriteItems":
            for entry in call.body["TransactItems"]:
                ((member, request),) = entry.items()
                self.write(member, request, factor=2, done=call.status == 200)
        elif call.operation in ("PutItem", "UpdateItem", "DeleteItem"):
            self.write(call.operation.removesuffix("Item"), call.body, factor=1, done=call.status == 200)
        else:
            raise ValueError(f"{call.operation} is not expected here")

    @staticmethod
    def read_units(call):
        answer = call.answer
        seen = sum(size(item) for item in answer.get("Items", []))
        # A filter leaves things out that were looked at: taken to be as large as the others.
        if answer.get("Count"):
            seen *= answer["ScannedCount"] / answer["Count"]
        units = max(1, math.ceil(seen / 4096))
        return units if call.body.get("ConsistentRead") else units / 2

    def write(self, member, request, factor, done):
        key = key_of(request.get("Item") or request["Key"])
        old = self.items.get(key)
        # An update changes little of its item: the places of a destination, at most twelve names.
        new = {"Put": request.get("Item"), "Delete": None}.get(member, old or request.get("Key"))
        self.writes += factor * kib(max(size(image) for image in (old, new, {}) if image is not None))
        if not done:
            return
        for names in INDEXES.values():
            self.index_writes += index_units(old, new, names)
        if new is None:
            self.items.pop(key, None)
        else:
            self.items[key] = new


def index_units(old, new, names):
    """Units of one index for an item that changed."""
    before = old if old and all(name in old for name in names) else None
    after = new if new and all(name in new for name in names) else None
    if before and after and all(before[name] == after[name] for name in names):
        return kib(max(size(before), size(after))) if before != after else 0
    return sum(kib(size(image)) for image in (before, after) if image)


def key_of(item):
    return item["pk"]["S"], item["sk"]["S"]
