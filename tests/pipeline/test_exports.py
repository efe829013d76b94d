"""What a run exports, by its flags, and what is noted of it."""

import json

import pytest
import tensorflow as tf

from tests.deployments.beside import Beside
from tests.runs import SHORT, finished, run, short
from tf_tickets.deployments import Deployment, deploying, timing
from tf_tickets.deployments.ways import KERAS
from tf_tickets.pipeline import outputs
from tf_tickets.results import load
from tf_tickets.results.reading import BROKEN

METHOD = ("--method=random", "--sparsity=0.5", "--model=mlp_16_8")


def stages_of(folder):
    return json.loads((folder / "stages.json").read_text())


@pytest.mark.slow
def test_integers_are_a_file_of_their_own_with_their_metric(tmp_path):
    finished(tmp_path / "run", *METHOD, "--export=", by=short)
    _, screen = run(tmp_path / "run", *SHORT, *METHOD, "--export=litert", "--quantize=int8")
    stages = stages_of(tmp_path / "run")
    measured = stages["export_litert_int8"]["test_accuracy"]
    assert 0 <= measured <= 1
    assert f"model_int8.tflite, test accuracy {measured:.4f}" in " ".join(screen.split())
    interpreter = tf.lite.Interpreter(model_path=str(tmp_path / "run/model_int8.tflite"))
    types = {tensor["dtype"].__name__ for tensor in interpreter.get_tensor_details()}
    assert "int8" in types

    # Another choice later is another file; what is there stays, and is not made again.
    before = (tmp_path / "run/model_int8.tflite").stat().st_mtime_ns
    run(tmp_path / "run", *SHORT, *METHOD, "--export=litert")
    assert (tmp_path / "run/model.tflite").exists()
    assert (tmp_path / "run/model_int8.tflite").stat().st_mtime_ns == before
    later = stages_of(tmp_path / "run")
    assert later["export_litert_int8"] == stages["export_litert_int8"]
    assert "test_accuracy" not in later["export_litert"]


@pytest.mark.slow
def test_deployment_is_a_stage_whose_table_is_part_of_the_result(tmp_path, monkeypatch):
    monkeypatch.setattr(timing, "ROUNDS", 2)
    monkeypatch.setattr(timing, "SECONDS", 0.0)
    # One way is enough, and in this process: all are measured in tests of their own.
    monkeypatch.setattr(deploying, "timekeeper_of", Beside.timekeeper_of)
    monkeypatch.setattr(outputs, "chosen", lambda runtimes: ([KERAS], {"ONNX": "not here"}))
    finished(tmp_path / "run", *METHOD, "--export=", by=short)
    result, screen = run(tmp_path / "run", *SHORT, *METHOD, "--export=", "--deployment")
    table = Deployment.from_dict(result["deployment"])
    assert [row.name for row in table.rows] == [KERAS]
    assert (table.metric, table.left_out) == ("test accuracy", {"ONNX": "not here"})
    assert table.accuracy == table[KERAS].accuracy == pytest.approx(result["test_accuracy"])
    assert "50.00% of the weights zero: batches of 32, 1 thread" in " ".join(screen.split())
    assert "ONNX: left out, not here" in screen

    # It is measured once, and stays also where it is not asked for again.
    monkeypatch.setattr(outputs, "chosen", None)
    again, _ = run(tmp_path / "run", *SHORT, *METHOD, "--export=", "--deployment")
    without, _ = run(tmp_path / "run", *SHORT, *METHOD, "--export=")
    assert again["deployment"] == without["deployment"] == result["deployment"]
    (found,) = load([tmp_path / "run"])
    assert found.result["deployment"] == result["deployment"]
    assert found.train_seconds == pytest.approx(result["seconds"]["ticket"] + result["seconds"]["retrain"])


def test_an_edited_table_is_not_believed(tmp_path):
    """Neither of result.json alone, nor where the hash of it was edited, too."""
    folder = tmp_path / "run"
    finished(folder, *METHOD, "--export=", by=short)
    result = json.loads((folder / "result.json").read_text())
    result["deployment"] = {"rows": "many"}
    (folder / "result.json").write_text(json.dumps(result))
    (found,) = load([folder])
    assert found.status == BROKEN
