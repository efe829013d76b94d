"""The validation split: stratified, disjoint, and drawn from the training set only."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_tickets.data import Examples
from tf_tickets.data.holdout import hold_out


def numbered(labels):
    """Examples whose one feature is their position."""
    return Examples(np.arange(len(labels), dtype=np.float32)[:, None], np.asarray(labels))


@pytest.mark.slow
@given(
    labels=st.lists(st.integers(0, 5), min_size=2, max_size=200),
    fraction=st.floats(0.02, 0.5),
    seed=st.integers(0, 2**40),
)
@settings(max_examples=100, deadline=None)
def test_it_splits_the_examples_class_by_class(labels, fraction, seed):
    examples = numbered(labels)
    try:
        kept, held = hold_out(examples, fraction, seed)
    except ValueError as error:
        assert "holds out none" in str(error)
        return
    positions = [part.images[:, 0].astype(int) for part in (kept, held)]
    np.testing.assert_array_equal(np.sort(np.concatenate(positions)), np.arange(len(labels)))
    for part, position in zip((kept, held), positions, strict=True):
        np.testing.assert_array_equal(position, np.sort(position))
        np.testing.assert_array_equal(part.labels, examples.labels[position])
    sizes, counts = np.bincount(labels, minlength=6), np.bincount(held.labels, minlength=6)
    assert (np.abs(counts - fraction * sizes) <= 1).all()
    assert (counts < sizes)[sizes > 0].all()


def test_the_total_is_met_even_where_a_class_has_no_whole_share():
    kept, held = hold_out(numbered(np.arange(1000) % 100), 0.05, seed=0)
    assert (len(kept), len(held)) == (950, 50)


def test_the_seed_draws_it():
    def held(seed):
        return hold_out(numbered(np.arange(100) % 10), 0.2, seed)[1].images.tobytes()

    assert held(0) == held(0)
    assert held(0) != held(1)


def test_holding_out_nothing_is_refused():
    with pytest.raises(ValueError, match=r"validation_fraction=0\.01 of 10 examples"):
        hold_out(numbered(np.arange(10) % 2), 0.01, seed=0)


@pytest.mark.parametrize("fraction", [0.1, 0.5])
def test_what_remains_can_stay_where_it_is(fraction):
    images = np.arange(5000, dtype=np.float32)[:, None] * np.ones(3, np.float32)
    labels = np.arange(5000) % 7
    kept, held = hold_out(Examples(images.copy(), labels), fraction, seed=0)
    reused, held_too = hold_out(Examples(images, labels), fraction, seed=0, reuse=True)
    for one, other in ((kept, reused), (held, held_too)):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)
    assert np.shares_memory(reused.images, images) and not np.shares_memory(kept.images, images)
