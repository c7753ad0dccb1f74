"""Drives ivs-sim with boto3 and the AWS CLI: an outside witness that it speaks the real protocol.

Needs: boto3 and awscli of about the same age.
Usage: PYTHONPATH=tests/witness python3 -m ivs_sim cargo run --quiet --bin ivs-sim --

What there is to be seen comes out of botocore's service model: every operation by both clients, every error that the model declares,
every list in pages, every member of an answer, every limit of a request. Each answer is held against its shape. What was not seen is a
failure, unless `absent.py` argues it away. Printed are the failures, a line each, then the matrix; the exit code is 0 if nothing failed.
"""

import concurrent.futures
import json
import os
import subprocess
import sys
import traceback

import checks
from . import commands, control, dialects, limits, matrix, pages, participants, refusals, replication, stages, tags
from .simulator import Simulator


def calls(simulator):
    for scenario in (stages, participants, replication, tags):
        scenario.run(simulator)
    commands.run(simulator, pages.run(simulator))


def refused(simulator):
    refusals.run(simulator)
    control.run(simulator)
    refusals.full_account(simulator)


# Each on a simulator of its own, because they spend their time waiting for its quotas.
PARTS = (calls, refused, dialects.run, limits.run)


def on_a_simulator(command, part):
    """Starts a simulator for a part of the witness, and ends it afterwards."""
    process = subprocess.Popen([*command, "--port", "0", "--json"], stdout=subprocess.PIPE, text=True,
                               env=os.environ | {"RUST_LOG": "off"})
    try:
        part(Simulator(json.loads(process.stdout.readline())["ivs"]))
    finally:
        process.terminate()
        process.wait()


def main(command):
    os.environ |= {"AWS_ACCESS_KEY_ID": "witness", "AWS_SECRET_ACCESS_KEY": "witness", "AWS_DEFAULT_REGION": "us-east-1"}
    with concurrent.futures.ThreadPoolExecutor(len(PARTS)) as threads:
        running = {part: threads.submit(on_a_simulator, command, part) for part in PARTS}
    for part, ended in running.items():
        if error := ended.exception():
            traceback.print_exception(error)
        checks.check(f"{part.__module__}.{part.__name__}", error is None, repr(error))
    matrix.finish(limits.all_limits())
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) if sys.argv[1:] else __doc__)
