"""Exchanging connections: what the authors' code of GraNet and of RigL does to a layer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests.sparse_training.small import fixture
from tf_tickets.layers import GradientTap
from tf_tickets.sparse_training import RigL
from tf_tickets.sparse_training.drop_and_grow import drop_and_grow
from tf_tickets.sparse_training.drop_fractions import exchanged_count


def test_granet_exchanges_what_the_authors_exchange():
    golden = fixture("er_ops")["granet_drop_grow"]
    weight, mask = tf.constant(golden["weight"], tf.float32), np.array(golden["mask"], bool)
    count = exchanged_count(tf.constant(mask), tf.constant(golden["prune_rate"]), "up")
    assert count == 3
    growth = tf.abs(tf.constant(golden["grad"], tf.float32))
    new = drop_and_grow(weight, tf.constant(mask), growth, count, tf.ones(mask.shape, tf.bool))
    np.testing.assert_array_equal(new, np.array(golden["mask_after_grow"], bool))


@pytest.mark.parametrize("rounding, expected", [("down", 2), ("up", 3)])
def test_a_part_of_the_kept_weights_is_rounded_as_the_method_says(rounding, expected):
    mask = tf.constant([True] * 5 + [False] * 9)
    assert exchanged_count(mask, tf.constant(0.5), rounding) == expected
    assert exchanged_count(mask, tf.constant(0.4, tf.float64), rounding) == 2
    assert exchanged_count(~(mask | ~mask), tf.constant(0.5), rounding) == 0


def test_nothing_grows_where_it_is_not_allowed():
    mask = tf.constant([True, True, False, False, False])
    allowed = tf.constant([True, True, True, False, False])
    weight, growth = tf.constant([1.0, 2.0, 9.0, 9.0, 9.0]), tf.constant([0.0, 0.0, 1.0, 5.0, 7.0])
    new = drop_and_grow(weight, mask, growth, tf.constant(1), allowed)
    np.testing.assert_array_equal(new, [False, True, True, False, False])
    # With less room than is to be exchanged, what was dropped comes back.
    new = drop_and_grow(weight, mask, growth, tf.constant(2), allowed)
    np.testing.assert_array_equal(new, [True, False, True, False, False])


@pytest.mark.parametrize("fraction", [0.2, 0.3, 0.5])
def test_an_update_of_rigl_is_the_authors(fraction):
    """Masks, weights and momentum after the update of a layer whose tap has caught their gradient."""
    golden = fixture("er_rigl_ops")
    layer = keras.layers.Dense(4, use_bias=False)
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    tt.mask_layers(model)
    (entry,) = tt.masked_weights(model)
    entry.mask.assign(np.array(golden["mask"], bool))
    callback = RigL(drop_fraction=fraction, drop_schedule="constant", end_step=101)
    callback.set_model(model)
    callback.set_params({"epochs": 1, "steps": 100})
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    entry.weight.assign(golden["weight"])
    (momentum,) = model.optimizer.momentums
    momentum.assign(np.full((3, 4), 5.0))
    tap = layer.parametrizations["_kernel"]
    assert isinstance(tap, GradientTap)
    tap.open()
    tap._add(tf.constant(golden["grad"]))
    callback.update(step=1)
    expected = golden[f"drop_fraction_{fraction}"]
    np.testing.assert_array_equal(entry.mask, np.array(expected["mask"], bool))
    np.testing.assert_allclose(entry.weight, expected["weight"], rtol=1e-6)
    np.testing.assert_array_equal(momentum, expected["momentum"])
