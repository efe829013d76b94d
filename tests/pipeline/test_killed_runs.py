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

from tests import processes
from tests.programs import here
from tests.runs import eagerly, parsed
from tf_tickets import training
from tf_tickets.programs import run as command_line

pytestmark = pytest.mark.slow  # its trainings

ROOT = pathlib.Path(__file__).parents[2]
SMALL = "--model=mlp_24_16 --threads=1 --checkpoint_minutes=0 --export="
FLAGS = (*SMALL.split(), "--method=random", "--epochs=2", "--batch_size=720", "--run_dir=run")
# In a folder where there is a file `dies`, it kills its process.
KILLER = """
import os, pathlib, signal

import keras


class Killer(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        if self.model.optimizer.iterations == 3 and pathlib.Path("dies").exists():
            os.kill(os.getpid(), signal.SIGKILL)

    def on_resume(self, history):
        pass
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders of a run that nobody disturbed and of one that was killed, and what was said by the latter."""
    whole, killed = (tmp_path_factory.mktemp(name) for name in ("whole", "killed"))
    flags = (*FLAGS, "--callback=killer.py:Killer")
    for folder in (whole, killed):
        (folder / "killer.py").write_text(KILLER)
    (killed / "dies").touch()
    process = processes.start("-m", "tf_tickets.run", *flags, folder=killed)
    assert processes.ended(process)[0] == -signal.SIGKILL
    assert list((killed / "run" / "checkpoints").iterdir())
    (killed / "dies").unlink()
    for folder in (whole, killed):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            code, said, errors = here.call(patch, "run", *flags)
            assert code == 0, errors
        (folder / "killer.py").unlink()
        shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    return whole, killed, said


def test_a_run_that_is_killed_comes_to_the_same_bits(runs, outcomes):
    whole, killed, said = runs
    assert "goes on from a checkpoint" in said
    assert outcomes.compare(whole, killed) == []


# Stands for a program that makes runs: begun once, a killed one waits for its end.
RUN = """
import pathlib, signal, sys

folder = pathlib.Path(sys.argv[-1].removeprefix("--run_dir="))
folder.mkdir(exist_ok=True)
print("run\\nplan", flush=True)
if folder.parent.name.startswith("killed") and not (folder / ".lock").exists():
    (folder / ".lock").touch()
    signal.pause()
(folder / "ticket.npz").write_text("WHAT")
"""


@pytest.mark.parametrize(
    ("what", "code", "said"), [("ones", 0, "0 runs differ"), ("{folder}", 1, "run/ticket.npz differs")]
)
def test_the_soak_kills_runs_and_compares(what, code, said, tmp_path):
    program = tmp_path / "tf_tickets" / "run.py"
    program.parent.mkdir()
    program.write_text(RUN.replace('"WHAT"', f'f"{what}"'))
    script = ROOT / "scripts" / "soaking" / "kills.py"
    command = [sys.executable, script, "--kills=1", "--cells=1", f"--folder={tmp_path / 'runs'}"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
    )
    assert ended.returncode == code, ended.stderr
    assert said in ended.stdout
    assert re.search(r"1 runs, 1 kills \(1 in .*\): ", ended.stdout)


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
def test_the_soak_would_see_a_difference(difference, outcomes, runs, tmp_path):
    whole, killed = runs[0], tmp_path / "killed"
    shutil.copytree(runs[1], killed)
    assert outcomes.compare(whole, killed) == []
    DAMAGES[difference](killed)
    assert outcomes.compare(whole, killed) == [difference]


def assert_says_how_to_go_on(errors, checkpoints):
    assert re.fullmatch(
        r"tf_tickets: interrupted \(stopped in epoch \d+, after step \d+ of 2, which is saved\); "
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
        with parsed(*SMALL.split(), "--epochs=100", "--batch_size=720", "--run_dir=run"), eagerly():
            code = command_line.main(["run"])
    finally:
        signal.signal(signal.SIGINT, before)
    assert code == 128 + number
    assert_says_how_to_go_on(capsys.readouterr().err, tmp_path / "dense")
