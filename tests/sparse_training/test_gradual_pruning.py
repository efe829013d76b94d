"""Gradual magnitude pruning: which weights go, and along which schedule."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import nets
from tests.sparse_training.small import Watch, counts, fit, masks, perceptron
from tests.sparse_training.updates import METHODS, OPTIMIZERS
from tf_tickets.pruning.top_k import global_masks
from tf_tickets.sparse_training import GradualMagnitudePruning
from tf_tickets.sparse_training.density_schedules import cubic_density


@pytest.mark.usefixtures("untraced")
class TestAnUpdate:
    @pytest.mark.slow
    def test_of_gradual_pruning_takes_the_smallest_of_all_layers(self):
        model, x, y = perceptron(OPTIMIZERS["momentum"]())
        before, after = Watch(), Watch()
        fit(model, x, y, before, GradualMagnitudePruning(sparsity=0.75, frequency=2), after)
        assert after.moves == [2, 3]  # by its frequency, and at its end
        for step, keep in ((1, round(72 * cubic_density(0.5, 0.25, 2 / 3))), (2, 18)):
            old = before.seen[step]
            expected = global_masks([np.abs(weight) for weight in old.weights], keep, within=old.masks)
            nets.assert_equal(after.seen[step].masks, expected)
            left = [np.where(mask, weight, 0) for mask, weight in zip(expected, old.weights, strict=True)]
            nets.assert_equal(after.seen[step].weights, left)


@pytest.mark.usefixtures("untraced")
class TestWhen:
    @pytest.mark.slow
    def test_a_schedule_of_densities_goes_on_in_the_next_fit(self):
        model, x, y = perceptron()
        watch = Watch()
        for _ in range(2):  # with a callback of its own for each part, as after a restart
            fit(
                model,
                x,
                y,
                METHODS["gmp"](begin_step=0, end_step=8, initial_sparsity=0.5, frequency=2),
                watch,
            )
        expected = [round(72 * cubic_density(0.5, 0.2, step / 8)) for step in (2, 4, 6, 8)]
        assert [sum(counts(seen.masks)) for seen in watch.seen[1::2]] == expected

    @pytest.mark.slow
    def test_two_parts_with_the_first_sparsity_are_one_training(self):
        found = []
        for parts in ([8], [4, 4]):
            model, x, y = perceptron(OPTIMIZERS["momentum"]())
            watch = Watch()
            for part, steps in enumerate(parts):
                callback = METHODS["gmp"](begin_step=0, end_step=8, initial_sparsity=0.5, frequency=2)
                fit(model, x, y, callback, watch, steps=steps, epochs=part + 1, initial_epoch=part)
            found.append([mask for seen in watch.seen for mask in seen.masks])
        nets.assert_equal(*found)
        assert found[0][-1].sum() + found[0][-2].sum() == round(72 * 0.2)

    @pytest.mark.slow
    @pytest.mark.parametrize("begin, moves", [(4, [6, 7]), (None, [2, 4, 6])])
    def test_by_default_three_quarters_of_what_is_left_from_its_beginning(self, begin, moves):
        model, x, y = perceptron()
        watch = Watch()
        fit(model, x, y, METHODS["gmp"](frequency=2, begin_step=begin), watch, steps=8)
        assert watch.moves == moves
        assert sum(counts(masks(model))) == round(72 * 0.2)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["gmp", "granet"])
    def test_a_target_that_a_short_training_misses_is_told(self, name):
        class Stop(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                self.model.stop_training = True

        model, x, y = perceptron()
        with pytest.warns(UserWarning, match=r"ended at a density of 0\.\d+, and 0\.2 was asked for"):
            fit(model, x, y, METHODS[name](frequency=1), Stop(), epochs=4, steps=2)
        assert sum(counts(masks(model))) > round(72 * 0.2)

    @pytest.mark.slow
    def test_gradual_pruning_meets_its_target_in_the_middle_of_a_call(self):
        model, x, y = perceptron(steps_per_execution=4)
        fit(model, x, y, METHODS["gmp"](frequency=100, end_step=3), steps=6)
        assert sum(counts(masks(model))) == round(72 * 0.2)

    @pytest.mark.slow
    def test_a_schedule_of_tensorflow_model_optimization_is_followed(self):
        sparsity = pytest.importorskip("tensorflow_model_optimization").sparsity.keras
        schedule = sparsity.PolynomialDecay(0.5, 0.9, begin_step=2, end_step=6, frequency=2)
        model, x, y = perceptron(sparsity=0)
        watch = Watch()
        # A dense model gets masks, and data without a length are no hindrance: the schedule knows its end.
        data = tf.data.Dataset.from_tensors((x, y)).repeat(8).filter(lambda x, y: True)
        model.fit(data, verbose=0, callbacks=[GradualMagnitudePruning(schedule=schedule), watch])
        asked = [float(schedule(step)[1]) for step in (2, 4, 6)]
        expected = [72, *(round(72 * (1 - value)) for value in asked for _ in range(2))]
        assert [sum(counts(seen.masks)) for seen in watch.seen] == [*expected, 7]
        assert asked == pytest.approx([0.5, 0.85, 0.9])

    @pytest.mark.slow
    def test_a_schedule_counts_from_the_first_step(self):
        model, x, y = perceptron(sparsity=0)
        watch = Watch()
        callback = GradualMagnitudePruning(schedule=lambda step: (True, 0.5), begin_step=2)
        fit(model, x, y, callback, watch)
        assert watch.moves == [3]
