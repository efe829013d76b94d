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
import time

import h5py
import numpy as np
import pytest
import rich.console

from tests.replicas import two_replicas
from tests.runs import TINY, configure
from tf_tickets import Ticket, pipeline, training
from tf_tickets.support.console import Console
from tf_tickets.training import Team
from tf_tickets.training.cluster import cluster_resolver

ROOT = pathlib.Path(__file__).parents[2]
# Batches of 61: shares of 30 and 31, and a last one of 34.
ARGUMENTS = (*TINY, "--method=hybrid", "--sparsity=0.8", "--epochs=4", "--batch_size=61")


def run(directory, strategy, *arguments):
    config, dataset = configure(f"--run_dir={directory / 'run'}", *ARGUMENTS, *arguments)
    config = dataclasses.replace(config, replicas=strategy.num_replicas_in_sync)
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
    """Two processes on this machine that train together; each in a folder of its own."""

    def __init__(self, folder, *arguments, environments=({}, {})):
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
            for each in sockets:
                each.bind(("127.0.0.1", 0))
            hosts = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
        self.folders = [folder / "chief", folder / "worker"]
        self.processes = []
        for index, own in enumerate(self.folders):
            own.mkdir(parents=True, exist_ok=True)
            task = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
            self.processes.append(
                subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "tf_tickets.run",
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
                        **environments[index],
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


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """A cluster whose worker is killed in the retraining, and the same command once more."""
    folder = tmp_path_factory.mktemp("cluster")
    first = Cluster(folder, *ARGUMENTS, "--checkpoint_minutes=0")
    checkpoints = folder / "chief" / "run" / "checkpoints"
    while not list(checkpoints.glob("epoch_000001_*.npz")):
        assert all(process.poll() is None for process in first.processes), first.ended()
        time.sleep(0.01)
    first.processes[1].send_signal(signal.SIGKILL)
    killed = time.monotonic()
    first.processes[0].wait(timeout=120)
    seconds = time.monotonic() - killed
    left = sorted(path.name for path in checkpoints.iterdir())
    return folder, first.ended(), seconds, left, Cluster(folder, *ARGUMENTS).ended()


def test_a_worker_that_dies_ends_the_run_in_seconds(story):
    _, ((code, _, errors), _), seconds, _, _ = story
    assert code == 1 and seconds < 60
    assert "Another worker of the cluster is gone" in errors and "the same command" in errors
    assert "Traceback" not in errors


def test_two_workers_find_the_ticket_of_one_device_and_retrain_it_alike_though_one_was_killed(story, alone):
    folder, _, _, left, ended = story
    assert left
    assert [code for code, _, _ in ended] == [0, 0], ended
    assert "retrain: goes on from a checkpoint" in ended[0][1]
    found = Outcome(folder / "chief")
    assert found.result["hardware"]["replicas"] == 2
    assert_same_ticket_and_curve(found, alone)


def test_the_chief_alone_writes_and_speaks(story):
    folder, _, _, _, ended = story
    assert "result" in ended[0][1]
    assert ended[1][1].startswith("waiting for the 2 workers of the cluster, ")
    assert ended[1][1].count("\n") == 1 and ended[1][2] == ""
    assert list((folder / "worker").iterdir()) == []
    assert not list((folder / "chief").rglob("checkpoints"))


OWN_SCORE = """
import tf_tickets as tt

def score(model, batches, rng):
    return [entry.weight.numpy() ** 2 for entry in tt.masked_weights(model)]
"""


def test_workers_that_are_told_different_things_do_not_start(tmp_path):
    environments = []
    for name, text in (("one", OWN_SCORE), ("other", OWN_SCORE.replace("2", "4"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "own_score.py").write_text(text)
        environments.append({"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path / name)])})
    arguments = (*TINY, "--method=snip", "--sparsity=0.8", "--score=own_score:score")
    ended = Cluster(tmp_path, *arguments, environments=environments).ended()
    for code, _, errors in ended:
        assert code == 1
        assert "The workers of the cluster do not agree on what to run" in errors
        assert errors.count("\n") == 1
    assert "another one says in what it differs" in ended[0][2]
    assert "here, at worker 1: score_code='" in ended[1][2]
    assert not (tmp_path / "chief" / "run").exists()


def test_ctrl_c_ends_the_wait_for_workers_that_do_not_come(tmp_path):
    cluster = Cluster(tmp_path, *ARGUMENTS)
    cluster.processes[1].kill()
    chief = cluster.processes[0]
    assert chief.stdout.readline().startswith(
        "waiting for the 2 workers of the cluster, 10 minutes at most: "
    )
    time.sleep(2)
    chief.send_signal(signal.SIGINT)
    assert chief.wait(timeout=60) == -signal.SIGINT
    assert not (tmp_path / "chief" / "run").exists()


class TestTheClusterOfTheEnvironment:
    @pytest.fixture(autouse=True)
    def no_cluster(self, monkeypatch):
        for name in list(os.environ):
            if name.startswith("SLURM_") or name == "TF_CONFIG":
                monkeypatch.delenv(name)

    def test_is_that_of_tf_config(self, monkeypatch):
        hosts = ["one:1234", "two:1234"]
        value = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": 1}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(value))
        found = cluster_resolver()
        assert found.cluster_spec().as_dict() == {"worker": hosts}
        assert (found.task_type, found.task_id) == ("worker", 1)

    def test_is_that_of_a_slurm_step(self, monkeypatch):
        step = {"NODELIST": "node[1-2]", "NUM_TASKS": "4", "TASKS_PER_NODE": "2(x2)"}
        for name, value in step.items():
            monkeypatch.setenv(f"SLURM_STEP_{name}", value)
        monkeypatch.setenv("SLURM_PROCID", "1")
        found = cluster_resolver()
        assert found.cluster_spec().as_dict() == {
            "worker": ["node1:8888", "node1:8889", "node2:8888", "node2:8889"]
        }
        assert (found.task_type, found.task_id) == ("worker", 1)

    def test_must_be_there(self):
        with pytest.raises(ValueError, match=r"TF_CONFIG, or a Slurm step .* choose 'mirrored'"):
            cluster_resolver()

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "{",
            "[]",
            "{}",
            '{"cluster": {"worker": ["a:1"]}}',
            '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
            '{"cluster": {"worker": ["a:1"]}, "task": {"type": "chief", "index": 0}}',
            '{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}',
            '{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}',
        ],
    )
    def test_must_be_one(self, value, monkeypatch):
        monkeypatch.setenv("TF_CONFIG", value)
        with pytest.raises(ValueError, match=r"TF_CONFIG should look like .* Received: "):
            cluster_resolver()

    def test_a_slurm_step_that_says_too_little_is_an_error(self, monkeypatch):
        monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
        with pytest.raises(ValueError, match=r"The Slurm step does not describe a cluster: .*PROCID"):
            cluster_resolver()


class TestATeamOfOneProcess:
    @pytest.mark.parametrize("strategy", [lambda: training.make_strategy("none"), two_replicas])
    def test_knows_what_it_knows(self, strategy):
        team = Team(strategy())
        assert team.chief and team.size == 1
        assert list(team.own_replicas) == list(range(strategy().num_replicas_in_sync))
        assert team.broadcast(b"all of it") == b"all of it"
        team.agree("anything", "at all")
