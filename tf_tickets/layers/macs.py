"""Multiply-adds of a model's prunable weights, found by watching one symbolic call."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras

from tf_tickets.layers.convert import MaskedWeight
from tf_tickets.layers.forward_order import symbolic_call

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
        One number a weight, None where shapes leave it open (inputs of unknown size). A weight of a shared layer
        counts every call; an embedding, whose look-up multiplies nothing, counts 0.
    """
    calls: dict[int, list[tuple[Shape, Shape]]] = {}
    layers = {id(entry.layer): entry.layer for entry in weights}
    originals = {key: layer.__dict__.get("call") for key, layer in layers.items()}
    try:
        for key, layer in layers.items():
            object.__setattr__(layer, "call", _watched(layer, calls.setdefault(key, [])))
        symbolic_call(model, inputs)
    finally:
        for key, layer in layers.items():
            if originals[key] is None:
                del layer.__dict__["call"]
            else:
                object.__setattr__(layer, "call", originals[key])
    return [_uses(entry.layer, calls[id(entry.layer)]) for entry in weights]


def _watched(layer: keras.Layer, calls: list) -> Callable:
    call = layer.call

    def watched(inputs, *args, **kwargs):
        outputs = call(inputs, *args, **kwargs)
        calls.append((tuple(inputs.shape), tuple(outputs.shape)))
        return outputs

    return watched


def _uses(layer: keras.Layer, calls: list[tuple[Shape, Shape]]) -> int | None:
    positions = next((rule for cls, rule in POSITIONS.items() if isinstance(layer, cls)), _all_but_last)
    sizes = [size for shapes in calls for size in positions(layer, *shapes)]
    if any(size is None for size in sizes):
        return None
    return sum(math.prod(positions(layer, *shapes)) for shapes in calls)


def _spatial(layer: keras.Layer, shape: Shape) -> Shape:
    return shape[2:] if layer.data_format == "channels_first" else shape[1:-1]


def _output_positions(layer, inputs: Shape, outputs: Shape) -> Shape:
    return _spatial(layer, outputs)


def _input_positions(layer, inputs: Shape, outputs: Shape) -> Shape:
    return _spatial(layer, inputs)


def _all_but_last(layer, inputs: Shape, outputs: Shape) -> Shape:
    return outputs[1:-1]


def _einsum_positions(layer, inputs: Shape, outputs: Shape) -> Shape:
    """Sizes of the input axes that the kernel does not have, the batch axis left out."""
    terms = layer.equation.replace(" ", "").replace("...", "").split("->")[0].split(",")
    extra = len(inputs) - len(terms[0])
    free = inputs[1:extra] if extra > 1 else ()
    named = zip(terms[0], inputs[extra:], strict=True)
    own = [size for axis, size in named if axis not in terms[1]]
    return (*free, *(own if extra else own[1:]))


def _none(layer, inputs: Shape, outputs: Shape) -> Shape:
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
