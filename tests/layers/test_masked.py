"""Masked layers: the stock layer with some of its weights at zero, and nothing else."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import tf_tickets as tt
from tests import nets
from tf_tickets.layers import masked_class
from tf_tickets.layers.maskable import MASKABLE, Maskable, mask_name

L = keras.layers
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
    """But for recurrent ones, see `test_recurrent.py`."""
    recurrent = {L.SimpleRNNCell, L.LSTMCell, L.GRUCell, L.RNN, L.Bidirectional}
    assert {cls for cls in MASKABLE if cls.__module__.startswith("keras.")} == set(KINDS) | recurrent


def test_what_is_hidden_learns_nothing():
    """Of one kind, for a quick look; below of all."""
    layer, x = by_hand(keras.layers.Dense)
    (found,) = gradient(layer, x, [layer.__dict__["_kernel"]])
    np.testing.assert_array_equal(found != 0, layer.masks["_kernel"])


@pytest.mark.parametrize("stock", KINDS, ids=lambda cls: cls.__name__)
class TestEveryKind:
    @pytest.mark.slow
    def test_computes_with_zeros_where_the_mask_is_false(self, stock):
        layer, x = by_hand(stock)
        np.testing.assert_array_equal(layer(x), zeroed(layer, x)(x))

    @pytest.mark.slow
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

    @pytest.mark.slow
    @pytest.mark.parametrize("garbage", [1e6, np.inf, np.nan])
    def test_never_looks_at_what_is_hidden(self, stock, garbage):
        layer, x = by_hand(stock)
        variables = layer.trainable_variables
        before = [np.asarray(layer(x)), *gradient(layer, x, variables)]
        for name, mask in layer.masks.items():
            weight = layer.__dict__[name]
            weight.assign(np.where(mask, weight, garbage))
        nets.assert_equal([np.asarray(layer(x)), *gradient(layer, x, variables)], before)

    @pytest.mark.slow
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

    @pytest.mark.slow
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


@pytest.mark.slow
@given(kept=st.lists(st.booleans(), min_size=12, max_size=12))
@settings(max_examples=25, deadline=None)
def test_any_mask_is_obeyed_bit_by_bit(kept):
    layer, x = by_hand(keras.layers.Dense)
    layer.masks["_kernel"].assign(np.reshape(kept, (4, 3)))
    expected = x @ np.where(np.reshape(kept, (4, 3)), layer.kernel, 0)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
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


def test_names():
    assert mask_name("_kernel") == "kernel_mask"
    assert mask_name("u") == "u_mask"
    assert Maskable(weights=("a",), on_request=("b",)).attributes == ("b", "a")
    assert tt.layers.MaskedDense.__name__ == "MaskedDense"
    assert "where the mask is true" in tt.layers.MaskedConv2D.__doc__
