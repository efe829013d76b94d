"""Masked layers: the stock layer with some of its weights at zero, and nothing else."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import tf_tickets as tt
from tests import nets
from tf_tickets.layers.masked import MASKABLE, Maskable, mask_name, masked_class

IDS = np.arange(20).reshape(4, 5) % 7
IMAGES = np.random.default_rng(0).normal(size=(4, 6, 6, 4)).astype("float32")

# stock class -> (arguments, inputs, weights that a layer built by hand masks)
KINDS = {
    keras.layers.Dense: ((3,), IMAGES[:, 0, 0], ["kernel"]),
    keras.layers.EinsumDense: (("abc,cd->abd", (None, 3)), IMAGES[:, 0], ["kernel"]),
    keras.layers.Conv1D: ((3, 2), IMAGES[:, 0], ["kernel"]),
    keras.layers.Conv2D: ((3, 2), IMAGES, ["kernel"]),
    keras.layers.Conv3D: ((3, 2), IMAGES[:, None, :4, :4, :] + np.zeros((1, 2, 1, 1, 1), "f"), ["kernel"]),
    keras.layers.Conv1DTranspose: ((3, 2), IMAGES[:, 0], ["kernel"]),
    keras.layers.Conv2DTranspose: ((3, 2), IMAGES, ["kernel"]),
    keras.layers.Conv3DTranspose: ((3, 2), IMAGES[:, None, :2, :2], ["kernel"]),
    keras.layers.SeparableConv1D: ((3, 2), IMAGES[:, 0], ["pointwise_kernel"]),
    keras.layers.SeparableConv2D: ((3, 2), IMAGES, ["pointwise_kernel"]),
    keras.layers.DepthwiseConv1D: ((2,), IMAGES[:, 0], ["kernel"]),
    keras.layers.DepthwiseConv2D: ((2,), IMAGES, ["kernel"]),
    keras.layers.Embedding: ((7, 3), IDS, ["embeddings"]),
}


def by_hand(stock, **arguments):
    """A built masked layer with half of its weights hidden, and inputs for it."""
    positional, x, _ = KINDS[stock]
    layer = masked_class(stock)(*positional, **arguments)
    layer(x)
    rng = np.random.default_rng(1)
    for mask in layer.masks.values():
        mask.assign(rng.random(mask.shape) < 0.5)
    return layer, x


def zeroed(layer, x):
    """A stock layer with the masked layer's weights, and zeros where they are hidden."""
    twin = layer.stock.from_config(layer.get_config())
    twin.build(x.shape)
    masks = {id(layer.__dict__[name]): mask for name, mask in layer.masks.items()}
    for variable, own in zip(twin.weights, tt_weights(layer), strict=True):
        variable.assign(np.where(masks[id(own)], own, 0) if id(own) in masks else own)
    return twin


def tt_weights(layer):
    hidden = {id(mask) for mask in layer.masks.values()}
    return [weight for weight in layer.weights if id(weight) not in hidden]


def gradient(layer, x, variables):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sin(layer(x)))
    return [tf.convert_to_tensor(g).numpy() for g in tape.gradient(loss, variables)]


def test_every_maskable_layer_of_keras_is_tested_here():
    assert {cls for cls in MASKABLE if cls.__module__.startswith("keras.")} == set(KINDS)


@pytest.mark.parametrize("stock", KINDS, ids=lambda cls: cls.__name__)
class TestEveryKind:
    def test_computes_with_zeros_where_the_mask_is_false(self, stock):
        layer, x = by_hand(stock)
        np.testing.assert_array_equal(layer(x), zeroed(layer, x)(x))

    def test_has_the_gradients_of_the_sparse_layer_and_none_for_what_is_hidden(self, stock):
        layer, x = by_hand(stock)
        twin = zeroed(layer, x)
        found = gradient(layer, x, layer.trainable_variables)
        expected = gradient(twin, x, twin.trainable_variables)
        for name, mask in layer.masks.items():
            place = [id(v) for v in layer.trainable_variables].index(id(layer.__dict__[name]))
            assert not np.any(found[place][~mask.numpy()])
            expected[place] = np.where(mask, expected[place], 0)
        nets.assert_equal(found, expected)

    @pytest.mark.parametrize("garbage", [1e6, np.inf, np.nan])
    def test_never_looks_at_what_is_hidden(self, stock, garbage):
        layer, x = by_hand(stock)
        variables = layer.trainable_variables
        before = [np.asarray(layer(x)), *gradient(layer, x, variables)]
        for name, mask in layer.masks.items():
            weight = layer.__dict__[name]
            weight.assign(np.where(mask, weight, garbage))
        nets.assert_equal([np.asarray(layer(x)), *gradient(layer, x, variables)], before)

    def test_starts_as_the_stock_layer(self, stock):
        positional, x, names = KINDS[stock]
        masked, plain = masked_class(stock)(*positional, name="same"), stock(*positional, name="same")
        masked(x), plain(x)
        assert [name.lstrip("_") for name in masked.masks] == names
        assert all(np.all(mask) and mask.dtype == "bool" for mask in masked.masks.values())
        assert masked.get_config() == plain.get_config()
        plain.set_weights([np.asarray(weight) for weight in tt_weights(masked)])
        np.testing.assert_array_equal(masked(x), plain(x))
        assert [v.name for v in masked.trainable_variables] == [v.name for v in plain.trainable_variables]

    def test_is_the_plain_variable_outside_of_a_call(self, stock):
        layer, _ = by_hand(stock)
        for name in layer.masks:
            assert isinstance(getattr(layer, name.lstrip("_")), keras.Variable)

    def test_works_in_half_precision(self, stock):
        layer, x = by_hand(stock, dtype="mixed_float16")
        for name, mask in layer.masks.items():
            weight = layer.__dict__[name]
            weight.assign(np.where(mask, weight, 1e6))  # infinite in float16
        found = layer(x)
        assert found.dtype == "float16"
        np.testing.assert_allclose(
            tf.cast(found, "float32"), tf.cast(zeroed(layer, x)(x), "float32"), rtol=1e-2, atol=1e-2
        )


