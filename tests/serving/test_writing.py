"""SavedModels on disk: small, loaded by whatever loads SavedModels, and never slower than dense."""

import gc
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.compaction import networks
from tf_tickets.serving import plans, stopwatch, writing
from tf_tickets.serving.kernels import KERNELS

LAYERS = keras.layers


def images_net(seed=0):
    """Of two outputs by name, with 90 % zeros."""
    inputs = keras.Input((9, 8, 3), name="images")
    x = LAYERS.Conv2D(16, 3, padding="same", activation="relu", name="first")(inputs)
    x = LAYERS.Conv2D(32, 3, strides=2, name="second")(LAYERS.MaxPooling2D(padding="same")(x))
    x = LAYERS.Flatten()(LAYERS.ReLU()(LAYERS.BatchNormalization()(x)))
    model = keras.Model(inputs, {"scores": LAYERS.Dense(3, name="head")(x), "features": x})
    networks.settle(model, np.random.default_rng(seed), 0.1)
    return model


def rows_net(units=64):
    model = keras.Sequential(
        [keras.Input((64,), name="rows"), LAYERS.Dense(units, name="wide"), LAYERS.Dense(3)]
    )
    networks.settle(model, np.random.default_rng(0), 0.05)
    return model


def images(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 9, 8, 3)).astype("float32")


def run(place, x):
    loaded = tf.saved_model.load(place)  # which must outlive the call
    return loaded.serve(x)


def packed_in(place):
    packed = tf.saved_model.load(place).packed
    return types.SimpleNamespace(
        **{name: getattr(packed, name).numpy() for name in ("values", "gaps", "counts", "shapes")}
    )


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        scale = np.abs(np.asarray(value)).max(initial=1)
        np.testing.assert_allclose(np.asarray(found[name]), np.asarray(value), atol=5e-5 * scale)


@pytest.fixture(scope="module")
def models():
    return [images_net(seed) for seed in range(2)]


@pytest.fixture(scope="module")
def places(models, tmp_path_factory):
    """Two models, with sparse kernels."""
    folder = tmp_path_factory.mktemp("served")
    for number, model in enumerate(models):
        written = writing.write_sparse(model, folder / str(number), batch=32)
        assert written.kernels == {"first": "full", "second": "full", "head": "patches"}
    return [folder / str(number) for number in range(len(models))]


@pytest.mark.slow
class TestLoading:
    """By a process without tf_tickets, too: see `tests/exporting`."""

    def test_by_tensorflow_with_any_number_of_examples(self, models, places):
        loaded = tf.saved_model.load(places[0])
        for count in (1, 2, 33):
            x = images(count)
            expected = models[0](x)
            assert_equal(loaded.serve(x), expected)
            for signature in ("serve", "serving_default"):
                assert_equal(loaded.signatures[signature](images=tf.constant(x)), expected)

    def test_twice_in_one_process_and_one_is_forgotten(self, models, places):
        first, second, again = (tf.saved_model.load(places[i]) for i in (0, 1, 0))
        x = images(3)
        for loaded, model in ((first, models[0]), (second, models[1]), (again, models[0])):
            assert_equal(loaded.serve(x), model(x))
        del first
        gc.collect()
        assert_equal(second.serve(x), models[1](x))
        assert_equal(again.serve(x), models[0](x))

    @pytest.mark.filterwarnings("ignore")
    def test_by_sessions_as_tensorflow_serving_does(self, models, places):
        """In one process, too."""
        x = images(3)
        expected = [{name: np.asarray(value) for name, value in model(x).items()} for model in models]
        sessions = [tf.compat.v1.Session(graph=tf.Graph()) for _ in places]
        signatures = []
        for session, place in zip(sessions, places, strict=True):
            with session.graph.as_default():
                graph = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(place))
                signatures.append(graph.signature_def["serving_default"])
        for session, signature, outputs in zip(sessions, signatures, expected, strict=True):
            wanted = {name: tensor.name for name, tensor in signature.outputs.items()}
            assert_equal(session.run(wanted, {signature.inputs["images"].name: x}), outputs)
        for session in sessions:
            session.close()

    def test_by_a_layer_of_keras(self, models, places):
        inputs = keras.Input((9, 8, 3))
        model = keras.Model(inputs, LAYERS.TFSMLayer(places[0])(inputs))
        x = images(5)
        assert_equal(model(x), models[0](x))

    def test_names_and_structures_are_those_of_keras(self, models, places, tmp_path):
        models[0].export(str(tmp_path / "keras"), verbose=False)
        ours, theirs = (tf.saved_model.load(place) for place in (places[0], tmp_path / "keras"))
        assert list(ours.signatures) == list(theirs.signatures)
        for name in ours.signatures:
            for part in ("structured_input_signature", "structured_outputs"):
                assert getattr(ours.signatures[name], part) == getattr(theirs.signatures[name], part)


