"""What a weight is multiplied with: the inputs of its layer, as the rows of a matrix.

Of every layer here the outputs are `rows @ matrix`, group by group: `matrix` holds the weight as (groups,
inputs, outputs), and `rows` what meets its inputs at every example and position, as (groups, rows, inputs).
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers import Masked, MaskedWeight, effective_value

Axes = tuple[int, ...]
# Numbers of the patches of a convolution that are formed at a time.
MOST_NUMBERS = 2**24


@dataclasses.dataclass(frozen=True)
class InputView:
    """How a weight meets the inputs of its layer.

    Attributes:
        shape: of the weight, in Keras layout.
        split: the same with an axis of its own for the groups of a convolution.
        groups, inputs, outputs: axes of `split`, in the order in which they are numbered: of a convolution's
            inputs the channels are next to each other, as in the kernel.
        rows: what the layer is called with -> tensors `(groups, rows, inputs)`, one after another.
    """

    shape: tuple[int, ...]
    split: tuple[int, ...]
    groups: Axes
    inputs: Axes
    outputs: Axes
    rows: Callable[[tf.Tensor], Iterator[tf.Tensor]]

    def matrix(self, weight: np.ndarray) -> np.ndarray:
        """The weight, or anything of its shape, as `(groups, inputs, outputs)`."""
        parts = np.transpose(weight.reshape(self.split), (*self.groups, *self.inputs, *self.outputs))
        return parts.reshape(self.sizes)

    def weight(self, matrix: np.ndarray) -> np.ndarray:
        """The inverse of `matrix`."""
        order = (*self.groups, *self.inputs, *self.outputs)
        parts = matrix.reshape([self.split[axis] for axis in order])
        return np.transpose(parts, np.argsort(order)).reshape(self.shape)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Numbers of groups, of inputs and of outputs of each group."""
        groups, inputs, outputs = (
            math.prod(self.split[axis] for axis in axes) for axes in (self.groups, self.inputs, self.outputs)
        )
        return groups, inputs, outputs


def input_views(entries: Sequence[MaskedWeight]) -> list[InputView]:
    """The views of a model's prunable weights.

    Raises:
        ValueError: it is not known what a weight is multiplied with. That of Dense and EinsumDense layers,
            and so of attention's projections, of convolutions and of separable and depthwise ones is.
    """
    found = [_view(entry) for entry in entries]
    unknown = [entry.name for entry, view in zip(entries, found, strict=True) if view is None]
    if unknown:
        raise ValueError(
            f"It is not known which inputs {', '.join(unknown)} are multiplied with: that is known of "
            f"{', '.join(cls.__name__ for cls in VIEWS)}, where their call is Keras's own. Leave the others "
            "out by tf_tickets.mask_layers(model, exclude=...), or choose another method."
        )
    return [view for view in found if view is not None]


def _view(entry: MaskedWeight) -> InputView | None:
    cls: Any = type(entry.layer)
    stock = getattr(cls, "stock", cls)
    known = next((base for base in stock.__mro__ if base in VIEWS), None)
    # A call of one's own may do anything with the weight.
    if known is None or stock.call is not known.call:
        return None
    return VIEWS[known](entry)


def _dense(entry: MaskedWeight) -> InputView:
    def rows(x: tf.Tensor) -> Iterator[tf.Tensor]:
        yield tf.reshape(x, (1, -1, x.shape[-1]))

    return InputView(entry.shape, entry.shape, (), (0,), (1,), rows)


def _einsum(entry: MaskedWeight) -> InputView | None:
    operands, output = entry.layer.equation.replace(" ", "").split("->")
    left, kernel = operands.split(",")
    axes = {letter: axis for axis, letter in enumerate(kernel)}
    if "." in kernel or len(axes) != len(kernel) or len(set(left) - {"."}) != len(left.replace(".", "")):
        return None
    if any(letter not in left + output for letter in kernel):
        return None
    groups = [letter for letter in kernel if letter in left and letter in output]
    inputs = [letter for letter in kernel if letter in left and letter not in output]
    outputs = [letter for letter in kernel if letter not in left]
    others = [letter for letter in left.replace(".", "") if letter in output and letter not in kernel]
    # What neither the kernel nor the output has is summed up before.
    wanted = "".join([*groups, "..." if "..." in left else "", *others, *inputs])
    sizes = [math.prod(entry.shape[axes[letter]] for letter in letters) for letters in (groups, inputs)]

    def rows(x: tf.Tensor) -> Iterator[tf.Tensor]:
        yield tf.reshape(tf.einsum(f"{left}->{wanted}", x), (sizes[0], -1, sizes[1]))

    of_groups, of_inputs, of_outputs = (
        tuple(axes[letter] for letter in letters) for letters in (groups, inputs, outputs)
    )
    return InputView(entry.shape, entry.shape, of_groups, of_inputs, of_outputs, rows)


