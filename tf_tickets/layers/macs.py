"""Multiply-adds of a model's prunable weights, found by watching one symbolic call."""

import collections
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers.masked_weight import MaskedWeight, kernels_of
from tf_tickets.layers.symbolic_call import symbolic_call, wrapped_calls

Shape = tuple[int | None, ...]
# How many times, and the shapes of inputs and outputs.
Call = tuple[int | None, Shape, Shape]


def macs_per_weight(
    model: keras.Model, weights: Sequence[MaskedWeight], inputs: Any = None
) -> list[int | None]:
    """How often each weight is used for one example: its kept count times this is its multiply-adds.

    Args:
        model: a built Keras model.
        weights: entries of `prunable_weights` or `masked_weights`.
        inputs: one batch, for a model that does not know its input shapes.

    Returns:
        One number a weight, None where it is open (inputs of unknown size, calls inside a loop). A weight
        of a shared layer counts every call, and that of a recurrent cell every step of its sequence; an
        embedding, whose look-up multiplies nothing, counts 0.
    """
    calls: dict[int, list[Call | None]] = {id(entry.layer): [] for entry in weights}
    recurrent = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.RNN)]
    stepping: collections.Counter[int] = collections.Counter()
    loops = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.TimeDistributed)]
    in_loops: list[keras.Layer] = []

    def watched(layer: keras.Layer, call: Callable) -> Callable:
        def watch(*args: Any, **kwargs: Any) -> Any:
            inputs = args[0] if args else next(iter(kwargs.values()))
            if layer in loops and inputs.shape[1] is None:
                in_loops.extend(layer._flatten_layers())
            cells = [id(cell) for cell in _cells(layer)] if layer in recurrent else []
            stepping.update(cells)
            outputs = call(*args, **kwargs)
            stepping.subtract(cells)
            for cell in calls.keys() & set(cells):
                calls[cell].append(None if layer in in_loops else _steps(layer, inputs, outputs))
            if id(layer) in calls and not stepping[id(layer)]:
                calls[id(layer)].append(None if layer in in_loops else _call(inputs, outputs))
            return outputs

        return watch

    with wrapped_calls([*loops, *recurrent, *(entry.layer for entry in weights)], watched):
        symbolic_call(model, inputs)
    return [_uses(entry.layer, calls[id(entry.layer)]) for entry in weights]


def macs_density(uses: Sequence[int | None], masks: Sequence[np.ndarray]) -> float | None:
    """The part of the multiply-adds that masks keep; None where they are not known.

    Args:
        uses: of one weight of each layer, see `macs_per_weight`.
        masks: one for each layer.
    """
    kept = total_macs(uses, [int(np.count_nonzero(mask)) for mask in masks])
    total = total_macs(uses, [mask.size for mask in masks])
    return None if kept is None or total is None else kept / total


def model_macs(model: keras.Model) -> int | None:
    """Multiply-adds of all kernels of a model for one example, masks aside; None where they are not known."""
    entries = kernels_of(model)
    return total_macs(macs_per_weight(model, entries), [entry.size for entry in entries])


def total_macs(uses: Sequence[int | None], counts: Sequence[int]) -> int | None:
    """Multiply-adds of so many weights of each layer; None where a layer's positions are not known."""
    total = 0
    for use, count in zip(uses, counts, strict=True):
        if use is None:
            return None
        total += use * count
    return total


def _call(inputs: Any, outputs: Any) -> Call | None:
    """One call; None where its shapes do not tell how often it computes."""
    # In the body of a loop, such as an RNN's, one call stands for an unknown number of them.
    in_loop = isinstance(tf.compat.v1.get_default_graph().outer_graph, tf.__internal__.FuncGraph)
    if in_loop or not all(hasattr(x, "shape") for x in (inputs, outputs)):
        return None
    return 1, tuple(inputs.shape), tuple(outputs.shape)


def _cells(layer: keras.layers.RNN) -> list[keras.Layer]:
    """The cells that an RNN calls once a step."""
    return [layer.cell, *getattr(layer.cell, "cells", ())]


def _steps(layer: keras.layers.RNN, inputs: Any, outputs: Any) -> Call | None:
    """The calls of an RNN's cell."""
    call = _call(inputs, keras.tree.flatten(outputs)[0])
    if call is None:
        return None
    _, (batch, steps, *inside), (_, *result) = call
    return steps, (batch, *inside), (batch, *(result[1:] if layer.return_sequences else result))


def _uses(layer: keras.Layer, calls: list[Call | None]) -> int | None:
    positions = next((rule for cls, rule in POSITIONS.items() if isinstance(layer, cls)), _positions)
    total = 0
    for call in calls:
        sizes = (call[0], *positions(layer, *call[1:])) if call is not None else (None,)
        known = [size for size in sizes if size is not None]
        if len(known) < len(sizes):
            return None
        total += math.prod(known)
    return total


def _spatial(layer: keras.Layer, shape: Shape) -> Shape:
    return shape[2:] if layer.data_format == "channels_first" else shape[1:-1]


def _output_positions(layer: keras.Layer, inputs: Shape, outputs: Shape) -> Shape:
    return _spatial(layer, outputs)


def _input_positions(layer: keras.Layer, inputs: Shape, outputs: Shape) -> Shape:
    return _spatial(layer, inputs)


def _positions(layer: keras.Layer, inputs: Shape, outputs: Shape) -> Shape:
    return _spatial(layer, outputs) if hasattr(layer, "data_format") else outputs[1:-1]


def _einsum_positions(layer: keras.Layer, inputs: Shape, outputs: Shape) -> Shape:
    """Sizes of the input axes that the kernel does not have, the batch axis left out."""
    left, kernel = layer.equation.replace(" ", "").split("->")[0].split(",")
    before, _, after = left.partition("...")
    axes = before + " " * (len(inputs) - len(before) - len(after)) + after
    return tuple(size for axis, size in list(zip(axes, inputs, strict=True))[1:] if axis not in kernel)


def _none(layer: keras.Layer, inputs: Shape, outputs: Shape) -> Shape:
    return (0,)


POSITIONS: dict[type, Callable[[keras.Layer, Shape, Shape], Shape]] = {
    keras.layers.EinsumDense: _einsum_positions,
    keras.layers.Embedding: _none,
    keras.layers.Conv1DTranspose: _input_positions,
    keras.layers.Conv2DTranspose: _input_positions,
    keras.layers.Conv3DTranspose: _input_positions,
    keras.layers.Conv1D: _output_positions,
    keras.layers.Conv2D: _output_positions,
    keras.layers.Conv3D: _output_positions,
    keras.layers.SeparableConv1D: _output_positions,
    keras.layers.SeparableConv2D: _output_positions,
    keras.layers.DepthwiseConv1D: _output_positions,
    keras.layers.DepthwiseConv2D: _output_positions,
}
