"""What held, what did not, and what the emulator could not show."""

import sys
import time


# Characters of what was seen instead.
LONGEST = 1500


class Failed(Exception):
    """A check that everything after it rests on did not hold."""


class Report:
    """Prints each check as it is made, and counts what failed."""

    def __init__(self):
        self.failures = []
        self.left_out = []
        self.held = 0
        self.began = time.monotonic()

    def section(self, title):
        self._print(f"== {title} ({self.seconds():.0f} s)")

    def ok(self, what):
        self.held += 1
        self._print(f"ok   {what}")

    def fail(self, what, why):
        why = str(why)[-LONGEST:]
        self.failures.append(f"{what}: {why}")
        self._print(f"FAIL {what}: {why}")

    def check(self, what, condition, why=""):
        """Says whether it holds; `why` is what was seen instead."""
        if condition:
            self.ok(what)
        else:
            self.fail(what, why or "does not hold")
        return bool(condition)

    def equal(self, what, actual, expected):
        return self.check(what, actual == expected, f"is {actual!r}, not {expected!r}")

    def played(self, what, actual, expected, told):
        """Like `equal`, where the emulator may not play it: then at least CloudFormation must have been told."""
        if actual != expected and told == expected:
            return self.skip(what, f"the emulator shows {actual!r}; CloudFormation was told {told!r}")
        return self.equal(what, actual, expected)

    def need(self, what, condition, why=""):
        """A check without which the rest makes no sense."""
        if not self.check(what, condition, why):
            raise Failed(what)

    def skip(self, what, why):
        self.left_out.append(f"{what}: {why}")
        self._print(f"skip {what}: {why}")

    def note(self, text):
        self._print(f"     {text}")

    def wait(self, what, condition, seconds, every=0.2):
        """Waits for something to become true, and tells how long it took. Gives what `condition` gave."""
        began = time.monotonic()
        while True:
            seen = condition()
            waited = time.monotonic() - began
            if seen:
                self.ok(f"{what} ({waited:.1f} s)")
                return seen
            if waited > seconds:
                self.fail(what, f"not within {seconds} s")
                return seen
            time.sleep(every)

    def seconds(self):
        return time.monotonic() - self.began

    def finish(self):
        """Prints the end, and gives the exit code."""
        for text in self.left_out:
            self._print(f"LEFT OUT: {text}")
        for text in self.failures:
            self._print(f"FAILED: {text}")
        self._print(f"{self.held} held, {len(self.failures)} failed, in {self.seconds():.0f} s")
        return 1 if self.failures or not self.held else 0

    @staticmethod
    def _print(text):
        print(text, flush=True, file=sys.stdout)
