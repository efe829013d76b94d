"""GraNet: pruning over all layers, and an exchange within each."""

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tests.sparse_training.small import Watch, counts, dense_gradients, fit, moved, perceptron
from tests.sparse_training.updates import METHODS, OPTIMIZERS, assert_moved, exchanged
from tf_tickets.layers import value_of
from tf_tickets.pruning.top_k import global_masks
from tf_tickets.sparse_training import GraNet
from tf_tickets.sparse_training.density_schedules import cubic_density
from tf_tickets.sparse_training.drop_fractions import granet_drop_fraction


class Authors:
    """The authors' class, written out for x @ w1 @ w2: a step of momentum, a global pruning, an exchange.

    A pruned weight is zero, and so is its momentum, as soon as it is pruned; what the exchange drops counts
    for growth again before anything is made zero.
    """

    def __init__(self, weights, x, y, rate, momentum):
        self.weights, self.x, self.y, self.rate, self.momentum = [*weights], x, y, rate, momentum
        self.velocities = [np.zeros_like(weight) for weight in weights]
        self.masks = [np.ones(weight.shape, bool) for weight in weights]

    def step(self):
        first, second = self.weights
        hidden = self.x @ first
        error = 2 * (hidden @ second - self.y) / self.y.size
        self.gradients = [self.x.T @ (error @ second.T), hidden.T @ error]
        for place, gradient in enumerate(self.gradients):
            self.velocities[place] = self.momentum * self.velocities[place] + gradient
            self.weights[place] = self.weights[place] - self.rate * self.velocities[place]
        self.apply()

    def apply(self):
        self.weights = [w * m for w, m in zip(self.weights, self.masks, strict=True)]
        self.velocities = [v * m for v, m in zip(self.velocities, self.masks, strict=True)]

    def prune(self, keep):
        magnitudes = np.sort(np.abs(np.concatenate([w.ravel() for w in self.weights])))[::-1]
        self.masks = [np.abs(w) > magnitudes[keep] for w in self.weights]
        self.apply()

    def exchange(self, fraction):
        for place, (weight, mask) in enumerate(zip(self.weights, self.masks, strict=True)):
            drop = int(np.ceil(fraction * mask.sum()))
            threshold = np.sort(np.abs(weight).ravel())[(~mask).sum() + drop - 1]
            left = np.abs(weight) > threshold
            slopes = np.abs(self.gradients[place]) * ~left
            left.ravel()[np.argsort(-slopes, axis=None)[: mask.sum() - left.sum()]] = True
            self.masks[place] = left
        self.apply()


@pytest.mark.slow
@pytest.mark.usefixtures("untraced")
def test_the_authors_class_finds_the_same_network_in_five_updates():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 20)), rng.normal(size=(40, 16))
    model = keras.Sequential([keras.Input((20,))])
    model.add(keras.layers.Dense(25, use_bias=False))
    model.add(keras.layers.Dense(16, use_bias=False))
    model.set_weights([rng.normal(size=shape) / 5 for shape in ((20, 25), (25, 16))])
    model.compile(keras.optimizers.SGD(0.5, momentum=0.9), "mse")
    authors = Authors([value_of(weight).astype(float) for weight in model.weights], x, y, 0.5, 0.9)
    fit(model, x, y, GraNet(0.9, drop_fraction=0.5, frequency=1, end_step=4), steps=6, size=40)
    returned = 0
    for step in range(1, 7):
        authors.step()
        before = authors.masks
        if step <= 4:
            authors.prune(round(900 * cubic_density(1.0, 0.1, step / 4)))
        pruned = [*authors.masks]
        if step <= 5:
            authors.exchange(granet_drop_fraction(0.5, step / 6))
        triples = zip(before, pruned, authors.masks, strict=True)
        returned += sum(int((was & ~left & now).sum()) for was, left, now in triples)
    assert returned > 30  # what an update prunes and takes back
    entries = tt.masked_weights(model)
    for entry, weight, mask in zip(entries, authors.weights, authors.masks, strict=True):
        np.testing.assert_array_equal(value_of(entry.mask), mask)
        np.testing.assert_allclose(value_of(entry.weight), weight, rtol=1e-3, atol=1e-5)


@pytest.mark.usefixtures("untraced")
class TestAnUpdate:
    def test_makes_afresh_what_it_prunes_also_where_that_grows_back(self):
        """Momentum included; what the exchange drops and takes back keeps both."""
        model, x, y = perceptron(OPTIMIZERS["momentum"](), sparsity=0)
        before, after = Watch(), Watch()
        fit(model, x, y, before, GraNet(sparsity=0.7, frequency=1, end_step=1), after, steps=2)
        old, new = before.seen[0], after.seen[0]
        pruned = global_masks([np.abs(weight) for weight in old.weights], round(72 * 0.3))
        back = [now & ~left for now, left in zip(new.masks, pruned, strict=True)]
        assert sum(counts(back))
        for was, now, again, kept in zip(old.weights, new.weights, back, new.masks, strict=True):
            assert not now[again].any() and not now[~kept].any()
            np.testing.assert_array_equal(now[kept & ~again], was[kept & ~again])
        for was, now, again, kept in zip(old.slots, new.slots, back, new.masks, strict=True):
            assert not now[0][again | ~kept].any()
            np.testing.assert_array_equal(now[0][kept & ~again], was[0][kept & ~again])

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
        expected = exchanged(second.weights, pruned, slopes, parts)
        gone = [mask & ~left for mask, left in zip(second.masks, pruned, strict=True)]
        assert_moved(second, after.seen[1], expected, again=gone)


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
