"""The classifier is what feeds an output: after it no other kernel is on the way there, masked or not."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tf_tickets.layers import classifiers_of, prunable_weights

L = keras.layers


def found(model):
    """Layers of the classifiers among the weights that are masked, or would be."""
    entries = prunable_weights(model)
    return [entries[position].layer.name for position in classifiers_of(model, entries).positions]


def masked(model, **selection):
    tt.mask_layers(model, **selection)
    return found(model)


def dense(name, units=4):
    return L.Dense(units, name=name)


def chain(*names):
    inputs = x = keras.Input((4,))
    for name in names:
        x = L.ReLU()(dense(name)(x))
    return keras.Model(inputs, x)


def two_headed():
    inputs = keras.Input((4,))
    body = dense("body")(inputs)
    return keras.Model(
        inputs, {"one": dense("one")(body), "two": L.Softmax()(dense("two")(dense("deep")(body)))}
    )


class Subclassed(keras.Model):
    """Parts by name, and a forward pass."""

    def __init__(self, forward, *parts):
        super().__init__()
        self.parts = {part.name: part for part in parts}
        self.forward = forward

    def call(self, inputs):
        return self.forward(self.parts, inputs)


def subclassed(forward, *parts, shape=(2, 4)):
    model = Subclassed(forward, *parts)
    model(np.ones(shape, "float32"))
    return model


@pytest.mark.slow
def test_of_one_head_is_the_last_weight_whatever_the_kind_of_model():
    for name in nets.NETS:
        model = nets.build(name)
        assert classifiers_of(model, prunable_weights(model)).known, name
    for name in ("functional", "sequential", "subclassed", "nested"):
        model = nets.build(name)
        entries = prunable_weights(model)
        assert classifiers_of(model, entries).positions == (len(entries) - 1,), name


@pytest.mark.slow
def test_is_none_where_the_head_is_left_alone():
    assert found(chain("a", "b", "head")) == ["head"]
    model = chain("a", "b", "head")
    assert masked(model, exclude=model.layers[-2]) == []
    assert masked(chain("a", "b", "head"), include=lambda layer: layer.name in "ab") == []


@pytest.mark.slow
def test_is_none_where_the_head_cannot_be_masked():
    model = chain("a", "b", "head")
    model.get_layer("head").enable_lora(2)
    assert masked(model) == []
    model = chain("a", "b", "head")
    model.get_layer("head").quantize("int8")
    assert masked(model) == []

    class Own(L.Layer):
        def build(self, shape):
            self.matrix = self.add_weight(shape=(shape[-1], 3))

        def call(self, x):
            return keras.ops.matmul(x, self.matrix)

    inputs = keras.Input((4,))
    assert masked(keras.Model(inputs, Own()(dense("a")(inputs)))) == []


@pytest.mark.slow
def test_a_recurrent_layer_after_it_is_a_kernel_too():
    inputs = keras.Input((3, 4))
    assert "a" not in found(keras.Model(inputs, L.GRU(2)(dense("a")(inputs))))
    assert found(keras.Model(inputs, dense("head")(L.GRU(2)(dense("a")(inputs))))) == ["head"]


def test_normalization_biases_and_tables_of_positions_are_no_kernels():
    class Shifted(L.Layer):
        def build(self, shape):
            self.table = self.add_weight(shape=shape[1:])

        def call(self, x):
            return x + self.table

    inputs = keras.Input((3, 4))
    x = L.PReLU()(L.LayerNormalization(axis=(1, 2))(Shifted()(dense("a")(inputs))))
    assert masked(keras.Model(inputs, x)) == ["a"]


def test_are_several_where_outputs_have_heads_of_their_own():
    assert sorted(found(two_headed())) == ["one", "two"]
    assert masked(two_headed(), exclude=lambda layer: layer.name == "two") == ["one"]


def test_an_output_on_the_way_has_its_classifier_too():
    inputs = keras.Input((4,))
    early = dense("early")(dense("a")(inputs))
    assert found(keras.Model(inputs, [early, dense("late")(early)])) == ["early", "late"]


def test_what_is_added_around_a_kernel_feeds_the_output_through_it():
    inputs = keras.Input((4,))
    x = dense("stem")(inputs)
    for name in "ab":
        x = x + dense(f"{name}2")(L.ReLU()(dense(f"{name}1")(x)))
    assert masked(keras.Model(inputs, L.LayerNormalization()(x))) == ["b2"]


def test_shapes_that_are_open_lead_to_no_kernel():
    model = subclassed(
        lambda p, x: tf.reshape(p["head"](p["a"](x)), (-1, 2 * tf.shape(x)[1])), dense("a"), dense("head")
    )
    assert found(model) == ["head"]


def test_branches_that_are_added_up_are_classifiers_together():
    inputs = keras.Input((4,))
    assert found(keras.Model(inputs, dense("wide")(inputs) + dense("deep")(dense("a")(inputs)))) == [
        "wide",
        "deep",
    ]


def test_of_a_shared_layer_the_last_call_counts():
    model = subclassed(lambda p, x: p["a"](p["b"](p["a"](x))), dense("a"), dense("b"))
    assert found(model) == ["a"]


def test_of_a_layer_of_two_kernels_it_is_the_one_that_comes_last():
    inputs = keras.Input((8, 8, 2))
    model = keras.Model(inputs, L.SeparableConv2D(3, 3)(inputs))
    entries = tt.mask_layers(model, include=lambda layer: True).masked
    (position,) = classifiers_of(model, entries).positions
    assert entries[position].attribute == "pointwise_kernel"


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda layer: tf.function(lambda x: layer(x)),
        lambda layer: lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: layer(x), lambda: 2 * layer(x)),
        lambda layer: lambda x: tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, layer(y)), (0, x))[1],
        lambda layer: lambda x: tf.map_fn(layer, x[:, None])[:, 0],
        lambda layer: lambda x: keras.remat(layer)(x),
    ],
    ids=["function", "condition", "loop", "map", "rematerialised"],
)
def test_is_found_in_what_a_call_runs_inside(wrapped):
    layer = dense("head")
    model = subclassed(lambda p, x: tf.nn.relu(wrapped(p["head"])(p["a"](x))), dense("a"), layer)
    assert found(model) == ["head"]
    assert masked(model, exclude=layer) == []


def test_of_heads_that_read_a_table_of_the_inputs_the_table_counts():
    class Tied(keras.Model):
        def __init__(self):
            super().__init__()
            self.table, self.middle = L.Embedding(7, 4), dense("middle")

        def call(self, ids):
            return keras.ops.matmul(self.middle(self.table(ids)), keras.ops.transpose(self.table.embeddings))

    model = Tied()
    model(np.zeros((2, 3), "int32"))
    assert found(model) == []


def test_outputs_that_have_no_gradient_have_classifiers():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.ops.argmax(dense("head")(dense("a")(inputs)), -1))
    assert found(model) == ["head"]


def test_where_the_graph_does_not_tell_the_last_of_all_kernels_is_taken():
    def hidden(p, x):
        x = p["b"](p["a"](x))
        return tf.ensure_shape(tf.numpy_function(lambda x: x, [x], "float32"), (None, 4))

    model = subclassed(hidden, dense("a"), dense("b"))
    entries = prunable_weights(model)
    answer = classifiers_of(model, entries)
    assert (answer.positions, answer.known) == ((1,), False)
    tt.mask_layers(model, exclude=model.parts["b"])
    answer = classifiers_of(model, tt.masked_weights(model))
    assert (answer.positions, answer.known) == ((), False)


def test_a_model_that_knew_its_inputs_once_is_not_asked_again():
    model = Subclassed(lambda p, x: p["b"](p["a"](x["left"])), dense("a"), dense("b"))
    data = {"left": np.ones((2, 4), "float32")}
    model(data)
    tt.mask_layers(model, data=data, exclude=model.parts["b"])
    assert found(model) == []


def test_is_found_in_a_model_of_several_replicas():
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = two_headed()
    assert sorted(found(model)) == ["one", "two"]
