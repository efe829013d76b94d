"""What the smaller model has of the one before it, besides its numbers."""

import keras

import tf_tickets as tt
from tests.compaction.test_compact import filled, kill, same_outputs

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