def _convolution(entry: MaskedWeight) -> InputView:
    layer = entry.layer
    return _patched(entry, layer.groups, lambda x: _patches(x, layer))


def _depthwise(entry: MaskedWeight) -> InputView:
    return _patched(entry, entry.shape[-2], lambda x: _patches(x, entry.layer), one_input=True)


def _separable(entry: MaskedWeight) -> InputView:
    layer = entry.layer
    if entry.weight is layer.__dict__["depthwise_kernel"]:
        return _depthwise(entry)

    def after_depthwise(x: tf.Tensor) -> tf.Tensor:
        masked = isinstance(layer, Masked) and "depthwise_kernel" in layer.masks
        kernel = effective_value(layer, "depthwise_kernel") if masked else layer.depthwise_kernel
        options = (layer.strides, layer.padding, layer.data_format, layer.dilation_rate)
        x = keras.ops.depthwise_conv(x, tf.cast(kernel, x.dtype), *options)
        return _channels_last(x, layer)[..., None, :]

    return _patched(entry, 1, after_depthwise)


def _patched(
    entry: MaskedWeight, groups: int, patches: Callable[[tf.Tensor], tf.Tensor], one_input: bool = False
) -> InputView:
    """The view of a convolution.

    Args:
        entry: of its kernel `(*sizes, inputs of a group, outputs)`, or with one input a group `(*sizes,
            groups, outputs of a group)`.
        groups: how many there are; the channels of each are next to each other.
        patches: input of the layer -> `(batch, *positions, taps, channels)`.
        one_input: see `entry`.
    """
    *sizes, before, after = entry.shape
    taps = math.prod(sizes)
    inputs, outputs = (1, after) if one_input else (before, after // groups)

    def rows(x: tf.Tensor) -> Iterator[tf.Tensor]:
        # As many numbers as the input has, for each tap of the kernel.
        step = max(1, MOST_NUMBERS // max(1, taps * math.prod(x.shape[1:])))
        for start in range(0, x.shape[0], step):
            found = patches(x[start : start + step])
            found = tf.reshape(found, (-1, taps, groups, inputs))
            yield tf.reshape(tf.transpose(found, (2, 0, 1, 3)), (groups, -1, taps * inputs))

    return InputView(entry.shape, (taps, inputs, groups, outputs), (2,), (0, 1), (3,), rows)


def _patches(x: tf.Tensor, layer: keras.Layer) -> tf.Tensor:
    """What each tap of a kernel meets at each position: `(batch, *positions, taps, channels)`.

    Zeros are put around the images as TensorFlow does it: with padding `"same"` there are as many positions
    as strides in the image, and of an odd number of zeros the last side gets one more.
    """
    x = _channels_last(x, layer)
    slices: list[tuple[int, int, int]] = []  # of each axis: reach of a kernel's step, stride, positions
    around = [(0, 0)]
    for axis, (size, stride, dilation) in enumerate(
        zip(layer.kernel_size, layer.strides, layer.dilation_rate, strict=True), start=1
    ):
        length, reach = x.shape[axis], (size - 1) * dilation
        zeros = 0
        if layer.padding == "same":
            zeros = max((-(-length // stride) - 1) * stride + reach + 1 - length, 0)
        elif layer.padding == "causal":
            zeros = reach
        around.append((zeros, 0) if layer.padding == "causal" else (zeros // 2, zeros - zeros // 2))
        slices.append((dilation, stride, (length + zeros - reach - 1) // stride + 1))
    x = tf.pad(x, [*around, (0, 0)])
    taps = [
        x[
            (
                slice(None),
                *(
                    slice(tap * dilation, tap * dilation + (count - 1) * stride + 1, stride)
                    for tap, (dilation, stride, count) in zip(place, slices, strict=True)
                ),
            )
        ]
        for place in np.ndindex(*layer.kernel_size)
    ]
    return tf.stack(taps, axis=-2)


def _channels_last(x: tf.Tensor, layer: keras.Layer) -> tf.Tensor:
    if layer.data_format == "channels_last":
        return x
    return tf.transpose(x, (0, *range(2, len(x.shape)), 1))


VIEWS: dict[type, Callable[[MaskedWeight], InputView | None]] = {
    keras.layers.Dense: _dense,
    keras.layers.EinsumDense: _einsum,
    keras.layers.Conv1D: _convolution,
    keras.layers.Conv2D: _convolution,
    keras.layers.Conv3D: _convolution,
    keras.layers.DepthwiseConv1D: _depthwise,
    keras.layers.DepthwiseConv2D: _depthwise,
    keras.layers.SeparableConv1D: _separable,
    keras.layers.SeparableConv2D: _separable,
}
