"""What the rehearsal and the benchmark count is the same: both read units.json, where `{"X": 5}` is a text of five bytes."""

import json
import pathlib
import types
import unittest

from units import Units

CASES = pathlib.Path(__file__).with_name("units.json")


def call(operation, body, answer=None):
    return types.SimpleNamespace(operation=operation, body=body, answer=answer or {}, status=200)


class TheUnits(unittest.TestCase):
    def test_are_those_of_the_cases(self):
        texts = lambda value: {"S": "x" * value["X"]} if "X" in value else value
        for case in json.loads(CASES.read_text(), object_hook=texts):
            with self.subTest(case["case"]):
                units = Units([])
                for one in case["calls"]:
                    units.take(call(**one))
                counted = {"reads": units.reads, "writes": units.writes, "index_writes": units.index_writes}
                self.assertEqual(counted, {name: case.get(name, 0) for name in counted})


if __name__ == "__main__":
    unittest.main()
