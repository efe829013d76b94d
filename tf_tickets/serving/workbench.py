"""A SavedModel of single layers, each by every kernel that could compute it, to be measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from tf_tickets.compaction.graph import Graph
from tf_tickets.serving.convolution import Convolution
from tf_tickets.serving.kernels import DENSE
from tf_tickets.serving.layouts import BATCH_LAST, swapped
from tf_tickets.serving.saved_model import save_functions, traced
from tf_tickets.serving.served import convolved
from tf_tickets.serving.stored_weights import StoredWeights

OPEN = 32  # stands for a size that is not known


def shape_of(spec: keras.KerasTensor, batch: int) -> tuple[int, ...]:
    """The shape of a tensor, with the batch first."""
    return (batch, *(size or OPEN for size in spec.shape[1:]))


def save_layers(
    model: keras.Model,
    graph: Graph,
    choices: Mapping[str, tuple[Convolution, Sequence[str]]],
    shapes: Sequence[tuple[int, ...]],
    batch: int,
    path: str | os.PathLike,
) -> dict[tuple[str, str] | tuple[int, ...], str]:
    """Writes functions of single layers, and of changes of the layout.

    Args:
        model: as for `saved_model.save`.
        graph: of the model.
        choices: name of a layer -> what it computes, and names in `KERNELS` to compute it by.
        shapes: of tensors whose layout may be changed, the batch first.
        batch: examples at a time.
        path: of the folder.

    Returns:
        (layer, kernel), or a shape -> name of the function.
    """
    weights = StoredWeights(model)
    functions: dict[str, Any] = {}
    names: dict[Any, str] = {}
    calls = {call.name: call for call in reversed(graph.calls)}
    for layer, (convolution, kernels) in choices.items():
        shape = shape_of(graph.specs[calls[layer].inputs[0]], batch)
        for kernel in kernels:
            names[layer, kernel] = f"layer_{len(names)}"
            functions[names[layer, kernel]] = _function(
                _layer(calls[layer].layer, convolution, kernel),
                weights,
                shape if kernel == DENSE else (shape[-1], *shape[1:-1], shape[0]),
            )
    for shape in shapes:
        names[shape] = f"layout_{len(names)}"
        functions[names[shape]] = _function(lambda scope, x: swapped(x), weights, shape)
    save_functions(functions, weights, path)
    return names


def _layer(layer: Any, convolution: Convolution, kernel: str) -> Callable:
    if kernel == DENSE:
        return lambda scope, x: layer(x)
    return lambda scope, x: convolved(layer, convolution, kernel, scope, x).to(BATCH_LAST)


def _function(call: Callable, weights: StoredWeights, shape: tuple[int, ...]) -> Any:
    return traced(call, weights, [tf.TensorSpec(shape, tf.float32, name="x")])
