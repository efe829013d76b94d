"""The tap that catches the gradient of the masked weight, where the mask hides it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tests.replicas import two_replicas
from tf_tickets.layers import (
    GradientTap,
    attach_parametrization,
    forget_traces,
)


def plain():
    return nets.build("sequential")


def tapped(model):
    """Gives every masked weight a tap; the taps in forward order."""
    taps = []
    for entry in tt.masked_weights(model):
        taps.append(GradientTap(entry.weight))
        attach_parametrization(entry.layer, entry.attribute, taps[-1])
    forget_traces(model)
    return taps


def opened(taps):
    for tap in taps:
        tap.open()
    return taps


def unmasked_gradients(build, model, x, loss):
    """d loss / d (mask * w): a stock twin holds the products as its weights, so nothing hides a gradient."""
    twin = build()
    for variable, value in zip(twin.weights, tt.layers.stock_weights(model), strict=True):
        variable.assign(value)
    entries = tt.layers.prunable_weights(twin)
    for entry, kernel in zip(entries, nets.kernels(model), strict=True):
        entry.weight.assign(kernel)
    with tf.GradientTape() as tape:
        value = loss(twin(x, training=True))
    return [tf.convert_to_tensor(g).numpy() for g in tape.gradient(value, [e.weight.value for e in entries])]


def strided():
    """With strides and padding, a residual sum, and a kernel that is used as it is."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((8, 8, 2))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(inputs)
    x = keras.layers.Add()([x, keras.layers.Conv2D(4, 3, padding="same")(x)])
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(x)))


def embedding():
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            keras.layers.Embedding(7, 3),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )


