"""Multiply-adds of a model's prunable weights, found by watching one symbolic call."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from tf_tickets.layers.masked_weight import MaskedWeight
from tf_tickets.layers.symbolic_call import symbolic_call, wrapped_calls

Shape = tuple[int | None, ...]


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
        of a shared layer counts every call; an embedding, whose look-up multiplies nothing, counts 0.
    """
    calls: dict[int, list[tuple[Shape, Shape] | None]] = {id(entry.layer): [] for entry in weights}
    loops = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.TimeDistributed)]
    in_loops: list[keras.Layer] = []

    def watched(layer: keras.Layer, call: Callable) -> Callable:
        def watch(*args: Any, **kwargs: Any) -> Any:
            inputs = args[0] if args else next(iter(kwargs.values()))
            if layer in loops and inputs.shape[1] is None:
                in_loops.extend(layer._flatten_layers())
            outputs = call(*args, **kwargs)
            if id(layer) in calls:
                calls[id(layer)].append(None if layer in in_loops else _shapes(inputs, outputs))
            return outputs

        return watch

    with wrapped_calls([*loops, *(entry.layer for entry in weights)], watched):
        symbolic_call(model, inputs)
    return [_uses(entry.layer, calls[id(entry.layer)]) for entry in weights]


def _shapes(inputs: Any, outputs: Any) -> tuple[Shape, Shape] | None:
    """Shapes of one call; None where they do not tell how often it computes."""
    # In the body of a loop, such as an RNN's, one call stands for an unknown number of them.
    in_loop = isinstance(tf.compat.v1.get_default_graph().outer_graph, tf.__internal__.FuncGraph)
    if in_loop or not all(hasattr(x, "shape") for x in (inputs, outputs)):
        return None
    return tuple(inputs.shape), tuple(outputs.shape)


def _uses(layer: keras.Layer, calls: list[tuple[Shape, Shape] | None]) -> int | None:
    positions = next((rule for cls, rule in POSITIONS.items() if isinstance(layer, cls)), _all_but_last)
    total = 0
    for shapes in calls:
        sizes = positions(layer, *shapes) if shapes is not None else (None,)
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


def _all_but_last(layer: keras.Layer, inputs: Shape, outputs: Shape) -> Shape:
    return outputs[1:-1]


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
