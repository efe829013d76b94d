"""Models within models, and masks that Keras passes along."""

import warnings

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tests.compaction.networks import settle
from tests.compaction.test_compact import filled, kill, same_outputs, stay

L = keras.layers
TOKENS = np.array([[1, 2, 3, 0, 0], [4, 5, 0, 0, 0], [6, 7, 8, 1, 2]])


def embedded(units=4):
    tokens = keras.Input((5,), dtype="int32")
    return tokens, L.Embedding(9, units, mask_zero=True, name="table")(tokens)


class TestModelsWithin:
    def two_inputs(self):
        one, two = keras.Input((4,), name="one"), keras.Input((4,), name="two")
        x = L.Concatenate()([L.Dense(6, name="a")(one), L.Dense(7, name="b")(two)])
        return keras.Model([two, one], x, name="inside")

    @pytest.mark.slow
    @pytest.mark.parametrize("by_name", [False, True])
    def test_with_several_inputs_are_taken_apart(self, by_name):
        inside = self.two_inputs()
        one, two = keras.Input((4,)), keras.Input((4,))
        x = inside({"one": one, "two": two} if by_name else [two, one])
        model = filled(keras.Model([one, two], L.Dense(2)(x)))
        kill(inside.get_layer("a"), [0])
        small = tt.compact(model)
        assert (stay(small)["a"], stay(small)["b"]) == (5, 7) and same_outputs(model, small)

    @pytest.mark.slow
    def test_get_masks(self):
        inputs = keras.Input((5, 4))
        inside = keras.Model(inputs, L.SimpleRNN(3)(L.Dense(6, name="within")(inputs)))
        tokens, x = embedded()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras cannot tell that the mask is used within
            model = filled(keras.Model(tokens, L.Dense(2)(inside(x))))
            kill(inside.get_layer("within"), [0])
            small = tt.compact(model)
        assert stay(small)["within"] == 5 and same_outputs(model, small, TOKENS)

    def test_cast_whole_numbers(self):
        images = keras.Input((6, 6, 2), dtype="float32")
        inside = keras.Model(images, L.Conv2D(5, 3, name="within")(images))
        bytes_ = keras.Input((6, 6, 2), dtype="uint8")
        model = filled(keras.Model(bytes_, L.Dense(2)(L.GlobalAveragePooling2D()(inside(bytes_)))))
        kill(inside.get_layer("within"), [0])
        small = tt.compact(model)
        x = np.random.default_rng(0).integers(0, 255, (3, 6, 6, 2)).astype("uint8")
        assert stay(small)["within"] == 4 and same_outputs(model, small, x)


class TestMasks:
    @pytest.mark.slow
    def test_of_a_concatenation_pin_nothing(self):
        tokens, x = embedded()
        x = L.Concatenate()([L.Dense(6, name="a")(x), L.Dense(5, name="b")(x)])
        model = filled(keras.Model(tokens, L.Dense(2)(L.SimpleRNN(3)(x))))
        kill(model.get_layer("a"), [0, 1])
        small = tt.compact(model)
        assert (stay(small)["a"], stay(small)["b"]) == (4, 5)
        assert not small.compaction.pinned and same_outputs(model, small, TOKENS)

    @pytest.mark.slow
    def test_that_a_kernel_computes_stay_whole(self):
        inputs = keras.Input((5, 3))
        x = L.Dense(6, name="first")(inputs)
        mask = L.Dense(5, "relu", name="mask")(inputs)
        x = L.MultiHeadAttention(2, 3)(x, x, attention_mask=mask)
        model = filled(keras.Model(inputs, L.Dense(2)(x)))
        kill(model.get_layer("mask"), [1, 2])
        kill(model.get_layer("first"), [0])
        small = tt.compact(model)
        assert (stay(small)["first"], stay(small)["mask"]) == (5, 5) and same_outputs(model, small)

    @pytest.mark.slow
    def test_of_the_user_are_used(self):
        tokens, x = embedded()
        x = L.SimpleRNN(4)(L.Dense(6)(x), mask=keras.ops.greater(tokens, 3))
        model = keras.Model(tokens, L.Dense(2)(x))
        settle(model, np.random.default_rng(1), density=0.5)
        assert same_outputs(model, tt.compact(model), TOKENS)
