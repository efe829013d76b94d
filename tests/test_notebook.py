"""A notebook: what its cells show is short, without what steers terminals, and progress is one output.

With a file of one's own, a model, data, a score and ratios: run, swept and judged, reported.
"""

import nbclient
import nbformat
import pytest

from tests import own_code, processes

pytestmark = pytest.mark.slow  # a kernel, and a run in it

# Comes before the cells: neither tracing nor figures are at stake, and they take longest.
QUICKER = """
import pytest
import tensorflow as tf
from IPython.utils.capture import capture_output

from tests.reporting.undrawn import leave_out_figures
from tests.sweeps.here import stay_here

tf.config.run_functions_eagerly(True)
leave_out_figures(pytest.MonkeyPatch())
"""
CELLS = {
    "imports": "import keras\nimport tf_tickets as tt\nfrom tf_tickets.support.console import Console",
    "model": """
inputs = x = keras.Input((6,))
for place in range(50):
    x = keras.layers.Dense(8, name=f"layer_{place}")(x)
model = keras.Model(inputs, x, name="of_fifty_layers")
""",
    "mask_layers": "tt.mask_layers(model)",
    "masked_weights": "tt.masked_weights(model)",
    "score": "tt.score(model, 'magnitude')",
    "prune": "ticket = tt.prune(model, 'random', 0.2)\nticket",
    "summary": "tt.summary(model, paths=False)",
    "METHODS": "tt.METHODS",
    "run": "result = tt.run('random', 0.5, model='mlp_32_16', epochs=3, batch_size=256, export=())",
    "result": "result",
    "sweep": """
with Console().sweep(300, 300) as progress:
    for number in range(300):
        progress.finish(f"<run {number}>", 1, "done", 10.0)
""",
    "own code": """
import mine
own = dict(model=mine.net, dataset=mine.rings, score=mine.large, ratios=mine.halving)
own.update(epochs=1, batch_size=100, export=())
""",
    "own run": "tt.run('snip', 0.6, **own)",
    "own sweep": "tt.sweep('snip', 0.7, jobs=1, **own)",  # in a process of its own
    "own verdict": """
own.update(controls=False, nulls=False)
with pytest.MonkeyPatch.context() as patch, capture_output():  # runs say more where they are done
    stay_here(patch)
    tt.sanity_check('snip', 0.5, checks=['rearrange'], seeds=3, jobs=1, **own)
findings = tt.sanity_check('snip', 0.5, checks=['rearrange'], seeds=3, jobs=1, **own)
(findings.answer('rearrange'), dict(findings.failures))
""",
    "own report": "tt.report('runs', 'page').name",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("notebook")


@pytest.fixture(scope="module")
def shown(folder):
    """Name of a cell -> its outputs."""
    own_code.write(folder)
    texts = (QUICKER, *CELLS.values())
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in texts])
    names = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")
    jupyter = dict.fromkeys(names, str(folder / "jupyter"))
    client = nbclient.NotebookClient(
        notebook, kernel_name="python3", timeout=600, resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env={**processes.ENVIRONMENT, **jupyter, "TF_CPP_MIN_LOG_LEVEL": "3"})
    return {
        name: [output for output in cell.outputs if output.get("name") != "stderr"]  # TensorFlow's own
        for name, cell in zip(CELLS, notebook.cells[1:], strict=True)
    }


def texts(outputs):
    for output in outputs:
        yield from [output.text] if output.output_type == "stream" else output.data.values()


@pytest.mark.parametrize("name", CELLS)
def test_nothing_steers_a_terminal_and_all_is_short(name, shown):
    assert not {"\x1b", "\r", "\b"} & set("".join(texts(shown[name])))
    assert len("".join(texts(shown[name]))) < 25_000


@pytest.mark.parametrize("name", ["mask_layers", "masked_weights", "prune", "summary", "METHODS", "result"])
def test_a_bare_expression_is_a_line_and_a_table(name, shown):
    (output,) = shown[name]
    assert len(output.data["text/plain"]) < 500
    assert output.data["text/html"].startswith("<table>")


def test_a_list_of_arrays_is_a_line(shown):
    (output,) = shown["score"]
    assert len(output.data["text/plain"]) < 500 and "more]" in output.data["text/plain"]


def test_a_training_is_one_output_that_ends_as_a_line(shown):
    live = [output for output in shown["run"] if output.output_type == "display_data"]
    assert [output.data["text/plain"].split("  ")[1] for output in live] == ["retrain: 3 epochs"]
    printed = "".join(output.text for output in shown["run"] if output.output_type == "stream")
    assert "what is kept of each layer" in printed and "test accuracy" in printed
    assert "epoch 1/3" not in printed


def test_a_sweep_is_one_output_of_its_last_runs(shown):
    (output,) = shown["sweep"]
    lines = output.data["text/plain"].splitlines()
    assert len(lines) < 10 and lines[-1].startswith("  [300/300] <run 299>: done; ")
    assert "&lt;run 299&gt;" in output.data["text/html"]


def test_a_file_of_ones_own_goes_through_everything_unchanged(shown, folder):
    assert len(own_code.TEXT.strip().splitlines()) <= 40
    names = ("own run", "own verdict", "own report")
    last = {name: shown[name][-1].data["text/plain"] for name in names}
    assert "RunResult(snip, sparsity 0.6" in last["own run"]
    assert last["own verdict"].endswith(", {})") and last["own verdict"].startswith("('")
    assert last["own report"] == "'index.html'"
    # The first run, that of the sweep, and those of the verdict: three seeds with the check and without.
    assert len(list(folder.glob("runs/mine_rings-*/result.json"))) == 1 + 1 + 3 * 2
