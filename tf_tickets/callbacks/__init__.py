"""Pruning and rewinding as Keras callbacks, for our trainer and for a plain `model.fit` alike.

A hybrid ticket of any model in one call (dense for 30 epochs, then pruned and retrained for 30)::

    model.fit(x, y, epochs=60, callbacks=[
        keras.callbacks.LearningRateScheduler(schedule),
        tt.callbacks.HybridPruning(sparsity=0.98, epoch=30),
        tt.callbacks.LearningRateRewinding(epoch=30),
    ])

The best epoch of a training that prunes is often one of before the pruning. `EarlyStopping` and
`ModelCheckpoint` would restore it: the masks stay then, and a warning says so, but the kept weights are those
of the dense network. So let them monitor from the last pruning on: `EarlyStopping(start_from_epoch=30,
restore_best_weights=True)`; a `ModelCheckpoint` belongs into a second `fit`, after the one that prunes.
"""

from tf_tickets.callbacks.density_log import DensityLog
from tf_tickets.callbacks.hybrid_pruning import HybridPruning
from tf_tickets.callbacks.learning_rate_rewinding import LearningRateRewinding
from tf_tickets.callbacks.magnitude_pruning import MagnitudePruning
from tf_tickets.callbacks.weight_rewinding import WeightRewinding
from tf_tickets.layers import reset_optimizer
from tf_tickets.sparse_training import (
    SET,
    AnnealedDensity,
    GradualMagnitudePruning,
    GraNet,
    IterativeMagnitudePruning,
    RigL,
)

__all__ = [
    "SET",
    "AnnealedDensity",
    "DensityLog",
    "GraNet",
    "GradualMagnitudePruning",
    "HybridPruning",
    "IterativeMagnitudePruning",
    "LearningRateRewinding",
    "MagnitudePruning",
    "RigL",
    "WeightRewinding",
    "reset_optimizer",
]
