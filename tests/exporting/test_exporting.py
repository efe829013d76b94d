"""Exports: plain files with the same outputs and the zeros in them, of a model that stays as it was."""

import dataclasses
import importlib.util
import shutil
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tests.layers import recurrent_nets
from tf_tickets.exporting import FORMATS, verification, verify_saved_model, writers
from tf_tickets.exporting.replacement import check_place
from tf_tickets.exporting.samples import _by_name
from tf_tickets.layers import save_weights
from tf_tickets.serving import stopwatch

SUFFIX = {
    "saved_model": "",
    "keras": ".keras",
    "litert": ".tflite",
    "onnx": ".onnx",
    "openvino": ".xml",
}
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning"),
    pytest.mark.usefixtures("untold"),
]


def pruned(name, sparsity=0.5):
    """A net whose masks hide garbage."""
    model = nets.build(name)
    ticket = tt.prune(model, "random", sparsity)
    return nets.poison(model), ticket


def run_saved_model(path, x):
    loaded = tf.saved_model.load(str(path))
    return loaded.serve(x).numpy()


def run_keras(path, x):
    return nets.outputs(keras.saving.load_model(path), x)


def run_litert(path, x):
    runner = tf.lite.Interpreter(model_path=str(path)).get_signature_runner("serving_default")
    (name,) = runner.get_input_details()
    (found,) = runner(**{name: x}).values()
    return found


def run_onnx(path, x):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def run_openvino(path, x):
    import openvino

    # In float32: of itself it computes in bfloat16 where the processor can.
    return openvino.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(x)[0]


RUN = {
    "saved_model": run_saved_model,
    "keras": run_keras,
    "litert": run_litert,
    "onnx": run_onnx,
    "openvino": run_openvino,
}


def installed(format):
    """Whether what the format is written and run with is there."""
    return all(map(importlib.util.find_spec, FORMATS[format].packages))


def needs(format):
    """Skips a test where what the format is written and run with is not installed."""
    for package in FORMATS[format].packages:
        pytest.importorskip(package, reason=f"{format} needs {package}")


def test_every_row_of_the_table_has_a_file_of_its_own_and_is_run_here():
    assert FORMATS.keys() == RUN.keys()
    assert len({row.file for row in FORMATS.values()}) == len(FORMATS)
    assert all(row.file.endswith(row.suffix) for row in FORMATS.values())


@pytest.fixture(scope="module")
def served_by_sparse(tmp_path_factory):
    """A model of a wide layer and a small one, and its SavedModel that computes by sparse kernels."""
    inputs = keras.Input((64,), name="rows")
    wide = keras.layers.Dense(64, name="wide")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(4, name="head")(wide))
    tt.prune(model, "random", 0.9)
    place = tmp_path_factory.mktemp("sparse") / "m"
    return model, tt.export(model, place, kernels="sparse", batch=8, compact=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "formats"),
    [
        ("functional", ("litert",)),
        ("sequential", ("saved_model", "onnx", "openvino")),
        ("attention", ("keras",)),
    ],
)
def test_outputs_are_the_models_and_the_model_stays_what_it_was(name, formats, tmp_path):
    """It was trained sparse with our SGD, and goes on training; one of them by functions that were traced."""
    model, model_ticket = pruned(name)
    x, y = nets.inputs_of(model)
    nets.compiled(model, tt.training.SGD(0.1, momentum=0.9), run_eagerly=name != "sequential")
    model.fit(x, y, verbose=0)
    entries, optimizer = tt.masked_weights(model), model.optimizer
    classes = [type(layer) for layer in model._flatten_layers()]
    before = model.get_weights(), nets.outputs(model, x), [np.asarray(v) for v in optimizer.variables]
    predicted = model.predict(x, verbose=0)

    for format in filter(installed, formats):
        path = tmp_path / f"export{SUFFIX[format]}"
        written = tt.export(model, path, format)
        assert (written.path, written.format) == (path, format)
        assert (written.zeros, written.total) == (model_ticket.total - model_ticket.kept, model_ticket.total)
        np.testing.assert_allclose(RUN[format](path, x), before[1], rtol=1e-4, atol=1e-5)
        assert check_place(path, format, overwrite=True) == path  # it is known as an export of ours

        assert [type(layer) for layer in model._flatten_layers()] == classes
        assert tt.masked_weights(model) == entries
        assert model.compiled and model.optimizer is optimizer
        nets.assert_equal(model.get_weights(), before[0])
        nets.assert_equal([np.asarray(variable) for variable in optimizer.variables], before[2])
    np.testing.assert_array_equal(model.predict(x, verbose=0), predicted)
    model.fit(x, y, verbose=0)
    assert any(np.any(new != old) for new, old in zip(model.get_weights(), before[0], strict=True))
    for entry in entries:
        assert np.all(entry.weight.numpy()[~entry.mask.numpy()] == nets.POISON)


