"""Files and copies of masked models: the masks come back, or it is refused."""

import copy
import json
import pathlib
import pickle
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tests import nets
from tests.layers import recurrent_nets


@keras.saving.register_keras_serializable(package="tests")
class ReadsItsChild(keras.layers.Layer):
    """A block that makes its layer anew, and looks at the layer's config to know how."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.dense = self.make(units)

    def make(self, units):
        return keras.layers.Dense(units, "relu")

    def build(self, shape):
        self.dense.build(shape)

    def call(self, inputs):
        return self.dense(inputs)

    def get_config(self):
        return {**super().get_config(), "units": self.dense.get_config()["units"]}


@keras.saving.register_keras_serializable(package="tests")
class OfTwo(keras.layers.Layer):
    """A block of blocks, one in a list, built when they are called."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.first, self.others = ReadsItsChild(units), [ReadsItsChild(units + 1)]

    def call(self, inputs):
        return self.others[0](self.first(inputs))

    def get_config(self):
        return {**super().get_config(), "units": self.first.get_config()["units"]}


@keras.saving.register_keras_serializable(package="tests")
class AroundAnother(keras.Model):
    """A model that is given another one, and writes it into its config."""

    def __init__(self, part, **kwargs):
        super().__init__(**kwargs)
        self.part, self.head = part, keras.layers.Dense(2)

    def call(self, inputs):
        return self.head(self.part(inputs))

    def get_config(self):
        return {"part": keras.saving.serialize_keras_object(self.part)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["part"]))


def in_a_sequential_model(part):
    return keras.Sequential([keras.Input(part.input_shape[1:]), part, keras.layers.Dense(2)])


def in_a_functional_model(part):
    inputs = keras.Input(part.input_shape[1:])
    return keras.Model(inputs, keras.layers.Dense(2)(part(inputs)))


class Preset(nets.Backwards):
    """What a model of KerasHub has."""

    def save_to_preset(self, path):
        pathlib.Path(path).write_text(str(keras.saving.serialize_keras_object(self)))


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=() if name in ("sequential", "subclassed") else pytest.mark.slow)
        for name in nets.NETS
    ],
)
def masked(request):
    """Of every kind, half of it hidden, with a million there. Tests leave it as it is."""
    return nets.poison(nets.hide(nets.build(request.param)))


class TestFilesOfEveryKind:
    @pytest.mark.slow
    def test_a_keras_file_of_a_masked_model_comes_back_masked(self, masked, tmp_path):
        model = masked
        x, _ = nets.inputs_of(model)
        model.save(tmp_path / "masked.keras")
        loaded = keras.saving.load_model(tmp_path / "masked.keras")
        nets.assert_equal(nets.masks(loaded), nets.masks(model))
        np.testing.assert_array_equal(nets.outputs(loaded, x), nets.outputs(model, x))
        nets.assert_equal(nets.kernels(loaded), nets.kernels(model))

    def test_a_deep_copy_is_a_masked_model_of_its_own(self, masked):
        x, _ = nets.inputs_of(masked)
        twin = copy.deepcopy(masked)
        nets.assert_equal(nets.kernels(twin), nets.kernels(masked))
        before = nets.outputs(masked, x)
        for entry in tt.masked_weights(twin):
            entry.mask.set(~entry.mask.numpy())
        tt.fold(twin)
        np.testing.assert_array_equal(nets.outputs(masked, x), before)

    @pytest.mark.slow
    def test_a_clone_has_weights_of_its_own_and_the_masks(self, masked):
        """Also made where nobody sees it, as scikit-learn's wrapper of Keras does before it trains."""
        clone = keras.models.clone_model(masked)
        masks, expected = nets.masks(clone), nets.masks(masked)
        nets.assert_equal(masks, expected)
        for entry in tt.masked_weights(clone):
            assert not np.any(entry.weight.numpy()[~entry.mask.numpy()])
        clone.set_weights(masked.get_weights())
        x, _ = nets.inputs_of(masked)
        nets.assert_equal(nets.outputs(clone, x), nets.outputs(masked, x))
        mask = tt.masked_weights(clone)[-1].mask
        mask.set(np.ones(mask.shape, bool))
        nets.assert_equal(nets.masks(masked), expected)


