"""What the smaller model has of the one before it, besides its numbers."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests.compaction.test_compact import filled, kill, same_outputs, stay
from tf_tickets.layers import value_of

L = keras.layers


class TestNames:
    @pytest.mark.slow
    def test_may_be_the_same_outside_and_inside(self):
        def part(name):
            keras.backend.clear_session()  # operations are counted anew
            inputs = keras.Input((4,))
            return keras.Model(inputs, keras.ops.relu(L.Dense(5, name="image")(inputs)), name=name)

        first, second = part("first"), part("second")
        inputs = keras.Input((4,), name="image")
        x = L.Concatenate()([first(inputs), second(inputs)])
        model = filled(keras.Model(inputs, L.Dense(2)(x)))
        kill(first.layers[1], [0])
        small = tt.compact(model)
        assert len({layer.name for layer in small.layers}) == len(small.layers)
        assert small.inputs[0].name == "image" and same_outputs(model, small)

    def test_operations_do_not_remember_the_new_model(self):
        inputs = keras.Input((4,))
        x = L.Dense(5, name="first")(inputs)
        model = filled(keras.Model(inputs, L.Dense(2)(keras.ops.relu(x) * 2.0)))
        kill(model.get_layer("first"), [0])
        before = [(len(one._inbound_nodes), len(one._outbound_nodes)) for one in model.operations]
        assert same_outputs(model, tt.compact(model))
        assert [(len(one._inbound_nodes), len(one._outbound_nodes)) for one in model.operations] == before


class TestTheModelItself:
    @staticmethod
    def state(model):
        return [value_of(x) for x in model.variables], [len(layer._losses) for layer in model.layers]

    @pytest.mark.parametrize(
        "layer",
        [
            L.BatchNormalization(),
            L.Dropout(0.5),
            pytest.param(
                L.Bidirectional(L.SimpleRNN(5, dropout=0.5, recurrent_dropout=0.5, return_sequences=True)),
                marks=pytest.mark.slow,
            ),
        ],
    )
    def test_stays_as_it_is_where_layers_always_train(self, layer):
        inputs = keras.Input((2, 3))
        x = layer(L.Dense(6, "sigmoid", name="first", activity_regularizer="l2")(inputs), training=True)
        model = filled(keras.Model(inputs, L.Dense(2)(L.Dense(5, name="last")(x))))
        kill(model.get_layer("first"), [0])
        kill(model.get_layer("last"), [1])
        before = self.state(model)
        small = tt.compact(model)
        assert (stay(small)["first"], stay(small)["last"]) == (6, 4)
        assert small.compaction.pinned == {layer.name: "it is called with training=True"}
        assert all(map(np.array_equal, before[0], self.state(model)[0])) and before[1] == self.state(model)[1]

    def test_that_is_frozen_gives_one_that_is(self):
        model = filled(keras.Sequential([keras.Input((4,)), L.Dense(5, name="first"), L.Dense(2)]))
        kill(model.get_layer("first"), [0])
        model.trainable = False
        assert not tt.compact(model).trainable


def test_outputs_may_be_strings():
    inputs = keras.Input((4,))
    x = keras.ops.argmax(L.Dense(3, name="last")(L.Dense(5, name="first")(inputs)), -1)
    names = L.StringLookup(vocabulary=["a", "b", "c"], num_oov_indices=0, invert=True)(x)
    model = filled(keras.Model(inputs, names))
    kill(model.get_layer("first"), [0])
    small = tt.compact(model)
    assert stay(small)["first"] == 4 and small.compaction.largest_difference == 0


class TestWhatAConfigDoesNotHold:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "lookup", [L.StringLookup(), L.TextVectorization(output_sequence_length=3)], ids=["lookup", "text"]
    )
    def test_vocabularies(self, lookup):
        lookup.adapt(np.array(["a", "b", "c", "d"]))
        inputs = keras.Input((1,), dtype="string")
        x = L.Embedding(7, 5, name="table")(lookup(inputs))
        model = filled(keras.Model(inputs, L.Dense(2)(L.Flatten()(x))))
        kill(model.get_layer("table"), [0], name="embeddings")
        small = tt.compact(model)
        x = tf.constant([["a"], ["c"], ["d"], ["e"]])
        assert stay(small)["table"] == 4 and same_outputs(model, small, x)

    def test_functions_without_a_name(self):
        shift = 2.0
        model = filled(
            keras.Sequential(
                [
                    keras.Input((4,)),
                    L.Dense(5, activation=lambda x: x * shift, name="first"),
                    L.Lambda(lambda x: x + shift),
                    L.Dense(6, name="second"),
                    L.Dense(2),
                ]
            )
        )
        kill(model.get_layer("second"), [0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Keras: a file could not hold it
            small = tt.compact(model)
        assert stay(small)["second"] == 5 and same_outputs(model, small)

    def test_initial_values_for_as_many_channels_as_there_were(self):
        values = np.random.default_rng(0).normal(size=(7, 5)).astype("float32")
        values[:, 2] = 0
        inputs = keras.Input((3,), dtype="int32")
        table = L.Embedding(7, 5, embeddings_initializer=keras.initializers.Constant(values), name="table")
        model = keras.Model(inputs, L.Dense(2)(L.Flatten()(table(inputs))))
        small = tt.compact(model)
        assert stay(small)["table"] == 4 and same_outputs(model, small)

    def test_what_its_weights_depend_on_is_an_error(self):
        @keras.saving.register_keras_serializable(package="tests")
        class Forgetful(L.Layer):
            def __init__(self, units=2, **kwargs):
                super().__init__(**kwargs)
                self.units = units

            def build(self, shape):
                self.scale = self.add_weight((self.units,), name="scale")

            def call(self, x):
                return x * keras.ops.sum(self.scale)

            def get_config(self):
                return super(Forgetful, self).get_config()

        model = filled(keras.Sequential([keras.Input((4,)), L.Dense(5), Forgetful(3, name="it"), L.Dense(2)]))
        with pytest.raises(ValueError, match=r"'it' .*has other weights \(scale \(2,\)\) than before .*3"):
            tt.compact(model)

    def test_that_tells_more_than_the_layer_takes(self):
        class Counting(L.Layer):
            def __init__(self, units, **kwargs):
                super().__init__(**kwargs)
                self.units = units

            def call(self, x):
                return x * self.units

            def get_config(self):
                return {**super().get_config(), "units": self.units, "worked_out": 7 * self.units}

        model = filled(keras.Sequential([keras.Input((4,)), L.Dense(5), L.Dense(2), Counting(3, name="it")]))
        kill(model.layers[0], [0])
        assert same_outputs(model, tt.compact(model))


def test_attention_that_is_quantized_is_to_be_compacted_before():
    inputs = keras.Input((5, 6))
    x = L.Dense(6, name="first")(inputs)
    model = filled(keras.Model(inputs, L.Dense(2)(L.MultiHeadAttention(2, 4, name="attention")(x, x))))
    kill(model.get_layer("first"), [0])
    model.quantize("int8", filters="attention")
    with pytest.raises(ValueError, match=r"'attention' .*compact first, and quantize what is smaller"):
        tt.compact(model)
