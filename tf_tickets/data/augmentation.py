"""Random crops and mirror images of a whole batch, without a loop over its images."""

from __future__ import annotations

from typing import Any

from tf_tickets.data.preprocessing import Preprocessing


def augment(images: Any, seed: Any, preprocessing: Preprocessing) -> Any:
    """Crops each image out of its black-padded self and mirrors every second one.

    Every image is drawn its own offsets and its own coin. The result depends on `images`, `seed`
    and `preprocessing` only.

    Args:
        images: raw images, a tensor `(batch, height, width, channels)` of any numeric type.
        seed: int tensor `(2,)`, as TensorFlow's stateless random operations take it.
        preprocessing: how far to pad, and whether to crop and to flip.

    Returns:
        A tensor like `images`.

    Reference: the authors' code: crop with 4-pixel padding of the raw image, flip with p = 0.5.
    """
    import tensorflow as tf

    batch = tf.shape(images)[0]
    _, height, width, channels = images.shape
    pad = preprocessing.pad if preprocessing.crop else 0
    offset_seed, flip_seed = tf.unstack(tf.random.split(seed, 2))

    rows = tf.tile(tf.range(height)[None], [batch, 1])
    columns = tf.tile(tf.range(width)[None], [batch, 1])
    if preprocessing.flip:
        mirrored = tf.random.stateless_uniform([batch, 1], flip_seed) < 0.5
        columns = tf.where(mirrored, width - 1 - columns, columns)
    if preprocessing.crop:
        offsets = tf.random.stateless_uniform([2, batch, 1], offset_seed, 0, 2 * pad + 1, dtype=tf.int32)
        rows, columns = rows + offsets[0], columns + offsets[1]
        images = tf.pad(images, [[0, 0], [pad, pad], [pad, pad], [0, 0]])

    # One gather of whole pixels: measured 1.3 to 2 times as fast as gathering rows, then columns.
    padded_height, padded_width = height + 2 * pad, width + 2 * pad
    firsts = tf.range(batch)[:, None] * (padded_height * padded_width)
    pixels = (firsts + rows * padded_width)[:, :, None] + columns[:, None, :]
    return tf.gather(tf.reshape(images, [-1, channels]), pixels)
