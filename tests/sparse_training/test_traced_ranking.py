"""The largest of many values inside a traced function: what the arrays' ranking says, to the bit."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sparse_training.small import fixture
from tf_tickets.pruning.top_k import global_masks
from tf_tickets.sparse_training.traced_ranking import top_k_masks

# Few values, so that there are ties within and between tensors; subnormals and infinity too.
VALUES = st.sampled_from([0.0, 1e-40, 1e-3, 0.5, 1.0, 1.0000001, 7.0, 3e38, np.inf])
LAYERS = st.lists(st.lists(st.tuples(VALUES, st.booleans()), min_size=1, max_size=6), min_size=1, max_size=3)


@tf.function(reduce_retracing=True)
def kept(scores, keep, candidates):
    """Three flat tensors, so that one trace does for all examples."""
    return top_k_masks(scores, keep, candidates)


def flat(rows, dtype):
    return [tf.constant(np.array(row, dtype)) for row in [*rows, [], [], []][:3]]


@pytest.mark.slow
@settings(max_examples=40)
@given(LAYERS, st.data())
def test_it_keeps_what_the_ranking_of_arrays_keeps(layers, data):
    scores = [np.array([value for value, _ in layer], np.float32) for layer in layers]
    candidates = [np.array([candidate for _, candidate in layer]) for layer in layers]
    keep = data.draw(st.integers(0, sum(int(c.sum()) for c in candidates)), label="keep")
    found = kept(flat(scores, np.float32), tf.constant(keep, tf.int64), flat(candidates, bool))
    expected = global_masks(scores, keep, within=candidates)
    for mask, own in zip(found[: len(layers)], expected, strict=True):
        np.testing.assert_array_equal(mask, own)


def test_tensors_of_any_rank_are_read_row_by_row():
    ties = tf.ones([2, 3])
    (mask,) = top_k_masks([ties], 4, [tf.ones([2, 3], tf.bool)])
    np.testing.assert_array_equal(mask, [[True, True, True], [True, False, False]])


@pytest.mark.slow
def test_the_same_after_xla():
    scores = [tf.constant([3.0, 1.0, 2.0]), tf.constant([2.0, 2.0])]
    candidates = [tf.constant([True, True, True]), tf.constant([True, True])]
    compiled = tf.function(top_k_masks, jit_compile=True)(scores, tf.constant(3), candidates)
    np.testing.assert_array_equal(compiled[0], [True, False, True])
    np.testing.assert_array_equal(compiled[1], [True, False])


def test_global_magnitude_inside_random_masks_is_the_authors():
    golden = fixture("er_ops")["prune_mag"]
    magnitudes = [tf.abs(tf.constant(weight, tf.float32)) for weight in golden["weights"]]
    sources = [tf.constant(mask, tf.float32) > 0 for mask in golden["er_masks"]]
    for density in (0.5, 0.25):  # of all 12 weights
        expected = golden[f"density_{density}"]
        found = top_k_masks(magnitudes, int(12 * density), sources)
        for mask, own in zip(found, expected, strict=True):
            np.testing.assert_array_equal(mask, np.array(own, bool))
