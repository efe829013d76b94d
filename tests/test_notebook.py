"""A notebook: what its cells show is short, without what steers terminals, and progress is one output."""

import os
import pathlib

import nbclient
import nbformat
import pytest

pytestmark = pytest.mark.slow  # a kernel, and a run in it

ROOT = pathlib.Path(__file__).parents[1]
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
    "run": "result = tt.run('random', 0.5, model='mlp_32_16', epochs=3, export=())",
    "result": "result",
    "sweep": """
with Console().sweep(1000, 1000) as progress:
    for number in range(1000):
        progress.finish(f"<run {number}>", 1, "done", 10.0)
""",
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Name of a cell -> its outputs."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS.values()])
    own = {"IPYTHONDIR": folder / "ipython", "JUPYTER_CONFIG_DIR": folder, "JUPYTER_RUNTIME_DIR": folder}
    environment = {
        **os.environ,
        **{name: str(path) for name, path in own.items()},
        "PYTHONPATH": str(ROOT),
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    client = nbclient.NotebookClient(
        notebook, kernel_name="python3", timeout=600, resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env=environment)
    return {
        name: [output for output in cell.outputs if output.get("name") != "stderr"]  # TensorFlow's own
        for name, cell in zip(CELLS, notebook.cells, strict=True)
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
    assert len(lines) < 10 and lines[-1].startswith("  [1000/1000] <run 999>: done; ")
    assert "&lt;run 999&gt;" in output.data["text/html"]
