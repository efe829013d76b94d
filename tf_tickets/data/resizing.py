"""Images of another size: bilinear, smoothed when they shrink, of the same type as before."""

from __future__ import annotations

from typing import Any


def resize(images: Any, size: tuple[int, int]) -> Any:
    """Resizes a tensor `(..., height, width, channels)` to `(..., *size, channels)`.

    Whole-number pixels are rounded, and stay in the range of their type.
    """
    import tensorflow as tf

    resized = tf.image.resize(images, size, antialias=True)
    if images.dtype.is_integer:
        resized = tf.round(resized)
    return tf.saturate_cast(resized, images.dtype)
