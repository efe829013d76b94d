"""Runs that are killed, interrupted and started again, as a user sees them."""

import importlib.util
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest

from tests.runs import parsed
from tf_tickets import training
from tf_tickets.programs import run as command_line

pytestmark = pytest.mark.slow  # its trainings

ROOT = pathlib.Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
SMALL = "--model=mlp_24_16 --threads=1 --checkpoint_minutes=0 --export="


@pytest.fixture(scope="module")
def soak(tmp_path_factory):
    """The soak script, short: its exit code, its screen, its folder."""
    folder = tmp_path_factory.mktemp("soak")
    command = [sys.executable, ROOT / "scripts" / "soaking" / "kills.py", "--kills=1", "--cells=1"]
    command += [f"--run={SMALL} --epochs=2 --method=random", f"--folder={folder / 'runs'}"]
    ended = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)
    return ended, folder / "runs"


def test_runs_that_are_killed_come_to_the_same_bits(soak):
    ended, _ = soak
    assert ended.returncode == 0, ended.stderr
    found = re.search(r"(\d+) runs, (\d+) kills \(.*\): 0 runs differ", ended.stdout)
    assert found and int(found[2]) >= 1


def one_bit_of_the_weights(folder):
    with h5py.File(folder / "run" / "final.weights.h5", "r+") as file:
        names = []
        file.visititems(lambda name, x: names.append(name) if isinstance(x, h5py.Dataset) else None)
        file[names[0]][...] = np.nextafter(file[names[0]][...], np.float32(np.inf))


def a_checkpoint_left_behind(folder):
    (folder / "run" / "checkpoints").mkdir()
    (folder / "run" / "checkpoints" / "x.npz").write_text("")


DAMAGES = {
    "run/final.weights.h5 differs": one_bit_of_the_weights,
    "run/metrics.jsonl differs": lambda folder: (folder / "run" / "metrics.jsonl").write_text("{}"),
    "run/result.json differs": lambda folder: (folder / "run" / "result.json").write_text('{"kept": 1}'),
    "run/ticket.npz only undisturbed": lambda folder: (folder / "run" / "ticket.npz").unlink(),
    "run/checkpoints/x.npz only killed": a_checkpoint_left_behind,
}


@pytest.fixture(scope="module")
def outcomes():
    """The part of the soak script that compares."""
    path = ROOT / "scripts" / "soaking" / "outcomes.py"
    found = importlib.util.spec_from_file_location("outcomes", path)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize("difference", DAMAGES)
def test_the_soak_would_see_a_difference(difference, outcomes, soak, tmp_path):
    whole, killed = min(soak[1].glob("whole_*")), tmp_path / "killed"
    shutil.copytree(min(soak[1].glob("killed_*")), killed)
    assert outcomes.compare(whole, killed) == []
    DAMAGES[difference](killed)
    assert outcomes.compare(whole, killed) == [difference]


def assert_says_how_to_go_on(errors, checkpoints):
    assert re.fullmatch(
        r"tf_tickets: interrupted \(stopped in epoch \d+, after step \d+ of 23, which is saved\); "
        r"finished work is kept, the same command goes on\n",
        errors,
    )
    saved = max(path.name for path in checkpoints.glob("*/checkpoints/*.npz"))
    epoch = int(re.search(r"in epoch (\d+)", errors)[1])
    assert saved.startswith(f"epoch_{epoch:06d}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_told_to_end_says_how_to_go_on(number, tmp_path, monkeypatch, capsys):
    """In this process, whose handler of Ctrl-C is Python's own, as in a terminal."""
    evaluate, done = training.Trainer.evaluate, []

    def interrupted(trainer, *arguments):
        done.append(arguments)
        if len(done) == 2:  # at the end of the second epoch
            signal.raise_signal(number)
        return evaluate(trainer, *arguments)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command_line, "load_tensorflow", lambda threads: None)
    monkeypatch.setattr(training.Trainer, "evaluate", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with parsed(*SMALL.split(), "--epochs=100", "--run_dir=run"):
            code = command_line.main(["run"])
    finally:
        signal.signal(signal.SIGINT, before)
    assert code == 128 + number
    assert_says_how_to_go_on(capsys.readouterr().err, tmp_path / "dense")