class TestFiles:
    @pytest.mark.slow
    def test_and_trains_on_with_its_optimizer_as_if_it_had_not_been_saved(self, tmp_path):
        model = nets.compiled(nets.hide(nets.build("sequential")), keras.optimizers.Adam(), run_eagerly=True)
        x, y = nets.inputs_of(model)
        model.fit(x, y, verbose=0)
        model.save(tmp_path / "masked.keras")
        loaded = keras.saving.load_model(tmp_path / "masked.keras")
        for part in (model, loaded):
            part.fit(x, y, verbose=0, shuffle=False)
        nets.assert_equal(nets.kernels(loaded), nets.kernels(model), rtol=1e-6, atol=1e-7)

    @pytest.mark.slow
    def test_whoever_writes_the_file_and_a_folded_one_is_without_masks(self, tmp_path):
        model = nets.compiled(nets.hide(nets.build("subclassed")), run_eagerly=True)
        checkpoint = keras.callbacks.ModelCheckpoint(str(tmp_path / "checkpoint.keras"))
        model.fit(*nets.inputs_of(model), verbose=0, callbacks=[checkpoint])
        keras.saving.save_model(model, tmp_path / "saved.keras")
        for file in ("checkpoint", "saved"):
            loaded = keras.saving.load_model(tmp_path / f"{file}.keras")
            nets.assert_equal(nets.kernels(loaded), nets.kernels(model))
        again = pickle.loads(pickle.dumps(loaded))
        nets.assert_equal(nets.kernels(again), nets.kernels(model))
        tt.fold(loaded).save(tmp_path / "folded.keras")
        assert "tf_tickets" not in zipfile.ZipFile(tmp_path / "folded.keras").read("config.json").decode()

    @pytest.mark.slow
    def test_a_process_that_imports_the_package_and_no_more_of_it_loads_them(self, tmp_path):
        # The second has a cell of the user's, whose class alone the process then knows.
        own = recurrent_nets.build("RNN of a user's cell")
        models = [nets.build("sequential"), own]
        for i, model in enumerate(models):
            nets.hide(model).save(tmp_path / f"{i}.keras")
        x = recurrent_nets.inputs_of(own)
        np.save(tmp_path / "x.npy", x)
        program = (
            "import keras, numpy as np, tf_tickets\n"
            "for i in range(2):\n"
            "    if i == 1:\n"
            "        import tests.layers.recurrent_nets\n"
            "    model = keras.models.load_model(f'{i}.keras')\n"
            "    print([int(x.mask.numpy().sum()) for x in tf_tickets.masked_weights(model)])\n"
            "np.save('y.npy', model(np.load('x.npy')))\n"
        )
        root = [str(path) for path in sys.path if path]
        done = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path[:0] = {root!r}\n{program}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        expected = [[int(x.mask.numpy().sum()) for x in tt.masked_weights(model)] for model in models]
        assert done.stdout.splitlines() == [str(kept) for kept in expected]
        np.testing.assert_allclose(np.load(tmp_path / "y.npy"), nets.outputs(own, x), rtol=1e-6)

    @pytest.mark.slow
    def test_a_model_that_shares_a_masked_attention_has_its_masks_in_its_file(self, tmp_path):
        model = nets.hide(nets.build("attention"))
        sibling = keras.Model(model.inputs, model.get_layer("attention").output)
        sibling.save(tmp_path / "sibling.keras")
        loaded = keras.saving.load_model(tmp_path / "sibling.keras")
        nets.assert_equal(nets.kernels(loaded), nets.kernels(model)[:-1])

    @pytest.mark.slow
    @pytest.mark.parametrize("make", [lambda: ReadsItsChild(8), lambda: OfTwo(4)], ids=["reads", "nested"])
    def test_of_a_block_of_ones_own_however_it_writes_its_config(self, make, tmp_path):
        model = nets.hide(keras.Sequential([keras.Input((6,)), make(), keras.layers.Dense(3)]))
        for _ in range(2):  # what was loaded is saved again
            model.save(tmp_path / "m.keras")
            loaded = keras.saving.load_model(tmp_path / "m.keras")
            nets.assert_equal(nets.kernels(loaded), nets.kernels(model))
            model = loaded

    @pytest.mark.slow
    def test_a_part_of_a_model_saved_alone_has_its_masks(self, tmp_path):
        inputs = keras.Input((6,))
        model = nets.hide(keras.Model(inputs, keras.layers.Dense(3)(nets.build("subclassed")(inputs))))
        part = next(layer for layer in model.layers if isinstance(layer, nets.Backwards))
        part.save(tmp_path / "part.keras")
        nets.assert_equal(nets.kernels(keras.saving.load_model(tmp_path / "part.keras")), nets.kernels(part))

    @pytest.mark.slow
    def test_one_that_cannot_give_the_masks_back_is_refused_while_it_is_written(self, tmp_path):
        """A parent that came after the masks, and makes its layers anew."""
        outer = OfTwo(4)
        outer(np.zeros((1, 6), "float32"))
        tt.mask_layers(keras.Sequential([keras.Input((6,)), outer.first]))
        model = keras.Sequential([keras.Input((6,)), outer])
        with pytest.raises(ValueError, match=r"lack masks: .* is rebuilt by its parent .*mask_layers"):
            model.save(tmp_path / "model.keras")
        tt.mask_layers(model)
        model.save(tmp_path / "model.keras")

    def test_of_a_config_that_makes_other_layers_it_is_said(self, tmp_path, monkeypatch):
        model = nets.hide(keras.Sequential([keras.Input((6,)), ReadsItsChild(8), keras.layers.Dense(3)]))
        model.save(tmp_path / "m.keras")
        monkeypatch.setattr(
            ReadsItsChild, "make", lambda self, units: keras.layers.EinsumDense("ab,bc->ac", units)
        )
        with pytest.raises(ValueError, match=r"rebuilt from its config with other layers"):
            keras.saving.load_model(tmp_path / "m.keras")

    @pytest.mark.slow
    def test_a_preset_of_keras_hub_is_refused_and_models_have_no_such_method_otherwise(self, tmp_path):
        """Which writes a config and weights, and knows the class of what it loads."""
        model = Preset()
        model(np.zeros((1, 6), "float32"))
        nets.hide(model)
        with pytest.raises(ValueError, match=r"A preset of .* would lack its masks.*fold"):
            model.save_to_preset(tmp_path / "preset")
        assert not (tmp_path / "preset").exists()
        assert not hasattr(nets.hide(nets.build("subclassed")), "save_to_preset")
        tt.fold(model).save_to_preset(tmp_path / "preset")
        assert (tmp_path / "preset").exists()

    @pytest.mark.slow
    def test_the_advice_of_that_error_works(self, tmp_path):
        """A ticket fits a fresh model of the same shapes, and then the weights do."""
        model = nets.build("attention")
        ticket = tt.prune(model, "random", 0.5)
        ticket.save(tmp_path / "ticket.npz")
        model.save_weights(tmp_path / "m.weights.h5")
        fresh = tt.Ticket.load(tmp_path / "ticket.npz").apply(nets.build("attention"))
        nets.assert_equal(nets.masks(fresh), ticket.masks)
        assert sum(np.count_nonzero(kernel) for kernel in nets.kernels(fresh)) == ticket.kept
        fresh.load_weights(tmp_path / "m.weights.h5")
        nets.assert_equal(nets.kernels(fresh), nets.kernels(model))
        nets.assert_equal(fresh.get_weights(), model.get_weights())


