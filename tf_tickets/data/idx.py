"""The MNIST family's own files: `idx:DIR`."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from tf_tickets.data.examples import Examples
from tf_tickets.data.labels import count_classes
from tf_tickets.data.splits import Splits
from tf_tickets.storage.npz_archives import DEFLATE_LIMIT
from tf_tickets.storage.user_paths import user_path

PARTS = {"train": "train", "test": "t10k"}
_BYTES = 0x08  # the format's code for unsigned bytes, the only type that the family uses


def read(directory: str, data_dir: str | None, image_size: tuple[int, int] | None) -> Splits:
    """Reads the four files of a folder, plain or gzipped.

    The files are `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte`
    and `t10k-labels-idx1-ubyte`, each possibly with `.gz`, and with `-` or `.` before `idx`.

    Raises:
        FileNotFoundError: the folder or a file is missing.
        ValueError: a file is damaged or of another format.
    """
    folder = user_path(f"idx:{directory}", directory)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"idx:{directory}: there is no such folder. Expected idx:DIR, where DIR holds the "
            "four files of MNIST or a dataset of its family."
        )
    examples = {part: _read_part(folder, prefix) for part, prefix in PARTS.items()}
    train, test = examples["train"], examples["test"]
    if train.images.shape[1:] != test.images.shape[1:]:
        raise ValueError(
            f"{folder}: training images are {train.images.shape[1:3]}, "
            f"test images {test.images.shape[1:3]}; they must be of one size."
        )
    classes = count_classes(f"idx:{directory}", train.labels, test.labels)
    return Splits(train, test, classes)


def _read_part(folder: Path, prefix: str) -> Examples:
    images_file, labels_file = (
        _find(folder, f"{prefix}-images", 3),
        _find(folder, f"{prefix}-labels", 1),
    )
    images, labels = read_idx(images_file, 3), read_idx(labels_file, 1)
    if len(images) != len(labels):
        raise ValueError(
            f"{images_file} holds {len(images)} images, but {labels_file.name} holds {len(labels)} labels."
        )
    return Examples(images[..., None], labels)


def _find(folder: Path, stem: str, dimensions: int) -> Path:
    names = [
        f"{stem}{separator}idx{dimensions}-ubyte{suffix}" for separator in "-." for suffix in ("", ".gz")
    ]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"{folder} has none of {', '.join(names)}.")


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The uint8 array of one IDX file.

    Args:
        path: of the file, read through gzip if it ends in `.gz`.
        dimensions: how many the array must have.

    Raises:
        ValueError: the file is not exactly what its header says; names what was expected.
    """
    packed, size = path.suffix == ".gz", path.stat().st_size
    try:
        with gzip.open(path) if packed else open(path, "rb") as file:
            header = file.read(4 + 4 * dimensions)
            shape = _shape_in(header, dimensions, path, size)
            count = math.prod(shape)
            # What the file cannot hold is not read: memory would be taken for it first.
            fits = count <= size * (DEFLATE_LIMIT if packed else 1)
            data = file.read(count) if fits else b""
            more = file.read(1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(
            f"{path} ({size} bytes) is not a whole gzip file: {error}. Fetch it again."
        ) from error
    if len(data) != count or more or not count:
        found = "more" if packed and more else len(header) + len(data) if packed else size
        raise ValueError(
            f"{path}: the header says {' x '.join(map(str, shape))}, so {len(header) + count} bytes were "
            f"expected, but {found} were found. Fetch it again."
        )
    return np.frombuffer(data, np.uint8).reshape(shape)


def _shape_in(header: bytes, dimensions: int, path: Path, size: int) -> tuple[int, ...]:
    magic = bytes([0, 0, _BYTES, dimensions])
    if len(header) < 4 + 4 * dimensions or header[:4] != magic:
        raise ValueError(
            f"{path} is not an IDX file of unsigned bytes in {dimensions} dimensions: expected a "
            f"header of {4 + 4 * dimensions} bytes that begins with {magic.hex()}, found "
            f"{header[:4].hex() or 'nothing'} in {size} bytes."
        )
    return tuple(int(side) for side in np.frombuffer(header, ">u4", dimensions, offset=4))