class TestWhatIsInside:
    @pytest.mark.slow
    def test_in_a_process_without_tf_tickets(self, served_by_sparse, tmp_path, monkeypatch):
        """Of a SavedModel, whose verification this process is, and then of Keras's files.

        Those are exported, although compiled with an optimizer of ours; folded and saved; and weights alone.
        And of a SavedModel that computes by sparse kernels.
        """
        by_sparse, written = served_by_sparse
        rows = np.random.default_rng(0).normal(size=(3, 64)).astype("float32")
        np.savez(tmp_path / "rows.npz", x=rows, y=nets.outputs(by_sparse, rows))
        of_keras, its_ticket = pruned("nested")
        nets.compiled(of_keras, tt.training.SGD(0.1))
        self.write_for_keras(of_keras, tmp_path)
        then = f"""
import keras

place = {str(tmp_path)!r}

def check(model):
    outputs = model(np.load(f"{{place}}/x.npy"), training=False)
    np.testing.assert_allclose(outputs, np.load(f"{{place}}/y.npy"), rtol=1e-5, atol=1e-6)
    assert sum(np.count_nonzero(w) for w in model.weights if w.name == "kernel") == {its_ticket.kept}

exported, folded = (keras.saving.load_model(f"{{place}}/{{name}}.keras") for name in ("exported", "folded"))
assert not exported.compiled and folded.compiled
check(exported)
check(folded)
for weight in folded.weights:
    weight.assign(weight * 0 + 7)
folded.load_weights(f"{{place}}/folded.weights.h5")
check(folded)
rows = np.load(f"{{place}}/rows.npz")
served = tf.saved_model.load({str(written.path)!r})
np.testing.assert_allclose(served.serve(rows["x"]), rows["y"], rtol=1e-4, atol=1e-5)
assert sys.modules["tf_tickets"] is None
open(f"{{place}}/done", "w").close()
"""
        monkeypatch.setattr(verification, "_PROGRAM", verification._PROGRAM + then)
        model, ticket = pruned("sequential")
        x, _ = nets.inputs_of(model)
        tt.export(model, tmp_path / "saved", kernels="dense", compact=False)
        model.layers[-1].bias.assign_add([0.0, 0.0, 0.5])  # the difference that is to be found, and no other
        found = verify_saved_model(model, tmp_path / "saved", x)
        assert (tmp_path / "done").exists()
        assert found.largest_difference == pytest.approx(0.5, abs=1e-5)
        of_kernels = [(shape, count) for shape, count in found.nonzeros if len(shape) > 1]
        expected = [(layer.shape, layer.kept) for layer in ticket.layers]
        assert sorted(of_kernels) == sorted(expected)
        # Nothing else is inside: no mask, no slot of the optimizer.
        assert len(found.nonzeros) == len(model.weights) - len(ticket.masks)

    def write_for_keras(self, model, folder):
        x, _ = nets.inputs_of(model)
        tt.export(model, folder / "exported.keras", "keras")
        np.save(folder / "x.npy", x)
        np.save(folder / "y.npy", nets.outputs(model, x))
        model.compile("adam", jit_compile=False)
        tt.fold(model).save(folder / "folded.keras")
        save_weights(model, folder / "folded.weights.h5")

    @pytest.mark.slow
    def test_a_sparse_litert_file_is_smaller_by_most_of_the_zeros(self, tmp_path):
        model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(256), keras.layers.Dense(64)])
        tt.prune(model, "random", 0.95)
        written = tt.export(model, tmp_path / "sparse.tflite", "litert", compact=False)
        assert written.path.stat().st_size < 4 * written.total / 5

    @pytest.mark.slow
    def test_a_model_without_masks_is_exported_as_it_is(self, tmp_path):
        model = nets.build("functional")
        classes = [type(layer) for layer in model._flatten_layers()]
        tt.export(model, tmp_path / "plain.keras", allow_dense=True)
        loaded = keras.saving.load_model(tmp_path / "plain.keras")
        nets.assert_equal(loaded.get_weights(), model.get_weights())
        assert type(loaded.layers[2]) is keras.layers.BatchNormalization
        assert [type(layer) for layer in model._flatten_layers()] == classes