class TestCopies:
    @pytest.mark.slow
    @pytest.mark.parametrize("around", [in_a_sequential_model, in_a_functional_model, AroundAnother])
    def test_a_clone_of_a_model_around_one_that_is_masked_has_its_masks(self, around):
        part = nets.hide(nets.build("sequential"))
        model = around(part)
        x, _ = nets.inputs_of(part)
        clone = keras.models.clone_model(model)
        clone.compile("sgd", "mse", run_eagerly=True)
        clone.fit(x, np.zeros((len(x), 2)), verbose=0)  # which builds some
        nets.assert_equal(nets.masks(clone), nets.masks(part))
        for entry in tt.masked_weights(clone):
            assert not np.any(entry.weight.numpy()[~entry.mask.numpy()])
        assert all(type(layer.name) is str for layer in clone._flatten_layers())

    @pytest.mark.slow
    def test_a_config_has_the_masks_in_this_process_and_not_as_text(self):
        model = nets.hide(nets.build("nested"))
        config = model.get_config()
        nets.assert_equal(nets.masks(type(model).from_config(config)), nets.masks(model))
        for text in (json.loads(json.dumps(config)), pickle.loads(pickle.dumps(config))):
            assert all(mask.all() for mask in nets.masks(type(model).from_config(text)))

    @pytest.mark.slow
    def test_scikit_learns_wrapper_trains_the_pruned_network(self):
        pytest.importorskip("sklearn")
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8), keras.layers.Dense(3, "softmax")])
        model.compile("sgd", "categorical_crossentropy", run_eagerly=True)
        nets.hide(model, keep=0.2)
        x, y = nets.inputs_of(model)
        fitted = keras.wrappers.SKLearnClassifier(model, fit_kwargs={"verbose": 0}).fit(x, y).model_
        nets.assert_equal(
            [kernel != 0 for kernel in nets.kernels(fitted)],
            [entry.mask.numpy() for entry in tt.masked_weights(model)],
        )
