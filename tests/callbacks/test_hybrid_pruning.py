"""Hybrid tickets by callbacks: in a plain `fit` and in our Trainer the same."""

import keras  # before tensorflow_model_optimization, which would have its own way with tf.keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tests.callbacks.loops import Watch, both_loops, by_hooks
from tests.replicas import two_replicas
from tf_tickets.callbacks import (
    HybridPruning,
    LearningRateRewinding,
    WeightRewinding,
)
from tf_tickets.layers import restore_weights
from tf_tickets.training import SGD, Trainer


class TestHybridPruning:
    @pytest.mark.slow
    @both_loops
    def test_one_fit_makes_the_hybrid_ticket(self, loop, untraced):
        """Trained for 2 epochs, pruned, trained for 2 from the top: by callbacks, and step by step."""
        pruning = HybridPruning(sparsity=0.6, epoch=2)
        scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: [0.1, 0.01][epoch % 2])
        watch, model = Watch(), nets.build("sequential")
        loop(model, SGD(0.1, 0.9), 4, [scheduler, pruning, LearningRateRewinding(2), watch])

        twin = nets.build("sequential")
        restore_weights(twin, watch.weights[2])
        ticket = tt.prune(twin, "hybrid", 0.6)
        nets.assert_equal(pruning.ticket.masks, ticket.masks)
        assert watch.kept == [72, 72, 29, 29] and ticket.kept == 29
        loop(twin, SGD(0.1, 0.9), 2, [scheduler])
        nets.assert_equal(nets.kernels(model), nets.kernels(twin), rtol=1e-5, atol=1e-6)

    @pytest.mark.slow
    def test_also_on_two_replicas(self):
        strategy = two_replicas()
        with strategy.scope():
            model, optimizer = nets.build("sequential"), SGD(0.1, momentum=0.9)
        x, y = nets.inputs_of(model)
        batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
        watch, pruning = Watch(), HybridPruning(0.5, epoch=2)
        Trainer(model, optimizer, strategy).fit(
            lambda epochs, _: batches.repeat(len(epochs)),
            range(4),
            3,
            [pruning, WeightRewinding(2, to=1), watch],
        )
        assert watch.kept == [72, 72, 36, 36] and watch.steps == [0, 3, 0, 3]
        nets.assert_equal(watch.weights[2], watch.weights[1])
        for variable in [*model.weights, *model.optimizer.variables]:
            copies = [np.asarray(copy) for copy in strategy.experimental_local_results(variable.value)]
            nets.assert_equal(copies[:1] * len(copies), copies)

    @pytest.mark.slow
    def test_takes_the_family_and_the_classifiers_share(self):
        model = nets.build("functional")
        pruning = HybridPruning(0.5, epoch=0, family="vgg", classifier_keep=0.75)
        by_hooks(model, keras.optimizers.SGD(0.0), 1, [pruning])
        ticket = tt.prune(nets.build("functional"), "hybrid", 0.5, family="vgg", classifier_keep=0.75)
        nets.assert_equal(pruning.ticket.masks, ticket.masks)
        assert pruning.ticket.layers[-1].kept == 9
