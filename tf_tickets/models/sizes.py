"""Sizes of models: one that cannot be trained here is refused before its weights are drawn."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import keras

from tf_tickets.support.memory import check_memory

# Weights, their initial values, gradients and momentum.
COPIES = 4


@contextlib.contextmanager
def checked_size(what: str) -> Iterator[None]:
    """For the duration, raises ValueError before weights are drawn for which there is not enough memory.

    Args:
        what: is built, for the message.
    """
    count = 0
    add_weight = keras.layers.Layer.add_weight

    def counted(self: keras.layers.Layer, shape: Any = None, *arguments: Any, **options: Any) -> Any:
        nonlocal count
        count += math.prod(shape or ())
        check_memory(
            f"To train {what}, of {count:,} weights at least,",
            COPIES * 4.0 * count,
            "Choose a smaller model, or a smaller width.",
        )
        return add_weight(self, shape, *arguments, **options)

    keras.layers.Layer.add_weight = counted
    try:
        yield
    finally:
        keras.layers.Layer.add_weight = add_weight


def activations(model: keras.Model) -> int:
    """Numbers that layers compute for one example, as far as the shapes of their outputs are known."""
    count = 0
    for layer in model._flatten_layers(include_self=False):
        try:
            outputs = keras.tree.flatten(layer.output)
        except (AttributeError, ValueError):  # of a layer inside another one nothing is known
            continue
        for output in outputs:
            shape = output.shape[1:]
            count += math.prod(shape) if None not in shape else 0
    return count
