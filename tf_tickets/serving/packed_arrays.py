"""Packing of arrays that are mostly zeros: the values that are none, and how far each is from the last."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import tensorflow as tf

# A gap of so much says: go on by it, there is no value yet. So a gap is a byte, however long.
LONGEST = 255


@dataclasses.dataclass(frozen=True, eq=False)
class Packed:
    """An array without its zeros.

    The last axis, that of a kernel's outputs, is packed as the first one: what belongs to one output stands
    together.

    Attributes:
        values: those that are not zero `(kept,)`, in the order of the flat array.
        gaps: steps from one value to the next, from the first position on; uint8, at least one a value.
        shape: of the array.
    """

    values: np.ndarray
    gaps: np.ndarray
    shape: tuple[int, ...]

    @property
    def is_smaller(self) -> bool:
        """Than the array."""
        return self.values.nbytes + self.gaps.nbytes < math.prod(self.shape) * self.values.itemsize


def pack(array: np.ndarray) -> Packed:
    """Packs an array of one axis or more.

    Example:
        >>> packed = pack(np.array([[0.0, 4.0], [3.0, 0.0]]))
        >>> packed.values.tolist(), packed.gaps.tolist()
        ([3.0, 4.0], [1, 1])
    """
    flat = np.moveaxis(array, -1, 0).reshape(-1)
    positions = np.flatnonzero(flat != 0)
    more, last = np.divmod(np.diff(positions, prepend=0), LONGEST)
    gaps = np.full(len(positions) + int(more.sum()), LONGEST, np.uint8)
    gaps[np.cumsum(more + 1) - 1] = last
    return Packed(flat[positions], gaps, array.shape)


def positions_in(gaps: tf.Tensor) -> tf.Tensor:
    """Positions of the values in the flat array, int64."""
    return tf.boolean_mask(tf.cumsum(tf.cast(gaps, tf.int64)), gaps != LONGEST)


def unpacked(values: tf.Tensor, positions: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """The array, zeros and all.

    Args:
        values: as in `Packed`.
        positions: see `positions_in`.
        shape: of the array.
    """
    last_first = tf.concat([shape[-1:], shape[:-1]], axis=0)
    flat = tf.scatter_nd(positions[:, None], values, tf.reduce_prod(shape)[None])
    axes = tf.range(tf.size(shape))
    return tf.transpose(tf.reshape(flat, last_first), tf.concat([axes[1:], axes[:1]], axis=0))
