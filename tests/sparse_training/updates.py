"""What tests of mask updates share: optimizers, methods, and what an update is to leave behind."""

import keras
import numpy as np

from tests import nets
from tf_tickets.pruning.top_k import global_masks
from tf_tickets.sparse_training import SET, GradualMagnitudePruning, GraNet, RigL

OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.05),
    "momentum": lambda: keras.optimizers.SGD(0.2, momentum=0.9),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.02, momentum=0.5, centered=True),
    "adagrad": lambda: keras.optimizers.Adagrad(0.1),
    "averaging": lambda: keras.optimizers.Adam(0.05, use_ema=True, ema_momentum=0.5),
    "scaling": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.2, momentum=0.9), initial_scale=8.0
    ),
}
FRESH = {"adagrad": 0.1}
METHODS = {
    "rigl": lambda **k: RigL(drop_fraction=0.5, **k),
    "set": lambda **k: SET(drop_fraction=0.5, **k),
    "granet": lambda **k: GraNet(sparsity=0.8, **k),
    "gmp": lambda **k: GradualMagnitudePruning(sparsity=0.8, **k),
}


def exchanged(weights, masks, growth, parts):
    """The masks after an exchange, by the rankings of arrays."""
    after = []
    for weight, mask, score, part in zip(weights, masks, growth, parts, strict=True):
        (kept,) = global_masks([np.abs(weight)], int(mask.sum()) - part, within=[mask])
        (grown,) = global_masks([np.abs(score)], part, within=[~kept])
        after.append(kept | grown)
    return after


def assert_moved(before, after, expected, fresh=0.0, again=None):
    """The expected masks; zero with fresh slots what is new or hidden, and everything else as it was.

    `again` is what was hidden and taken back in the same update: zero with fresh slots, too.
    """
    nets.assert_equal(after.masks, expected)
    new = [b & ~a for a, b in zip(before.masks, expected, strict=True)]
    assert any(mask.any() for mask in new)
    moved = [a ^ b for a, b in zip(before.masks, expected, strict=True)]
    if again is not None:
        moved = [mask | more for mask, more in zip(moved, again, strict=True)]
    nets.assert_equal(after.weights, [np.where(m, 0, w) for m, w in zip(moved, before.weights, strict=True)])
    for m, slots, own in zip(moved, after.slots, before.slots, strict=True):
        assert slots
        nets.assert_equal(slots, [np.where(m, np.float32(fresh), slot) for slot in own])
