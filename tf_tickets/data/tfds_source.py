"""Any image or feature-vector dataset of TensorFlow Datasets: `tfds:NAME`, and CIFAR by name."""

from __future__ import annotations

import difflib
import socket
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tf_tickets.data.dataset import Examples
from tf_tickets.data.raw import Raw, count_classes
from tf_tickets.data.resizing import resize

_CHUNK = 1024  # examples read in one piece where all images have one size


def read(name: str, data_dir: str | None, image_size: tuple[int, int] | None) -> Raw:
    """Reads a dataset that TensorFlow Datasets knows, downloading it if it has to.

    Args:
        name: As TFDS spells it, `"mnist"` or `"emnist/letters"`.
        data_dir: Folder of prepared datasets; None is TFDS's default.
        image_size: Target (height, width); None keeps the stored size, which must then be one.

    Raises:
        ValueError: If the name is unknown, or the dataset is not one of labelled images or vectors.
        ConnectionError: If the dataset is not prepared and cannot be downloaded.
    """
    return read_builder(open_dataset(name, data_dir), image_size)


def read_builder(builder: Any, image_size: tuple[int, int] | None) -> Raw:
    """Reads the training and the test (or else validation) split of one builder."""
    image_key, label_key = supervised_features(builder)
    prepare(builder)
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
    return Raw(Examples(train_images, train_labels), Examples(test_images, test_labels), int(classes))


def open_builder(name: str, make: Callable[[], Any]) -> Any:
    """`make()`, a TFDS builder, with its info; whatever fails is one ValueError."""
    from tensorflow_datasets.core.registered import DatasetNotFoundError

    try:
        builder = make()
        _ = builder.info  # made on first use, and may fail then
    except DatasetNotFoundError:
        raise
    except Exception as error:  # a builder runs its dataset's own code, which may raise anything
        raise ValueError(f"tfds:{name} cannot be opened: {_in_short(error)}") from error
    return builder


def prepare(builder: Any) -> None:
    """Downloads and prepares the builder's dataset unless its folder is there already.

    Raises:
        ConnectionError: If it has to be downloaded and cannot be.
        OSError: If it cannot be written.
        ValueError: If the archive is not what it should be.
    """
    if builder.data_path.exists():
        return
    if _offline(builder):
        raise ConnectionError(_unprepared(builder, "this machine cannot look up its server"))
    import requests
    from tensorflow_datasets.core.download.util import DownloadError

    try:
        builder.download_and_prepare()
    except Exception as error:  # a builder runs its dataset's own code, which may raise anything
        if builder.data_path.exists():  # another process was faster
            return
        network = isinstance(error, (requests.RequestException, DownloadError))
        kind = ConnectionError if network else OSError if isinstance(error, OSError) else ValueError
        raise kind(_unprepared(builder, _in_short(error))) from error


def default_data_dir() -> Path:
    """Where TFDS keeps datasets when no data_dir is given."""
    from tensorflow_datasets.core import constants

    return Path(constants.DATA_DIR).expanduser()


def open_dataset(name: str, data_dir: str | None) -> Any:
    """The builder of a dataset that TFDS knows, or that is prepared in `data_dir`.

    Raises:
        ValueError: If there is none of that name.
    """
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.registered import DatasetNotFoundError

    try:
        return open_builder(name, lambda: tfds.builder(name, data_dir=data_dir))
    except DatasetNotFoundError as error:
        known = tfds.list_builders(with_community_datasets=False)
        close = difflib.get_close_matches(name.partition("/")[0].lower(), known, n=3)
        hint = f" Close names: {', '.join(close)}." if close else ""
        raise ValueError(
            f"TensorFlow Datasets has no dataset {name!r}, and none is prepared in "
            f"{data_dir or default_data_dir()}.{hint}"
        ) from error


