"""Of any network: equal outputs, and a second compaction finds nothing more."""

import warnings

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tf_tickets as tt
from tests.compaction.networks import network
from tests.compaction.test_compact import ROUNDING
from tf_tickets.layers import stock_weights, value_of

L = keras.layers


def compacted(model, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tt.compact(model, **options)


@pytest.mark.slow
@settings(max_examples=2, derandomize=True)
@given(st.integers(0, 100_000))
def test_random_networks(seed):
    keras.backend.clear_session()
    model = network(seed)
    small = compacted(model)
    if small is not model:
        assert small.compaction.largest_difference < ROUNDING
        again = compacted(small)
        assert again is small, str(again.compaction)


@pytest.fixture(scope="module")
def net():
    """Residual, with statistics of any kind."""
    rng = np.random.default_rng(0)
    inputs = keras.Input((6, 6, 3))
    x = L.Conv2D(12, 3, padding="same", use_bias=False)(inputs)
    y = L.ReLU()(L.BatchNormalization()(x))
    y = L.Conv2D(12, 3, padding="same", use_bias=False)(y)
    y = L.Conv2D(12, 3, padding="same", use_bias=False)(L.ReLU()(L.BatchNormalization()(y)))
    x = L.Add()([x, y])
    x = L.GlobalAveragePooling2D()(L.Activation("silu")(L.BatchNormalization()(x)))
    model = keras.Model(inputs, L.Dense(4)(x))
    for layer in model.layers:
        if isinstance(layer, L.BatchNormalization):
            layer.set_weights(
                [rng.normal(size=12), rng.normal(size=12), rng.normal(size=12), rng.uniform(0.1, 3, 12)]
            )
    model.initial = [value_of(x) for x in model.weights]
    tt.mask_layers(model)
    return model


@pytest.mark.slow  # a compaction sees masks alone, whatever drew them
@pytest.mark.parametrize("name", ["random", "erk", "magnitude", "synflow", "sparsegpt"])
def test_tickets_of_methods(name, net):
    rng = np.random.default_rng(0)
    data = rng.normal(size=(8, 6, 6, 3)).astype("float32"), rng.integers(0, 4, 8)
    for entry in tt.masked_weights(net):
        entry.mask.set(np.ones(entry.shape, bool))
    for variable, value in zip(stock_weights(net), net.initial, strict=True):
        variable.assign(value)
    needs = {"init_weights": net.initial} if tt.METHODS[name].rewinds else {}
    tt.prune(net, name, sparsity=0.95, data=data, **needs)
    assert compacted(net).compaction.largest_difference < ROUNDING
