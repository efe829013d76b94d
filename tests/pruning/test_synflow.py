"""SynFlow: its definition, what lets the flow pass, and that it is conserved."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests.pruning import nets
from tests.pruning.nets import assert_same
from tf_tickets.pruning.quota import checked_rounds
from tf_tickets.pruning.scores import SCORES
from tf_tickets.pruning.synflow import _flowing


class TestSynflow:
    def test_is_the_product_of_absolute_weights(self):
        model = nets.functional((3, 4, 2), dtype="float64", use_bias=False, activation="relu")
        a, b = (np.abs(kernel) for kernel in nets.kernels(model))
        expected = [a * b.sum(1), np.outer(a.sum(0), np.ones(2)) * b]
        for found, array in zip(tt.score(model, "synflow"), expected, strict=True):
            assert np.abs(found - array).max() / np.abs(array).max() < 1e-14

    @pytest.mark.slow
    @pytest.mark.parametrize("activation", ["relu", "relu6", "tanh", "gelu", None])
    def test_activations_let_the_flow_pass(self, activation):
        assert_same(
            tt.score(nets.functional((4, 7, 3), activation=activation), "synflow"),
            tt.score(nets.functional((4, 7, 3)), "synflow"),
        )

    @pytest.mark.slow
    def test_a_layer_of_relu6_lets_the_flow_pass(self):
        plain = nets.functional((4, 7, 3))
        model = keras.Sequential([plain.layers[1], keras.layers.ReLU(6.0), plain.layers[2]])
        model.build((None, 4))
        for layer in plain.layers[1:]:
            layer.kernel.assign(10 * layer.kernel)
        assert_same(tt.score(model, "synflow"), tt.score(plain, "synflow"))
        assert "call" not in model.layers[1].__dict__

    @pytest.mark.slow
    def test_is_conserved_from_layer_to_layer(self):
        model = nets.functional((4, 7, 5, 3), activation="relu", use_bias=False)
        tt.prune(model, "random", 0.3)
        sums = [array.sum() for array in tt.score(model, "synflow")]
        np.testing.assert_allclose(sums, sums[0], rtol=1e-14)

    @pytest.mark.slow
    def test_takes_the_absolute_value_of_every_parameter(self):
        model = nets.convolutional()
        for variable in model.variables:
            variable.assign(np.random.default_rng(0).normal(size=variable.shape))
        scores = tt.score(model, "synflow")
        for variable in model.variables:
            variable.assign(np.abs(variable))
        assert_same(tt.score(model, "synflow"), scores)

    @pytest.mark.slow
    def test_does_not_overflow_float32(self):
        model = nets.functional((9,) * 30, use_bias=False)
        for variable in model.trainable_variables:
            variable.assign(np.full(variable.shape, 10.0))
        scores = tt.score(model, "synflow")
        np.testing.assert_allclose([array.sum() for array in scores], 9 * 90.0**29, rtol=1e-12)

    @pytest.mark.slow
    def test_overflow_of_float64_is_an_error(self):
        model = nets.functional((9,) * 30, use_bias=False)
        for variable in model.trainable_variables:
            variable.assign(np.full(variable.shape, 1e12))
        with pytest.raises(ValueError, match="beyond float64: activations grow too fast"):
            tt.score(model, "synflow")

    def test_takes_the_papers_hundred_rounds(self):
        assert checked_rounds(None, "synflow", SCORES["synflow"], trains_between=False) == 100

    @pytest.mark.slow
    def test_many_rounds_keep_every_layer_where_one_does_not(self):
        # The wide layer has most of the weights, and each of little flow.
        model = nets.functional((20, 300, 300, 3), activation="relu", use_bias=False)
        with pytest.warns(UserWarning, match="has collapsed"):
            assert tt.prune(model, "synflow", 0.999, rounds=1).collapsed
        ticket = tt.prune(model, "synflow", 0.999)
        assert not ticket.collapsed and all(layer.kept for layer in ticket.layers)
        assert ticket.kept == round(0.001 * ticket.total)
        assert ticket.effective_sparsity == ticket.sparsity

    @pytest.mark.slow
    @pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
    def test_leaves_out_the_activation_at_the_end(self, activation):
        logits = nets.functional((4, 5, 3))
        outputs = keras.layers.Activation(activation)(logits.outputs[0])
        assert_same(tt.score(keras.Model(logits.inputs, outputs), "synflow"), tt.score(logits, "synflow"))

    @pytest.mark.slow
    def test_leaves_out_preprocessing(self):
        inputs = keras.Input((4,), dtype="uint8")
        normalization = keras.layers.Normalization(mean=[1.0, 2, 3, 4], variance=[4.0, 4, 4, 4])
        plain = nets.functional((4, 5, 3))
        model = keras.Model(inputs, plain(normalization(keras.layers.Rescaling(1 / 255.0, -1)(inputs))))
        assert_same(tt.score(model, "synflow"), tt.score(plain, "synflow"))


class Doubles(keras.layers.Layer):
    """A call that works in float32 alone."""

    def call(self, inputs):
        return inputs * tf.constant(2.0)


class Positions(keras.layers.Layer):
    """A table of positions, which ends."""

    def build(self, shape):
        self.table = self.add_weight(shape=(16, shape[-1]), initializer="ones", name="table")

    def call(self, inputs):
        length = keras.ops.shape(inputs)[1]
        return inputs + keras.ops.slice(self.table, (0, 0), (length, inputs.shape[-1]))


def of_words(length=None):
    words = keras.Input((length,), dtype="int32")
    x = Positions()(keras.layers.Embedding(9, 4)(words))
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Dense(5)(x))
    return keras.Model(words, keras.layers.Dense(3)(x))


class TestAnyModel:
    """Whatever is inside is called on ones in float64."""

    @pytest.mark.parametrize("padding", ["valid", "same"])
    def test_maxima_of_volumes_are_what_keras_gives(self, padding):
        volume = np.abs(np.random.default_rng(0).normal(size=(1, 5, 6, 7, 2)))
        layer = keras.layers.MaxPooling3D((2, 3, 2), (2, 1, 3), padding)
        expected = layer(volume.astype("float32"))
        with _flowing(keras.Sequential([layer])):
            np.testing.assert_allclose(layer.call(tf.constant(volume)), expected, rtol=1e-6)

    def test_a_network_of_volumes(self):
        conv = keras.layers.Conv3D(2, 2, activation="relu")
        layers = [conv, keras.layers.MaxPooling3D(2), keras.layers.Flatten(), keras.layers.Dense(3)]
        ticket = tt.prune(keras.Sequential([keras.Input((5, 5, 5, 1)), *layers]), "synflow", 0.5, rounds=2)
        assert ticket.on_path is not None

    def test_a_call_that_insists_on_float32_is_given_that(self):
        plain = nets.functional((4, 7, 3), use_bias=False)
        first, last = plain.layers[1:]
        doubled = keras.Sequential([keras.Input((4,)), first, Doubles(), last])
        for found, expected in zip(tt.score(doubled, "synflow"), tt.score(plain, "synflow"), strict=True):
            np.testing.assert_allclose(found, 2 * expected, rtol=1e-6)

    @pytest.mark.slow
    def test_strings(self):
        words = keras.Input((2,), dtype="string")
        x = keras.layers.Embedding(5, 4)(keras.layers.StringLookup(vocabulary=["a", "1"])(words))
        model = keras.Model(words, keras.layers.Dense(3)(keras.layers.Flatten()(x)))
        assert tt.prune(model, "synflow", 0.5, rounds=2).on_path is not None

    @pytest.mark.slow
    def test_axes_left_open_are_as_long_as_the_model_can_take_or_the_data_are(self):
        model = of_words()
        assert_same(tt.score(model, "synflow"), tt.score(with_weights_of(of_words(16), model), "synflow"))
        data = (np.ones((4, 6), "int32"), np.zeros(4))
        found = tt.score(model, "synflow", data=data)
        assert_same(found, tt.score(with_weights_of(of_words(6), model), "synflow"))
        tt.mask_layers(model, exclude=Positions)
        assert tt.prune(model, "synflow", 0.5, rounds=2).on_path is not None

    def test_a_model_that_knows_no_shapes_takes_those_of_the_data(self):
        class Open(keras.Model):
            def build(self, input_shape=None):
                self.dense = keras.layers.Dense(3)
                self.dense.build((None, 4))

            def call(self, x):
                return self.dense(x)

        model = Open()
        model.build()
        dataset = tf.data.Dataset.from_tensor_slices((np.zeros((8, 4), "float32"), np.zeros(8))).batch(4)
        assert tt.prune(model, "synflow", 0.5, data=dataset, rounds=2).on_path is not None

    def test_one_that_cannot_be_called_on_ones_is_refused_in_words(self):
        class OnlyZeros(keras.layers.Layer):
            def call(self, x):
                with tf.control_dependencies([tf.debugging.assert_less(x, tf.cast(1, x.dtype))]):
                    return tf.identity(x)

        model = keras.Sequential([keras.Input((4,)), OnlyZeros(), keras.layers.Dense(3)])
        with pytest.raises(ValueError, match=r"SynFlow calls a model on an input of ones, and .*cannot"):
            tt.score(model, "synflow")


def with_weights_of(model, other):
    model.set_weights(other.get_weights())
    return model
