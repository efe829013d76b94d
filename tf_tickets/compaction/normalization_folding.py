"""Batch normalisation that directly follows a kernel becomes part of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import keras
import numpy as np

from tf_tickets.compaction.graph import Call, Graph
from tf_tickets.compaction.rule import attribute_of, has_adapters
from tf_tickets.layers import value_of


@dataclasses.dataclass(frozen=True)
class Folded:
    """A graph without the batch normalisation that could be folded.

    Attributes:
        graph: without those calls; what they gave comes from the kernels before them.
        weights: `id` of a layer -> attribute -> array, where it is another than the layer's own.
        layers: names of the layers that are gone.
    """

    graph: Graph
    weights: dict[int, dict[str, np.ndarray]]
    layers: tuple[str, ...]


# Class -> (attribute of the kernel, kernel and a factor of each output -> the kernel times the factors).
Scaled = tuple[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]


def _last(kernel: np.ndarray, factors: np.ndarray) -> np.ndarray:
    return kernel * factors


def _second_to_last(kernel: np.ndarray, factors: np.ndarray) -> np.ndarray:
    return kernel * factors[:, None]


def _channels_and_multiplier(kernel: np.ndarray, factors: np.ndarray) -> np.ndarray:
    return kernel * factors.reshape(kernel.shape[-2:])


FOLDABLE: dict[type, Scaled] = {
    keras.layers.Dense: ("kernel", _last),
    keras.layers.Conv1D: ("kernel", _last),
    keras.layers.Conv2D: ("kernel", _last),
    keras.layers.Conv3D: ("kernel", _last),
    keras.layers.Conv1DTranspose: ("kernel", _second_to_last),
    keras.layers.Conv2DTranspose: ("kernel", _second_to_last),
    keras.layers.Conv3DTranspose: ("kernel", _second_to_last),
    keras.layers.DepthwiseConv1D: ("kernel", _channels_and_multiplier),
    keras.layers.DepthwiseConv2D: ("kernel", _channels_and_multiplier),
    keras.layers.SeparableConv1D: ("pointwise_kernel", _last),
    keras.layers.SeparableConv2D: ("pointwise_kernel", _last),
}


def fold_normalization(graph: Graph) -> Folded:
    """Takes out each batch normalisation whose only input is a kernel that feeds nothing else.

    Both layers are called once, and the kernel's layer has no activation of its own. Products are computed
    in float64 and kept in the dtype of the kernel.
    """
    calls_of, readers = graph.calls_of(), graph.readers()
    producers = {number: call for call in graph.calls for number in call.outputs}
    weights: dict[int, dict[str, np.ndarray]] = {}
    gone: dict[int, Call] = {}  # id of a call -> the call that gives its output now
    for call in graph.calls:
        before = (
            producers.get(call.inputs[0]) if type(call.layer) is keras.layers.BatchNormalization else None
        )
        if before is None or type(before.layer) not in FOLDABLE:
            continue
        alone = all(len(calls_of[id(one.layer)]) == 1 for one in (call, before))
        only = readers[call.inputs[0]] == [call] and call.inputs[0] not in graph.outputs
        if alone and only and call.outputs[0] not in graph.outputs and _fits(before, call):
            found = _product(before.layer, call.layer)
            if found is not None:
                weights[id(before.layer)] = found
                gone[id(call)] = before
    moved = {before.outputs[0]: call.outputs[0] for call in graph.calls if (before := gone.get(id(call)))}
    calls = tuple(
        dataclasses.replace(call, outputs=tuple(moved.get(number, number) for number in call.outputs))
        for call in graph.calls
        if id(call) not in gone
    )
    names = tuple(call.name for call in graph.calls if id(call) in gone)
    return Folded(dataclasses.replace(graph, calls=calls), weights, names)


def _fits(before: Call, call: Call) -> bool:
    """Whether the normalisation is over the kernel's outputs, as they are at inference."""
    layer, norm = before.layer, call.layer
    _, kwargs = call.arguments(dict.fromkeys(call.inputs))
    last = np.atleast_1d(norm.axis).tolist() in ([-1], [len(call.node.outputs[0].shape) - 1])
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    plain = layer.activation is None or layer.activation is keras.activations.linear
    same = layer.compute_dtype == norm.compute_dtype
    return bool(
        last and plain and same and not first and not has_adapters(layer) and not kwargs.get("training")
    )


def _product(layer: keras.Layer, norm: keras.Layer) -> dict[str, np.ndarray] | None:
    """Kernel and bias that do what both layers do; None where these are not finite."""
    attribute, scaled = FOLDABLE[type(layer)]
    kernel = value_of(attribute_of(layer, attribute))
    mean, variance = (
        value_of(norm.moving_mean).astype(np.float64),
        value_of(norm.moving_variance).astype(np.float64),
    )
    with np.errstate(all="ignore"):
        factors = 1 / np.sqrt(variance + norm.epsilon)
        if norm.scale:
            factors = factors * value_of(norm.gamma).astype(np.float64)
        bias = value_of(layer.bias).astype(np.float64) if layer.use_bias else 0.0
        bias = (bias - mean) * factors
        if norm.center:
            bias = bias + value_of(norm.beta).astype(np.float64)
        found = {
            attribute: scaled(kernel.astype(np.float64), factors).astype(kernel.dtype),
            "bias": bias.astype(kernel.dtype),
        }
    return found if all(np.isfinite(x).all() for x in found.values()) else None
