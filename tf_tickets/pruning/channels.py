"""Channels: which axes of a weight number the inputs of its layer, and which the outputs."""

from collections.abc import Callable
from typing import NamedTuple

import keras

from tf_tickets.layers import MaskedWeight

Axes = tuple[int, ...]


class Channels(NamedTuple):
    """Which axes of a weight number a layer's channels.

    Attributes:
        inputs: axes that number the input channels.
        outputs: axes that number the output channels.
        groups: of a grouped convolution, whose `inputs` axis numbers the channels of one group only.
    """

    inputs: Axes
    outputs: Axes
    groups: int = 1


def channel_axes(entry: MaskedWeight) -> Channels:
    """The channel axes of a weight, by the class of its layer; axes count from the end.

    An unknown layer's last two axes number inputs and outputs; each value of a vector is a channel of both.
    """
    if len(entry.shape) == 1:
        return Channels((-1,), (-1,))
    rule = next((CHANNELS[cls] for cls in type(entry.layer).__mro__ if cls in CHANNELS), _plain)
    return rule(entry)


def _plain(entry: MaskedWeight) -> Channels:
    return Channels((-2,), (-1,))


def _convolution(entry: MaskedWeight) -> Channels:
    return Channels((-2,), (-1,), entry.layer.groups)


def _transposed(entry: MaskedWeight) -> Channels:
    return Channels((-1,), (-2,))


def _depthwise(entry: MaskedWeight) -> Channels:
    return Channels((-2,), (-2, -1))


def _separable(entry: MaskedWeight) -> Channels:
    return _depthwise(entry) if entry.weight is entry.layer.depthwise_kernel else _plain(entry)


def _einsum(entry: MaskedWeight) -> Channels:
    operands, output = entry.layer.equation.replace(" ", "").split("->")
    left, kernel = operands.split(",")
    if "." in kernel or len(kernel) != len(entry.shape):
        return _plain(entry)
    inputs, outputs = (
        tuple(position - len(kernel) for position, letter in enumerate(kernel) if letter in side)
        for side in (left, output)
    )
    return Channels(inputs, outputs) if inputs and outputs else _plain(entry)


# Rows of Dense kernels and Embedding tables are inputs, columns outputs.
CHANNELS: dict[type, Callable[[MaskedWeight], Channels]] = {
    keras.layers.EinsumDense: _einsum,
    keras.layers.Conv1D: _convolution,
    keras.layers.Conv2D: _convolution,
    keras.layers.Conv3D: _convolution,
    keras.layers.Conv1DTranspose: _transposed,
    keras.layers.Conv2DTranspose: _transposed,
    keras.layers.Conv3DTranspose: _transposed,
    keras.layers.DepthwiseConv1D: _depthwise,
    keras.layers.DepthwiseConv2D: _depthwise,
    keras.layers.SeparableConv1D: _separable,
    keras.layers.SeparableConv2D: _separable,
}