def test_a_saved_model_whose_outputs_differ_is_an_error(tmp_path, monkeypatch):
    found = verification.Verification(largest_difference=2e-5, nonzeros=[((6, 3), 9), ((3,), 0)])
    monkeypatch.setattr(verification, "verify_saved_model", lambda model, path, x: found)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    facts = verification.check_saved_model(model, tmp_path, np.zeros((2, 6)))
    assert facts == {"largest_difference": 2e-5, "nonzeros": 9}
    found = dataclasses.replace(found, largest_difference=2e-4)
    with pytest.raises(RuntimeError, match=r"outputs differ by 0.0002"):
        verification.check_saved_model(model, tmp_path, np.zeros((2, 6)))


class TestKernels:
    """Of SavedModels; what they compute is tested in `tests/serving`."""

    @pytest.mark.slow
    def test_are_told(self, served_by_sparse):
        _, written = served_by_sparse
        assert written.kernels == {"wide": "patches", "head": "dense"}
        assert (written.batch, written.milliseconds, written.notes) == (8, {}, ())
        assert repr(written).endswith("sparse kernels in 1 of 2 layers)")
        times = dataclasses.replace(written, milliseconds={"dense": 2.0, "chosen": 0.5})
        assert "sparse kernels in 1 of 2 layers; 2 -> 0.5 ms a batch of 8" in repr(times)

    @pytest.mark.slow
    def test_nothing_is_measured_of_a_small_model(self, tmp_path, monkeypatch):
        monkeypatch.setattr(stopwatch.subprocess, "run", None)
        model = nets.hide(nets.build("sequential"))
        assert set(tt.export(model, tmp_path / "m").kernels.values()) == {"dense"}

    @pytest.mark.slow
    def test_sparse_ones_need_a_graph(self, tmp_path):
        model = nets.hide(nets.build("subclassed"))
        with pytest.raises(
            ValueError, match=r"'sparse' takes graphs of layers alone. .*'dense' takes any model"
        ):
            tt.export(model, tmp_path / "m", kernels="sparse")
        assert list(tmp_path.iterdir()) == []
        written = tt.export(model, tmp_path / "m")
        assert written.kernels == {}
        assert written.notes[0].startswith("Not compacted: ")
        x, _ = nets.inputs_of(model)
        np.testing.assert_allclose(run_saved_model(written, x), nets.outputs(model, x), atol=1e-4)

    @pytest.mark.slow
    def test_other_outputs_than_the_models_are_not_kept(self, tmp_path, monkeypatch):
        monkeypatch.setattr(
            verification, "largest_difference", lambda model, other: float(other is not model)
        )
        with pytest.raises(
            ValueError, match=r"outputs differ from the model's by 1 of the largest .*not kept"
        ):
            tt.export(nets.hide(nets.build("sequential")), tmp_path / "m", kernels="dense", compact=False)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.slow
    def test_random_outputs_are_not_compared_and_that_is_said(self, tmp_path):
        inputs = keras.Input((4,))
        x = keras.layers.Dense(3)(inputs)
        noise = keras.layers.Lambda(lambda x: x + tf.random.normal(tf.shape(x)))
        model = keras.Model(inputs, noise(x), name="functional")
        written = tt.export(nets.hide(model), tmp_path / "m")
        assert written.notes == (
            "Not compacted: Outputs of model 'functional' are random, so that those of a compacted one "
            "cannot be compared with them.",
            "Not compared with the model, whose outputs are random.",
        )


