"""Several replicas, and several processes: the ticket and the curve of one device, or a clear end."""

import contextlib
import dataclasses
import io
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

import h5py
import numpy as np
import pytest
import rich.console

from tests.replicas import two_replicas
from tests.runs import TINY, configure, eagerly
from tests.waiting import wait_until
from tf_tickets import Ticket, pipeline, training
from tf_tickets.support.console import Console

pytestmark = pytest.mark.slow  # its trainings

ROOT = pathlib.Path(__file__).parents[2]
# Batches of 361: shares of 180 and 181, and a last one of 354.
ARGUMENTS = (*TINY, "--method=snip", "--sparsity=0.8", "--epochs=2", "--batch_size=361")


def run(directory, strategy, *arguments):
    config, dataset = configure(f"--run_dir={directory / 'run'}", *ARGUMENTS, *arguments)
    config = dataclasses.replace(config, replicas=strategy.num_replicas_in_sync)
    with eagerly():
        pipeline.run(config, dataset, strategy, Console(rich.console.Console(file=io.StringIO())))
    return Outcome(directory)


class Outcome:
    """What a run has left in a folder."""

    def __init__(self, folder):
        self.result = json.loads((folder / "run" / "result.json").read_text())
        self.ticket = Ticket.load(folder / "run" / "ticket.npz")
        self.rows = [json.loads(x) for x in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
        self.weights = []
        with h5py.File(folder / "run" / "final.weights.h5") as file:
            file.visititems(
                lambda _, x: self.weights.append(np.array(x)) if isinstance(x, h5py.Dataset) else None
            )


def assert_same_ticket_and_curve(found, expected):
    assert found.ticket.sha256 == expected.ticket.sha256
    for value, own in zip(found.weights, expected.weights, strict=True):
        np.testing.assert_allclose(value, own, rtol=0, atol=1e-5)
    for row, own in zip(found.rows, expected.rows, strict=True):
        assert row == pytest.approx(own, rel=1e-4)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The run on one device."""
    return run(tmp_path_factory.mktemp("alone"), training.make_strategy("none"))


def test_two_replicas_find_the_ticket_of_one_device_and_retrain_it_alike(alone, tmp_path):
    assert_same_ticket_and_curve(run(tmp_path, two_replicas()), alone)


class Cluster:
    """Two processes on this machine that train together; each in a folder of its own.

    Args:
        program: arguments of Python before the flags of the run.
    """

    def __init__(self, folder, *arguments, program=("-m", "tf_tickets.run")):
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
            for each in sockets:
                each.bind(("127.0.0.1", 0))
            self.ports = [each.getsockname()[1] for each in sockets]
        hosts = [f"127.0.0.1:{port}" for port in self.ports]
        self.folders = [folder / "chief", folder / "worker"]
        self.processes = []
        for index, own in enumerate(self.folders):
            own.mkdir(parents=True, exist_ok=True)
            task = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
            self.processes.append(
                subprocess.Popen(
                    [
                        sys.executable,
                        *program,
                        "--strategy=multi_worker",
                        "--run_dir=run",
                        *arguments,
                    ],
                    cwd=own,
                    env={
                        **os.environ,
                        "CUDA_VISIBLE_DEVICES": "",
                        "PYTHONPATH": f"{ROOT}",
                        "TF_CONFIG": json.dumps(task),
                    },
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )

    def ended(self):
        """Of both: exit code, standard output, standard error."""
        try:
            texts = [process.communicate(timeout=240) for process in self.processes]
        finally:
            for process in self.processes:
                process.kill()
        return [(process.returncode, *text) for process, text in zip(self.processes, texts, strict=True)]


# A process in whose folder there is a file `dies` is killed once, in the midst of its retraining.
OWN_CALLBACK = """
import os, pathlib, signal

import keras


class Killed(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if self.params["training"] == "retrain" and epoch == 1 and pathlib.Path("dies").exists():
            pathlib.Path("dies").unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    def on_resume(self, history):
        pass
"""
OWN_SCORE = """
import tf_tickets as tt

def score(model, batches, rng):
    return [entry.weight.numpy() ** POWER for entry in tt.masked_weights(model)]
"""
OURS = {"own_callback.py", "own_score.py", "__pycache__", "other.stderr", "other.code"}
# The command of its arguments; after that, in the same cluster, one in which each has a score of its own.
# How that ended is written into a file.
AND_THEN_ANOTHER = """
import contextlib, json, os, sys
from absl import flags
from tf_tickets import config
from tf_tickets.programs import run

def main(*arguments):
    flags.FLAGS.unparse_flags()
    flags.FLAGS(["run", *arguments])
    return run.main(["run"])

config.define_flags()
code = main(*sys.argv[2:])
run.load_tensorflow = lambda threads: None  # which is at work already
with open("other.stderr", "w") as file, contextlib.redirect_stderr(file):
    sys.path.insert(0, os.getcwd())
    other = main(*sys.argv[2:], "--method=snip", "--score=own_score:score", "--run_dir=other")
with open("other.code", "w") as file:
    file.write(str(other))
sys.exit(code)
"""


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """A cluster whose worker is killed in the retraining, and the same command once more.

    To which the workers are then told different things.
    """
    folder = tmp_path_factory.mktemp("cluster")
    checkpoints = folder / "chief" / "run" / "checkpoints"
    for name, power in (("chief", "2"), ("worker", "4")):
        (folder / name).mkdir()
        (folder / name / "own_callback.py").write_text(OWN_CALLBACK)
        (folder / name / "own_score.py").write_text(OWN_SCORE.replace("POWER", power))
    (folder / "worker" / "dies").touch()
    arguments = (*ARGUMENTS, "--callback=own_callback.py:Killed")
    first = Cluster(folder, *arguments, "--checkpoint_minutes=0")
    assert first.processes[1].wait(timeout=240) == -signal.SIGKILL, first.ended()
    wait_until(lambda: first.processes[0].poll() is not None, "the chief, whose worker is gone")
    left = sorted(path.name for path in checkpoints.iterdir())
    died = first.ended()
    again = Cluster(folder, *arguments, program=("-c", AND_THEN_ANOTHER, "run"))
    return folder, died, left, again.ended()


def test_a_worker_that_dies_ends_the_run_in_seconds(story):
    """The fixture waits no longer than a minute."""
    _, ((code, _, errors), _), _, _ = story
    assert code == 1
    assert "Another worker of the cluster is gone" in errors and "the same command" in errors
    assert "Traceback" not in errors


def test_two_workers_find_the_ticket_of_one_device_and_retrain_it_alike_though_one_was_killed(story, alone):
    folder, _, left, ended = story
    assert left
    assert [code for code, _, _ in ended] == [0, 0], ended
    assert "retrain: goes on from a checkpoint" in ended[0][1]
    found = Outcome(folder / "chief")
    assert found.result["hardware"]["replicas"] == 2
    assert_same_ticket_and_curve(found, alone)


def test_the_chief_alone_writes_and_speaks(story):
    folder, _, _, ended = story
    assert "result" in ended[0][1]
    assert ended[1][1].startswith("waiting for the 2 workers of the cluster, ")
    assert ended[1][1].count("\n") == 1 and ended[1][2] == ""
    assert {path.name for path in (folder / "worker").iterdir()} <= OURS
    assert not list((folder / "chief").rglob("checkpoints"))


def test_workers_that_are_told_different_things_do_not_start(story):
    folder, *_ = story
    said = []
    for name in ("chief", "worker"):
        assert (folder / name / "other.code").read_text() == "1"
        said.append((folder / name / "other.stderr").read_text())
        assert "The workers of the cluster do not agree on what to run" in said[-1]
        assert said[-1].count("\n") == 1
        assert not (folder / name / "other").exists()
    assert "another one says in what it differs" in said[0]
    assert "here, at worker 1: score_code='" in said[1]


def test_ctrl_c_ends_the_wait_for_workers_that_do_not_come(tmp_path):
    cluster = Cluster(tmp_path, *ARGUMENTS)
    cluster.processes[1].kill()
    chief = cluster.processes[0]
    assert chief.stdout.readline().startswith(
        "waiting for the 2 workers of the cluster, 10 minutes at most: "
    )
    wait_until(lambda: listens(cluster.ports[0]), "the chief to wait inside TensorFlow")
    chief.send_signal(signal.SIGINT)
    assert chief.wait(timeout=60) == -signal.SIGINT
    assert not (tmp_path / "chief" / "run").exists()


def listens(port):
    """Whether a process of this machine accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
