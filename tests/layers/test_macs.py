"""Multiply-adds: how often each weight works for one example."""

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tests import nets
from tf_tickets.layers import macs_per_weight, prunable_weights

L = keras.layers


# Masked by no default.
ONLY_IF_NAMED = (L.Embedding, L.DepthwiseConv1D, L.DepthwiseConv2D, L.SeparableConv1D, L.SeparableConv2D)


def uses(model, data=None):
    return macs_per_weight(model, prunable_weights(model, data), data)


def total(model):
    weights = prunable_weights(model)
    return sum(use * entry.size for use, entry in zip(macs_per_weight(model, weights), weights, strict=True))


def around(layer, shape):
    inputs = keras.Input(shape, dtype="int32" if isinstance(layer, L.Embedding) else "float32")
    model = keras.Model(inputs, layer(inputs))
    if isinstance(layer, ONLY_IF_NAMED):
        tt.mask_layers(model, include=lambda layer: True)
    return model


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (L.Dense(7), (5,), [1]),
        (L.Dense(7), (4, 5), [4]),
        (L.Dense(7), (3, 4, 5), [12]),
        (L.Conv1D(7, 3), (10, 2), [8]),
        (L.Conv2D(7, 3), (8, 10, 2), [6 * 8]),
        (L.Conv2D(7, 3, padding="same"), (8, 10, 2), [80]),
        (L.Conv2D(7, 3, strides=2, padding="same"), (8, 10, 2), [20]),
        (L.Conv2D(8, 3, groups=2), (8, 8, 2), [36]),
        (L.Conv2D(7, 3, dilation_rate=2), (8, 8, 2), [16]),
        (L.Conv3D(7, 2), (4, 5, 6, 2), [3 * 4 * 5]),
        (L.Conv1DTranspose(7, 3, strides=2), (10, 2), [10]),
        (L.Conv2DTranspose(7, 3, strides=2), (4, 5, 2), [20]),
        (L.Conv3DTranspose(7, 2), (2, 3, 4, 2), [24]),
        (L.SeparableConv1D(7, 3), (10, 2), [8, 8]),
        (L.SeparableConv2D(7, 3, strides=2), (9, 9, 2), [16, 16]),
        (L.DepthwiseConv1D(3), (10, 2), [8]),
        (L.DepthwiseConv2D(3, strides=2), (9, 9, 2), [16]),
        (L.EinsumDense("abc,cd->abd", (4, 7)), (4, 5), [4]),
        (L.EinsumDense("abc,cde->abde", (4, 2, 7)), (4, 5), [4]),
        (L.EinsumDense("abcd,cde->abe", (4, 7)), (4, 5, 6), [4]),
        (L.EinsumDense("abc,bcd->abd", (4, 7)), (4, 5), [1]),
        (L.EinsumDense("...x,xy->...y", 7), (3, 4, 5), [12]),
        (L.EinsumDense("ab...,bc->ac...", (7,)), (5, 3, 4), [12]),
        (L.Embedding(9, 4), (6,), [0]),
        (L.LSTM(7), (6, 5), [6, 6]),
        (L.GRU(7, unroll=True, return_sequences=True), (6, 5), [6, 6]),
        (L.Bidirectional(L.SimpleRNN(7)), (6, 5), [6, 6, 6, 6]),
        (L.RNN([L.LSTMCell(3), L.GRUCell(4)], return_state=True), (6, 5), [6, 6, 6, 6]),
        (L.ConvLSTM1D(7, 3, strides=2), (6, 9, 2), [24, 24]),
        (L.ConvLSTM2D(7, 3, return_sequences=True), (6, 8, 9, 2), [6 * 42, 6 * 42]),
        (L.ConvLSTM2D(7, 3, data_format="channels_first"), (6, 2, 8, 9), [6 * 42, 6 * 42]),
        (L.LSTM(7), (None, 5), [None, None]),
        (L.TimeDistributed(L.Dense(7)), (6, 5), [6]),
        (L.TimeDistributed(L.Conv2D(7, 3)), (6, 8, 8, 2), [6 * 36]),
    ],
)
def test_by_hand(layer, shape, expected):
    assert uses(around(layer, shape)) == expected


def test_of_a_channels_first_convolution():
    layer = L.Conv2D(7, 3, data_format="channels_first")
    layer.build((None, 2, 8, 10))
    from tf_tickets.layers.macs import POSITIONS

    assert POSITIONS[L.Conv2D](layer, (None, 2, 8, 10), (None, 7, 6, 8)) == (6, 8)


def test_a_shared_layer_works_once_for_every_call():
    assert uses(nets.build("shared")) == [2, 1]


@pytest.mark.slow
def test_of_attention_are_those_of_its_projections():
    """Queries, keys and values at 5 positions each, the output at 5, the classifier once."""
    assert uses(nets.build("attention")) == [5, 5, 5, 5, 1]


@pytest.mark.slow
def test_are_the_same_masked_and_not():
    model = nets.build("functional")
    before = uses(model)
    nets.hide(model)
    assert uses(model) == macs_per_weight(model, tt.masked_weights(model)) == before == [36, 16, 1]


@pytest.mark.slow
def test_of_the_papers_network_are_the_papers():
    """At 32x32, dense (section 1.3 of the specification)."""
    assert total(tt.models.build("resnet32", (32, 32, 3), 10)) == pytest.approx(275.6e6, abs=5e4)


class TestWhereTheNumberIsOpen:
    def test_images_of_any_size(self):
        inputs = keras.Input((None, None, 2))
        x = L.GlobalAveragePooling2D()(L.Conv2D(4, 3)(inputs))
        model = keras.Model(inputs, L.Dense(3)(x))
        assert uses(model) == [None, 1]
        assert uses(model, np.zeros((1, 8, 8, 2), "float32")) == [36, 1]

    @pytest.mark.slow
    def test_sequences_of_any_length(self):
        inputs = keras.Input((None, 8, 8, 2))
        assert uses(keras.Model(inputs, L.TimeDistributed(L.Conv2D(4, 3))(inputs))) == [None]

    @pytest.mark.slow
    def test_the_steps_of_a_loop(self):
        class Cell(L.Layer):
            def __init__(self):
                super().__init__()
                self.state_size, self.mix = 3, L.Dense(3)

            def build(self, input_shape):
                self.mix.build((None, input_shape[-1] + 3))

            def call(self, inputs, states):
                state = self.mix(keras.ops.concatenate([inputs, states[0]], axis=-1))
                return state, [state]

        inputs = keras.Input((7, 2))
        model = keras.Model(inputs, L.RNN(Cell())(inputs))
        assert uses(model) == [None]

    def test_a_layer_of_your_own_with_several_inputs(self):
        class Mixed(L.Dense):
            def build(self, input_shape):
                super().build(input_shape[0])

            def call(self, inputs):
                return super().call(inputs[0]) + inputs[1]

            def compute_output_shape(self, input_shape):
                return input_shape[1]

        x, y = keras.Input((4,)), keras.Input((3,))
        layer = Mixed(3)
        layer.build([(None, 4), (None, 3)])
        layer.input_spec = None
        assert uses(keras.Model([x, y], layer([x, y]))) == [None]


@pytest.mark.slow
def test_layers_keep_their_call():
    model = nets.build("attention")
    attention = model.get_layer("attention")
    own = attention._query_dense.call
    object.__setattr__(attention._query_dense, "call", own)
    uses(model)
    assert attention._query_dense.__dict__["call"] is own
    assert sum("call" in layer.__dict__ for layer in model._flatten_layers()) == 1
