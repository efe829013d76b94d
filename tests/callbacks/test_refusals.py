"""What callbacks refuse, before anything is trained."""

import keras  # before tensorflow_model_optimization, which would have its own way with tf.keras
import numpy as np
import pytest

import tf_tickets as tt
from tests import nets
from tests.callbacks.loops import by_fit, by_hooks, by_trainer, falling, rates
from tf_tickets.callbacks import (
    HybridPruning,
    LearningRateRewinding,
    MagnitudePruning,
    WeightRewinding,
)
from tf_tickets.layers import stock_weights
from tf_tickets.training import SGD


class TestErrorsComeBeforeTraining:
    @pytest.mark.parametrize(
        ("loop", "callback"),
        [
            (by_fit, LearningRateRewinding(3)),
            (by_trainer, WeightRewinding(3)),
            (by_fit, MagnitudePruning(0.5, epoch=3)),
            (by_trainer, HybridPruning(0.5, epoch=3)),
        ],
    )
    def test_an_epoch_beyond_the_end(self, loop, callback):
        model = nets.build("sequential")
        before = model.get_weights()
        with pytest.raises(
            ValueError, match=r"to act at the start of epoch 3, but training ends after epoch 2"
        ):
            loop(model, keras.optimizers.SGD(0.1), 3, [callback])
        nets.assert_equal([np.asarray(w) for w in stock_weights(model)], before)

    @pytest.mark.parametrize(
        ("loop", "callback", "words"),
        [
            (by_fit, LearningRateRewinding(4), "the learning rate of epoch 0 is not seen: pass schedule="),
            (by_trainer, LearningRateRewinding(4, to=1), "the learning rate of epoch 1 is not seen"),
            (by_fit, WeightRewinding(4, to=1), "the weights of epoch 1 are not seen"),
            (by_trainer, WeightRewinding(2, to=1, schedule=falling), "the weights of epoch 1 are not seen"),
            (by_fit, MagnitudePruning(0.5), "act at the start of epoch 0, but training starts at epoch 2"),
            (by_trainer, HybridPruning(0.5, epoch=1), "HybridPruning is to act at the start of epoch 1"),
        ],
    )
    def test_a_start_after_the_epoch(self, loop, callback, words):
        model = nets.build("sequential")
        before = model.get_weights()
        with pytest.raises(ValueError, match=words):
            loop(model, keras.optimizers.SGD(0.1), 6, [callback], initial_epoch=2)
        nets.assert_equal([np.asarray(w) for w in stock_weights(model)], before)

    def test_but_a_fit_that_goes_on_with_a_pruned_model_may(self):
        model = nets.hide(nets.build("sequential"))
        kept = sum(int(np.sum(entry.mask)) for entry in tt.masked_weights(model))
        pruning, rewinding = HybridPruning(0.5, epoch=1), LearningRateRewinding(1, schedule=falling)
        assert rates(SGD(), rewinding, epochs=4, initial_epoch=2) == [0.3, 0.2]
        by_hooks(model, SGD(), 4, [pruning, rewinding], initial_epoch=2)
        assert sum(int(np.sum(entry.mask)) for entry in tt.masked_weights(model)) == kept

    @pytest.mark.parametrize(("to", "schedule"), [(1, None), (0, falling)])
    def test_a_rate_that_a_callback_cannot_set(self, to, schedule):
        own = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)
        with pytest.raises(
            ValueError, match=r"has a LearningRateSchedule of its own, .* plain learning rate"
        ):
            rates(keras.optimizers.SGD(own), LearningRateRewinding(2, to=to, schedule=schedule))

    @pytest.mark.slow
    def test_a_backup_that_would_be_restored_before_there_are_masks(self, tmp_path, untraced):
        backup, pruning = keras.callbacks.BackupAndRestore(tmp_path / "backup"), MagnitudePruning(0.5)
        model = nets.build("sequential")
        with pytest.raises(ValueError, match=r"BackupAndRestore stands before Magnitude.* Put it after"):
            by_fit(model, keras.optimizers.SGD(0.1), 1, [backup, pruning])
        assert tt.masked_weights(model) == []
        by_fit(model, keras.optimizers.SGD(0.1), 1, [pruning, backup])

    def test_nothing_to_prune(self):
        model = keras.Sequential([keras.Input((6,)), keras.layers.Rescaling(2.0), keras.layers.PReLU()])
        with pytest.raises(ValueError, match="has nothing to prune"):
            by_fit(model, keras.optimizers.SGD(0.1), 1, [MagnitudePruning(0.5)])

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda: LearningRateRewinding(-1), r"epoch= is a 0-based epoch. Received: -1"),
            (lambda: LearningRateRewinding(2.0), r"epoch= is a 0-based epoch. Received: 2.0"),
            (lambda: LearningRateRewinding(2, to=True), r"to= is a 0-based epoch. Received: True"),
            (lambda: LearningRateRewinding(2, to=3), r"Cannot rewind at epoch 2 to a later one .* to=3"),
            (lambda: WeightRewinding(2, to=2), r"to < epoch. Received: to=2, epoch=2"),
            (lambda: MagnitudePruning(), r"either sparsity= or schedule="),
            (lambda: MagnitudePruning(0.5, schedule=falling), r"either sparsity= or schedule="),
            (lambda: MagnitudePruning(schedule=0.5), r"schedule= is a callable .* Received: 0.5"),
            (lambda: MagnitudePruning(1.0), r"sparsity"),
            (lambda: MagnitudePruning(0.5, ratios="clever"), r"ratios='clever' is unknown. .*global"),
            (lambda: MagnitudePruning(0.5, epoch=-1), r"epoch= is a 0-based epoch"),
            (lambda: MagnitudePruning(0.5, classifier_keep=2), r"or 'method'. Received: 2"),
            (lambda: MagnitudePruning(0.5, ratios="erk", classifier_keep=1), r"'erk' does not use it"),
            (lambda: HybridPruning(-0.1, epoch=1), r"sparsity"),
            (lambda: HybridPruning(0.5, epoch=1, classifier_keep="ranked"), r"'smart' ranks nothing"),
        ],
    )
    def test_a_value_that_makes_no_sense(self, make, words):
        with pytest.raises(ValueError, match=words):
            make()
