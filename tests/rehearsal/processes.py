"""The servers of a rehearsal: started on loopback, and ended with all their children whatever happens."""

import os
import pathlib
import signal
import socket
import subprocess
import time

# How long a server has for its own end, in seconds.
GRACE = 5


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Processes:
    """Processes by name, each with a log of its own."""

    def __init__(self, logs):
        self.logs = pathlib.Path(logs)
        self.running = {}

    def start(self, name, command, environment):
        """Starts a process in a group of its own, so that Ctrl-C reaches only us, and we end the rest in order."""
        log = open(self.logs / f"{name}.log", "wb")
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True)
        log.close()
        self.running[name] = process
        return process

    def log(self, name):
        return (self.logs / f"{name}.log").read_text(errors="replace")

    def wait_for(self, name, condition, seconds):
        """Waits until a server answers; it must not die meanwhile."""
        end = time.monotonic() + seconds
        while not (seen := condition()):
            if self.running[name].poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{name} did not become ready:\n{self.log(name)[-2000:]}")
            time.sleep(0.05)
        return seen

    def stop_all(self):
        for process in reversed(self.running.values()):
            stop(process)
        self.running.clear()


def stop(process):
    """Ends a process and everything it started, by their ids."""
    children = descendants(process.pid)
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for child, began in children:
        if started_at(child) == began:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                pass


def descendants(root):
    """The processes below this one, each with its time of start: an id may be given again."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := stat(int(entry.name))):
            parents[int(entry.name)] = int(fields[1])
    below, found = {root}, []
    while new := {child for child, parent in parents.items() if parent in below} - below:
        below |= new
        found += [(child, started_at(child)) for child in new]
    return found


def started_at(process):
    fields = stat(process)
    return fields[19] if fields else None


def stat(process):
    """The fields of /proc/PID/stat from the state on; nothing if the process is gone."""
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