class TestRecurrentLayers:
    """Each is converted once: kinds of layers are spread over what is promised."""

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("kind", "quantize", "apart"),
        [
            ("LSTM, of any length", None, 1e-5),
            ("GRU", "dynamic", 0.05),
        ],
    )
    def test_rolled_ones_compute_one_sequence_at_a_time_in_litert(self, kind, quantize, apart, tmp_path):
        model = nets.poison(nets.hide(recurrent_nets.build(kind)))
        x = recurrent_nets.inputs_of(model)
        data = None if quantize is None else x
        tt.export(model, tmp_path / "m.tflite", "litert", quantize=quantize, data=data)
        found = run_litert(tmp_path / "m.tflite", x[:1])
        np.testing.assert_allclose(found, nets.outputs(model, x[:1]), rtol=1e-4, atol=apart)

    @pytest.mark.slow
    def test_unrolled_ones_any_number(self, tmp_path):
        layer = keras.layers.SimpleRNN(3, unroll=True)
        model = nets.hide(recurrent_nets.around(layer, (2, 4)))
        x = recurrent_nets.inputs_of(model)
        tt.export(model, tmp_path / "m.tflite", "litert")
        found = run_litert(tmp_path / "m.tflite", x)
        np.testing.assert_allclose(found, nets.outputs(model, x), rtol=1e-4, atol=1e-5)

    @pytest.mark.slow
    def test_what_litert_has_no_operation_for_is_said(self, tmp_path):
        inputs = keras.Input((4,))
        model = keras.Model(inputs, keras.layers.Lambda(lambda x: tf.math.betainc(x, x, x))(inputs))
        with pytest.raises(ValueError, match=r"LiteRT's built-in operations .*saved_model.*SELECT_TF_OPS"):
            tt.export(model, tmp_path / "m.tflite", "litert", allow_dense=True)
        assert not list(tmp_path.iterdir())

    def test_integers_alone_are_refused_for_rolled_ones_which_litert_crashes_on(self, tmp_path):
        model = recurrent_nets.build("GRU")
        x = recurrent_nets.inputs_of(model)
        with pytest.raises(ValueError, match=r"'int8' takes no loop .*gru.*unroll=True.*'dynamic'"):
            tt.export(model, tmp_path / "m.tflite", quantize="int8", data=x, allow_dense=True, compact=False)
        assert not list(tmp_path.iterdir())


class TestLiteRTIsCompared:
    """With the SavedModel that it is made from, by the names of inputs and outputs."""

    @pytest.mark.parametrize("error", [1e-4, 1e-2, np.nan])
    def test_number_by_number(self, error, tmp_path, monkeypatch):
        """The comparison alone, of two functions that stand for the files."""
        spec = tf.TensorSpec((None, 6), tf.float32, "rows")

        def signature(rows):
            return {"label": tf.constant(rows[:, :3])}

        class Interpreter:
            def __init__(self, model_path):
                assert model_path == str(tmp_path)

            def get_signature_runner(self, name):
                return lambda rows: {"label": rows[:, :3] + np.float32(error)}

        signature.structured_input_signature = ((), {"rows": spec})
        saved = types.SimpleNamespace(signatures={"serving_default": signature})
        monkeypatch.setattr(tf.lite, "Interpreter", Interpreter)
        if error == 1e-4:
            verification.check_litert(saved, tmp_path)
        else:
            with pytest.raises(ValueError, match=r"outputs differ from the model's by up to .*not kept"):
                verification.check_litert(saved, tmp_path)

    @pytest.mark.slow
    def test_for_models_of_several_inputs_and_outputs(self, tmp_path):
        ids, images = keras.Input((40,), dtype="int32", name="ids"), keras.Input((2, 2, 2), name="images")
        words = keras.layers.Flatten()(keras.layers.Embedding(2, 3)(ids))
        pooled = keras.layers.Flatten()(images)
        joined = keras.layers.Concatenate()([words, pooled])
        outputs = {"label": keras.layers.Dense(3)(joined), "score": keras.layers.Dense(1)(pooled)}
        model = keras.Model({"ids": ids, "images": images}, outputs)
        tt.export(nets.hide(model), tmp_path / "several.tflite", "litert", compact=False)

    @pytest.mark.slow
    def test_for_images_of_any_size(self, tmp_path):
        inputs = keras.Input((None, None, 2))
        x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(inputs))
        tt.export(nets.hide(keras.Model(inputs, x)), tmp_path / "any.tflite", "litert", compact=False)

    @pytest.mark.slow
    def test_one_that_differs_is_not_kept(self, tmp_path, monkeypatch):
        def net():
            return keras.Sequential([keras.Input((6,), name="rows"), keras.layers.Dense(3)])

        model, other = net(), net()
        convert = tf.lite.TFLiteConverter.from_saved_model

        def of_another(path):
            other.export(f"{path}_other", verbose=False)
            return convert(f"{path}_other")

        monkeypatch.setattr(tf.lite.TFLiteConverter, "from_saved_model", of_another)
        old = b"\0\0\0\0TFL3old"
        (tmp_path / "m.tflite").write_bytes(old)
        with pytest.raises(ValueError, match=r"outputs differ from the model's by up to .* not kept"):
            tt.export(model, tmp_path / "m.tflite", overwrite=True, allow_dense=True)
        assert (tmp_path / "m.tflite").read_bytes() == old
        assert [path.name for path in tmp_path.iterdir()] == ["m.tflite"]


