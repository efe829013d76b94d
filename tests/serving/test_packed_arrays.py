"""Packing: all that is not zero comes back in its place, in five bytes a value."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_tickets.serving.packed_arrays import pack, positions_in, unpacked


def round_trip(array):
    packed = pack(array)
    return unpacked(packed.values, positions_in(tf.constant(packed.gaps)), tf.constant(array.shape, tf.int64))


@pytest.mark.slow
@settings(max_examples=60)
@given(
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    density=st.sampled_from([0, 0.01, 0.3, 1]),
    seed=st.integers(0, 99),
)
def test_an_array_comes_back(shape, density, seed):
    rng = np.random.default_rng(seed)
    array = (rng.normal(size=shape) * (rng.random(shape) < density)).astype("float32")
    np.testing.assert_array_equal(round_trip(array), array)


@pytest.mark.parametrize("gap", [0, 1, 254, 255, 256, 509, 510, 511, 5000])
def test_gaps_of_any_length(gap):
    array = np.zeros((6000, 1), np.float32)
    array[[gap, gap + 1, 5999]] = 2
    packed = pack(array)
    assert packed.values.tolist() == [2, 2, 2]
    assert len(packed.gaps) == 3 + gap // 255 + (5999 - gap - 1) // 255
    np.testing.assert_array_equal(round_trip(array), array)


def test_what_belongs_to_one_output_stands_together():
    packed = pack(np.arange(6, dtype=np.float32).reshape(3, 2))
    assert packed.values.tolist() == [2, 4, 1, 3, 5]


def test_it_is_worth_while_below_four_fifths():
    array = np.ones((100, 10), np.float32)
    assert not pack(array).is_smaller
    array[79:] = 0
    assert pack(array).is_smaller
    assert pack(0 * array).is_smaller


def test_numbers_that_are_none_are_values():
    array = np.array([[0, np.nan, np.inf, 0]], np.float32)
    np.testing.assert_array_equal(round_trip(array), array)
