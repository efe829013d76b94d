"""Any image or feature-vector dataset of TensorFlow Datasets: `tfds:NAME`, and CIFAR by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tf_tickets.data import tfds_builders
from tf_tickets.data.examples import Examples
from tf_tickets.data.labels import count_classes
from tf_tickets.data.resizing import resize
from tf_tickets.data.splits import Splits
from tf_tickets.support.memory import aligned_empty, check_memory
from tf_tickets.support.words import in_short

_CHUNK = 1024  # examples read in one piece where all images have one size


def read(name: str, data_dir: str | None, image_size: tuple[int, int] | None) -> Splits:
    """Reads a dataset that TensorFlow Datasets knows, downloading it if it has to.

    Args:
        name: as TFDS spells it, `"mnist"` or `"emnist/letters"`.
        data_dir: folder of prepared datasets; None is TFDS's default.
        image_size: target (height, width); None keeps the stored size, which must then be one.

    Raises:
        ValueError: the name is unknown, or the dataset is not one of labelled images or vectors.
        ConnectionError: the dataset is not prepared and cannot be downloaded.
    """
    return read_builder(tfds_builders.open_dataset(name, data_dir), image_size)


def read_builder(builder: Any, image_size: tuple[int, int] | None) -> Splits:
    """Reads the training and the test (or else validation) split of one builder."""
    image_key, label_key = tfds_builders.supervised_features(builder)
    tfds_builders.prepare(builder)
    names = list(builder.info.splits)
    test_split = next((split for split in ("test", "validation") if split in names), None)
    if "train" not in names or test_split is None:
        raise ValueError(
            f"tfds:{builder.name} has the splits {', '.join(names)}, but a train split and a test "
            "or validation split are needed. Choose another dataset, or save your own split "
            "of it for npz:FILE."
        )
    keys = (image_key, label_key)
    train_images, train_labels = _read_split(builder, "train", keys, image_size)
    test_images, test_labels = _read_split(builder, test_split, keys, image_size)
    if train_images.shape[1:] != test_images.shape[1:]:
        raise ValueError(
            f"tfds:{builder.name}: training images are {train_images.shape[1:]} and test images "
            f"{test_images.shape[1:]}. Give image_size= to resize them all."
        )
    classes = getattr(builder.info.features[label_key], "num_classes", None)
    if classes is None:
        classes = count_classes(f"tfds:{builder.name}", train_labels, test_labels)
    elif classes < 2:
        raise ValueError(f"tfds:{builder.name} has {classes} classes; at least 2 are needed.")
    return Splits(Examples(train_images, train_labels), Examples(test_images, test_labels), int(classes))


def _read_split(
    builder: Any, split: str, keys: tuple[str, str], image_size: tuple[int, int] | None
) -> tuple[np.ndarray, np.ndarray]:
    count = builder.info.splits[split].num_examples
    if not count:
        raise ValueError(f"tfds:{builder.name}: the {split} split is empty.")
    labels = np.empty(count, np.int64)
    images: np.ndarray | None = None
    start = 0
    for some_images, some_labels in _chunks(builder, split, keys, image_size):
        if images is None:
            check_memory(
                f"tfds:{builder.name}",
                float(count) * some_images[0].nbytes,
                "Choose a smaller dataset, or a smaller image_size=.",
            )
            images = aligned_empty((count, *some_images.shape[1:]), some_images.dtype)
        if some_images.shape[1:] != images.shape[1:]:
            raise ValueError(
                f"tfds:{builder.name} has images of several sizes, {images.shape[1:3]} and "
                f"{some_images.shape[1:3]} among them. Give image_size= to resize them all."
            )
        stop = start + len(some_labels)
        images[start:stop], labels[start:stop] = some_images, some_labels
        start = stop
    if images is None or start != count:
        raise ValueError(tfds_builders.damaged(builder, f"{start} of {count} examples of {split} were found"))
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise ValueError(f"tfds:{builder.name}: the {split} split holds NaN or infinity.")
    if labels.min() < 0:
        raise ValueError(
            f"tfds:{builder.name}: the {split} split has no labels, only placeholders such as {labels.min()}."
        )
    return images, labels


def _chunks(
    builder: Any, split: str, keys: tuple[str, str], image_size: tuple[int, int] | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(images, labels) of a split, in the order of its files."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    image_key, label_key = keys

    def pair(features: Any) -> Any:
        image = features[image_key]
        if image.dtype != tf.uint8 and image.dtype != tf.uint16:
            image = tf.cast(image, tf.float32)
        if image_size is not None and image.shape.rank == 3:
            image = resize(image, image_size)
        return image, features[label_key]

    try:
        dataset = builder.as_dataset(
            split=split,
            decoders=tfds.decode.PartialDecoding({image_key: True, label_key: True}),
            read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
        )
        dataset = dataset.map(pair, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        one_size = dataset.element_spec[0].shape.is_fully_defined()
        dataset = dataset.batch(_CHUNK if one_size else 1).prefetch(tf.data.AUTOTUNE)
        yield from dataset.as_numpy_iterator()
    except (tf.errors.OpError, OSError, NotImplementedError) as error:
        raise ValueError(tfds_builders.damaged(builder, in_short(error))) from error
