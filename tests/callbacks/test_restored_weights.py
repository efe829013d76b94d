"""Weights of an earlier epoch, restored in a training that prunes: the ticket stays, or that is said."""

import warnings

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tf_tickets.layers import value_of

MAKE = {
    "magnitude": lambda: tt.callbacks.MagnitudePruning(0.8, epoch=1),
    "hybrid": lambda: tt.callbacks.HybridPruning(0.8, epoch=2),
    "gradual": lambda: tt.callbacks.GradualMagnitudePruning(0.8, frequency=1),
    "iterative": lambda: tt.callbacks.IterativeMagnitudePruning(0.8, rounds=1, epochs_per_round=2),
    "granet": lambda: tt.callbacks.GraNet(0.8, frequency=1),
}


class BestAtFirst(keras.callbacks.Callback):
    """The score that is monitored is best before anything is pruned."""

    def on_epoch_end(self, epoch, logs=None):
        logs["score"] = -epoch


def fit(*callbacks):
    rng = np.random.default_rng(0)
    model = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(4)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, run_eagerly=True)
    x, y = rng.normal(size=(8, 8)).astype("float32"), np.arange(8) % 4
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model.fit(x, y, epochs=4, batch_size=4, verbose=0, callbacks=[BestAtFirst(), *callbacks])
    kept = sum(int(value_of(entry.mask).sum()) for entry in tt.masked_weights(model))
    return kept, [str(each.message) for each in said]


def best(**options):
    return keras.callbacks.EarlyStopping(
        "score", mode="max", patience=10, restore_best_weights=True, **options
    )


@pytest.mark.parametrize(
    ("name", "stopping_first"),
    [
        ("magnitude", False),
        ("magnitude", True),
        *(pytest.param(name, False, marks=pytest.mark.slow) for name in MAKE if name != "magnitude"),
        pytest.param("granet", True, marks=pytest.mark.slow),
    ],
)
def test_the_best_weights_of_before_leave_the_target_or_it_is_said(name, stopping_first):
    pruning = MAKE[name]()
    kept, said = fit(*(best(), pruning) if stopping_first else (pruning, best()))
    assert kept == 38 or any("keep more than before" in text for text in said), said
    assert any("restored" in text or "did not reach" in text for text in said)
    ticket = pruning.tickets[-1] if name == "iterative" else pruning.ticket
    if name != "iterative":
        assert ticket.kept == kept


@pytest.mark.slow
def test_monitored_from_the_pruning_on_nothing_is_undone():
    pruning = tt.callbacks.MagnitudePruning(0.8, epoch=1)
    kept, said = fit(pruning, best(start_from_epoch=1))
    assert kept == pruning.ticket.kept == 38
    assert not any("restored" in text or "keep more" in text for text in said)
