"""Programs that tests start, each in a process group of its own, where Ctrl-C is what it is in a terminal."""

import os
import pathlib
import signal
import subprocess
import sys

from tests.waiting import wait_until

ROOT = pathlib.Path(__file__).parents[1]
ENVIRONMENT = {
    **os.environ,
    "CUDA_VISIBLE_DEVICES": "",
    "PYTHONPATH": str(ROOT),
    "PYTHONUNBUFFERED": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}
# Where pytest runs in the background, Ctrl-C is ignored, also by what it starts.
LISTENING = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def start(*arguments, folder, **pipes):
    """A Python program at work in a folder; what it says goes to pipes unless told otherwise."""
    return subprocess.Popen(
        [sys.executable, "-c", LISTENING, *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        text=True,
        start_new_session=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **pipes},
    )


def read_until(process, start):
    """Reads what a program says up to a line that starts so, and returns that."""
    for line in process.stdout:
        if line.strip().startswith(start):
            return line
    raise AssertionError(process.communicate())


def group(process):
    """Process ids and command lines of the processes of its group that are alive."""
    columns = ("-o", "pgid=", "-o", "pid=", "-o", "stat=", "-o", "args=")
    listed = subprocess.run(["ps", "-A", "-ww", *columns], capture_output=True, text=True, check=True)
    rows = (line.split(None, 3) for line in listed.stdout.splitlines())
    alive = [(int(pgid), int(pid), args) for pgid, pid, stat, args in rows if "Z" not in stat]
    return [(pid, args) for pgid, pid, args in alive if pgid == process.pid]


def ended(process, seconds=300):
    """Waits for the end of a program and of all that it has started.

    Returns:
        Its exit code, and what it has said since on standard output and standard error.
    """
    out, err = process.communicate(timeout=seconds)
    try:
        wait_until(lambda: not group(process), "the end of all that a program has started")
    finally:
        if group(process):
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, out, err


def kill(process):
    """Kills a program that has not ended, and all that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def kill_group(process):
    """Kills all that a program has started, whether it has ended or not."""
    if group(process):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
