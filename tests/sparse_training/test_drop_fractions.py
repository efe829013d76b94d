"""How many connections are exchanged as training goes on: the papers' formulas and roundings."""

import numpy as np
import pytest
import tensorflow as tf

from tests.sparse_training.small import fixture
from tf_tickets.sparse_training.drop_fractions import DROP_SCHEDULES, exchanged_count, granet_drop_fraction


def test_the_exchange_of_granet_is_the_authors():
    golden = fixture("er_ops")["granet_prune_rate_cosine"]
    found = [granet_drop_fraction(0.5, step / golden["T"]) for step in golden["t"]]
    np.testing.assert_allclose(found, golden["value"], rtol=1e-12)


@pytest.mark.parametrize("name", DROP_SCHEDULES)
def test_the_other_exchanges_begin_at_their_fraction_and_do_not_rise(name):
    values = [DROP_SCHEDULES[name](0.3, done) for done in np.linspace(0, 1, 11)]
    assert values[0] == pytest.approx(0.3) and values == sorted(values, reverse=True)
    middle, last = {
        "cosine": (0.15, 0.0),
        "constant": (0.3, 0.3),
        "cubic": (0.3 / 8, 0.0),
        "cosine_floor": (0.1525, 0.005),
    }[name]
    assert (values[5], values[-1]) == pytest.approx((middle, last))


@pytest.mark.parametrize("rounding, expected", [("down", 2), ("up", 3)])
def test_a_part_of_the_kept_weights_is_rounded_as_the_method_says(rounding, expected):
    mask = tf.constant([True] * 5 + [False] * 9)
    assert exchanged_count(mask, tf.constant(0.5), rounding) == expected
    assert exchanged_count(mask, tf.constant(0.4, tf.float64), rounding) == 2
    assert exchanged_count(~(mask | ~mask), tf.constant(0.5), rounding) == 0
