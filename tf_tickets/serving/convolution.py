"""Convolutions as numbers: what a Dense, Conv1D, Conv2D or Conv3D layer computes, its kernel apart."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import keras


@dataclasses.dataclass(frozen=True)
class Axis:
    """One axis that a kernel moves along.

    Attributes:
        size: of the input; None where it is open.
        taps: of the kernel.
        stride: between two places.
        before: zeros that the input is padded with in front.
        after: and behind.
    """

    size: int | None
    taps: int
    stride: int
    before: int
    after: int

    @property
    def places(self) -> int | None:
        """Size of the output."""
        if self.size is None:
            return None
        return (self.size + self.before + self.after - self.taps) // self.stride + 1


@dataclasses.dataclass(frozen=True)
class Convolution:
    """A kernel that moves over an input `(batch, *sizes, channels)`.

    A Dense layer is one that has one tap on each axis, or no axis at all.

    Attributes:
        channels: of the input.
        filters: channels of the output.
        axes: that the kernel moves along, in order.
    """

    channels: int
    filters: int
    axes: tuple[Axis, ...]

    @property
    def taps(self) -> int:
        """How many places of the input one place of the output sees."""
        return math.prod(axis.taps for axis in self.axes)

    @property
    def weights(self) -> int:
        """How many there are in the kernel."""
        return self.taps * self.channels * self.filters

    def places(self, count: int) -> int:
        """How many places the kernel goes to along the first `count` axes."""
        return math.prod(axis.places or 0 for axis in self.axes[:count])


def convolution_of(layer: Any, shape: tuple[int | None, ...]) -> Convolution | None:
    """What a layer computes on inputs of a shape, before its bias; None where that is no such convolution.

    Args:
        layer: any layer or operation of Keras.
        shape: `(batch, *sizes, channels)`.
    """
    make = LAYERS.get(type(layer))
    if make is None or not layer.built or shape[-1] is None:
        return None
    if {layer.compute_dtype, layer.variable_dtype} != {"float32"}:
        return None
    # What a layer computes with then is not its kernel.
    if getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None) is not None:
        return None
    return make(layer, shape)


def _of_dense(layer: keras.layers.Dense, shape: tuple[int | None, ...]) -> Convolution:
    axes = tuple(Axis(size, 1, 1, 0, 0) for size in shape[1:-1])
    channels, filters = layer.kernel.shape
    return Convolution(channels, filters, axes)


def _of_convolution(layer: Any, shape: tuple[int | None, ...]) -> Convolution | None:
    if layer.groups != 1 or layer.data_format != "channels_last" or set(layer.dilation_rate) != {1}:
        return None
    sizes = shape[1:-1]
    # How an input of unknown size is padded at a stride cannot be known.
    if layer.padding == "same" and any(
        size is None and stride > 1 for size, stride in zip(sizes, layer.strides, strict=True)
    ):
        return None
    axes = tuple(
        Axis(size, taps, stride, *PADDINGS[layer.padding](size, taps, stride))
        for size, taps, stride in zip(sizes, layer.kernel_size, layer.strides, strict=True)
    )
    return Convolution(layer.kernel.shape[-2], layer.filters, axes)


def _same(size: int | None, taps: int, stride: int) -> tuple[int, int]:
    """As TensorFlow pads: the odd zero comes behind."""
    total = taps - 1 if size is None else max((math.ceil(size / stride) - 1) * stride + taps - size, 0)
    return total // 2, total - total // 2


PADDINGS = {
    "valid": lambda size, taps, stride: (0, 0),
    "same": _same,
    "causal": lambda size, taps, stride: (taps - 1, 0),
}
LAYERS = {
    keras.layers.Dense: _of_dense,
    keras.layers.Conv1D: _of_convolution,
    keras.layers.Conv2D: _of_convolution,
    keras.layers.Conv3D: _of_convolution,
}
