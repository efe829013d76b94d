"""Pruning by magnitude as a callback: in a plain `fit` and in our Trainer the same."""

import keras  # before tensorflow_model_optimization, which would have its own way with tf.keras
import numpy as np
import pytest

import tf_tickets as tt
from tests import nets
from tests.callbacks.loops import Watch, both_loops, by_hooks
from tf_tickets.callbacks import (
    MagnitudePruning,
)


class TestMagnitudePruning:
    @pytest.mark.slow
    @both_loops
    def test_once(self, loop):
        watch, pruning = Watch(), MagnitudePruning(0.75, epoch=1, classifier_keep="ranked")
        loop(nets.build("functional"), keras.optimizers.SGD(0.1), 3, [pruning, watch])
        assert watch.kept == [100, 25, 25]
        assert pruning.ticket.kept == 25
        # What it had to choose from: the three kernels, in forward order, not the depthwise one.
        weights = [w for w in watch.weights[1] if w.ndim > 1 and w.shape != (3, 3, 4, 1)]
        threshold = np.sort(np.abs(np.concatenate([weight.ravel() for weight in weights])))[-25]
        nets.assert_equal(pruning.ticket.masks, [np.abs(weight) >= threshold for weight in weights])

    @pytest.mark.parametrize(
        "options",
        [{}, {"classifier_keep": "ranked"}, {"classifier_keep": 0.5}, {"ratios": "smart"}, {"ratios": "erk"}],
        ids=str,
    )
    def test_draws_what_prune_draws_of_the_same_options(self, options):
        pruning = MagnitudePruning(0.5, **options)
        by_hooks(nets.build("functional"), keras.optimizers.SGD(0.0), 1, [pruning])
        ticket = tt.prune(nets.build("functional"), "finetune", 0.5, **options)
        nets.assert_equal(pruning.ticket.masks, ticket.masks)

    def test_of_chosen_layers(self):
        model = nets.build("sequential")
        by_hooks(model, keras.optimizers.SGD(0.1), 1, [MagnitudePruning(0.5, exclude=model.layers[-1])])
        (entry,) = tt.masked_weights(model)
        assert entry.layer is model.layers[0] and np.sum(entry.mask) == 24

    @pytest.mark.slow
    @both_loops
    def test_over_a_schedule_of_steps(self, loop):
        asked = []

        def schedule(step):
            asked.append(step)
            return step % 4 == 0, step / 16

        watch = Watch()
        loop(
            nets.build("functional"),
            keras.optimizers.SGD(0.1),
            4,
            [MagnitudePruning(schedule=schedule), watch],
        )
        assert asked == list(range(13))  # before the first batch, and after each of 12
        assert watch.kept == [100, 100, 75, 50]

    @pytest.mark.slow
    def test_several_steps_in_one_execution_count_each(self):
        asked = []
        model = nets.compiled(nets.build("sequential"), steps_per_execution=2)
        pruning = MagnitudePruning(schedule=lambda step: (asked.append(step) or step == 3, 0.5))
        x, y = nets.inputs_of(model, count=20)
        model.fit(x, y, batch_size=4, epochs=2, verbose=0, callbacks=[pruning])
        assert asked == list(range(11))
        assert pruning.ticket.kept == 36

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore")
    def test_follows_the_schedules_of_tfmot(self):
        from tensorflow_model_optimization.sparsity.keras import ConstantSparsity, PolynomialDecay

        decay = PolynomialDecay(0.2, 0.6, begin_step=2, end_step=12, frequency=5)
        constant = ConstantSparsity(0.6, begin_step=4, frequency=100)
        for schedule, kept in ((decay, [100, 80, 80, 45]), (constant, [100, 100, 40, 40])):
            watch, pruning = Watch(), MagnitudePruning(schedule=schedule)
            by_hooks(nets.build("functional"), keras.optimizers.SGD(0.1), 4, [pruning, watch])
            assert watch.kept == kept
        assert pruning.ticket.kept == 40
        last = MagnitudePruning(schedule=decay)
        by_hooks(nets.build("functional"), keras.optimizers.SGD(0.1), 4, [last])
        assert last.ticket.kept == 40  # step 12, after the last batch

    def test_what_was_pruned_may_come_back(self):
        """Every ticket is drawn from all weights, as they were when they were hidden."""
        model = nets.build("sequential")
        pruning = MagnitudePruning(schedule=lambda step: (True, 0.9 if step == 0 else 0.1))
        by_hooks(model, keras.optimizers.SGD(0.1), 1, [pruning])
        assert pruning.ticket.kept == round(72 * 0.9)
