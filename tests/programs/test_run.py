"""The command line, run as a user runs it."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.runs import parsed
from tf_tickets.programs import run as command_line

ENVIRONMENT = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
ROOT = pathlib.Path(__file__).parents[2]


def command(*arguments, cwd):
    """Runs `python -m tf_tickets.run` with the arguments."""
    return subprocess.run(
        [sys.executable, "-m", "tf_tickets.run", *arguments],
        cwd=cwd,
        env={**ENVIRONMENT, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
def test_one_command_from_data_to_savedmodel(tmp_path):
    done = command("--model=mlp_24_16", "--epochs=2", "--sparsity=0.9", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (run,) = [path for path in (tmp_path / "runs").iterdir() if path.name != "dense"]
    assert run.name.startswith("digits-mlp_24_16-hybrid-0.9-seed0-")
    result = json.loads((run / "result.json").read_text())
    for seen in ("plan", "keep", "dense training", "retraining", "result", "final epoch", "saved_model"):
        assert seen in done.stdout
    assert f"{result['test_accuracy']:.4f}" in done.stdout
    assert abs(result["achieved_sparsity"] - 0.9) < 1 / result["total"]

    # The export holds exactly the kept weights, and was loaded in a process without tf_tickets.
    loaded = tf.saved_model.load(str(run / "saved_model"))
    assert loaded.serve(np.zeros((2, 8, 8, 1), "float32")).shape == (2, 10)
    assert len(loaded.packed.counts.numpy()) == len(loaded.variables) == 3
    assert loaded.packed.counts.numpy().sum() == len(loaded.packed.values.numpy()) == result["kept"]
    assert np.all(loaded.packed.values.numpy())
    stages = json.loads((run / "stages.json").read_text())
    others = sum(map(np.count_nonzero, loaded.variables))
    assert stages["export_saved_model"]["nonzeros"] == result["kept"] + others


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sparsity=half"], "half"),
        (["--spasrity=0.5"], "Unknown command line flag 'spasrity'. Did you mean: sparsity"),
        (["hybrid"], "unexpected argument 'hybrid'"),
    ],
)
def test_bad_input_is_one_line_and_an_exit_code(arguments, message, tmp_path):
    done = command(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


BAD_LABELS = {
    "x_train": np.zeros((20, 8, 8, 1), np.uint8),
    "y_train": np.arange(20) % 4,
    "x_test": np.zeros((20, 8, 8, 1), np.uint8),
    "y_test": np.arange(20) % 5,
}


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--method=best", "--method=best is unknown"),
        ("--model=vgg19", "16x16"),
        ("--dataset=npz:bad.npz", "Received: 4"),
        ("--dataset=npz:nothing.npz", "nothing.npz"),
        ("--width=1e308", "--width=1e+308 is out of range"),
        ("--run_dir=data://", "--run_dir=data:// names no folder"),
        ("--run_dir=reference://", "--run_dir=reference:// cannot be opened"),
        ("--dense_dir=memory://dense", "--dense_dir=memory://dense is in the memory of this process"),
        ("--run_dir=s3:/bucket/run", "two slashes, s3://bucket/run"),
    ],
)
def test_so_is_what_is_found_later(argument, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    # It is at work already in this process, and its threads are set.
    monkeypatch.setattr(command_line, "load_tensorflow", lambda threads: None)
    np.savez("bad.npz", **BAD_LABELS)
    with parsed(argument):
        assert command_line.main(["run"]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("tf_tickets: ") and said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bad.npz"]


def test_help_groups_the_flags(tmp_path):
    done = command("--help", cwd=tmp_path)
    assert done.returncode == 0
    for group in ("The ticket", "The data", "The model", "The training", "Where things are", "The machine"):
        assert f"\n{group}" in done.stdout


HEAVY = (
    "fsspec",
    "keras",
    "matplotlib",
    "ray",
    "rich",
    "scipy",
    "sklearn",
    "tensorflow",
    "tensorflow_datasets",
)


def test_help_loads_nothing_heavy():
    """So that it is there in a blink: TensorFlow alone takes seconds."""
    lines = (
        "import sys",
        *(f"import tf_tickets.{program}" for program in ("run", "sweep", "report", "sanity.__main__")),
        "from tf_tickets import laboratory",
        "from tf_tickets.programs import help",
        "laboratory.define_flags()",
        "help.help_text('', ('The model',))",
        f"print([name for name in {HEAVY} if name in sys.modules])",
    )
    found = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True)
    assert found.stdout == "[]\n", found.stderr
