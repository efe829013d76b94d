"""`tt.compact`: fewer channels, equal outputs, whatever the layers around them are."""

import json
import re
import warnings

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tests.compaction.networks import settle
from tf_tickets.compaction import Compaction
from tf_tickets.compaction.output_difference import largest_difference
from tf_tickets.layers import value_of

L = keras.layers
# Of float32 sums in another order, as a part of the largest output.
ROUNDING = 2e-6


def same_outputs(model, small, x=None):
    """As the compaction found of random inputs; of other inputs, or what was loaded, it is found here."""
    if x is None and hasattr(small, "compaction"):
        return small.compaction.largest_difference < ROUNDING
    return largest_difference(model, small, x) < ROUNDING


def filled(model, seed=0):
    """Every weight drawn, none of them zero."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if variable.name == "moving_variance":
            variable.assign(rng.uniform(0.5, 2, variable.shape))
        elif variable.name != "seed_generator_state":
            variable.assign(rng.normal(size=variable.shape) / np.sqrt(np.prod(variable.shape[:-1]) or 1))
    return model


def kill(layer, channels, name="kernel", axis=-1):
    """Makes weights that enter (`axis` -1) or leave (-2) channels zero."""
    variable = getattr(layer, name)
    values = value_of(variable)
    values[(..., channels) if axis == -1 else (..., channels, slice(None))] = 0
    variable.assign(values)


def stay(small):
    return {layer.name: layer.stay for layer in small.compaction.layers}


def images(*layers, shape=(8, 8, 2), end=L.GlobalAveragePooling2D):
    return filled(keras.Sequential([keras.Input(shape), *layers, end(), L.Dense(3, name="out")]))


class TestChains:
    @pytest.mark.slow
    def test_what_nothing_enters_and_what_nobody_reads_goes(self):
        model = images(L.Conv2D(6, 3, activation="relu", name="first"), L.Conv2D(5, 3, name="second"))
        kill(model.get_layer("first"), [0, 1])
        kill(model.get_layer("second"), [4], axis=-2)  # reads channel 4 no more
        kill(model.get_layer("second"), [2])
        small = tt.compact(model)
        assert stay(small) == {"first": 3, "second": 4, "out": 3}
        assert same_outputs(model, small)

    def test_zeros_are_counted_not_summed(self):
        model = images(L.Conv2D(2, 1, use_bias=False, name="first"))
        kernel = np.zeros((1, 1, 2, 2), "float32")
        kernel[0, 0, :, 0] = [1, -1]  # a sum that cancels
        model.get_layer("first").kernel.assign(kernel)
        assert stay(tt.compact(model))["first"] == 1

    @pytest.mark.slow
    def test_one_goes_because_the_next_does(self):
        model = images(L.Conv2D(4, 1, name="a"), L.Conv2D(4, 1, name="b"), L.Conv2D(4, 1, name="c"))
        kernel = np.zeros((1, 1, 4, 4), "float32")
        kernel[0, 0, 0, 0] = 1
        model.get_layer("b").kernel.assign(kernel)
        kill(model.get_layer("c"), [1, 2, 3], axis=-2)
        assert stay(tt.compact(model)) == {"a": 1, "b": 1, "c": 4, "out": 3}

    @pytest.mark.slow
    @pytest.mark.parametrize("end", [L.Flatten, L.GlobalMaxPooling2D, L.GlobalAveragePooling2D])
    def test_through_pooling_and_into_features(self, end):
        model = images(
            L.Conv2D(5, 3, padding="same", name="first"),
            L.BatchNormalization(),
            L.ReLU(),
            L.MaxPooling2D(),
            L.AveragePooling2D(2, padding="same"),
            end=end,
        )
        kill(model.get_layer("first"), [0, 3])
        small = tt.compact(model)
        assert stay(small) == {"first": 3, "out": 3}
        assert same_outputs(model, small)

    @pytest.mark.slow
    def test_a_feature_that_is_read_at_one_position_keeps_its_channel(self):
        model = images(L.Conv2D(3, 1, name="first"), end=L.Flatten, shape=(2, 2, 1))
        kernel = np.zeros((12, 3), "float32")
        kernel[0] = kernel[7] = 1  # channel 0 at the first position, channel 1 at the third
        model.get_layer("out").kernel.assign(kernel)
        small = tt.compact(model)
        assert stay(small)["first"] == 2 and same_outputs(model, small)

    def test_a_network_without_a_path_keeps_one_channel_and_its_constant(self):
        model = images(L.Conv2D(4, 3, name="first"))
        kill(model.get_layer("first"), [0, 1, 2, 3])
        small = tt.compact(model)
        assert stay(small)["first"] == 1 and same_outputs(model, small)


class TestConstants:
    """A dead channel gives what its bias, normalisation and activation make of nothing."""

    def model(self, padding, size=None):
        model = images(
            L.Conv2D(6, 3, padding=padding, use_bias=False, name="first"),
            L.BatchNormalization(),
            L.Activation("sigmoid"),
            L.Conv2D(5, 3, padding=padding, use_bias=False, name="second"),
            L.Conv2D(4, 3, padding=padding, strides=2, name="third"),
            shape=(size, size, 2),
        )
        kill(model.get_layer("first"), [1, 2, 5])
        return model

    @pytest.mark.slow
    def test_go_into_the_bias_where_nothing_is_padded(self):
        model = self.model("valid", 9)
        small = tt.compact(model)
        assert stay(small)["first"] == 3 and small.get_layer("second").use_bias
        assert small.compaction.carriers == 0 and same_outputs(model, small)

    def test_go_into_one_of_them_behind_zero_padding(self):
        model = self.model("same", 8)
        small = tt.compact(model)
        assert stay(small)["first"] == 4 and small.compaction.carriers == 1
        assert same_outputs(model, small)

    @pytest.mark.slow
    def test_are_exact_at_the_borders_of_any_size(self):
        model = self.model("same")
        small = tt.compact(model)
        for size in (1, 2, 5, 12):
            x = np.random.default_rng(0).normal(size=(2, size, size + 1, 2)).astype("float32")
            assert same_outputs(model, small, x)

    @pytest.mark.slow
    @pytest.mark.parametrize("halvings", [6, 0])
    def test_sizes_that_a_model_needs_are_found(self, halvings):
        inputs = keras.Input((None, None, 1))
        x = inputs
        for _ in range(halvings):
            x = L.MaxPooling2D(padding="same")(x)
        x = L.Conv2D(4, 3, padding="same", activation="sigmoid", name="first")(x)
        x = L.UpSampling2D(2**halvings)(x) if halvings else L.Conv2D(4, 40, name="large")(x)
        x = L.Conv2D(2, 1)(L.Concatenate()([inputs, x]) if halvings else x)
        model = filled(keras.Model(inputs, x))
        kill(model.get_layer("first"), [0, 1])
        assert stay(tt.compact(model))["first"] <= 3

    @pytest.mark.slow
    def test_one_stands_for_those_of_all_tensors_that_it_is_tied_to(self):
        inputs = keras.Input((8, 8, 2))
        x = L.Conv2D(6, 3, padding="same", activation="sigmoid", name="stem")(inputs)
        for i in range(2):
            y = L.Conv2D(4, 3, padding="same", activation="relu", name=f"in_{i}")(x)
            x = L.Add()([x, L.Conv2D(6, 3, padding="same", activation="sigmoid", name=f"out_{i}")(y)])
        model = filled(keras.Model(inputs, L.Dense(2)(L.GlobalAveragePooling2D()(x))))
        for name in ("stem", "out_0", "out_1"):
            kill(model.get_layer(name), [0, 4, 5])
        small = tt.compact(model)
        assert {stay(small)[name] for name in ("stem", "out_0", "out_1")} == {4}
        assert same_outputs(model, small)

    @pytest.mark.slow
    @pytest.mark.parametrize("axes", [None, [1, 2], [1, 2, 3]])
    def test_behind_slopes_of_each_value_of_each_channel_or_of_all(self, axes):
        model = images(L.Conv2D(4, 3, name="first"), L.PReLU(shared_axes=axes), L.Conv2D(3, 3))
        kill(model.get_layer("first"), [0, 1])
        small = tt.compact(model)
        assert stay(small)["first"] <= 3 and same_outputs(model, small)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["relu", "sigmoid", "gelu", "softplus", "exponential", "hard_swish"])
    def test_are_what_the_activation_makes_of_them(self, name):
        model = images(L.Conv2D(4, 3, activation=name, name="first"), L.Conv2D(3, 3, padding="same"))
        kill(model.get_layer("first"), [0, 1])
        assert same_outputs(model, tt.compact(model))


class TestJunctions:
    @pytest.mark.slow
    def test_a_sum_keeps_a_channel_that_any_of_its_terms_needs(self):
        inputs = keras.Input((6, 6, 2))
        a = L.Conv2D(4, 3, padding="same", name="a")(inputs)
        b = L.Conv2D(4, 3, padding="same", name="b")(inputs)
        model = filled(keras.Model(inputs, L.Dense(2)(L.Flatten()(L.Add()([a, b])))))
        kill(model.get_layer("a"), [0, 1])
        kill(model.get_layer("b"), [1, 2])
        small = tt.compact(model)
        assert stay(small)["a"] == stay(small)["b"] == 3 and same_outputs(model, small)

    @pytest.mark.slow
    def test_a_concatenation_loses_channels_of_each_part(self):
        inputs = keras.Input((6, 6, 2))
        a, b = (L.Conv2D(4, 3, padding="same", name=name)(inputs) for name in "ab")
        x = L.Conv2D(3, 3, padding="same", name="after")(L.Concatenate()([a, inputs, b]))
        model = filled(keras.Model(inputs, L.GlobalAveragePooling2D()(x)))
        kill(model.get_layer("a"), [0])
        kill(model.get_layer("after"), [7, 8], axis=-2)  # two of b
        small = tt.compact(model)
        # One of the constants of a stays: the convolution behind it pads.
        assert stay(small) == {"a": 4, "b": 2, "after": 3} and same_outputs(model, small)

    @pytest.mark.slow
    def test_a_product_with_nothing_is_nothing(self):
        inputs = keras.Input((6, 6, 2))
        a, b = (L.Conv2D(4, 1, use_bias=False, name=name)(inputs) for name in "ab")
        model = filled(keras.Model(inputs, L.Dense(2)(L.Flatten()(L.Multiply()([a, b])))))
        kill(model.get_layer("a"), [0, 1])
        small = tt.compact(model)
        assert stay(small)["b"] == 2 and same_outputs(model, small)

    @pytest.mark.slow
    def test_operators_of_keras_tensors(self):
        inputs = keras.Input((6, 6, 2))
        a, b = (L.Conv2D(4, 1, name=name)(inputs) for name in "ab")
        x = keras.ops.relu(2.0 * a - b) * 0.5
        model = filled(keras.Model(inputs, L.Dense(2)(L.Flatten()(x))))
        kill(model.get_layer("a"), [3])
        kill(model.get_layer("b"), [3])
        small = tt.compact(model)
        assert stay(small)["b"] == 3 and same_outputs(model, small)

    @pytest.mark.slow
    def test_operations_that_join_and_reduce(self):
        inputs = keras.Input((5, 5, 2))
        x = keras.activations.relu(L.Conv2D(5, 1, name="a")(inputs))
        x = keras.ops.concatenate([x, L.Conv2D(5, 1, name="b")(inputs)], axis=-1)
        model = filled(keras.Model(inputs, L.Dense(2)(keras.ops.mean(x, axis=(1, 2)))))
        for name in "ab":
            kill(model.get_layer(name), [0])
        small = tt.compact(model)
        assert (stay(small)["a"], stay(small)["b"]) == (4, 4) and same_outputs(model, small)

    @pytest.mark.slow
    def test_a_mean_of_channels_needs_all(self):
        inputs = keras.Input((4, 5, 5))
        x = keras.ops.mean(L.Dense(5, name="first")(inputs), axis=-1)  # as many of another kind
        model = filled(keras.Model(inputs, L.Dense(2)(x)))
        kill(model.get_layer("first"), [0])
        with pytest.warns(UserWarning, match=r"Pinned around: mean.* \(it is over axis"):
            assert tt.compact(model) is model

    @pytest.mark.slow
    def test_arrays_in_operations_keep_their_channels(self):
        inputs = keras.Input((6, 6, 2))
        x = L.Conv2D(4, 1, name="a")(inputs)
        x = keras.ops.clip(x, np.zeros(4, "float32"), np.arange(4, dtype="float32"))
        x = L.Conv2D(4, 1, name="b")(x) + np.arange(4, dtype="float32")
        model = filled(keras.Model(inputs, L.Dense(2)(L.Dense(5, name="c")(L.Flatten()(x)))))
        for name in "abc":
            kill(model.get_layer(name), [0])
        small = tt.compact(model)
        assert stay(small)["c"] == 4 and same_outputs(model, small)
        assert set(small.compaction.pinned.values()) == {"an argument of it is an array"}


class TestOtherKernels:
    def test_groups_keep_equally_many(self):
        model = images(L.Conv2D(6, 1, name="first"), L.Conv2D(9, 3, groups=3, name="grouped"))
        kill(model.get_layer("first"), [0, 1, 2])  # all of the first group, one of the second
        kill(model.get_layer("grouped"), [0, 1, 2, 8])
        small = tt.compact(model)
        assert (stay(small)["first"], stay(small)["grouped"]) == (4, 6)
        assert small.get_layer("grouped").groups == 2 and same_outputs(model, small)

    def test_a_depthwise_channel_goes_with_its_input(self):
        model = images(
            L.Conv2D(5, 1, name="first"),
            L.DepthwiseConv2D(3, depth_multiplier=2),
            L.Conv2D(4, 1, name="last"),
        )
        kill(model.get_layer("last"), [2, 3, 5], axis=-2)
        small = tt.compact(model)
        # Both copies of channel 1 are read no more; of channel 2, one still is.
        assert (stay(small)["first"], small.get_layer("last").kernel.shape[2]) == (4, 8)
        assert same_outputs(model, small)

    @pytest.mark.parametrize("layer", [pytest.param(L.LSTM, marks=pytest.mark.slow), L.SimpleRNN])
    def test_a_unit_that_nobody_reads_goes_and_one_that_a_unit_reads_stays(self, layer):
        inputs = keras.Input((3, 3))
        x = layer(4, name="recurrent")(inputs)
        model = filled(keras.Model(inputs, L.Dense(2, name="out")(x)))
        kill(model.get_layer("out"), [0, 1], axis=-2)
        kill(model.get_layer("recurrent").cell, [1], name="recurrent_kernel", axis=-2)
        small = tt.compact(model)
        assert stay(small)["recurrent"] == 3 and same_outputs(model, small)  # the others read unit 0

    @pytest.mark.slow
    def test_constants_that_one_direction_reads_give_the_other_no_bias(self):
        inputs = keras.Input((3, 3))
        x = L.Dense(6, "sigmoid", name="first")(inputs)
        both = L.Bidirectional(L.GRU(4, use_bias=False), name="both")
        model = filled(keras.Model(inputs, L.Dense(2)(both(x))))
        kill(model.get_layer("first"), [0, 1])
        kill(both.backward_layer.cell, [0, 1], axis=-2)
        small = tt.compact(model)
        assert stay(small)["first"] == 4 and same_outputs(model, small)

    @pytest.mark.slow
    @pytest.mark.parametrize("layer", [L.GRU, L.SimpleRNN])
    def test_a_unit_that_nothing_enters_is_zero(self, layer):
        inputs = keras.Input((3, 3))
        ways = [layer(4, name="one")]
        x = ways[0](inputs)
        if layer is L.SimpleRNN:
            both = L.Bidirectional(ways[0], name="one")
            x = both(inputs)
            ways = [both.forward_layer, both.backward_layer]
        model = filled(keras.Model(inputs, L.Dense(2)(x)))
        for part in ways:
            units = np.arange(part.cell.kernel.shape[1]) % 4 == 2
            kill(part.cell, units)
            kill(part.cell, units, name="recurrent_kernel")
            kill(part.cell, units, name="bias")
        small = tt.compact(model)
        assert stay(small)["one"] == 3 * len(ways) and same_outputs(model, small)

    @pytest.mark.slow
    def test_a_unit_with_a_bias_of_its_own_changes_over_time_and_stays(self):
        inputs = keras.Input((3, 3))
        model = filled(keras.Model(inputs, L.Dense(2)(L.SimpleRNN(4, name="recurrent")(inputs))))
        units = [2]
        kill(model.get_layer("recurrent").cell, units)
        kill(model.get_layer("recurrent").cell, units, name="recurrent_kernel")
        with pytest.warns(UserWarning, match="Nothing can be removed"):
            assert tt.compact(model) is model

    @pytest.mark.slow
    def test_states_that_are_handed_on(self):
        inputs, others = keras.Input((3, 3)), keras.Input((2, 3))
        _, *states = L.SimpleRNN(4, return_state=True, name="encoder")(inputs)
        x = L.SimpleRNN(4, return_sequences=True, name="decoder")(others, initial_state=states)
        model = filled(keras.Model([inputs, others], L.Dense(2, name="out")(x)))
        kill(model.get_layer("out"), [1], axis=-2)
        for name in ("encoder", "decoder"):
            kill(model.get_layer(name).cell, [1], name="recurrent_kernel", axis=-2)
        small = tt.compact(model)
        assert stay(small)["encoder"] == stay(small)["decoder"] == 3 and same_outputs(model, small)

    def test_values_of_attention(self):
        inputs = keras.Input((5, 6))
        layer = L.MultiHeadAttention(3, 4, value_dim=5, name="attention")
        model = keras.Model(inputs, L.LayerNormalization()(L.Add()([inputs, layer(inputs, inputs)])))
        filled(model)
        values, outputs = value_of(layer._value_dense.kernel), value_of(layer._output_dense.kernel)
        values[:, 0] = 0  # nothing enters the first head; its biases are constants
        values[:, 1, :2] = outputs[1, 1:3] = outputs[2, 3:] = 0
        layer._value_dense.kernel.assign(values)
        layer._output_dense.kernel.assign(outputs)
        small = tt.compact(model)
        config = small.get_layer("attention").get_config()
        assert (config["num_heads"], config["value_dim"], config["key_dim"]) == (2, 3, 4)
        assert stay(small)["attention: values"] == 6
        assert same_outputs(model, small)

    def test_columns_of_an_embedding(self):
        inputs = keras.Input((5,), dtype="int32")
        x = L.Embedding(7, 6, mask_zero=True, name="table")(inputs)
        model = filled(keras.Model(inputs, L.Dense(2)(L.GlobalAveragePooling1D()(x))))
        kill(model.get_layer("table"), [0, 4], name="embeddings")
        small = tt.compact(model)
        assert stay(small)["table"] == 4 and same_outputs(model, small)


class TestBatchNormalization:
    def model(self):
        model = images(
            L.Conv2D(4, 3, use_bias=False, name="first"), L.BatchNormalization(name="norm"), L.ReLU()
        )
        kill(model.get_layer("first"), [1])
        return model

    @pytest.mark.slow
    def test_is_folded(self):
        model = self.model()
        small = tt.compact(model)
        assert small.compaction.folded == ("norm",) and same_outputs(model, small)
        assert not [x for x in small.layers if isinstance(x, L.BatchNormalization)]

    @pytest.mark.slow
    def test_stays_on_request(self):
        model = self.model()
        small = tt.compact(model, fold_batch_normalization=False)
        assert small.get_layer("norm").gamma.shape == (3,) and same_outputs(model, small)

    @pytest.mark.slow
    def test_a_channel_that_it_scales_by_zero_is_dead(self):
        model = self.model()
        gamma = value_of(model.get_layer("norm").gamma)
        gamma[0] = 0
        model.get_layer("norm").gamma.assign(gamma)
        small = tt.compact(model)
        assert stay(small)["first"] == 2 and same_outputs(model, small)

    @pytest.mark.slow
    def test_before_a_kernel_or_behind_two_readers_it_is_none_to_fold(self):
        inputs = keras.Input((8, 8, 2))
        x = L.Conv2D(4, 3, name="first")(inputs)
        y = L.ReLU()(L.BatchNormalization(name="norm")(x))
        model = filled(keras.Model(inputs, L.Concatenate()([L.Flatten()(x), L.Flatten()(y)])))
        model = filled(keras.Model(inputs, L.Dense(2)(model.outputs[0])))
        kill(model.get_layer("first"), [1])
        small = tt.compact(model)
        assert small.compaction.folded == () and same_outputs(model, small)


class TestForms:
    @pytest.mark.slow
    def test_models_within_models_and_layers_called_twice(self):
        block = keras.Sequential([keras.Input((6,)), L.Dense(6, "relu", name="dense")], name="block")
        one, two = keras.Input((6,), name="one"), keras.Input((6,), name="two")
        x = L.Add()([block(one), block(block(two))])
        model = keras.Model({"one": one, "two": two}, {"y": L.Dense(2, name="dense")(x), "x": x})
        filled(model)
        settle(model, np.random.default_rng(3), density=0.3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            small = tt.compact(model)
        rng = np.random.default_rng(0)
        given = {name: rng.normal(size=(4, 6)).astype("float32") for name in ("one", "two")}
        assert same_outputs(model, small, given)
        assert small(given).keys() == {"x", "y"}

    @pytest.mark.slow
    def test_a_shared_layer_has_one_form(self):
        dense = L.Dense(6, "relu", name="shared")
        inputs = keras.Input((6,))
        first = L.Dense(6, "relu", name="first")(inputs)
        model = filled(keras.Model(inputs, L.Dense(2, name="out")(dense(dense(first)))))
        kill(dense, [0, 1])  # zero bias or not, the second call reads them
        kill(dense, [0, 1], axis=-2)
        kill(model.get_layer("first"), [0])
        small = tt.compact(model)
        assert stay(small)["shared"] < 6 and same_outputs(model, small)

    def test_a_shared_layer_goes_without_what_no_call_of_it_is_wanted_for(self):
        dense = L.Dense(6, name="shared")
        one, two = keras.Input((4,)), keras.Input((4,))
        x = L.Concatenate()([L.Dense(2, name=name)(dense(x)) for name, x in (("a", one), ("b", two))])
        model = filled(keras.Model([one, two], x))
        kill(model.get_layer("a"), [0, 1, 2], axis=-2)
        kill(model.get_layer("b"), [1, 2, 3], axis=-2)
        small = tt.compact(model)
        assert stay(small)["shared"] == 4 and same_outputs(model, small)

    @pytest.mark.slow
    def test_a_layer_without_weights_is_shared_by_calls_that_have_nothing_to_do_with_each_other(self):
        relu, flat = L.ReLU(), L.Flatten()
        inputs = keras.Input((4, 4, 2))
        x = relu(L.Conv2D(6, 1, name="a")(inputs))
        y = relu(L.Conv2D(6, 1, name="b")(x))
        z = relu(L.Conv2D(5, 2, name="c")(inputs))
        model = filled(keras.Model(inputs, L.Dense(2, name="out")(L.Concatenate()([flat(y), flat(z)]))))
        kill(model.get_layer("a"), [0])
        kill(model.get_layer("b"), [1, 2])
        kill(model.get_layer("b"), [3], axis=-2)
        small = tt.compact(model)
        assert stay(small) == {"a": 4, "b": 4, "c": 5, "out": 2} and same_outputs(model, small)

    @pytest.mark.slow
    def test_the_masks_and_weights_of_the_model_stay(self):
        model = images(L.Conv2D(8, 3), L.BatchNormalization(), L.ReLU(), L.Conv2D(8, 3))
        tt.prune(model, "random", sparsity=0.95, seed=1)
        before = [value_of(x) for x in model.weights]
        small = tt.compact(model)
        assert all((a == value_of(b)).all() for a, b in zip(before, model.weights, strict=True))
        assert tt.masked_weights(model)
        assert not tt.masked_weights(small) and same_outputs(model, small)

    @pytest.mark.slow
    def test_what_is_written_loads_without_us(self, tmp_path):
        model = images(L.Conv2D(8, 3, activation="relu"), L.Conv2D(8, 3))
        tt.prune(model, "random", sparsity=0.95, seed=1)
        small = tt.compact(model)
        small.save(tmp_path / "small.keras")
        loaded = keras.saving.load_model(tmp_path / "small.keras", safe_mode=True)
        assert same_outputs(model, loaded)
        assert "tf_tickets" not in json.dumps(loaded.get_config())

    @pytest.mark.slow
    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
    def test_other_precisions(self, policy):
        model = keras.Sequential(
            [keras.Input((8, 8, 2), dtype="float64" if policy == "float64" else "float32")]
        )
        for layer in (
            L.Conv2D(6, 3, padding="same", activation="sigmoid", dtype=policy, name="first"),
            L.Conv2D(4, 3, padding="same", dtype=policy),
            L.GlobalAveragePooling2D(dtype=policy),
            L.Dense(2, dtype=policy),
        ):
            model.add(layer)
        filled(model)
        kill(model.get_layer("first"), [0, 1, 2])
        small = tt.compact(model)
        assert stay(small)["first"] == 4
        assert small.get_layer("first").dtype_policy.name == policy

    def test_a_head_with_softmax_lets_what_enters_it_go(self):
        model = filled(
            keras.Sequential(
                [keras.Input((6,)), L.Dense(5, "relu", name="a"), L.Dense(3, "softmax", name="b")]
            )
        )
        kill(model.get_layer("a"), [1])
        small = tt.compact(model)
        assert stay(small) == {"a": 4, "b": 3} and same_outputs(model, small) and not small.compaction.pinned


class TestWhatIsNotKnown:
    def test_keeps_its_channels_and_is_named(self):
        @keras.saving.register_keras_serializable(package="tests")
        class Reverse(L.Layer):
            def call(self, inputs):
                return inputs[..., ::-1]

        model = images(L.Conv2D(5, 3, name="a"), Reverse(name="reverse"), L.Conv2D(5, 3, name="b"))
        kill(model.get_layer("a"), [0])
        kill(model.get_layer("b"), [0])
        small = tt.compact(model)
        assert stay(small) == {"a": 5, "b": 4, "out": 3} and same_outputs(model, small)
        assert small.compaction.pinned == {"reverse": "what it does with its channels is not known"}
        assert "all channels stay around reverse: what it does" in str(small.compaction)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "layer, reason",
        [
            (L.LayerNormalization(name="odd"), "all channels together"),
            (L.BatchNormalization(axis=1, name="odd"), "normalizes over axis 1"),
            (L.Conv2D(5, 1, activation="softmax", name="odd"), "softmax"),
            (L.Reshape((6, 15, 2), name="odd"), "takes channels apart"),
            (L.Permute((1, 3, 2), name="odd"), "channels"),
            (L.Rescaling([1.0, 2.0, 3.0, 4.0, 5.0], name="odd"), "each channel"),
        ],
    )
    def test_reasons(self, layer, reason):
        model = images(L.Conv2D(5, 3, name="a"), L.ReLU(), layer, end=L.Flatten)
        kill(model.get_layer("a"), [0])
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            small = tt.compact(model)
        if small is not model:
            assert reason in small.compaction.pinned["odd"] and same_outputs(model, small)
        else:
            assert any(re.search(f"Pinned around: odd .*{reason}", str(each.message)) for each in said)


class TestErrors:
    def test_nothing_to_remove(self):
        model = images(L.Conv2D(4, 3, name="first"))
        with pytest.warns(UserWarning, match="Nothing can be removed from model"):
            assert tt.compact(model) is model
        assert model.compaction.removed == 0

    @pytest.mark.slow
    def test_nothing_to_remove_from_a_masked_model(self):
        model = images(L.Conv2D(4, 3, name="first"))
        tt.mask_layers(model)
        with pytest.warns(UserWarning, match="Nothing can be removed from model"):
            small = tt.compact(model)
        assert small is not model and not tt.masked_weights(small) and same_outputs(model, small)

    def test_no_model(self):
        with pytest.raises(TypeError, match="compact takes"):
            tt.compact("model.keras")

    def test_code_is_no_graph(self):
        class Mine(keras.Model):
            def __init__(self, **kwargs):
                super().__init__(**kwargs)
                self.dense = L.Dense(3)

            def call(self, x):
                return self.dense(x)

        model = Mine(name="mine")
        model(np.zeros((1, 4), "float32"))
        with pytest.raises(ValueError, match=r"'mine' \(Mine\) is no graph of layers"):
            tt.compact(model)

    def test_not_built(self):
        with pytest.raises(ValueError, match="not built"):
            tt.compact(keras.Sequential([L.Dense(3)], name="mine"))

    def test_state(self):
        inputs = keras.Input(batch_shape=(2, 5, 3))
        model = keras.Model(inputs, L.LSTM(3, stateful=True, name="memory")(inputs))
        with pytest.raises(ValueError, match=r"keeps state between calls \(memory"):
            tt.compact(model)

    def test_a_layer_that_cannot_be_made_again(self):
        class Odd(L.Layer):
            def __init__(self, function):
                super().__init__(name="odd")
                self.function = function

            def call(self, x):
                return self.function(x)

        model = images(L.Conv2D(5, 3, name="a"), Odd(keras.ops.abs))
        with pytest.raises(ValueError, match=r"'odd' .* cannot be made again from its config"):
            tt.compact(model)

    def test_a_model_that_takes_no_random_inputs_is_to_be_given_some(self):
        inputs = keras.Input((4,), dtype="int32")
        table = keras.ops.reshape(inputs, (-1, 3))  # needs batches of three
        x = L.Flatten()(L.Embedding(5, 4, name="table")(table))
        model = filled(keras.Model(inputs, L.Dense(2)(x)))
        kill(model.get_layer("table"), [0], name="embeddings")
        with pytest.raises(
            ValueError, match=r"fails on random inputs, .* Pass a batch that it takes as data="
        ):
            tt.compact(model)
        x = np.zeros((3, 4), "int32")
        assert tt.compact(model, data=x).compaction.largest_difference < ROUNDING

    def test_outputs_that_differ_are_an_error(self, monkeypatch):
        from tf_tickets.compaction import rebuilding

        model = images(L.Conv2D(5, 3, name="a"))
        kill(model.get_layer("a"), [0])
        give = rebuilding._give_weights

        def spoiling(site, layer, shrunk):
            give(site, layer, shrunk)
            for variable in layer.weights:
                variable.assign(variable * 1.01)

        monkeypatch.setattr(rebuilding, "_give_weights", spoiling)
        with pytest.raises(ValueError, match=r"differ from those of .* by 0\.0"):
            tt.compact(model)


@pytest.mark.slow
def test_what_was_done_is_told():
    model = images(
        L.Conv2D(6, 3, padding="same", activation="sigmoid", name="first"), L.Conv2D(5, 3, padding="same")
    )
    kill(model.get_layer("first"), [0, 1, 2])
    done = tt.compact(model).compaction
    assert isinstance(done, Compaction)
    assert (done.removed, done.channels, done.carriers) == (2, 14, 1)
    before, after = done.parameters
    assert before - after == 2 * (9 * 2 + 1) + 2 * 9 * 5
    # Per pixel of 64: kernels of 2 x 6 and 6 x 5 channels; the head once.
    assert done.macs == (64 * 9 * (12 + 30) + 15, 64 * 9 * (8 + 20) + 15)
    assert repr(done).startswith("Compaction(2 of 14 channels removed, parameters ")
    assert "first" in str(done) and "1 constant channel kept for others" in str(done)