class TestOnDisk:
    @pytest.mark.slow
    def test_every_weight_is_there_once(self, models, places):
        packed, loaded = packed_in(places[0]), tf.saved_model.load(places[0])
        kernels = [np.asarray(weight) for weight in models[0].weights if len(weight.shape) > 1]
        assert [tuple(n for n in shape if n) for shape in packed.shapes] == [k.shape for k in kernels]
        assert packed.counts.tolist() == [np.count_nonzero(kernel) for kernel in kernels]
        assert sum(packed.counts) == len(packed.values)
        plain = [np.asarray(weight) for weight in models[0].weights if len(weight.shape) == 1]
        assert [variable.shape for variable in loaded.variables] == [value.shape for value in plain]

    def test_a_value_takes_five_bytes_and_what_is_dense_four(self, tmp_path):
        model = keras.Sequential([keras.Input((400,)), LAYERS.Dense(500), LAYERS.Dense(400)])
        model.layers[0].kernel.assign(
            model.layers[0].kernel * (np.random.default_rng(0).random((400, 500)) < 0.1)
        )
        sizes = [np.count_nonzero(model.layers[0].kernel) * 5, 4 * 500 * 400]
        writing.write_dense(model, tmp_path / "m", batch=1)
        size = sum(path.stat().st_size for path in (tmp_path / "m").rglob("*") if path.is_file())
        assert sum(sizes) < size < sum(sizes) + 80_000

    @pytest.mark.slow
    def test_it_is_read_back_in_full_by_numpy(self, models, places):
        """The format needs no more than these lines."""
        packed = packed_in(places[0])
        is_value = packed.gaps != 255
        ends = np.cumsum(packed.counts)
        of_weight = np.searchsorted(ends, np.cumsum(is_value) - is_value, side="right")
        for number, shape in enumerate(packed.shapes):
            *others, last = shape = [n for n in shape if n]
            mine = of_weight == number
            flat = np.zeros(np.prod(shape), np.float32)
            positions = np.cumsum(packed.gaps[mine], dtype=int)[is_value[mine]]
            flat[positions] = packed.values[of_weight[is_value] == number]
            array = np.moveaxis(flat.reshape(last, *others), 0, -1)
            np.testing.assert_array_equal(array, [w for w in models[0].weights if len(w.shape) > 1][number])


class TestOtherModels:
    @pytest.mark.slow
    def test_subclassed_ones_are_packed(self, tmp_path):
        class Mine(keras.Model):
            def __init__(self):
                super().__init__()
                self.dense = LAYERS.Dense(4)

            def call(self, inputs):
                return keras.ops.sin(self.dense(inputs)) if inputs.shape[-1] == 9 else inputs

        model = Mine()
        x = np.ones((2, 9), "float32")
        model(x)
        model.dense.kernel.assign(np.eye(9, 4))
        assert writing.write_fastest(model, tmp_path / "m", batch=2) == writing.Written({})
        np.testing.assert_allclose(run(tmp_path / "m", x), model(x), rtol=1e-6)
        assert packed_in(tmp_path / "m").counts.tolist() == [4]

    @pytest.mark.parametrize("kind", ["a table", "a state", "a variable of TensorFlow"])
    def test_whatever_computes_with_more_than_weights_is_written_by_keras(self, kind, tmp_path):
        inputs = keras.Input((4,), batch_size=None)
        if kind == "a table":
            layer, inputs = LAYERS.StringLookup(vocabulary=["a", "b"]), keras.Input((4,), dtype="string")
            x = np.array([["a", "b", "c", "a"]])
        elif kind == "a state":
            x = np.ones((2, 4), "float32")

            class Counting(LAYERS.Layer):
                def build(self, shape):
                    self.count = self.add_weight(name="count", initializer="zeros", trainable=False)

                def call(self, inputs):
                    self.count.assign_add(1.0)
                    return inputs * 0 + self.count

            layer = Counting()
        else:
            x = np.ones((2, 4), "float32")

            class Raw(LAYERS.Layer):
                def build(self, shape):
                    self.raw = tf.Variable(2.0)

                def call(self, inputs):
                    return inputs * self.raw

            layer = Raw()
        model = keras.Model(inputs, layer(inputs))
        written = writing.write_fastest(model, tmp_path / "m", batch=1)
        assert written.kernels == {}
        assert "Written by Keras" in written.notes[0]
        found = run(tmp_path / "m", tf.constant(x))
        assert found.shape == x.shape

    @pytest.mark.slow
    def test_a_model_without_zeros(self, tmp_path):
        model = keras.Sequential([keras.Input((5,)), LAYERS.Dense(4)])
        assert writing.write_fastest(model, tmp_path / "m", batch=1) == writing.Written({})
        x = np.ones((2, 5), "float32")
        np.testing.assert_allclose(run(tmp_path / "m", x), model(x), rtol=1e-6)


