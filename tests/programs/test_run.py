"""The command line, run as a user runs it."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

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
    done = command("--model=resnet8", "--width=0.25", "--epochs=4", "--sparsity=0.9", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (run,) = [path for path in (tmp_path / "runs").iterdir() if path.name != "dense"]
    assert run.name.startswith("digits-resnet8-hybrid-0.9-seed0-")
    result = json.loads((run / "result.json").read_text())
    for seen in ("plan", "keep", "dense training", "retraining", "result", "final epoch", "saved_model"):
        assert seen in done.stdout
    assert f"{result['test_accuracy']:.4f}" in done.stdout
    assert abs(result["achieved_sparsity"] - 0.9) < 1 / result["total"]

    # The export works without tf_tickets, and holds exactly the kept weights.
    program = (
        "import sys; sys.modules['tf_tickets'] = None\n"
        "import numpy as np, tensorflow as tf\n"
        f"m = tf.saved_model.load({str(run / 'saved_model')!r})\n"
        "print(m.serve(np.zeros((2, 8, 8, 1), 'float32')).shape)\n"
        "print(sum(int(np.count_nonzero(v)) for v in m.variables if v.shape.rank in (2, 4)))"
    )
    fresh = subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True)
    assert fresh.stdout.split("\n")[:2] == ["(2, 10)", str(result["kept"])], fresh.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sparsity=half"], "half"),
        (["--spasrity=0.5"], "Unknown command line flag 'spasrity'. Did you mean: sparsity"),
        (["hybrid"], "unexpected argument 'hybrid'"),
        (["--dataset=npz:nothing.npz"], "nothing.npz"),
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("program", ["run", "sweep", "report", "sanity.__main__"])
def test_help_loads_nothing_heavy(program):
    """So that it is there in a blink: TensorFlow alone takes seconds."""
    lines = (
        "import importlib, sys",
        "from absl import flags",
        f"importlib.import_module('tf_tickets.{program}')",
        "from tf_tickets import laboratory",
        "from tf_tickets.programs import help",
        "laboratory.define_flags()",
        "help.help_text('', ('The model',))",
        f"print([name for name in {HEAVY} if name in sys.modules])",
    )
    found = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True)
    assert found.stdout == "[]\n", found.stderr
