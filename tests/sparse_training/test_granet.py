"""GraNet: pruning over all layers, and an exchange within each."""

import numpy as np
import pytest

from tests.sparse_training.small import Watch, counts, dense_gradients, fit, moved, perceptron
from tests.sparse_training.updates import METHODS, OPTIMIZERS, assert_moved, exchanged
from tf_tickets.pruning.top_k import global_masks
from tf_tickets.sparse_training import GraNet
from tf_tickets.sparse_training.density_schedules import cubic_density
from tf_tickets.sparse_training.drop_fractions import granet_drop_fraction


@pytest.mark.usefixtures("untraced")
class TestAnUpdate:
    @pytest.mark.slow
    def test_of_granet_prunes_all_layers_together_and_then_exchanges_within_each(self):
        model, x, y = perceptron(OPTIMIZERS["adam"]())
        before, after = Watch(), Watch()
        fit(model, x, y, before, GraNet(sparsity=0.7, frequency=2, drop_fraction=0.5, end_step=4), after)
        first, second = after.seen[0], before.seen[1]
        kernels = [np.where(m, w, 0) for m, w in zip(first.masks, first.weights, strict=True)]
        slopes = dense_gradients(kernels, first.biases, x, y)
        keep = round(72 * cubic_density(0.5, 0.3, 0.5))
        pruned = global_masks([np.abs(weight) for weight in second.weights], keep, within=second.masks)
        parts = [int(np.ceil(granet_drop_fraction(0.5, 0.5) * count)) for count in counts(pruned)]
        assert_moved(second, after.seen[1], exchanged(second.weights, pruned, slopes, parts))


@pytest.mark.usefixtures("untraced")
class TestWhen:
    @pytest.mark.slow
    def test_granet_exchanges_on_when_it_has_pruned(self):
        model, x, y = perceptron(OPTIMIZERS["momentum"]())
        callback, watch = METHODS["granet"](frequency=2, end_step=2), Watch()
        moves = moved(callback)
        fit(model, x, y, callback, watch, steps=8)
        assert moves == [2, 4, 6]  # the training ends with the eighth step, not with an exchange
        assert watch.moves[:2] == [2, 4]
        assert {tuple(counts(seen.masks)) for seen in watch.seen[1:]} == {tuple(counts(watch.seen[1].masks))}
