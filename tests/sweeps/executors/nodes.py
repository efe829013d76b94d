"""Handles for tests: the cluster of cluster.py, and programs of tf_tickets that use it."""

import os
import pathlib
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[3]
# Where pytest runs in the background, Ctrl-C is ignored, also by what it starts.
LISTENING = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
ENVIRONMENT = {
    **os.environ,
    "CUDA_VISIBLE_DEVICES": "",
    "PYTHONPATH": str(ROOT),
    "PYTHONUNBUFFERED": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def started(*arguments, folder, **pipes):
    """A Python program in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", LISTENING, *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        text=True,
        start_new_session=True,
        **{"stdout": subprocess.PIPE, **pipes},
    )


def sweep(*arguments, folder, log=None):
    """`python -m tf_tickets.sweep` at work; what it says goes to the file `log`, or to pipes."""
    program = ("-m", "tf_tickets.sweep", *arguments)
    if log is None:
        return started(*program, folder=folder, stderr=subprocess.PIPE)
    with open(log, "w") as file:
        return started(*program, folder=folder, stdout=file, stderr=subprocess.STDOUT)


def wait_for_line(program, start):
    for line in program.stdout:
        if line.strip().startswith(start):
            return
    raise AssertionError(program.communicate())


class Nodes:
    """A Ray cluster of so many nodes."""

    def __init__(self, count, folder):
        script = str(pathlib.Path(__file__).with_name("cluster.py"))
        with open(folder / "cluster.log", "w") as log:
            self.process = started(script, str(count), folder=folder, stdin=subprocess.PIPE, stderr=log)
        self.address = None

    def wait(self):
        """Until it is up; returns its address."""
        self.address = self.process.stdout.readline().strip()
        assert self.address, "the cluster did not start"
        return self.address

    def ask(self, command):
        """Has a command done; returns the answer."""
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        for line in self.process.stdout:  # Ray prints between
            if line.startswith("done"):
                return line.removeprefix("done").strip()
        raise AssertionError("the cluster is gone")

    def close(self):
        try:
            self.process.stdin.close()
            self.process.wait(timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            os.killpg(self.process.pid, signal.SIGKILL)
