"""Handles for tests: the cluster of cluster.py, and sweeps that use it."""

import os
import pathlib
import signal
import subprocess

from tests.processes import start


def sweep(*arguments, folder, log=None):
    """`python -m tf_tickets.sweep` at work; what it says goes to the file `log`, or to pipes."""
    program = ("-m", "tf_tickets.sweep", *arguments)
    if log is None:
        return start(*program, folder=folder)
    with open(log, "w") as file:
        return start(*program, folder=folder, stdout=file, stderr=subprocess.STDOUT)


class Nodes:
    """A Ray cluster of so many nodes."""

    def __init__(self, count, folder):
        script = str(pathlib.Path(__file__).with_name("cluster.py"))
        with open(folder / "cluster.log", "w") as log:
            self.process = start(script, str(count), folder=folder, stdin=subprocess.PIPE, stderr=log)
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