class TestWhatIsSaid:
    """Of the zeros that were written, and of what would be no ticket."""

    @pytest.mark.slow
    def test_how_much_is_zero(self, tmp_path):
        model = nets.hide(nets.build("sequential"))
        kept = sum(np.count_nonzero(kernel) for kernel in nets.kernels(model))
        for whatever in (model, tt.fold(model)):
            written = tt.export(whatever, tmp_path / "m.keras", overwrite=True)
            assert (written.total, written.zeros) == (72, 72 - kept)
            assert f"{72 - kept} of 72 weights are zero, {1 - kept / 72:.4%}" in repr(written)
            assert keras.saving.load_model(written).built

    def test_a_dense_model_is_refused_unless_it_is_asked_for(self, tmp_path):
        model = nets.build("sequential")
        with pytest.raises(ValueError, match=r"'sequential' is dense: it has no masks.*allow_dense=True"):
            tt.export(model, tmp_path / "m.keras")
        assert list(tmp_path.iterdir()) == []
        assert tt.export(model, tmp_path / "m.keras", allow_dense=True).sparsity == 0

    @pytest.mark.parametrize(
        ("file", "options", "message"),
        [
            (
                "m.onnx",
                {"quantize": "int8", "data": [0]},
                r"quantize= means nothing to format onnx: .*litert",
            ),
            (
                "m.keras",
                {"compact": True},
                r"compact= means nothing .* litert, onnx, openvino",
            ),
            ("m.h5", {}, r"suffix .h5 of .*m.h5 tells no format. Known: none .saved_model., .keras .keras."),
            ("m.keras", {"quantize": "int8", "data": [0]}, r"quantize= means nothing to format keras"),
            ("m.tflite", {"quantize": "int4"}, r"'int4' is unknown. .*None, 'float16', 'dynamic', 'int8'"),
            ("m.tflite", {"quantize": "int8"}, r"quantize='int8' needs data="),
            (
                "m.keras",
                {"kernels": "dense"},
                r"kernels= means nothing to format keras: it is for saved_model",
            ),
            ("m.tflite", {"batch": 3}, r"batch= means nothing to format litert: it is for saved_model"),
            ("m", {"kernels": "fast"}, r"kernels='fast' is unknown. Choose one of: auto, dense, sparse"),
            ("m", {"batch": 0}, r"batch is a whole number, 1 or more. Received: 0"),
            ("m", {"batch": 2.0}, r"batch is a whole number, 1 or more. Received: 2.0"),
        ],
    )
    def test_what_is_not_accepted_is_refused_before_any_work(self, file, options, message, tmp_path):
        with pytest.raises(ValueError, match=message):
            tt.export(nets.hide(nets.build("sequential")), tmp_path / file, **options)
        assert list(tmp_path.iterdir()) == []


class TestQuantized:
    """LiteRT files of fewer bits."""

    @pytest.mark.slow
    @pytest.mark.parametrize(("quantize", "bytes_a_weight"), [("float16", 2), ("dynamic", 1), ("int8", 1)])
    def test_is_as_small_as_it_says_and_has_the_outputs_of_the_model(
        self, quantize, bytes_a_weight, tmp_path
    ):
        model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(512), keras.layers.Dense(3)])
        tt.prune(model, "random", 0.5)
        x = np.random.default_rng(0).normal(size=(20, 64)).astype("float32")
        data = tf.data.Dataset.from_tensor_slices((x, x[:, 0])).batch(8)
        written = tt.export(model, tmp_path / "m.tflite", quantize=quantize, data=data, compact=False)
        size = written.path.stat().st_size
        assert written.total * bytes_a_weight < size < written.total * (bytes_a_weight + 0.5)
        expected = nets.outputs(model, x[:1])
        assert np.abs(run_litert(written, x[:1]) - expected).max() < 0.1 * np.abs(expected).max()

    @pytest.mark.slow
    def test_options_of_the_converter_are_set_but_not_sparse_integers(self, tmp_path):
        model = nets.hide(nets.build("sequential"))
        sparse = {"optimizations": [tf.lite.Optimize.DEFAULT, tf.lite.Optimize.EXPERIMENTAL_SPARSITY]}
        with pytest.raises(ValueError, match=r"EXPERIMENTAL_SPARSITY together with quantize="):
            tt.export(model, tmp_path / "n.tflite", quantize="dynamic", converter_options=sparse)
        assert not (tmp_path / "n.tflite").exists()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"nope": 1}, r"'nope', which the converter has not. It has: allow_"),
            (
                {"optimizations": ["EXPERIMENTAL_SPARSITY"]},
                r"members of tf.lite.Optimize. Received: 'EXPERIMENTAL_",
            ),
        ],
    )
    def test_options_that_the_converter_has_not_are_refused(self, options, message):
        with pytest.raises(ValueError, match=message):
            writers._set_options(tf.lite.TFLiteConverter([], None), options, sparse=False)

    def test_options_are_set(self):
        converter = tf.lite.TFLiteConverter([], None)
        writers._set_options(converter, {"allow_custom_ops": True}, sparse=True)
        assert converter.allow_custom_ops

    def test_sample_inputs_go_by_the_names_of_the_model(self):
        inputs = {name: keras.Input((2,), name=name) for name in ("b", "a")}
        model = keras.Model(inputs, keras.layers.Add()(list(inputs.values())))
        specs = {name: tf.TensorSpec((None, 2), "float32") for name in ("a", "b")}
        found = _by_name(model, specs, {"b": np.ones((3, 2)), "a": np.zeros((3, 2))})
        assert {name: array.mean() for name, array in found.items()} == {"a": 0, "b": 1}
        with pytest.raises(ValueError, match=r"data= holds 1 inputs; the model takes 2: a, b"):
            _by_name(model, specs, np.ones((3, 2)))


