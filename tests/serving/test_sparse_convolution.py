"""Sparse kernels: each computes what Keras's layer does, for any sizes, strides, paddings and zeros."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_tickets.layers import value_of
from tf_tickets.serving.convolution import convolution_of
from tf_tickets.serving.kernels import DENSE, KERNELS, kernels_for, usual_kernel
from tf_tickets.serving.layouts import swapped
from tf_tickets.serving.packed_arrays import pack, positions_in
from tf_tickets.serving.sparse_convolution import convolve, matrix, matrix_numbers

CONVOLUTIONS = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D, 3: keras.layers.Conv3D}


def by_sparse_kernels(layer, x):
    """Kernel -> outputs, for all that take the layer."""
    kernel = np.asarray(layer.kernel)
    convolution = convolution_of(layer, (None, *x.shape[1:]))
    packed = pack(kernel)
    found = {}
    for name in kernels_for([convolution], len(packed.values), batch=1000):
        unrolled = KERNELS[name].unrolled
        if unrolled is not None:
            numbers = tf.constant(matrix_numbers(convolution, unrolled), tf.int64)
            made = matrix(tf.constant(packed.values), positions_in(tf.constant(packed.gaps)), numbers)
            outputs = convolve(swapped(tf.constant(x)), made, convolution, unrolled)
            if layer.use_bias:
                outputs += tf.reshape(layer.bias.value, [-1] + [1] * (x.ndim - 1))
            found[name] = swapped(outputs)
    return found


def exactly(layer, x):
    """By definition: TensorFlow's own convolutions err where strides are longer than kernels."""
    kernel, x = value_of(layer.kernel).astype("float64"), x.astype("float64")
    taps = kernel.shape[:-2]
    strides = getattr(layer, "strides", ())
    widths = [(0, 0)]
    for size, tap, stride in zip(x.shape[1:], taps, strides, strict=False):
        missing = max(0, (-(-size // stride) - 1) * stride + tap - size)
        ways = {"same": (missing // 2, missing - missing // 2), "causal": (tap - 1, 0), "valid": (0, 0)}
        widths.append(ways[layer.padding])
    x = np.pad(x, [*widths, (0, 0)] if taps else [(0, 0)] * x.ndim)
    result = 0.0
    for tap in np.ndindex(*taps):
        places = [
            slice(at, size - length + at + 1, stride)
            for at, size, length, stride in zip(tap, x.shape[1:], taps, strides, strict=False)
        ]
        result = result + x[(slice(None), *places)] @ kernel[tap]
    return result + (value_of(layer.bias) if layer.use_bias else 0.0)


def assert_computed(layer, shape, density, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape).astype("float32")
    layer.build(shape)
    values = rng.normal(size=layer.kernel.shape) * (rng.random(layer.kernel.shape) < density)
    layer.kernel.assign(values)
    if layer.use_bias:
        layer.bias.assign(rng.normal(size=layer.bias.shape))
    expected = exactly(layer, x)
    found = by_sparse_kernels(layer, x)
    for name, outputs in found.items():
        assert outputs.shape == expected.shape, name
        np.testing.assert_allclose(
            outputs, expected, atol=1e-5 * max(1, np.abs(expected).max()), err_msg=name
        )
    return set(found)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    rank=st.integers(1, 3),
    sizes=st.tuples(*[st.integers(5, 8)] * 3),
    taps=st.tuples(*[st.integers(1, 4)] * 3),
    strides=st.tuples(*[st.integers(1, 3)] * 3),
    padding=st.sampled_from(["valid", "same"]),
    channels=st.integers(1, 3),
    filters=st.integers(1, 4),
    density=st.sampled_from([0, 0.1, 0.5, 1]),
    seed=st.integers(0, 9),
)
def test_convolutions(rank, sizes, taps, strides, padding, channels, filters, density, seed):
    layer = CONVOLUTIONS[rank](
        filters, taps[:rank], strides=strides[:rank], padding=padding, use_bias=seed > 4
    )
    assert "patches" in assert_computed(layer, (2, *sizes[:rank], channels), density, seed)


@pytest.mark.parametrize("name", [name for name, row in KERNELS.items() if row.unrolled is not None])
def test_each_kernel_takes_images(name):
    layer = keras.layers.Conv2D(5, 3, strides=2, padding="same")
    assert name in assert_computed(layer, (3, 7, 8, 4), 0.2, 0)


def test_causal_convolutions():
    layer = keras.layers.Conv1D(3, 4, padding="causal")
    assert assert_computed(layer, (2, 9, 2), 0.5, 0) == {"patches", "rows"}


@pytest.mark.parametrize("shape", [(3, 7), (3, 4, 7), (3, 2, 5, 7)])
def test_dense_layers_of_any_rank(shape):
    assert assert_computed(keras.layers.Dense(5), shape, 0.4, 0) == {"patches"}


@pytest.mark.parametrize("where", [(0, 0, 0, 0), (2, 2, 1, 2), (1, 0, 0, 1)])
def test_a_kernel_with_one_value(where):
    layer = keras.layers.Conv2D(3, 3, padding="same")
    layer.build((1, 5, 5, 2))
    kernel = np.zeros(layer.kernel.shape, np.float32)
    kernel[where] = 3
    layer.kernel.assign(kernel)
    x = np.random.default_rng(0).normal(size=(2, 5, 5, 2)).astype("float32")
    for outputs in by_sparse_kernels(layer, x).values():
        np.testing.assert_allclose(outputs, layer(x), rtol=1e-6)


class TestWhatIsNoConvolutionForThem:
    @pytest.mark.parametrize(
        ("layer", "shape"),
        [
            (keras.layers.Conv2D(4, 3, dilation_rate=2), (None, 9, 9, 2)),
            (keras.layers.Conv2D(4, 3, groups=2), (None, 9, 9, 2)),
            (keras.layers.Conv2D(4, 3, data_format="channels_first"), (None, 2, 9, 9)),
            (keras.layers.Conv2D(4, 3, dtype="mixed_float16"), (None, 9, 9, 2)),
            (keras.layers.Dense(4, dtype="float64"), (None, 3)),
            (keras.layers.Conv2D(4, 3, strides=2, padding="same"), (None, None, 9, 2)),
            (keras.layers.DepthwiseConv2D(3), (None, 9, 9, 2)),
            (type("Mine", (keras.layers.Dense,), {})(4), (None, 3)),
        ],
        ids=lambda value: getattr(value, "name", ""),
    )
    def test_stays_dense(self, layer, shape):
        layer.build(shape)
        assert convolution_of(layer, shape) is None

    def test_what_is_added_to_a_kernel_is_none_either(self):
        layer = keras.layers.Dense(4)
        layer.build((None, 3))
        assert convolution_of(layer, (None, 3)) is not None
        layer.enable_lora(2)
        assert convolution_of(layer, (None, 3)) is None


class TestWhichKernels:
    def of(self, layer, *shape):
        layer.build(shape)
        return [convolution_of(layer, shape)]

    def test_images_of_any_size_are_gathered(self):
        each = self.of(keras.layers.Conv2D(4, 3), None, None, None, 2)
        assert kernels_for(each, 9, batch=32) == [DENSE, "patches"]

    def test_axes_with_one_tap_are_not_unrolled(self):
        assert kernels_for(self.of(keras.layers.Conv2D(4, 1), None, 8, 8, 2), 5, batch=32) == [
            DENSE,
            "patches",
        ]

    def test_a_matrix_of_too_many_entries_is_not_made(self):
        each = self.of(keras.layers.Conv2D(64, 3, padding="same"), None, 32, 32, 64)
        assert kernels_for(each, 4096, batch=32) == [*KERNELS]
        assert kernels_for(each, 4097, batch=32) == [DENSE, "patches", "rows"]

    def test_the_fixed_rule_leaves_long_rows_and_what_is_not_sparse(self):
        each = self.of(keras.layers.Conv2D(64, 3, padding="same"), None, 8, 8, 64)
        assert usual_kernel(each, 3686, batch=32) == "full"
        assert usual_kernel(each, 3686, batch=2) == "rows"
        assert usual_kernel(each, 3686, batch=1) == "patches"
        assert usual_kernel(each, 3687, batch=32) == DENSE
