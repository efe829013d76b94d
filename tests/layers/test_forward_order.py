"""The order in which data meets the weights, whatever order the attributes stand in."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tf_tickets.layers import forward_order, prunable_weights


def names(model, data=None):
    """Layers of the model's kernels, in forward order."""
    kernels = [weight for weight in model.trainable_weights if weight.name == "kernel"]
    return [kernels[i].path.split("/")[-2] for i in forward_order(model, kernels, data)]


def dense(name, units=3):
    return keras.layers.Dense(units, name=name)


class Net(keras.Model):
    """A subclassed model made of layers and a forward pass."""

    def __init__(self, forward, *layers):
        super().__init__()
        self.parts = {layer.name: layer for layer in layers}
        self.forward = forward


class OneInput(Net):
    def call(self, inputs):
        return self.forward(self.parts, inputs)


class TwoInputs(Net):
    def call(self, left, right):
        return self.forward(self.parts, left, right)


def test_is_not_the_order_of_the_attributes():
    model = OneInput(lambda p, x: p["a"](p["c"](p["b"](x))), dense("a"), dense("b"), dense("c"))
    model(np.zeros((2, 3), "float32"))
    assert names(model) == ["b", "c", "a"]


def test_is_the_order_of_first_reading_where_a_layer_is_shared():
    model = OneInput(lambda p, x: p["a"](p["b"](p["a"](x))), dense("b"), dense("a"))
    model(np.zeros((2, 3), "float32"))
    assert names(model) == ["a", "b"]


def test_leaves_out_what_is_never_read():
    model = OneInput(lambda p, x: p["b"](x), dense("a"), dense("b"))
    model.parts["a"].build((None, 3))
    model(np.zeros((2, 3), "float32"))
    kernels = [weight for weight in model.trainable_weights if weight.name == "kernel"]
    assert len(kernels) == 2
    assert names(model) == ["b"]


def test_is_the_same_before_and_after_masking_also_within_a_layer():
    inputs = keras.Input((8, 8, 2))
    x = keras.layers.SeparableConv2D(3, 3)(inputs)
    model = keras.Model(inputs, keras.layers.SeparableConv2D(4, 3)(x))
    expected = [(3, 3, 2, 1), (1, 1, 2, 3), (3, 3, 3, 1), (1, 1, 3, 4)]
    # The pointwise kernels first, then the depthwise ones on request, then all of them once more.
    assert [entry.shape for entry in tt.mask_layers(model).masked] == expected[1::2]
    assert [entry.shape for entry in tt.mask_layers(model, include=lambda layer: True).masked] == expected
    del model.__dict__["_forward_order"]
    assert [entry.shape for entry in tt.masked_weights(model)] == expected


class TestInputs:
    """The model says what it takes, or a batch does."""

    def test_a_sequential_model_that_was_never_called(self):
        assert names(keras.Sequential([keras.Input((3,)), dense("a"), dense("b")])) == ["a", "b"]

    def test_a_sequential_model_without_an_input_layer(self):
        model = keras.Sequential([dense("a"), dense("b")])
        model.build((None, 3))
        assert names(model) == ["a", "b"]

    @pytest.mark.parametrize("structure", [list, tuple, dict])
    def test_a_functional_model_of_any_structure(self, structure):
        x, y = keras.Input((3,), name="x"), keras.Input((4,), name="y")
        inputs = {"x": x, "y": y} if structure is dict else structure([x, y])
        joined = keras.layers.Concatenate()([y, dense("a")(x)])
        assert names(keras.Model(inputs, dense("b")(joined))) == ["a", "b"]

    def test_a_functional_model_of_ids(self):
        ids = keras.Input((4,), dtype="int32")
        model = keras.Model(ids, dense("a")(keras.layers.Embedding(5, 3)(ids)))
        assert names(model) == ["a"]

    def test_a_subclassed_model_of_a_dict(self):
        model = OneInput(lambda p, x: p["a"](x["left"]) + p["b"](x["right"]), dense("b"), dense("a"))
        model({"left": np.zeros((2, 3), "float32"), "right": np.zeros((2, 4), "float32")})
        assert names(model) == ["a", "b"]

    def test_a_subclassed_model_of_two_arguments_needs_a_batch(self):
        model = TwoInputs(lambda p, x, y: p["b"](p["a"](x) + y), dense("b"), dense("a"))
        batch = np.zeros((2, 3), "float32"), np.zeros((2, 3), "float32")
        model(*batch)
        with pytest.raises(ValueError, match=r"could not be traced .* pass that batch as data="):
            names(model)
        assert names(model, batch) == ["a", "b"]
        assert [entry.layer.name for entry in tt.mask_layers(model, data=batch).masked] == ["a", "b"]

    def test_a_model_that_is_not_built_says_so(self):
        with pytest.raises(ValueError, match=r"is not built. Call it on a batch of data, or model.build"):
            forward_order(OneInput(lambda p, x: x), [])

    def test_a_model_that_forgot_its_shapes_says_so(self):
        model = OneInput(lambda p, x: p["a"](x), dense("a"))
        model(np.zeros((2, 3), "float32"))
        model._build_shapes_dict = None
        with pytest.raises(ValueError, match=r"does not know its input shape. .*data="):
            names(model)
        assert names(model, np.zeros((2, 3))) == ["a"]


class TestLeavesNoTrace:
    def test_no_variable_changes(self):
        class Counts(keras.layers.Layer):
            def build(self, input_shape):
                self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

            def call(self, inputs):
                self.calls.assign_add(1.0)
                return inputs

        inputs = keras.Input((3,))
        x = keras.layers.Dropout(0.5)(dense("a")(Counts()(inputs)))
        model = keras.Model(inputs, keras.layers.BatchNormalization()(x))
        before = [keras.ops.convert_to_numpy(variable) for variable in model.variables]
        assert names(model) == ["a"]
        nets.assert_equal([keras.ops.convert_to_numpy(variable) for variable in model.variables], before)

    def test_nothing_is_run(self):
        ran = []

        def forward(parts, x):
            tf.py_function(lambda: ran.append(1), [], [])
            return parts["a"](x)

        model = OneInput(forward, dense("a"))
        model(np.zeros((2, 3), "float32"))
        ran.clear()
        assert names(model) == ["a"] and ran == []

    def test_layers_keep_their_call(self):
        model = nets.build("attention")
        prunable_weights(model)
        assert not any("call" in layer.__dict__ for layer in model._flatten_layers())


def test_is_remembered_and_forgotten_with_the_masks():
    model = nets.build("subclassed")
    tt.mask_layers(model)
    kept = model.__dict__["_forward_order"]
    tt.masked_weights(model)
    assert model.__dict__["_forward_order"] is kept
    tt.fold(model)
    assert "_forward_order" not in model.__dict__