@given(kept=st.lists(st.booleans(), min_size=12, max_size=12))
@settings(max_examples=25, deadline=None)
def test_any_mask_is_obeyed_bit_by_bit(kept):
    layer, x = by_hand(keras.layers.Dense)
    layer.masks["_kernel"].assign(np.reshape(kept, (4, 3)))
    expected = x @ np.where(np.reshape(kept, (4, 3)), layer.kernel, 0)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5, atol=1e-6)


def test_all_kinds_survive_a_keras_file(tmp_path):
    built = {stock.__name__: by_hand(stock) for stock in KINDS}
    inputs, ends = [], []
    for layer, x in built.values():
        inputs.append(keras.Input(x.shape[1:], dtype=x.dtype))
        ends.append(layer(inputs[-1]))
    model = keras.Model(inputs, ends)
    model.save(tmp_path / "all.keras")
    loaded = keras.saving.load_model(tmp_path / "all.keras")
    batch = [x for _, x in built.values()]
    nets.assert_equal([np.asarray(y) for y in loaded(batch)], [np.asarray(y) for y in model(batch)])
    nets.assert_equal(
        [entry.mask.numpy() for entry in tt.masked_weights(loaded)],
        [entry.mask.numpy() for entry in tt.masked_weights(model)],
    )


class TestRegularizersAndConstraints:
    """What the user attached to a weight sees the sparse weight."""

    def net(self):
        layer = keras.layers.Dense(
            3, kernel_regularizer="l2", kernel_constraint=keras.constraints.MaxNorm(0.5)
        )
        return keras.Sequential([keras.Input((6,)), layer])

    def test_a_penalty_counts_what_is_kept(self):
        model = nets.poison(nets.hide(self.net()))
        (kernel,) = nets.kernels(model)
        np.testing.assert_allclose(sum(model.losses), 0.01 * np.sum(kernel**2), rtol=1e-5)

    def test_a_penalty_has_no_gradient_in_what_is_hidden(self):
        model = nets.poison(nets.hide(self.net()))
        (entry,) = tt.masked_weights(model)
        with tf.GradientTape() as tape:
            loss = sum(model.losses)
        np.testing.assert_allclose(
            tape.gradient(loss, entry.weight.value), 0.02 * nets.kernels(model)[0], rtol=1e-5
        )

    def test_a_constraint_holds_of_the_sparse_weight_and_spares_what_is_hidden(self):
        model = nets.compiled(nets.poison(nets.hide(self.net())))
        (entry,) = tt.masked_weights(model)
        entry.weight.assign(np.where(entry.mask, 3.0, nets.POISON))
        x, y = nets.inputs_of(model)
        model.fit(x, y, verbose=0)
        norms = np.linalg.norm(nets.kernels(model)[0], axis=0)
        np.testing.assert_allclose(norms[norms > 0], 0.5, rtol=1e-4)
        assert np.all(entry.weight.numpy()[~entry.mask.numpy()] == nets.POISON)

    def test_fold_gives_them_back(self):
        model = self.net()
        kernel = model.layers[0].kernel
        before = kernel.regularizer, kernel.constraint
        tt.fold(nets.hide(model))
        assert (kernel.regularizer, kernel.constraint) == before

    def test_they_come_back_from_a_file(self, tmp_path):
        model = nets.poison(nets.hide(self.net()))
        model.save(tmp_path / "m.keras")
        loaded = keras.saving.load_model(tmp_path / "m.keras")
        np.testing.assert_allclose(sum(loaded.losses), sum(model.losses), rtol=1e-6)


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
            ValueError, match=r"LSTM is not maskable. Maskable layers: Conv1D.*register_maskable"
        ):
            masked_class(keras.layers.LSTM)


class TestWhatDoesNotGoWithMasks:
    def test_an_adapter_would_fill_in_what_is_removed(self):
        model = nets.hide(nets.build("sequential"))
        with pytest.raises(ValueError, match=r"is masked, and LoRA would add to .*fold\(model\) first"):
            model.layers[0].enable_lora(2)
        tt.fold(model).layers[0].enable_lora(2)

    def test_nor_can_one_be_built_in(self):
        with pytest.raises(ValueError, match="LoRA"):
            tt.layers.MaskedDense(3, lora_rank=2)(np.zeros((1, 4), "float32"))

    def test_a_quantized_layer_cannot_be_built_masked(self):
        with pytest.raises(ValueError, match=r"cannot be masked: quantized \(int8\)"):
            tt.layers.MaskedDense(3, dtype="int8_from_float32")(np.zeros((1, 4), "float32"))

    @pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
    def test_quantizing_leaves_masked_layers_alone(self):
        model = nets.hide(nets.build("sequential"))
        before = nets.kernels(model)
        model.quantize("int8")
        nets.assert_equal(nets.kernels(model), before)


def test_names():
    assert mask_name("_kernel") == "kernel_mask"
    assert mask_name("u") == "u_mask"
    assert Maskable(weights=("a",), on_request=("b",)).attributes == ("b", "a")
    assert tt.layers.MaskedDense.__name__ == "MaskedDense"
    assert "where the mask is true" in tt.layers.MaskedConv2D.__doc__
