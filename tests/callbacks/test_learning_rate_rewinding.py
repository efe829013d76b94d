"""Learning-rate rewinding: in a plain `fit` and in our Trainer the same."""

import keras  # before tensorflow_model_optimization, which would have its own way with tf.keras
import pytest

from tests import nets
from tests.callbacks.loops import Watch, both_loops, by_fit, by_hooks, by_trainer, falling, rates
from tf_tickets.callbacks import (
    LearningRateRewinding,
)
from tf_tickets.training import SGD


@pytest.mark.usefixtures("untraced")
class TestLearningRateRewinding:
    @pytest.mark.slow
    @pytest.mark.parametrize("loop", [by_fit, by_trainer, by_hooks])
    def test_replays_what_a_scheduler_before_it_did(self, loop):
        scheduler = keras.callbacks.LearningRateScheduler(falling)
        found = rates(keras.optimizers.SGD(9.0), scheduler, LearningRateRewinding(epoch=4), loop=loop)
        assert found == [0.4, 0.3, 0.2, 0.1, 0.4, 0.3, 0.2]

    def test_goes_back_to_any_epoch_and_stays_at_the_last_rate_that_it_saw(self):
        scheduler = keras.callbacks.LearningRateScheduler(falling)
        found = rates(keras.optimizers.SGD(9.0), scheduler, LearningRateRewinding(epoch=3, to=1))
        assert found == [0.4, 0.3, 0.2, 0.3, 0.2, 0.2, 0.2]

    def test_follows_a_schedule_of_its_own(self):
        found = rates(keras.optimizers.SGD(9.0), LearningRateRewinding(3, to=1, schedule=falling))
        assert found == [0.4, 0.3, 0.2, 0.3, 0.2, 0.1, 0.1]

    def test_replays_the_schedule_of_the_optimizer_by_resetting_its_steps(self):
        schedule = keras.optimizers.schedules.PiecewiseConstantDecay([5, 11], [0.3, 0.2, 0.1])
        found = rates(keras.optimizers.Adam(schedule), LearningRateRewinding(epoch=5))
        assert found == [0.3, 0.3, 0.2, 0.2, 0.1, 0.3, 0.3]

    def test_also_of_one_under_loss_scaling(self):
        schedule = keras.optimizers.schedules.PiecewiseConstantDecay([5], [0.3, 0.2])
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(schedule), initial_scale=2.0)
        assert rates(optimizer, LearningRateRewinding(3), epochs=4) == [0.3, 0.3, 0.2, 0.3]

    def test_takes_a_rate_that_never_changed_for_what_it_is(self):
        assert rates(keras.optimizers.SGD(0.5), LearningRateRewinding(0), epochs=2) == [0.5, 0.5]

    @pytest.mark.slow
    @both_loops
    def test_a_fit_that_starts_at_the_epoch_has_nothing_to_reset(self, loop):
        """In a first fit, Keras has not even built the optimizer by then."""
        rewinding = LearningRateRewinding(4, to=4, schedule=lambda epoch: 0.1 * epoch)
        assert rates(SGD(9.0, 0.9), rewinding, epochs=6, loop=loop, initial_epoch=4) == [0.4, 0.5]

    def test_can_be_used_again(self):
        rewinding = LearningRateRewinding(2)
        scheduler = keras.callbacks.LearningRateScheduler(falling)
        for _ in range(2):
            found = rates(keras.optimizers.SGD(9.0), scheduler, rewinding, epochs=4)
            assert found == [0.4, 0.3, 0.4, 0.3]

    @pytest.mark.slow
    @both_loops
    def test_starts_the_optimizer_afresh_and_leaves_the_weights(self, loop):
        watch, model = Watch(), nets.build("sequential")
        loop(model, keras.optimizers.SGD(0.1, momentum=0.9), 3, [LearningRateRewinding(2), watch])
        assert watch.steps == [0, 3, 0]

        twin = nets.build("sequential")
        by_fit(twin, keras.optimizers.SGD(0.1, momentum=0.9), 2, [])
        nets.assert_equal(watch.weights[2], twin.get_weights(), rtol=1e-5, atol=1e-6)
        by_fit(twin, keras.optimizers.SGD(0.1, momentum=0.9), 1, [])
        nets.assert_equal(model.get_weights(), twin.get_weights(), rtol=1e-5, atol=1e-6)
