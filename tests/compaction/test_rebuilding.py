"""What the smaller model has of the one before it, besides its numbers."""

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tests.compaction.test_compact import filled, kill, same_outputs, stay
from tf_tickets.layers import value_of

L = keras.layers


class TestNames:
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
            L.GRU(5, dropout=0.5, return_sequences=True),
            L.Bidirectional(L.LSTM(5, recurrent_dropout=0.5, return_sequences=True)),
        ],
    )
    def test_stays_as_it_is_where_layers_always_train(self, layer):
        inputs = keras.Input((4, 3))
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