def supervised_features(builder: Any) -> tuple[str, str]:
    """Names of the features that hold the image (or vector) and the label."""
    features, keys = builder.info.features, builder.info.supervised_keys
    names = list(features) if hasattr(features, "keys") else []
    for pair in (keys, ("image", "label")):
        if isinstance(pair, tuple) and len(pair) == 2 and all(key in names for key in pair):
            break
    else:
        raise ValueError(
            f"tfds:{builder.name} has no image and label features: {', '.join(names)}. "
            "Choose a classification dataset of images or numeric vectors."
        )
    image, label = (features[key] for key in pair)
    shape = getattr(image, "shape", None)
    dtype = _dtype(image)
    if not isinstance(shape, tuple) or len(shape) not in (1, 3) or dtype.kind not in "uifb":
        raise ValueError(
            f"tfds:{builder.name}: the feature {pair[0]!r} must be an image or a vector of "
            f"numbers. Received: {dtype} of shape {shape}"
        )
    label_dtype = _dtype(label)
    if getattr(label, "shape", None) != () or label_dtype.kind not in "iu":
        raise ValueError(
            f"tfds:{builder.name}: the feature {pair[1]!r} must be one whole-number class. "
            f"Received: {label_dtype} of shape {getattr(label, 'shape', None)}"
        )
    return pair


def _dtype(feature: Any) -> np.dtype:
    dtype = getattr(feature, "np_dtype", object)
    return np.dtype(object if isinstance(dtype, dict) else dtype)  # a dict is a nested feature


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
            images = np.empty((count, *some_images.shape[1:]), some_images.dtype)
        if some_images.shape[1:] != images.shape[1:]:
            raise ValueError(
                f"tfds:{builder.name} has images of several sizes, {images.shape[1:3]} and "
                f"{some_images.shape[1:3]} among them. Give image_size= to resize them all."
            )
        stop = start + len(some_labels)
        images[start:stop], labels[start:stop] = some_images, some_labels
        start = stop
    if images is None or start != count:
        raise ValueError(damaged(builder, f"{start} of {count} examples of {split} were found"))
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
        raise ValueError(damaged(builder, _in_short(error))) from error


def _offline(builder: Any) -> bool:
    """True if nothing of the dataset is here and not one of its servers' names is known.

    TFDS itself tries for minutes before it gives up.
    """
    from tensorflow_datasets.core.download.resource import get_dl_fname

    archives = builder.url_infos or {}
    hosts = {urllib.parse.urlsplit(url).hostname for url in archives} - {None}
    if not hosts or builder.MANUAL_DOWNLOAD_INSTRUCTIONS or urllib.request.getproxies():
        return False
    downloads = _downloads(builder)
    names = {get_dl_fname(url, archive.checksum) for url, archive in archives.items()}
    names |= {get_dl_fname(url) for url in archives}
    names |= {archive.filename for archive in archives.values()} - {None}
    if any(file.name in names for file in downloads.rglob("*")):
        return False
    return not any(_is_known(host) for host in hosts if host)


def _is_known(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True


def _downloads(builder: Any) -> Path:
    return Path(builder.data_dir_root) / "downloads"


def _unprepared(builder: Any, reason: str) -> str:
    archives = builder.url_infos or {}
    files = sorted({archive.filename for archive in archives.values() if archive.filename})
    by_hand = (
        f"put {', '.join(files)} into {_downloads(builder) / 'manual'}, or " if 0 < len(files) <= 4 else ""
    )
    return (
        f"{builder.name} is not prepared in {builder.data_dir_root} and could not be downloaded "
        f"and prepared: {reason}. Either {by_hand}prepare it on another machine and copy the "
        f"folder {Path(builder.data_dir_root) / builder.name} here, or use files of your own "
        "with idx:DIR or npz:FILE."
    )


def damaged(builder: Any, reason: str) -> str:
    """What to say of a prepared dataset that cannot be read."""
    return (
        f"{builder.name} in {builder.data_dir} cannot be read: {reason}. "
        "Delete that folder to have it prepared again."
    )


def _in_short(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines)[:500].rstrip(".") or type(error).__name__