class TestTheFastest:
    """By what the stopwatch says, which is told here what to say."""

    def judged(self, monkeypatch, tmp_path, finished):
        """What is chosen of the dense plan and three others, none of which is written."""
        kernels = ({"wide": "patches"}, {"wide": "full"}, {"wide": "patches", "dense": "patches"})
        monkeypatch.setattr(writing, "_layers", lambda model: [types.SimpleNamespace(name="wide")])
        monkeypatch.setattr(writing, "proposed_plans", lambda *_: list(kernels))
        monkeypatch.setattr(writing, "save", lambda model, place, plan: place.mkdir())

        def of_models(paths, batch, seconds):
            return {(str(path), "serve"): finished(number) for number, path in enumerate(paths)}

        monkeypatch.setattr(writing, "milliseconds", of_models)
        return writing.write_fastest(rows_net(), tmp_path / "m", batch=7)

    def written(self, monkeypatch, tmp_path, layers, finished):
        """What is written if layers and finished models take so many milliseconds.

        Args:
            layers: kernel -> milliseconds of each layer.
            finished: (number of the model) -> milliseconds of each turn.
        """
        monkeypatch.setattr(plans, "FEWEST_WEIGHTS", 1)

        def of_layers(paths, batch, seconds):
            loaded = tf.saved_model.load(paths[0])
            assert all(size == batch for f in loaded.signatures.values() for size in shape_of_batch(f, batch))
            return {(str(paths[0]), name): [layers(name)] * 3 for name in loaded.signatures}

        def of_models(paths, batch, seconds):
            assert batch == 7
            return {(str(path), "serve"): finished(number) for number, path in enumerate(paths)}

        monkeypatch.setattr(plans, "milliseconds", of_layers)
        monkeypatch.setattr(writing, "milliseconds", of_models)
        return writing.write_fastest(rows_net(), tmp_path / "m", batch=7)

    @pytest.mark.slow
    def test_is_kept_and_told(self, monkeypatch, tmp_path):
        written = self.written(monkeypatch, tmp_path, lambda name: 1.0, lambda number: [4.0 - number] * 5)
        assert written.kernels["wide"] == "patches"
        assert written.milliseconds["dense"] == 4
        assert written.milliseconds["chosen"] < 4
        assert_rows(tmp_path / "m")

    @pytest.mark.parametrize("sparse", [4.0, 3.95, 5.0])
    def test_is_the_dense_one_unless_another_gains(self, monkeypatch, tmp_path, sparse):
        written = self.judged(monkeypatch, tmp_path, lambda number: [sparse if number else 4.0] * 5)
        assert set(written.kernels.values()) == {"dense"}
        assert written.milliseconds == {"dense": 4.0, "chosen": 4.0}

    def test_is_judged_turn_by_turn(self, monkeypatch, tmp_path):
        """A machine that becomes slow does not make the one look slow that was measured then."""
        noisy = {0: [1.0, 9.0, 9.0], 1: [0.9, 8.1, 8.1]}
        written = self.judged(monkeypatch, tmp_path, lambda number: noisy.get(number, [2.0, 18.0, 18.0]))
        assert written.kernels == {"wide": "patches"}
        assert written.milliseconds == pytest.approx({"dense": 9.0, "chosen": 8.1})

    @pytest.mark.slow
    def test_what_cannot_be_measured_is_dense_and_said(self, monkeypatch, tmp_path):
        def fail(name):
            raise RuntimeError("no process")

        written = self.written(monkeypatch, tmp_path, fail, None)
        assert set(written.kernels.values()) == {"dense"}
        assert "Kernels are dense, since others could not be measured: no process" in written.notes[0]
        assert (tmp_path / "m/saved_model.pb").exists()

    @pytest.mark.slow
    def test_by_a_real_stopwatch(self, monkeypatch, tmp_path):
        """Of finished models; single layers are measured in the same way, and one process is enough."""
        monkeypatch.setattr(writing, "SECONDS", 0.05)
        model = rows_net()
        layers = writing.sparse_layers(writing.graph_of(model))
        monkeypatch.setattr(writing, "proposed_plans", lambda *_: [writing.sparse_plan(layers, 16)])
        written = writing.write_fastest(model, tmp_path / "m", batch=16)
        assert written.kernels["wide"] in KERNELS
        assert 0 < written.milliseconds["chosen"] <= written.milliseconds["dense"]
        x = np.random.default_rng(0).normal(size=(4, 64)).astype("float32")
        np.testing.assert_allclose(run(tmp_path / "m", x), model(x), atol=1e-4)


def assert_rows(place):
    x = np.random.default_rng(1).normal(size=(2, 64)).astype("float32")
    np.testing.assert_allclose(run(place, x), rows_net()(x), rtol=1e-4, atol=1e-4)


def shape_of_batch(function, batch):
    """The axis of the batch in the input of a function of a layer, whichever it is."""
    (spec,) = function.structured_input_signature[1].values()
    return [spec.shape[0] if spec.shape[0] == batch else spec.shape[-1]]


def test_a_stopwatch_says_what_does_not_load(tmp_path, monkeypatch):
    program = "raise OSError(f'no SavedModel at {sys.argv[1]}')"
    monkeypatch.setattr(stopwatch, "_PROGRAM", program)
    with pytest.raises(RuntimeError, match=r"(?s)It ended with 1: .*no SavedModel at .*nothing"):
        stopwatch.milliseconds([tmp_path / "nothing"], 1, 0.1)
