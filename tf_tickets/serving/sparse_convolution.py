"""Convolution by a sparse matrix, on inputs that have their channels first and the batch last.

With the batch last, all that one weight multiplies is contiguous, and so a row of a product of a sparse
with a dense matrix. The matrix may hold the weights once, and the input is gathered for every tap; or some
axes are *unrolled* into it: it holds each weight for every place along them, and nothing is gathered there.
"""

from __future__ import annotations

import itertools
import math

import tensorflow as tf

from tf_tickets.serving.convolution import Axis, Convolution

# Axes that a matrix may hold.
MOST_UNROLLED = 2


def matrix_shape(convolution: Convolution, unrolled: int) -> tuple[int, int]:
    """(rows, columns): filters by places, and taps by channels by sizes.

    Args:
        convolution: whose first `unrolled` axes have known sizes.
        unrolled: how many axes are unrolled.
    """
    rows, columns = convolution.filters, convolution.channels
    for position, axis in enumerate(convolution.axes):
        if position < unrolled:
            rows, columns = rows * (axis.places or 0), columns * (axis.size or 0)
        else:
            columns *= axis.taps
    return rows, columns


def matrix_numbers(convolution: Convolution, unrolled: int) -> list[int]:
    """What `matrix` must know of a convolution, as numbers, so that one graph serves all layers."""
    axes = convolution.axes[:unrolled]
    gathered = math.prod(axis.taps for axis in convolution.axes[unrolled:])
    numbers = [convolution.channels, convolution.filters, gathered, *matrix_shape(convolution, unrolled)]
    for axis in axes:
        numbers += [axis.taps, axis.size or 0, axis.places or 0, axis.stride, axis.before]
    return numbers + [1, 1, 1, 1, 0] * (MOST_UNROLLED - unrolled)


def matrix(values: tf.Tensor, positions: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    """The matrix in compressed rows, a variant.

    A weight at `(filter, taps, channel)` stands in the rows of its filter, once for each place, in the column
    of what it meets there, unless that is padding. Weights come sorted by filter, so that rows follow from
    counts and nothing is sorted, which would take most of the time that a model takes to load.

    Args:
        values: of the kernel, those that are not zero.
        positions: of the values in a flat kernel `(filters, *taps, channels)`, int64.
        numbers: see `matrix_numbers`.
    """
    channels, filters, gathered, height, width, *axes = tf.unstack(numbers, 5 + 5 * MOST_UNROLLED)
    taps1, size1, places1, stride1, before1, taps2, size2, places2, stride2, before2 = axes
    places = places1 * places2
    tap, channel = positions // channels, positions % channels
    column = tap % gathered * channels + channel
    tap = tap // gathered
    offset1, offset2 = tap // taps2 % taps1 - before1, tap % taps2 - before2
    filter_of = tap // (taps1 * taps2)
    # How many weights each row has, padding included, and where the first of them stands.
    counts = tf.math.unsorted_segment_sum(tf.ones_like(filter_of), filter_of, filters)
    of_rows = tf.repeat(counts, places)
    ends = tf.cumsum(of_rows)
    first = tf.repeat(tf.cumsum(counts, exclusive=True), places) - (ends - of_rows)
    total = tf.size(values, tf.int64) * places
    # A row's number is how many rows have ended before.
    row = tf.cumsum(tf.scatter_nd(ends[:, None], tf.ones_like(ends), [total + 1]))[:total]
    which = tf.range(total) + tf.gather(first, row)
    place = row % places
    source1 = place // places2 * stride1 + tf.gather(offset1, which)
    source2 = place % places2 * stride2 + tf.gather(offset2, which)
    column = (tf.gather(column, which) * size1 + source1) * size2 + source2
    inside = (source1 >= 0) & (source1 < size1) & (source2 >= 0) & (source2 < size2)
    kept = tf.where(inside)[:, 0]
    return tf.raw_ops.SparseTensorToCSRSparseMatrix(
        indices=tf.gather(tf.stack([row, column], axis=1), kept),
        values=tf.gather(values, tf.gather(which, kept)),
        dense_shape=tf.stack([height, width]),
    )


def convolve(inputs: tf.Tensor, matrix: tf.Tensor, convolution: Convolution, unrolled: int) -> tf.Tensor:
    """Products of the matrix, without bias.

    Args:
        inputs: `(channels, *sizes, batch)`.
        matrix: see `matrix_of`.
        convolution: that the matrix is of.
        unrolled: how many axes are unrolled.

    Returns:
        `(filters, *places, batch)`.
    """
    gathered = _gathered(inputs, convolution.axes, unrolled)
    rows, columns = matrix_shape(convolution, unrolled)
    products = tf.raw_ops.SparseMatrixMatMul(a=matrix, b=tf.reshape(gathered, [columns, -1]))
    products.set_shape([rows, None])
    places = [axis.places for axis in convolution.axes]
    if None not in places:
        return tf.reshape(products, [convolution.filters, *places, -1])
    head = [convolution.filters, *places[:unrolled]]
    outputs = tf.reshape(products, tf.concat([head, tf.shape(gathered)[1 + unrolled :]], axis=0))
    outputs.set_shape([convolution.filters, *places, inputs.shape[-1]])
    return outputs


def _gathered(inputs: tf.Tensor, axes: tuple[Axis, ...], unrolled: int) -> tf.Tensor:
    """Inputs at each tap of the axes that are not unrolled, taps before channels."""
    kept = axes[unrolled:]
    if all((axis.taps, axis.stride, axis.before, axis.after) == (1, 1, 0, 0) for axis in kept):
        return inputs
    paddings = [(0, 0)] * (1 + unrolled) + [(axis.before, axis.after) for axis in kept] + [(0, 0)]
    if any(map(any, paddings)):
        inputs = tf.pad(inputs, paddings)
    whole = [slice(None)] * (1 + unrolled)
    seen = [
        inputs[(*whole, *itertools.starmap(_seen_by, zip(taps, kept, strict=True)))]
        for taps in itertools.product(*(range(axis.taps) for axis in kept))
    ]
    return seen[0] if len(seen) == 1 else tf.concat(seen, axis=0)


def _seen_by(tap: int, axis: Axis) -> slice:
    """What one tap sees of a padded axis."""
    return slice(tap, (tap + 1 - axis.taps) or None, axis.stride)