class TestTheTap:
    @pytest.mark.slow
    @pytest.mark.parametrize("build", [nets.NETS[name][0] for name in ("sequential", "shared")] + [strided])
    def test_it_catches_the_gradient_of_the_masked_kernel_everywhere(self, build):
        model = nets.poison(nets.hide(build()), 100.0)
        x, _ = nets.inputs_of(model)
        taps = opened(tapped(model))

        def loss(outputs):
            return tf.reduce_sum(tf.sin(outputs))

        expected = unmasked_gradients(build, model, x, loss)
        with tf.GradientTape() as tape:
            value = loss(model(x, training=True))
        hidden = tape.gradient(value, [entry.weight.value for entry in tt.masked_weights(model)])
        for tap, dense, own, entry in zip(taps, expected, hidden, tt.masked_weights(model), strict=True):
            np.testing.assert_allclose(tap.total, dense, rtol=1e-4, atol=1e-5)
            np.testing.assert_array_equal(own, np.where(entry.mask, own, 0))
            assert np.abs(np.where(entry.mask, 0, tap.total)).max() > 0.01

    def test_a_kernel_whose_gradient_is_one_of_rows_too(self):
        model = embedding()
        tt.mask_layers(model, include=lambda layer: True)
        first = tt.masked_weights(model)[0]
        first.mask.assign(np.arange(21).reshape(7, 3) % 2 == 0)
        x = np.array([[0, 1, 1, 5], [2, 2, 2, 2]])
        tap = opened(tapped(model))[0]
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(model(x))
        tape.gradient(value, model.trainable_variables)
        reached = np.abs(tap.total).sum(1) > 0
        np.testing.assert_array_equal(reached, [True, True, True, False, False, True, False])
        assert np.abs(np.where(first.mask, 0, tap.total)).max() > 0

    @pytest.mark.slow
    def test_in_a_users_fit_it_adds_up_what_passes(self):
        """Two batches of which the weights do not move: the sum of their gradients."""
        model = nets.hide(nets.build("sequential"))
        nets.compiled(model, keras.optimizers.SGD(0.0), jit_compile=True)
        x, y = nets.inputs_of(model)
        halves = [
            unmasked_gradients(plain, model, x[part], lambda z, part=part: model.loss(y[part], z))
            for part in (slice(6), slice(6, 12))
        ]
        taps = opened(tapped(model))
        model.fit(x, y, batch_size=6, shuffle=False, verbose=0)
        expected = [a + b for a, b in zip(*halves, strict=True)]
        nets.assert_equal(
            [keras.ops.convert_to_numpy(tap.total) for tap in taps], expected, rtol=1e-4, atol=1e-6
        )

    @pytest.mark.slow
    def test_it_is_closed_at_first_and_when_it_was_closed_and_opens_at_zero(self):
        model = nets.hide(nets.build("sequential"))
        x, _ = nets.inputs_of(model)
        tap = tapped(model)[0]

        def passed():
            nets.gradients(model, x)
            return keras.ops.convert_to_numpy(tap.total)

        assert not passed().any()
        tap.open()
        once = passed()
        np.testing.assert_array_equal(passed(), 2 * once)
        tap.close()
        np.testing.assert_array_equal(passed(), 2 * once)
        tap.open()
        np.testing.assert_array_equal(passed(), once)

    @pytest.mark.slow
    def test_replicas_add_up_their_shares(self):
        strategy = two_replicas()
        with strategy.scope():
            model = nets.compiled(nets.hide(nets.build("sequential")), keras.optimizers.SGD(0.0))
        x, y = nets.inputs_of(model)
        taps = opened(tapped(model))
        model.fit(x, y, batch_size=12, shuffle=False, verbose=0)
        alone = nets.hide(nets.build("sequential"))
        expected = unmasked_gradients(plain, alone, x, lambda z: model.loss(y, z))
        nets.assert_equal(
            [keras.ops.convert_to_numpy(tap.total) for tap in taps], expected, rtol=1e-4, atol=1e-6
        )

    @pytest.mark.slow
    def test_half_precision_with_loss_scaling_gives_finite_numbers_in_the_same_order(self):
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_float16")
        try:
            model = nets.hide(nets.build("sequential"))
            nets.compiled(model, keras.optimizers.SGD(0.0), run_eagerly=True)
        finally:
            keras.config.set_dtype_policy(policy)
        x, y = nets.inputs_of(model)
        taps = opened(tapped(model))
        model.fit(x, y, batch_size=12, shuffle=False, verbose=0)
        exact = nets.hide(nets.build("sequential"))
        expected = unmasked_gradients(plain, exact, x, lambda z: model.loss(y, z))
        scale = model.optimizer.initial_scale
        for tap, dense in zip(taps, expected, strict=True):
            assert tap.total.dtype == tf.float32 and np.isfinite(tap.total).all()
            # Not each number: where half precision takes a unit for alive that is not, its column differs.
            assert np.corrcoef(np.ravel(tap.total), np.ravel(dense))[0, 1] > 0.99
            assert np.std(tap.total / scale) == pytest.approx(np.std(dense), rel=0.05)

    def test_what_overflows_counts_as_nothing(self):
        model = nets.hide(nets.build("sequential"))
        tap = opened(tapped(model))[0]
        tap._add(tf.constant(np.r_[np.inf, np.nan, 3.0, np.zeros(45)].reshape(6, 8), tf.float16))
        np.testing.assert_array_equal(np.ravel(tap.total)[:3], [0, 0, 3])

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["functional", "shared"])
    def test_a_closed_one_changes_not_a_bit(self, name):
        model, twin = (nets.hide(nets.build(name)) for _ in range(2))
        x, y = nets.inputs_of(model)
        tapped(model)
        np.testing.assert_array_equal(nets.outputs(model, x), nets.outputs(twin, x))
        nets.assert_equal(nets.gradients(model, x), nets.gradients(twin, x))
        for net in (model, twin):
            nets.compiled(net, keras.optimizers.Adam(0.01), run_eagerly=True).train_on_batch(x, y)
        nets.assert_equal(model.get_weights(), twin.get_weights())

    @pytest.mark.slow
    def test_second_derivatives_pass_it_by(self):
        """GraSP and OBD differentiate twice."""

        def curvature(model, x):
            weights = [entry.weight.value for entry in tt.masked_weights(model)]
            with tf.GradientTape() as outer:
                with tf.GradientTape() as inner:
                    loss = tf.reduce_sum(tf.sin(model(x)))
                slopes = inner.gradient(loss, weights)
                length = tf.add_n([tf.reduce_sum(slope**2) for slope in slopes])
            return [np.array(g) for g in outer.gradient(length, weights)]

        model, twin = (nets.hide(nets.build("sequential")) for _ in range(2))
        x, _ = nets.inputs_of(model)
        taps = tapped(model)
        expected = curvature(twin, x)
        assert all(np.abs(slope).max() > 0 for slope in expected)
        nets.assert_equal(curvature(model, x), expected)
        opened(taps)
        nets.assert_equal(curvature(model, x), expected)
