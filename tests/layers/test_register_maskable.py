"""A layer class of a user's own, masked."""

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tests import nets
from tf_tickets.layers import masked_class


@keras.saving.register_keras_serializable(package="tests")
class LowRank(keras.layers.Layer):
    """A layer of a user's own: x u v, with a scale that is not for pruning."""

    def __init__(self, rank, units, **kwargs):
        super().__init__(**kwargs)
        self.rank, self.units = rank, units

    def build(self, input_shape):
        self.u = self.add_weight(shape=(input_shape[-1], self.rank), name="u")
        self.v = self.add_weight(shape=(self.rank, self.units), name="v")
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, inputs):
        return self.scale * keras.ops.matmul(keras.ops.matmul(inputs, self.u), self.v)

    def get_config(self):
        return {**super().get_config(), "rank": self.rank, "units": self.units}


tt.register_maskable(LowRank, weights=("u", "v"))


class TestALayerOfYourOwn:
    def net(self):
        return keras.Sequential([keras.Input((6,)), LowRank(2, 5), keras.layers.Dense(3)])

    def test_is_masked_in_all_weights_that_it_names(self):
        model = self.net()
        report = tt.mask_layers(model)
        assert [entry.shape for entry in report.masked] == [(6, 2), (2, 5), (5, 3)]
        nets.poison(nets.hide(model))
        u, v, kernel = nets.kernels(model)
        x, _ = nets.inputs_of(model)
        np.testing.assert_allclose(nets.outputs(model, x), x @ u @ v @ kernel, rtol=1e-4, atol=1e-5)

    @pytest.mark.slow
    def test_comes_back_from_a_file_and_folds(self, tmp_path):
        model = nets.hide(self.net())
        x, _ = nets.inputs_of(model)
        expected = nets.outputs(model, x)
        model.save(tmp_path / "own.keras")
        loaded = keras.saving.load_model(tmp_path / "own.keras")
        nets.assert_equal(nets.kernels(loaded), nets.kernels(model))
        np.testing.assert_array_equal(nets.outputs(loaded, x), expected)
        tt.fold(loaded)
        assert type(loaded.layers[0]) is LowRank
        np.testing.assert_array_equal(nets.outputs(loaded, x), expected)

    def test_on_request_means_only_where_it_is_included(self):
        class Gate(LowRank):
            pass

        tt.register_maskable(Gate, weights="u", on_request=("v",))
        model = keras.Sequential([keras.Input((6,)), Gate(2, 5)])
        assert [entry.weight.name for entry in tt.mask_layers(model).masked] == ["u"]
        assert [entry.weight.name for entry in tt.mask_layers(model, include=Gate).masked] == ["v", "u"]

    def test_is_maskable_without_a_word_where_it_derives_from_one_that_is(self):
        class Scaled(keras.layers.Dense):
            def call(self, inputs):
                return 2.0 * keras.ops.matmul(inputs, self.kernel)

        model = nets.hide(keras.Sequential([keras.Input((6,)), Scaled(3, use_bias=False)]))
        x, _ = nets.inputs_of(model)
        np.testing.assert_allclose(
            nets.outputs(model, x), 2 * x @ nets.kernels(model)[0], rtol=1e-5, atol=1e-6
        )

    def test_of_the_same_name_as_one_of_keras_does_not_replace_it(self):
        class Dense(keras.layers.Dense):
            pass

        tt.mask_layers(keras.Sequential([keras.Input((6,)), Dense(3)]))
        config = keras.saving.serialize_keras_object(tt.layers.MaskedDense(2))
        assert type(keras.saving.deserialize_keras_object(config)) is tt.layers.MaskedDense
        assert masked_class(Dense) is not tt.layers.MaskedDense

    @pytest.mark.parametrize(
        ("arguments", "error", "words"),
        [
            ((np.ndarray, ("u",)), TypeError, "takes a subclass of keras.Layer. Received: .*ndarray"),
            ((LowRank, ()), TypeError, r"register_maskable\(LowRank\) names no weight"),
            ((LowRank, (1,)), TypeError, r"takes names of attributes. Received: \(1,\)"),
            ((keras.layers.Dense, ("kernel",)), TypeError, "Dense.kernel is a property"),
            ((LowRank, ("u",)), ValueError, "LowRank is registered already"),
        ],
    )
    def test_is_refused_where_it_makes_no_sense(self, arguments, error, words):
        with pytest.raises(error, match=words):
            tt.register_maskable(*arguments)

    def test_may_be_registered_twice_alike(self):
        assert tt.register_maskable(LowRank, weights=("u", "v")) is LowRank

    def test_a_class_that_is_not_maskable_says_what_is(self):
        with pytest.raises(
            ValueError, match=r"Softmax is not maskable. Maskable layers: .*Conv1D.*register_maskable"
        ):
            masked_class(keras.layers.Softmax)
