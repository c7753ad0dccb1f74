"""Deploys the template to an emulator of AWS with the real binaries, and proves that the stack replicates.

    PYTHON tests/rehearsal --sam SAM --ministack MINISTACK --ivs-sim IVS_SIM --stagelink STAGELINK \
        --template infra/template.yaml --code target/lambda

PYTHON needs boto3 and is that of the emulator's environment. Exit code 0 if everything held. See README.md beside this file.
"""

import argparse
import contextlib
import pathlib
import signal
import sys
import tempfile
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import permissions
import scenario
from emulator import ACCOUNT, REGION, Emulator, Stack
from front import Front
from processes import Processes
from report import Failed, Report
from world import Ivs, Relay, Table


class Rehearsal:
    """Everything that a part of the rehearsal may look at."""

    def __init__(self, arguments, directory, report, closing):
        self.arguments, self.report = arguments, report
        self.processes = Processes(directory)
        closing.callback(self.processes.stop_all)
        self.ivs = Ivs(self.processes, arguments.ivs_sim)
        self.ivs.start()
        self.emulator = Emulator(self.processes, arguments.ministack, directory)
        self.front = Front(self.emulator, self.ivs.port, REGION, ACCOUNT)
        closing.callback(self.front.stop)
        self.emulator.start(self.front.url)
        self.stack = Stack(self.emulator, arguments.sam, arguments.template, arguments.code, directory)
        self.relay = Relay(self.ivs, self.emulator.client("events"))
        closing.callback(self.relay.stop)
        self.table = Table(self.emulator.client("dynamodb"), scenario.TABLE)


def play(rehearsal, only):
    scenario.deploy(rehearsal)
    if only != "permissions":
        scenario.play(rehearsal)
    if only != "scenario":
        permissions.play(rehearsal)
    scenario.delete(rehearsal)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, what in [("sam", "executable of the SAM CLI"), ("ministack", "executable of the emulator"),
                       ("ivs-sim", "executable of the simulator"), ("stagelink", "executable of the operator's command"),
                       ("template", "the SAM template"),
                       ("code", "directory with NAME/bootstrap of each function, built for this machine")]:
        parser.add_argument(f"--{name}", required=True, type=lambda path: str(pathlib.Path(path).absolute()), help=what)
    parser.add_argument("--only", choices=["scenario", "permissions"], help="play one part only, between deploy and delete")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    report = Report()
    with contextlib.ExitStack() as closing:
        directory = closing.enter_context(tempfile.TemporaryDirectory(prefix="stagelink-rehearsal-"))
        rehearsal = None
        try:
            rehearsal = Rehearsal(arguments, directory, report, closing)
            play(rehearsal, arguments.only)
        except Failed as failed:
            report.note(f"the rest rests on: {failed}")
        except KeyboardInterrupt:
            report.fail("the rehearsal", "was interrupted")
        except Exception:
            report.fail("the rehearsal", traceback.format_exc())
        if rehearsal and rehearsal.relay.failure:
            report.fail("the relay of events", repr(rehearsal.relay.failure))
        if rehearsal and report.failures:
            report.note("the emulator's last lines:\n" + rehearsal.processes.log("ministack")[-3000:])
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
