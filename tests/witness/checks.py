"""Counting checks, from any thread: what failed is printed at once, one line each."""

import threading

LONGEST_LINE = 500
passed = failed = 0
_counting = threading.Lock()


def check(what, condition, detail=""):
    """Counts a check, and prints it if it failed."""
    global passed, failed
    with _counting:
        if condition:
            passed += 1
        else:
            failed += 1
            line = f"FAILED: {what} {detail}".rstrip()
            print(line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]} …", flush=True)


def equal(what, actual, expected):
    check(what, actual == expected, f"is {actual!r}, not {expected!r}")


def finish():
    """Prints the count, and gives the exit code."""
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
