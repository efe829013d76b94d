"""The two layouts of activations: Keras's with the batch first, and that of sparse kernels with it last."""

from __future__ import annotations

import tensorflow as tf

BATCH_FIRST = "batch first"  # (batch, *sizes, channels)
BATCH_LAST = "batch last"  # (channels, *sizes, batch)


class Activations:
    """One tensor of a model, in the layouts that it was asked for in.

    Args:
        tensor: in `layout`.
        layout: one of the two.
    """

    def __init__(self, tensor: tf.Tensor, layout: str = BATCH_FIRST) -> None:
        self._in = {layout: tensor}

    def to(self, layout: str) -> tf.Tensor:
        """The tensor in a layout; it is transposed once at most."""
        if layout not in self._in:
            self._in[layout] = swapped(next(iter(self._in.values())))
        return self._in[layout]


def swapped(tensor: tf.Tensor) -> tf.Tensor:
    """The first and the last axis exchanged, which leads from each layout to the other."""
    rank = tensor.shape.rank
    return tf.transpose(tensor, [rank - 1, *range(1, rank - 1), 0])
