"""Sweeps on a real Ray cluster of two nodes, one of which is killed midway."""

import json
import os
import signal

import pytest

pytest.importorskip("ray")

from tests.processes import read_until
from tests.sweeps.executors.nodes import Nodes, sweep
from tests.sweeps.here import stay_here
from tests.sweeps.plans import plan_of, shown
from tests.waiting import wait_until
from tf_tickets.sweeps.running import run_plan

pytestmark = pytest.mark.slow  # its trainings

SMALL = ("--model=mlp_24_16", "--epochs=3", "--batch_size=720", "--sparsity=0.8")
# 3 runs that share a dense network.
GRID = (*SMALL, "--method=lt,hybrid,finetune")
RUNS, NETWORKS = 3, 1
# The first ticket is trained; the trainings of all others wait in their midst for a file.
GATE = """
import os, pathlib

import keras

from tests.waiting import wait_until


class Gate(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if self.params["training"] != "retrain" or epoch != 1:
            return
        try:
            pathlib.Path("first").touch(exist_ok=False)
        except FileExistsError:
            pathlib.Path(f"waits.{os.getpid()}").touch()
            wait_until(pathlib.Path("open").exists, "the gate", seconds=300)
"""


def results(folder):
    found = [json.loads(path.read_text()) for path in folder.glob("*/result.json")]
    return {(x["method"], x["seed"]): x for x in found}


def stamps(folder, name):
    """Inode and time of each file of a name: another write makes it another file."""
    found = [path for path in folder.rglob(name) if not path.parent.name.startswith(".")]  # in place already
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


class Story:
    """A sweep whose cluster loses a node. Another, in a folder that is a URL, that Ctrl-C ends."""

    def __init__(self, folder):
        nodes = Nodes(2, folder)
        try:
            on_ray = ("--executor=ray", f"--ray_address={nodes.wait()}")

            self.runs = folder / "runs"
            (folder / "gate.py").write_text(GATE)
            ray = sweep(*GRID, "--callback=gate.py:Gate", *on_ray, folder=folder)
            read_until(ray, f"[{NETWORKS + 1}/")  # one run is done

            def both_at_work():
                assert ray.poll() is None, ray.communicate()
                return len(list(folder.glob("waits.*"))) == 2

            wait_until(both_at_work, "a run in its midst on each of the nodes", seconds=120)
            self.before = stamps(self.runs, "result.json") | stamps(self.runs / "dense", "final.weights.h5")
            nodes.ask("kill 0")
            (folder / "open").touch()
            self.finished = (*ray.communicate(timeout=300), ray.returncode)

            self.copied = folder / "copied"
            arguments = (*SMALL, "--epochs=4000", "--method=lt", f"--runs_dir=file://{self.copied}")
            long = sweep(*arguments, *on_ray, folder=folder)

            def at_work():
                assert long.poll() is None, long.communicate()
                return list(self.copied.rglob(".holder.json"))

            wait_until(at_work, "the mark of a task that is at work", seconds=120)
            os.killpg(long.pid, signal.SIGINT)
            self.interrupted = (*long.communicate(timeout=300), long.returncode)
            self.busy = int(nodes.ask("busy"))
            self.marks = list(self.copied.rglob(".holder.json"))
        finally:
            nodes.close()


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    return Story(tmp_path_factory.mktemp("ray"))


def test_a_sweep_that_loses_a_node_loses_no_cell(story):
    out, err, code = story.finished
    assert (code, err) == (0, "")
    assert len(results(story.runs)) == RUNS
    assert out.count("its node died; tried again") == 1
    assert f"[{RUNS + NETWORKS}/{RUNS + NETWORKS}]" in out


def test_and_repeats_nothing_that_was_finished(story):
    assert len(story.before) > NETWORKS, "dense networks and a run"
    after = stamps(story.runs, "result.json") | stamps(story.runs / "dense", "final.weights.h5")
    assert {path: after[path] for path in story.before} == story.before


def test_dense_networks_are_trained_once(story):
    folders = list((story.runs / "dense").iterdir())
    assert len(folders) == NETWORKS
    assert len({found["seconds"]["dense"] for found in results(story.runs).values()}) == 1


def test_numbers_are_those_of_a_local_sweep(story, tmp_path, monkeypatch):
    stay_here(monkeypatch)
    folder = tmp_path / "local"
    shown(run_plan, plan_of(*SMALL, "--method=lt", f"--runs_dir={folder}"))
    ((key, local),) = results(folder).items()
    for name in ("weights_sha256", "test_accuracy", "layers"):
        assert results(story.runs)[key][name] == local[name]


def test_nothing_but_the_sweeps_own_words_is_shown(story):
    out, _, _ = story.finished
    assert "raylet" not in out and "Raylet" not in out
    assert not list(story.runs.glob(".sweep-*")), "what nodes looked for is gone"


def test_ctrl_c_ends_the_tasks_and_leaves_neither_processes_nor_marks(story):
    _, err, code = story.interrupted
    assert code == 130
    assert err == "tf_tickets: interrupted; finished work is kept, the same command goes on\n"
    assert not results(story.copied), "it did not wait for what was at work"
    assert story.busy == 0
    assert story.marks == []
