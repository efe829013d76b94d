"""Images of another size: bilinear, smoothed when they shrink, of the same type as before."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tf_tickets.data.dataset import Examples


def resize(images: Any, size: tuple[int, int]) -> Any:
    """Resizes a tensor `(..., height, width, channels)` to `(..., *size, channels)`.

    Whole-number pixels are rounded, and stay in the range of their type.
    """
    import tensorflow as tf

    resized = tf.image.resize(images, size, antialias=True)
    if images.dtype.is_integer:
        resized = tf.round(resized)
    return tf.saturate_cast(resized, images.dtype)


def resize_examples(examples: Examples, size: tuple[int, int]) -> Examples:
    """The same examples with images of `size`, `(height, width)`.

    Raises:
        ValueError: If the examples are vectors.
    """
    images = examples.images
    if images.ndim != 4:
        raise ValueError(
            f"image_size={size} is for images, but the examples are vectors of {images.shape[1]} "
            "features. Leave it out."
        )
    if images.shape[1:3] == size:
        return examples
    chunks = [
        resize(examples.tensors[0][start : start + 1024], size).numpy()
        for start in range(0, len(images), 1024)
    ]
    return dataclasses.replace(examples, images=np.concatenate(chunks))
