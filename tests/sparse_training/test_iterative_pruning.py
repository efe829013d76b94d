"""Iterative magnitude pruning in one `fit`."""

import functools

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tests.pruning import nets
from tf_tickets.layers import masked_weights, stock_values
from tf_tickets.pruning import round_sparsities

EPOCHS, ROUNDS = 3, 2


class Watch(keras.callbacks.Callback):
    """What every epoch begins with."""

    def __init__(self):
        super().__init__()
        self.rates, self.weights, self.masks, self.iterations = [], [], [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.rates.append(float(np.asarray(self.model.optimizer.learning_rate)))
        self.weights.append(stock_values(self.model))
        self.masks.append([np.asarray(entry.mask).copy() for entry in masked_weights(self.model)])
        self.iterations.append(int(self.model.optimizer.iterations))


def trained(epochs=EPOCHS * (ROUNDS + 1), model=None, per_round=EPOCHS, **arguments):
    model = model or nets.functional((6, 12, 3))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.1), loss, run_eagerly=True)
    imp = tt.callbacks.IterativeMagnitudePruning(0.8, ROUNDS, per_round, **arguments)
    rates = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (1 + epoch))
    watch = Watch()
    x, y = nets.examples(model, 16)
    model.fit(x, y, batch_size=16, epochs=epochs, verbose=0, callbacks=[rates, imp, watch])
    return imp, watch


@functools.cache
def by_default():
    """One training for the tests that only look at it."""
    return trained()


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.slow
def test_rounds_are_nested_and_end_exactly_at_the_target():
    imp, watch = by_default()
    total = imp.tickets[0].total
    assert [x.kept for x in imp.tickets] == [round(total * (1 - s)) for s in round_sparsities(0.8, ROUNDS)]
    assert imp.tickets[-1].kept == round(0.2 * total)
    assert all(
        (inner <= outer).all()
        for inner, outer in zip(imp.tickets[1].masks, imp.tickets[0].masks, strict=True)
    )
    for epoch, masks in enumerate(watch.masks):
        part = epoch // EPOCHS
        assert same(masks, imp.tickets[part - 1].masks) if part else all(mask.all() for mask in masks)


@pytest.mark.slow
def test_weights_go_back_to_the_initialisation_bit_for_bit():
    _, watch = by_default()
    assert same(watch.weights[3], watch.weights[0]) and same(watch.weights[6], watch.weights[0])
    assert not same(watch.weights[4], watch.weights[1]), "what is pruned is missing"


@pytest.mark.slow
def test_or_to_those_of_an_epoch_with_its_rates():
    _, watch = trained(rewind=1)
    assert same(watch.weights[3], watch.weights[1]) and same(watch.weights[6], watch.weights[1])
    assert watch.rates == pytest.approx([0.1, 0.05, 0.1 / 3, *2 * [0.05, 0.1 / 3, 0.1 / 3]])


@pytest.mark.slow
def test_or_stay_while_the_learning_rate_goes_back():
    _, watch = trained(rewind="none")
    assert not same(watch.weights[3], watch.weights[0])
    assert watch.rates == pytest.approx(3 * [0.1, 0.05, 0.1 / 3])
    assert watch.iterations == 3 * [0, 1, 2], "the optimizer starts afresh"


@pytest.mark.slow
def test_stays_inside_a_source():
    """Which comes before the model's own masks."""
    model = nets.functional((6, 12, 3))
    source = tt.prune(model, "erk", 0.5, seed=3)
    tt.prune(model, "erk", 0.9, seed=4)
    imp, watch = trained(model=model, source=source, epochs=3, per_round=1)
    assert same(watch.masks[0], source.masks)
    assert all((a <= b).all() for a, b in zip(imp.tickets[-1].masks, source.masks, strict=True))
    assert 1 - imp.tickets[0].sparsity == pytest.approx((0.5 * 0.2) ** 0.5, abs=0.01)


@pytest.mark.slow
def test_stays_inside_the_models_own_masks_where_no_source_is_given():
    model = nets.functional((6, 12, 3))
    own = tt.prune(model, "erk", 0.5, seed=3)
    imp, watch = trained(model=model, epochs=3, per_round=1)
    assert same(watch.masks[0], own.masks)
    assert all((a <= b).all() for a, b in zip(imp.tickets[-1].masks, own.masks, strict=True))


@pytest.mark.slow
def test_rounds_that_did_not_take_place_are_told():
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch >= 3

    model = nets.functional((6, 12, 3))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    imp = tt.callbacks.IterativeMagnitudePruning(0.8, ROUNDS, EPOCHS)
    x, y = nets.examples(model, 16)
    with pytest.warns(UserWarning, match=r"after 1 of 2 rounds at a density of 0\.4\d+, and 0\.2 was asked"):
        model.fit(x, y, epochs=9, verbose=0, callbacks=[imp, Stop()])
    assert same([entry.mask for entry in masked_weights(model)], imp.tickets[0].masks)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"rewind": "start"},
            r"or an epoch of the first part, 0 to 2. Received: 'start'",
        ),
        ({"rewind": 3}, r"rewind= is one of .* Received: 3"),
        (
            {"epochs": 8},
            r"2 rounds of 3 epochs .* take epochs=9. Received: epochs=8",
        ),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        trained(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ratios": "x"}, r"ratios='x' is unknown. Choose one of: global, "),
        ({"ratios": 3}, "ratios=3 is unknown"),
        ({"classifier_keep": "x"}, r"a fraction in \(0, 1\], 'ranked' .* or 'method'. Received: 'x'"),
        ({"ratios": "erk", "classifier_keep": 0.5}, "ratios='erk' does not use it"),
    ],
)
def test_values_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        tt.callbacks.IterativeMagnitudePruning(0.8, ROUNDS, EPOCHS, **arguments)


def test_a_target_denser_than_the_source():
    model = nets.functional((6, 12, 3))
    with pytest.raises(ValueError, match="a target cannot be denser than its source"):
        trained(model=model, source=tt.prune(model, "erk", 0.9))
