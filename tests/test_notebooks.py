"""The notebooks of docs/ run from top to bottom, smaller, and are kept without what they show.

In this process: tests/test_notebook.py has a kernel, and processes that are started from one.
"""

import atexit
import json
import pathlib

import keras
import pytest

from tests.sweeps.here import stay_here

ROOT = pathlib.Path(__file__).parents[1]
NOTEBOOKS = sorted(ROOT.glob("docs/notebooks/*.ipynb"))
pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
# What a notebook says -> what is as good for a test.
SMALLER = {
    "laboratory": {
        '"epochs": 4, "batch_size": 64': '"epochs": 1, "batch_size": 720',
        "controls=False": "controls=False, nulls=False",
    },
    "library": {
        "EPOCHS = 6": "EPOCHS = 1",
        "lenet_300_100": "mlp_32",
        "digits.train, ": "few(digits.train), ",
    },
}


def few(arrays):
    return tuple(each[:320] for each in arrays)


def code_of(path):
    """The texts of its cells of code."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def smaller(text, words):
    for word, other in words.items():
        assert word in text
        text = text.replace(word, other)
    return text


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """What runs cells, in an empty folder: neither processes, tracing, kernels nor pictures are at stake."""
    interactive = pytest.importorskip(
        "IPython.core.interactiveshell", reason="runs cells: pip install ipython"
    )
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.syspath_prepend(tmp_path / "work")
    monkeypatch.setattr("tf_tickets.serving.plans.FEWEST_WEIGHTS", float("inf"))
    stay_here(monkeypatch)
    shell = interactive.InteractiveShell(user_ns={"few": few})
    shell.history_manager.enabled = False
    yield shell
    shell.atexit_operations()
    atexit.unregister(shell.atexit_operations)
    keras.config.enable_interactive_logging()


@pytest.mark.slow
@pytest.mark.usefixtures("untraced", "unprinted")
def test_it_runs_from_top_to_bottom(path, shell, capsys):
    between = "\n# next cell\n"
    for cell in smaller(between.join(code_of(path)), SMALLER[path.stem]).split(between):
        shell.run_cell(cell).raise_error()
    assert "Traceback" not in capsys.readouterr().out
    assert not list(ROOT.glob("docs/notebooks/*/")), "it leaves nothing beside itself"


def test_it_is_kept_without_outputs(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code and not any(cell["outputs"] or cell["execution_count"] for cell in code)
    for source in code_of(path):
        if not source.startswith("%%"):
            compile(source, path.name, "exec")
