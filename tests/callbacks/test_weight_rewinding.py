"""Weight rewinding: in a plain `fit` and in our Trainer the same."""

import keras  # before tensorflow_model_optimization, which would have its own way with tf.keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tests.callbacks.loops import Watch, both_loops, by_fit, by_hooks, falling
from tf_tickets.callbacks import (
    MagnitudePruning,
    WeightRewinding,
)
from tf_tickets.layers import stock_weights


class Drift(keras.callbacks.Callback):
    """Moves all weights in every epoch, as a training would."""

    def on_epoch_end(self, epoch, logs=None):
        for weight in stock_weights(self.model):
            weight.assign_add(tf.ones_like(weight))


class TestWeightRewinding:
    def test_puts_back_what_the_weights_were(self):
        watch, model = Watch(), nets.build("sequential")
        rewinding = WeightRewinding(epoch=3, to=1, schedule=falling)
        by_hooks(model, keras.optimizers.SGD(9.0), 5, [rewinding, watch, Drift()])
        nets.assert_equal(watch.weights[3], watch.weights[1])
        nets.assert_equal(watch.weights[4], watch.weights[2])
        assert all(np.all(a != b) for a, b in zip(watch.weights[2], watch.weights[1], strict=True))
        assert watch.rates == [0.4, 0.3, 0.2, 0.3, 0.2]

    @pytest.mark.slow
    @both_loops
    def test_takes_weights_statistics_and_rate_back_and_leaves_the_masks(self, loop, untraced):
        watch, model = Watch(), nets.build("functional")
        loop(
            model,
            keras.optimizers.SGD(9.0, momentum=0.9),
            5,
            [
                MagnitudePruning(0.5, epoch=3),
                WeightRewinding(epoch=3, to=1, schedule=lambda epoch: 0.01 * (1 + epoch)),
                watch,
            ],
        )
        nets.assert_equal(watch.weights[3], watch.weights[1])
        assert any(np.any(a != b) for a, b in zip(watch.weights[2], watch.weights[1], strict=True))
        assert watch.rates == [0.01, 0.02, 0.03, 0.02, 0.03]
        assert watch.steps == [0, 3, 6, 0, 3]
        assert watch.kept == [100, 100, 100, 50, 50]

    @pytest.mark.slow
    def test_to_epoch_0_makes_the_lottery_ticket(self, untraced):
        """The same ticket, weights and rates as prune("lt") with the weights from before training."""
        lottery = [MagnitudePruning(0.5, epoch=2, classifier_keep=1.0), WeightRewinding(epoch=2)]
        model = nets.build("sequential")
        init = model.get_weights()
        by_fit(model, keras.optimizers.SGD(0.1, momentum=0.9), 3, lottery)

        twin = nets.build("sequential")
        by_fit(twin, keras.optimizers.SGD(0.1, momentum=0.9), 2, [])
        ticket = tt.prune(twin, "lt", 0.5, init_weights=init)
        nets.assert_equal(lottery[0].ticket.masks, ticket.masks)
        by_fit(twin, keras.optimizers.SGD(0.1, momentum=0.9), 1, [])
        nets.assert_equal(model.get_weights(), twin.get_weights(), rtol=1e-5, atol=1e-6)
