"""Exchanging connections: what the authors' code of GraNet and of RigL does to a layer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tests.sparse_training.small import Watch, counts, dense_gradients, fit, fixture, masks, perceptron
from tests.sparse_training.updates import FRESH, METHODS, OPTIMIZERS, assert_moved, exchanged
from tf_tickets.layers import GradientTap, value_of
from tf_tickets.pruning.top_k import global_masks
from tf_tickets.sparse_training import SET, RigL
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


@pytest.mark.slow
def test_nothing_grows_where_it_is_not_allowed():
    mask = tf.constant([True, True, False, False, False])
    allowed = tf.constant([True, True, True, False, False])
    weight, growth = tf.constant([1.0, 2.0, 9.0, 9.0, 9.0]), tf.constant([0.0, 0.0, 1.0, 5.0, 7.0])
    new = drop_and_grow(weight, mask, growth, tf.constant(1), allowed)
    np.testing.assert_array_equal(new, [False, True, True, False, False])
    # With less room than is to be exchanged, what was dropped comes back.
    new = drop_and_grow(weight, mask, growth, tf.constant(2), allowed)
    np.testing.assert_array_equal(new, [True, False, True, False, False])


@pytest.mark.usefixtures("untraced")
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
    # The authors leave what is hidden where it is, with its momentum; here both are zero.
    kept = value_of(entry.mask)
    hidden_now = np.array(golden["mask"], bool) & ~kept
    np.testing.assert_allclose(value_of(entry.weight)[kept], np.array(expected["weight"])[kept], rtol=1e-6)
    np.testing.assert_array_equal(value_of(momentum)[kept], np.array(expected["momentum"])[kept])
    assert not value_of(entry.weight)[hidden_now].any() and not value_of(momentum)[hidden_now].any()


@pytest.mark.usefixtures("untraced")
class TestAnUpdate:
    @pytest.mark.slow
    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    def test_of_rigl_drops_the_smallest_and_grows_the_steepest(self, optimizer):
        model, x, y = perceptron(OPTIMIZERS[optimizer]())
        before, after = Watch(), Watch()
        fit(model, x, y, before, RigL(frequency=2, drop_fraction=0.5), after)
        assert after.moves == [2]
        first, second = after.seen[0], before.seen[1]
        kernels = [np.where(m, w, 0) for m, w in zip(first.masks, first.weights, strict=True)]
        slopes = dense_gradients(kernels, first.biases, x, y)
        fraction = 0.5 / 2 * (1 + np.cos(np.pi * 2 / 3))  # the masks move in three of the four steps
        parts = [int(fraction * count) for count in counts(second.masks)]
        expected = exchanged(second.weights, second.masks, slopes, parts)
        assert_moved(second, after.seen[1], expected, FRESH.get(optimizer, 0.0))

    @pytest.mark.slow
    def test_of_rigl_is_the_same_beside_another_that_watches_the_gradient(self):
        found = []
        for others in ([], [METHODS["granet"](begin_step=100, end_step=100, initial_sparsity=0.5)]):
            model, x, y = perceptron()
            fit(model, x, y, METHODS["rigl"](frequency=1), *others, steps=2)
            found.append(masks(model))
            assert not any(entry.layer.parametrizations for entry in tt.masked_weights(model))
        nets.assert_equal(*found)

    @pytest.mark.slow
    def test_of_set_drops_the_smallest_and_grows_anywhere(self):
        found = []
        for seed in (0, 1):
            model, x, y = perceptron(OPTIMIZERS["momentum"]())
            before, after = Watch(), Watch()
            fit(model, x, y, before, SET(frequency=2, drop_fraction=0.5, seed=seed), after)
            old, new = before.seen[1], after.seen[1]
            parts = [count - count // 2 for count in counts(old.masks)]
            for weight, mask, part, now in zip(old.weights, old.masks, parts, new.masks, strict=True):
                (kept,) = global_masks([np.abs(weight)], part, within=[mask])
                assert not (kept & ~now).any() and (now & ~mask).any()
            assert_moved(old, new, new.masks)
            found.append(np.concatenate([mask.ravel() for mask in new.masks]))
        assert (found[0] != found[1]).any()
