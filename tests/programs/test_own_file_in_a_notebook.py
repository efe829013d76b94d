"""A file with a model, data, a score and ratios of one's own: run, swept, judged, reported in a notebook."""

import nbclient
import nbformat
import pytest

from tests import own_code, processes

CELLS = [
    "import mine\nimport tf_tickets as tt\n"
    "own = dict(model=mine.net, dataset=mine.rings, score=mine.large, ratios=mine.halving)\n"
    "own.update(epochs=1, export=())",
    "result = tt.run('snip', 0.6, **own)\nresult",
    "results = tt.sweep('snip', [0.5, 0.8], seed=range(3), jobs=1, **own)\nlen(results)",
    "findings = tt.sanity_check('snip', 0.5, checks=['rearrange'], seeds=3, controls=False, jobs=1, **own)\n"
    "(findings.answer('rearrange'), dict(findings.failures))",
    "tt.report('runs', 'page').name",
]


@pytest.mark.slow
def test_it_goes_through_everything_unchanged(tmp_path):
    own_code.write(tmp_path)
    assert len(own_code.TEXT.strip().splitlines()) <= 40
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    place = {"metadata": {"path": str(tmp_path)}}
    client = nbclient.NotebookClient(notebook, kernel_name="python3", timeout=600, resources=place)
    jupyter = dict.fromkeys(
        ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"), str(tmp_path / "own")
    )
    client.execute(env={**processes.ENVIRONMENT, **jupyter, "TF_CPP_MIN_LOG_LEVEL": "3"})
    last = [cell.outputs[-1].get("data", {}).get("text/plain") for cell in notebook.cells[1:]]
    assert "RunResult(snip, sparsity 0.6" in last[0] and last[1] == "6"
    assert last[2].endswith(", {})") and last[2].startswith("('")
    assert last[3] == "'index.html'"
    # The run of the first cell is one of another sparsity; those of the sweep are those of the verdict.
    assert len(list((tmp_path / "runs").glob("mine_rings-*/result.json"))) == 1 + 6 + 3
