"""Labelled examples as they were stored, in memory or on disk: `Examples`."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from tf_tickets.data.augmentation import augment
from tf_tickets.data.labels import HIGHEST_LABEL
from tf_tickets.data.preprocessing import Preprocessing
from tf_tickets.data.resizing import resize
from tf_tickets.data.stored_images import StoredImages
from tf_tickets.support.memory import aligned_empty, shared_tensor

_CHUNK = 1024  # images resized in one piece, or fewer large ones
_PIXELS = 1 << 22


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Raw images (or vectors), and what is to be learned of them.

    Args:
        images: array `(n, ...)`: uint8 where the source has bytes, otherwise float32. Or images that
            stay on disk.
        labels: array `(n,)` of whole numbers, one class an example; kept as int32. Or one `(n, outputs)` of
            finite floats, 0 and 1 for labels of which several can hold, any others for numbers; kept as
            float32.
        meaning: what the values stand for, where that is not what it was for the same ones before; it is
            part of the hash.

    Raises:
        ValueError: there are none, or not as many labels as images.
    """

    images: Any
    labels: np.ndarray
    meaning: str = ""
    _writable: Any = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        stored = isinstance(self.images, StoredImages)
        images = self.images if stored else np.asarray(self.images)
        labels = np.asarray(self.labels)
        if images.dtype.kind not in "uif":
            raise ValueError(f"images must hold numbers. Received: {images.dtype}")
        classes = labels.ndim == 1 and labels.dtype.kind in "iu"
        if not classes and (labels.ndim != 2 or labels.dtype.kind != "f"):
            raise ValueError(
                "labels must be a vector of whole numbers, or a matrix of floats. "
                f"Received: {labels.dtype} of shape {labels.shape}"
            )
        if images.ndim < 2 or len(images) != len(labels) or images.size == 0:
            raise ValueError(
                "images and labels must hold the same number of examples, at least one. "
                f"Received: images {images.shape}, labels {labels.shape}"
            )
        if classes:
            lowest, highest = int(labels.min()), int(labels.max())
            if lowest < 0 or highest > HIGHEST_LABEL:
                raise ValueError(
                    f"labels must be 0 or more, and fit into 31 bits. Received: {lowest} to {highest}"
                )
        labels = labels.astype(np.int32 if classes else np.float32)
        if not (classes or np.isfinite(labels).all()):
            raise ValueError("labels hold NaN, infinity, or values beyond float32.")
        object.__setattr__(self, "_writable", images)
        object.__setattr__(self, "images", images if stored else _read_only(images))
        object.__setattr__(self, "labels", _read_only(labels))

    def __repr__(self) -> str:
        return f"Examples({len(self):,}, each {self.images.dtype} {tuple(self.images.shape[1:])})"

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def has_classes(self) -> bool:
        """Whether what is to be learned is one class an example."""
        return self.labels.ndim == 1

    @functools.cached_property
    def tensors(self) -> tuple[Any, Any]:
        """(images, labels) as eager tensors on the CPU, made once and shared by all batches.

        They share memory with the arrays where these were made for it. Images that stay on disk stay what
        they are.
        """
        import tensorflow as tf

        with tf.init_scope(), tf.device("CPU:0"):
            stored = isinstance(self.images, StoredImages)
            images = self.images if stored else shared_tensor(self._writable)
            return images, tf.constant(self.labels)

    def batch(self, indices: Any, seed: Any, preprocessing: Preprocessing) -> Any:
        """Some of the raw images, in a graph or eagerly.

        Args:
            indices: int tensor `(batch,)`.
            seed: int tensor `(2,)` of the augmentation; None leaves it out.
            preprocessing: how images in memory are augmented; those on disk crop and flip themselves.

        Returns:
            A tensor `(batch, ...)`.
        """
        import tensorflow as tf

        images, _ = self.tensors
        if isinstance(images, StoredImages):
            return images.batch(indices, seed)
        chosen = tf.gather(images, indices)
        return chosen if seed is None else augment(chosen, seed, preprocessing)

    def first(self, count: int) -> np.ndarray:
        """The first raw images; all, if there are fewer."""
        images = self.images[:count]
        if isinstance(images, StoredImages):
            return images.batch(np.arange(len(images))).numpy()
        return images

    def resized(self, size: tuple[int, int]) -> Examples:
        """The same examples with images of `size`, `(height, width)`.

        Raises:
            ValueError: the examples are vectors.
        """
        images = self.images
        if images.ndim != 4:
            raise ValueError(
                f"image_size={size} is for images, but the examples are vectors of {images.shape[1]} "
                "features. Leave it out."
            )
        if images.shape[1:3] == size:
            return self
        resized = aligned_empty((len(images), *size, images.shape[-1]), images.dtype)
        count = max(1, min(_CHUNK, _PIXELS // (size[0] * size[1])))
        for start in range(0, len(images), count):
            chunk = slice(start, start + count)
            resized[chunk] = resize(self.tensors[0][chunk], size).numpy()
        return dataclasses.replace(self, images=resized)

    def resized_bytes(self, size: tuple[int, int]) -> float:
        """The memory that the same images of a size take, beside these."""
        images = self.images
        if images.ndim != 4 or images.shape[1:3] == size:
            return 0.0
        return float(len(images)) * size[0] * size[1] * images.shape[-1] * images.dtype.itemsize

    def take(self, rows: np.ndarray, reuse: bool = False) -> Examples:
        """Some of the examples.

        Args:
            rows: their numbers, in rising order.
            reuse: put them where these ones are, if it can be written; these are of no use any more then.
        """
        images = self.images
        if not isinstance(images, StoredImages):
            shape = (len(rows), *images.shape[1:])
            reuse = reuse and self._writable.flags.writeable
            taken = self._writable[: len(rows)] if reuse else aligned_empty(shape, images.dtype)
            for start in range(0, len(rows), _CHUNK):
                chunk = slice(start, start + _CHUNK)
                taken[chunk] = images[rows[chunk]]  # from behind where it goes, or from just there
        return dataclasses.replace(
            self, images=images[rows] if isinstance(images, StoredImages) else taken, labels=self.labels[rows]
        )

    def add_to_hash(self, hasher: Any, split: str) -> None:
        """Feeds a hash with what tells these raw examples from others.

        Args:
            hasher: one of `hashlib`.
            split: name of the split.
        """
        for array in (self.images, self.labels):
            hasher.update(f"{split}{array.shape}{array.dtype}".encode())
            if isinstance(array, StoredImages):
                hasher.update(array.fingerprint())
            else:
                hasher.update(np.ascontiguousarray(array).data)
            if array.ndim == 2 and array.dtype.kind == "f":
                hasher.update(b"standardised by columns")  # as they were not at first
        hasher.update(self.meaning.encode())


def _read_only(array: np.ndarray) -> np.ndarray:
    # Batches share a tensor made from the array once; a later write would reach only some.
    view = array.view()
    view.flags.writeable = False
    return view
