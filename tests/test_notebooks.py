"""The notebooks of docs/ run from top to bottom, and are kept without what they show."""

import json
import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
NOTEBOOKS = sorted(ROOT.glob("docs/notebooks/*.ipynb"))
pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
# Comes before a notebook's own cells: XLA and the search for the fastest kernels are not at stake, and take
# longer than all of these.
QUICKER = """
import keras.src.trainers.trainer

import tf_tickets.serving.plans

keras.src.trainers.trainer.model_supports_jit = lambda model: False
tf_tickets.serving.plans.FEWEST_WEIGHTS = float("inf")
"""


@pytest.mark.slow
def test_it_runs_from_top_to_bottom(path, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="runs notebooks: pip install nbclient ipykernel")
    nbformat = pytest.importorskip("nbformat")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(QUICKER))
    client = nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()  # an error in a cell is one here
    shown = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert "Traceback" not in shown
    assert not list(ROOT.glob("docs/notebooks/*/")), "it leaves nothing beside itself"


def test_it_is_kept_without_outputs(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code and not any(cell["outputs"] or cell["execution_count"] for cell in code)
    for cell in code:
        source = "".join(cell["source"])
        if not source.startswith("%%"):
            compile(source, path.name, "exec")
