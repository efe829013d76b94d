"""Encoded images that stay on disk, and are read and decoded batch by batch: `StoredImages`."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from tf_tickets.data.record_index import RecordIndex
from tf_tickets.data.resizing import resize

# Of the shorter side of an image, what is seen in evaluation: 224 of 256 pixels.
CENTRE = 224 / 256
# Of a random crop: the part of the image's area, and width over height.
AREA = (0.08, 1.0)
ASPECT = (3 / 4, 4 / 3)


class StoredImages:
    """Images of any size in record files, seen as uint8 images of one size.

    Stands where `Examples` has an array of images, with its shape and type. Choosing rows, as in
    `images[rows]`, reads nothing.

    Args:
        index: of the files.
        key: name of the feature that holds the encoded image.
        size: (height, width) that they are seen in.
        rows: the chosen records; None is all.

    Reference: crops as in [Szegedy et al., 2015](https://arxiv.org/abs/1409.4842), section 6, and
    the centres of the usual evaluation on ImageNet.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(
        self, index: RecordIndex, key: str, size: tuple[int, int], rows: np.ndarray | None = None
    ) -> None:
        self.index, self.key, self.image_size = index, key, size
        self.rows = np.arange(len(index.labels)) if rows is None else rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """`(n, height, width, 3)`."""
        return (len(self), *self.image_size, 3)

    @property
    def size(self) -> int:
        """Numbers in all images."""
        return int(np.prod(self.shape, dtype=object))

    def __getitem__(self, rows: slice | np.ndarray) -> StoredImages:
        return StoredImages(self.index, self.key, self.image_size, self.rows[rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise ValueError(
            f"These {len(self):,} images stay on disk, since they may be more than fits into memory. What "
            "needs them as one array is not for this dataset: take batches, or a smaller dataset."
        )

    def reshape(self, *shape: int) -> np.ndarray:
        """Refused, as everything that takes their pixels for an array."""
        return self.__array__()

    def fingerprint(self) -> bytes:
        """What changes with the bytes of any image, or with their order."""
        return self.index.hashes[self.rows].tobytes()

    def batch(self, indices: Any, seed: Any = None) -> Any:
        """Decodes some of the images, in a graph or eagerly.

        Args:
            indices: int tensor `(batch,)`.
            seed: int tensor `(2,)`. Each image is cropped at random, stretched to the size and mirrored or
                not; None sees the centre of each.

        Returns:
            A uint8 tensor `(batch, height, width, 3)`.
        """
        import tensorflow as tf

        records = tf.numpy_function(self._read, [indices], tf.string, stateful=False)
        records.set_shape([None])
        encoded = tf.io.parse_example(records, {self.key: tf.io.FixedLenFeature([], tf.string)})[self.key]
        if seed is None:
            return tf.map_fn(self._centre, encoded, fn_output_signature=self._signature())
        seeds = tf.random.split(seed, tf.shape(encoded)[0])
        return tf.map_fn(
            lambda pair: self._crop(*pair), (encoded, seeds), fn_output_signature=self._signature()
        )

    def _signature(self) -> Any:
        import tensorflow as tf

        return tf.TensorSpec(self.shape[1:], tf.uint8)

    @functools.cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        index, rows = self.index, self.rows
        return index.file_of[rows], index.offsets[rows], index.lengths[rows]

    def _read(self, indices: np.ndarray) -> np.ndarray:
        records = np.empty(len(indices), object)  # of bytes; NumPy's own strings lose zeros at the end
        files, offsets, lengths = self._places
        for position, index in enumerate(indices):
            with open(self.index.files[files[index]], "rb", buffering=0) as file:
                file.seek(offsets[index])
                records[position] = file.read(lengths[index])
        return records

    def _centre(self, encoded: Any) -> Any:
        import tensorflow as tf

        image = _decoded(encoded)
        shape = tf.cast(tf.shape(image)[:2], tf.float32)
        height, width = self.image_size
        # The largest window of the target's proportions, less its margin.
        scale = CENTRE * tf.reduce_min(shape / [height, width])
        window = tf.maximum(tf.cast(tf.round(scale * [height, width]), tf.int32), 1)
        begin = (tf.shape(image)[:2] - window) // 2
        return self._resized(tf.slice(image, [*tf.unstack(begin), 0], [*tf.unstack(window), 3]))

    def _crop(self, encoded: Any, seed: Any) -> Any:
        import tensorflow as tf

        image = _decoded(encoded)
        crop_seed, flip_seed = tf.unstack(tf.random.split(seed, 2))
        begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
            tf.shape(image),
            tf.zeros([1, 0, 4]),
            seed=crop_seed,
            min_object_covered=0.0,
            area_range=AREA,
            aspect_ratio_range=ASPECT,
            max_attempts=10,
            use_image_if_no_bounding_boxes=True,
        )
        crop = self._resized(tf.slice(image, begin, size))
        mirrored = tf.random.stateless_uniform([], flip_seed) < 0.5
        return tf.where(mirrored, tf.reverse(crop, [1]), crop)

    def _resized(self, image: Any) -> Any:
        resized = resize(image, self.image_size)
        resized.set_shape(self.shape[1:])
        return resized


def _decoded(encoded: Any) -> Any:
    import tensorflow as tf

    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    image.set_shape([None, None, 3])
    return image
