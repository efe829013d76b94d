"""What a run exports, by its flags, and what is noted of it."""

import json

import pytest
import tensorflow as tf

from tests.runs import finished, run

METHOD = ("--method=random", "--sparsity=0.5", "--model=mlp_16_8", "--epochs=1")


def stages_of(folder):
    return json.loads((folder / "stages.json").read_text())


@pytest.mark.slow
def test_integers_are_a_file_of_their_own_with_their_metric(tmp_path):
    _, screen = finished(tmp_path / "run", *METHOD, "--export=keras,litert", "--quantize=int8")
    stages = stages_of(tmp_path / "run")
    measured = stages["export_litert_int8"]["test_accuracy"]
    assert 0 <= measured <= 1
    assert f"model_int8.tflite, test accuracy {measured:.4f}" in " ".join(screen.split())
    assert "test_accuracy" not in stages["export_keras"]
    interpreter = tf.lite.Interpreter(model_path=str(tmp_path / "run/model_int8.tflite"))
    types = {tensor["dtype"].__name__ for tensor in interpreter.get_tensor_details()}
    assert "int8" in types

    # Another choice later is another file; what is there stays, and is not made again.
    before = (tmp_path / "run/model_int8.tflite").stat().st_mtime_ns
    run(tmp_path / "run", *METHOD, "--export=litert")
    assert (tmp_path / "run/model.tflite").exists()
    assert (tmp_path / "run/model_int8.tflite").stat().st_mtime_ns == before
    assert stages_of(tmp_path / "run")["export_litert_int8"] == stages["export_litert_int8"]
