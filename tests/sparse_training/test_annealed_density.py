"""Edge-popup from a dense selection down to its target, in levels."""

import keras
import pytest

from tests.sparse_training.searches import parametrizations, searching, selected_counts
from tests.sparse_training.small import fit, masks, perceptron
from tf_tickets.pruning import ticket_of
from tf_tickets.pruning.counts import counts_inside
from tf_tickets.sparse_training import AnnealedDensity, annealed_densities


class Selected(keras.callbacks.Callback):
    """How many weights are selected during each epoch."""

    def __init__(self):
        super().__init__()
        self.kept = []

    def on_train_batch_end(self, batch, logs=None):
        self.kept.append(sum(selected_counts(self.model)))


class TestAnnealedDensity:
    @pytest.mark.slow
    def test_levels_go_down_to_the_target_inside_the_mask(self):
        model, x, y = searching()
        watch = Selected()
        fit(model, x, y, AnnealedDensity(0.6, levels=3), watch, epochs=6, steps=1)
        expected = [round(72 * d) for d in annealed_densities(0.6, 14 / 72, 3, 0.5)]
        assert watch.kept == [kept for kept in expected for _ in range(2)]
        assert expected[-1] == 14 and expected[0] <= 36

    @pytest.mark.slow
    def test_levels_have_the_ratios_of_the_search(self):
        model, x, y = searching(ratios=[0.1, 0.5])
        found = []

        class Look(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                found.append(selected_counts(model))

        fit(model, x, y, AnnealedDensity(0.4, levels=2), Look(), epochs=2, steps=1)
        dense = counts_inside(
            model, 1 - annealed_densities(0.4, 14 / 72, 2, 0.5)[0], [0.1, 0.5], masks(model)
        )
        assert found == [dense, [parametrization.target for parametrization in parametrizations(model)]]

    @pytest.mark.slow
    def test_a_target_that_a_short_training_misses_is_told(self):
        class Stop(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                self.model.stop_training = True

        model, x, y = searching()
        with pytest.warns(UserWarning, match=r"ended at a density of 0\.\d+, and 0\.194444 was asked for"):
            fit(model, x, y, AnnealedDensity(0.5), Stop(), epochs=5, steps=1)
        assert ticket_of(model, {}).kept > 14

    def test_a_start_below_the_target(self):
        model, x, y = searching()
        with pytest.raises(ValueError, match=r"start=0\.1 is below the density .* 0\.194444"):
            fit(model, x, y, AnnealedDensity(0.1))

    @pytest.mark.slow
    @pytest.mark.parametrize("levels, epochs", [(1, 2), (5, 3), (5, 1), (4, 6)])
    def test_the_last_epoch_has_the_target_whatever_the_levels(self, levels, epochs):
        model, x, y = searching()
        watch = Selected()
        fit(model, x, y, AnnealedDensity(0.5, levels), watch, epochs=epochs, steps=1)
        assert watch.kept[-1] == 14 and watch.kept == sorted(watch.kept, reverse=True)
        assert len(set(watch.kept)) == min(levels, epochs)

    @pytest.mark.slow
    def test_a_search_that_was_broken_off_has_the_same_target_in_the_next_fit(self):
        class Break(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                raise KeyboardInterrupt

        model, x, y = searching()
        with pytest.raises(KeyboardInterrupt):
            fit(model, x, y, AnnealedDensity(0.5), Break(), epochs=5, steps=1)
        assert ticket_of(model, {}).kept > 14
        fit(model, x, y, AnnealedDensity(0.5), epochs=2, steps=1)
        assert ticket_of(model, {}).kept == 14

    @pytest.mark.slow
    def test_one_callback_serves_one_model_after_another(self):
        callback = AnnealedDensity(0.5, levels=2)
        for sparsity, kept in ((0.8, 14), (0.9, 7)):
            model, x, y = searching(sparsity)
            fit(model, x, y, callback, epochs=2, steps=1)
            assert ticket_of(model, {}).kept == kept

    @pytest.mark.parametrize(
        "arguments, message",
        [
            ({"start": 0.0}, r"start= is a density in \(0, 1\]. Received: 0.0"),
            ({"start": True}, "start="),
            ({"start": "x"}, r"start= is a density in \(0, 1\]. Received: 'x'"),
            ({"levels": 0}, "levels= is a whole number, 1 or more. Received: 0"),
            ({"levels": 2.0}, "levels="),
        ],
    )
    def test_values_out_of_range(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            AnnealedDensity(**arguments)

    def test_a_model_that_does_not_search(self):
        model, x, y = perceptron()
        with pytest.raises(ValueError, match=r"call tf_tickets\.sparse_training\.edge_popup"):
            fit(model, x, y, AnnealedDensity())
