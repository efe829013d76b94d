"""Tiny ImageNet: 200 classes of 64x64 photographs, from its folder or its public archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tf_tickets.data import tfds_builders, tfds_source
from tf_tickets.data.examples import Examples
from tf_tickets.data.splits import Splits
from tf_tickets.data.tiny_imagenet_listings import (
    FOLDER,
    IMAGE_SHAPE,
    Listing,
    class_names_of,
    test_listing,
    train_listing,
)
from tf_tickets.storage.urls import is_url
from tf_tickets.storage.user_paths import user_path


def read(name: str, data_dir: str | None, image_size: tuple[int, int] | None) -> Splits:
    """Reads `data_dir/tiny-imagenet-200` if there is such a folder, else the archive through TFDS.

    Both give the same examples in the same order. The labelled `val` split is the test set; the
    classes are numbered by their place in `wnids.txt`. Grey photographs become RGB.

    Raises:
        FileNotFoundError: a part of the folder is missing.
        ValueError: a file is damaged.
        ConnectionError: there is no folder, and the archive cannot be downloaded.
    """
    if not (data_dir and is_url(data_dir)):
        root = user_path(f"data_dir={data_dir}", data_dir) if data_dir else tfds_builders.default_data_dir()
        if (root / FOLDER).is_dir():
            return read_folder(root / FOLDER)
    from tf_tickets.data.tiny_imagenet_builder import TinyImagenet

    builder = tfds_builders.open_builder(name, lambda: TinyImagenet(data_dir=data_dir))
    return tfds_source.read_builder(builder, None)


def read_folder(folder: Path) -> Splits:
    """Reads the unpacked archive."""
    class_names = class_names_of(folder)
    return Splits(
        _decode(train_listing(folder, class_names)),
        _decode(test_listing(folder, class_names)),
        len(class_names),
    )


def _decode(listing: Listing) -> Examples:
    import tensorflow as tf

    def decode(path: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        data = tf.io.read_file(path)
        shape = tf.io.extract_jpeg_shape(data)
        # An image of another size is not decoded: a small file can hold a huge one.
        fits = tf.reduce_all(shape[:2] == IMAGE_SHAPE[:2])
        image = tf.cond(
            fits, lambda: tf.io.decode_jpeg(data, channels=3), lambda: tf.zeros(IMAGE_SHAPE, tf.uint8)
        )
        return shape, image

    paths = [str(path) for path, _ in listing]
    images = np.empty((len(paths), *IMAGE_SHAPE), np.uint8)
    dataset = tf.data.Dataset.from_tensor_slices(paths)
    dataset = dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    decoded = dataset.prefetch(tf.data.AUTOTUNE).as_numpy_iterator()
    for position, path in enumerate(paths):
        try:
            shape, image = next(decoded)
        except (tf.errors.OpError, OSError) as error:
            raise ValueError(f"{path} is not a readable JPEG file. Fetch it again.") from error
        if tuple(shape[:2]) != IMAGE_SHAPE[:2]:
            received = tuple(map(int, shape))
            raise ValueError(f"{path} must be an image of 64x64 pixels. Received: {received}")
        images[position] = image
    return Examples(images, np.array([label for _, label in listing]))
