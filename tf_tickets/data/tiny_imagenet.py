"""Tiny ImageNet: 200 classes of 64x64 photographs, from its folder or its public archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tf_tickets.data import tfds_source
from tf_tickets.data.dataset import Examples
from tf_tickets.data.raw import Raw, user_path

FOLDER = "tiny-imagenet-200"
IMAGE_SHAPE = (64, 64, 3)

Listing = list[tuple[Path, int]]  # (image file, label)


def read(name: str, data_dir: str | None, image_size: tuple[int, int] | None) -> Raw:
    """Reads `data_dir/tiny-imagenet-200` if there is such a folder, else the archive through TFDS.

    Both give the same examples in the same order. The labelled `val` split is the test set; the
    classes are numbered by their place in `wnids.txt`. Grey photographs become RGB.

    Raises:
        FileNotFoundError: If a part of the folder is missing.
        ValueError: If a file is damaged.
        ConnectionError: If there is no folder, and the archive cannot be downloaded.
    """
    root = user_path("--data_dir", data_dir) if data_dir else tfds_source.default_data_dir()
    if (root / FOLDER).is_dir():
        return read_folder(root / FOLDER)
    from tf_tickets.data.tiny_imagenet_builder import TinyImagenet

    builder = tfds_source.open_builder(name, lambda: TinyImagenet(data_dir=data_dir))
    return tfds_source.read_builder(builder, None)


def read_folder(folder: Path) -> Raw:
    """Reads the unpacked archive."""
    class_names = class_names_of(folder)
    return Raw(
        _decode(train_listing(folder, class_names)),
        _decode(test_listing(folder, class_names)),
        len(class_names),
    )


def class_names_of(folder: Path) -> list[str]:
    """WordNet ids of the classes, in the order of their labels."""
    names = _text(folder / "wnids.txt").split()
    if len(names) < 2 or len(set(names)) != len(names):
        raise ValueError(
            f"{folder / 'wnids.txt'} must list at least 2 different classes, one on a line. "
            f"Received: {len(names)} names, {len(set(names))} of them different"
        )
    for name in names:
        _check_plain(name, folder / "wnids.txt")
    return names


def train_listing(folder: Path, class_names: list[str]) -> Listing:
    """Files and labels of `train/ID/images/*.JPEG`, class by class."""
    listing: Listing = []
    for label, name in enumerate(class_names):
        images = sorted((folder / "train" / name / "images").glob("*.JPEG"))
        if not images:
            raise FileNotFoundError(
                f"{folder / 'train' / name / 'images'} holds no *.JPEG file, but wnids.txt lists "
                f"the class {name}. Unpack the archive again."
            )
        listing += [(path, label) for path in images]
    return listing


def test_listing(folder: Path, class_names: list[str]) -> Listing:
    """Files and labels of `val/images`, as `val/val_annotations.txt` lists them."""
    annotations = folder / "val" / "val_annotations.txt"
    labels = {name: label for label, name in enumerate(class_names)}
    listing: Listing = []
    for number, line in enumerate(_text(annotations).splitlines(), start=1):
        fields = line.split("\t")
        if len(fields) < 2 or fields[1] not in labels:
            raise ValueError(
                f"{annotations}, line {number}: expected a file name and a class of wnids.txt, "
                f"separated by a tab. Received: {line!r}"
            )
        _check_plain(fields[0], annotations)
        path = folder / "val" / "images" / fields[0]
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing, but {annotations.name} lists it. Unpack the archive again."
            )
        listing.append((path, labels[fields[1]]))
    if not listing:
        raise ValueError(f"{annotations} lists no image.")
    return listing


def _check_plain(name: str, listing: Path) -> None:
    """Refuses a name that would lead out of the folder."""
    if not name.isprintable() or name in ("", ".", "..") or set(name) & set("/\\"):
        raise ValueError(f"{listing}: {name[:80]!r} is no name of a file within the folder.")


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


def _text(path: Path) -> str:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. Unpack the archive again.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file. Unpack the archive again.") from error