class TestPaths:
    @pytest.mark.slow
    def test_what_exists_is_replaced_only_on_request(self, tmp_path):
        """A file; a folder below."""
        model = nets.hide(nets.build("sequential"))
        path = tmp_path / "sub/export.keras"
        tt.export(model, path)
        stamp = path.stat().st_mtime_ns
        with pytest.raises(FileExistsError, match=r"exists. Pass overwrite=True"):
            tt.export(model, path)
        assert path.stat().st_mtime_ns == stamp
        nets.hide(model, seed=4)
        tt.export(model, str(path), overwrite=True)
        x, _ = nets.inputs_of(model)
        np.testing.assert_allclose(run_keras(path, x), nets.outputs(model, x), rtol=1e-4, atol=1e-5)
        assert [child.name for child in path.parent.iterdir()] == [path.name]

    @pytest.mark.slow
    def test_a_folder_is_replaced_as_a_whole(self, served_by_sparse, tmp_path):
        path = tmp_path / "m"
        shutil.copytree(served_by_sparse[1].path, path)
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
        tt.export(model, path, kernels="dense", compact=False, overwrite=True, allow_dense=True)
        x = np.ones((2, 6), "float32")
        np.testing.assert_allclose(run_saved_model(path, x), nets.outputs(model, x), rtol=1e-5, atol=1e-6)
        assert [child.name for child in tmp_path.iterdir()] == ["m"]

    def test_a_failed_export_leaves_the_old_one_and_the_model(self, tmp_path, monkeypatch):
        model = nets.poison(nets.hide(nets.build("sequential")))
        before = model.get_weights()
        tt.export(model, tmp_path / "m.keras")
        old = (tmp_path / "m.keras").read_bytes()

        def fail(*args, **kwargs):
            raise OSError("disk full")

        monkeypatch.setattr(keras.Sequential, "save", fail)
        nets.compiled(model)
        with pytest.raises(OSError, match="disk full"):
            tt.export(model, tmp_path / "m.keras", "keras", overwrite=True)
        assert (tmp_path / "m.keras").read_bytes() == old
        assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]
        assert model.compiled and model.optimizer is not None
        nets.assert_equal(model.get_weights(), before)
        assert len(tt.masked_weights(model)) == 2

    def test_unknown_formats_and_suffixes_are_refused_before_any_work(self, tmp_path):
        model = nets.build("sequential")
        with pytest.raises(
            ValueError, match=r"format='coreml' is unknown. Choose one of: saved_model, keras, litert"
        ):
            tt.export(model, tmp_path / "m", "coreml")
        with pytest.raises(ValueError, match=r"An export of format keras ends in .keras. Received: .*m.h5"):
            tt.export(model, tmp_path / "m.h5", "keras")
        assert list(tmp_path.iterdir()) == []


def test_what_does_not_load_by_itself_is_an_error_that_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr("tf_tickets.exporting.verification._PROGRAM", "raise OSError('no SavedModel here')")
    with pytest.raises(RuntimeError, match=r"(?s)nothing does not load by itself: .*no SavedModel here"):
        verify_saved_model(nets.build("sequential"), tmp_path / "nothing", np.zeros((1, 6), "float32"))
