"""The user's own arrays: `npz:FILE`."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from tf_tickets.data.examples import Examples
from tf_tickets.data.labels import HIGHEST_LABEL, count_classes
from tf_tickets.data.recognition import Range, channels_first, in_two_units, recognised_labels
from tf_tickets.data.splits import Splits
from tf_tickets.storage.npz_archives import StoredArray, check_npz, names_in, stored_arrays
from tf_tickets.storage.user_paths import user_path
from tf_tickets.support.memory import aligned_empty, check_memory

KEYS = ("x_train", "y_train", "x_test", "y_test")


def read(file: str, data_dir: str | None, image_size: tuple[int, int] | None) -> Splits:
    """Reads `x_train`, `y_train`, `x_test` and `y_test` of one `.npz` file.

    x is `(n, features)`, `(n, height, width)`, `(n, height, width, channels)`, or evidently
    `(n, channels, height, width)`. Images whose values are whole numbers of 0 to 255 in both arrays are kept
    as uint8, whatever their type; every other type but uint8 becomes float32. y is `(n,)` or `(n, 1)`: whole
    numbers 0 to K-1, or names; or one-hot rows `(n, K)`. Vectors of uint8 are taken for pixels, which share
    their scale; save a table of such as another type.

    The arrays are read piece by piece, so that they take their own size in memory and little more.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the arrays are not what is described above, the file is damaged, or the arrays are larger
            than the memory that is free.
    """
    path = user_path(f"npz:{file}", file)
    if not path.is_file():
        raise FileNotFoundError(
            f"npz:{file}: there is no such file. Expected npz:FILE with the arrays "
            f"{', '.join(KEYS)}, as numpy.savez writes them."
        )
    with _DamageNamed(path):
        x_train, y_train, x_test, y_test = _open(path)
    for key, x in (("x_train", x_train), ("x_test", x_test)):
        if x.dtype.kind not in "uifb" or len(x.shape) not in (2, 3, 4) or 0 in x.shape:
            raise ValueError(
                f"{path}: {key} must hold numbers, (n, features), (n, height, width) or "
                "(n, height, width, channels), and not be empty. "
                f"Received: {x.dtype} of shape {x.shape}"
            )
    if x_train.shape[1:] != x_test.shape[1:]:
        raise ValueError(
            f"{path}: the examples of x_train and x_test must have one shape. "
            f"Received: {x_train.shape[1:]} and {x_test.shape[1:]}"
        )
    with _DamageNamed(path):
        labels = [y.read() for y in (y_train, y_test)]
        ranges = (Range.of(x_train.pieces()), Range.of(x_test.pieces()))
    train_labels, test_labels, notes = recognised_labels(str(path), *labels)
    for key, x, y in (("y_train", x_train, train_labels), ("y_test", x_test, test_labels)):
        _check_labels(path, key, y, x.shape[0])
    dtype, as_given, more = _kept_as(path, (x_train, x_test), ranges)
    check_memory(
        str(path),
        sum(math.prod(x.shape) for x in (x_train, x_test)) * np.dtype(dtype).itemsize,
        "Save fewer examples in it, or images of 0 to 255.",
    )
    first = channels_first(x_train.shape)
    if first:
        shown = "x".join(map(str, x_train.shape[2:]))
        more += (f"channels first: {x_train.shape[1]} of {shown}, which are put last",)
    with _DamageNamed(path):
        train, test = (_images(x, dtype, first) for x in (x_train, x_test))
    # Which was not so at first: such images are other data than what they were then.
    meaning = "standardised by channel" if dtype == np.float32 and train.ndim > 2 and not as_given else ""
    return Splits(
        Examples(train, train_labels, meaning),
        Examples(test, test_labels, meaning),
        count_classes(str(path), train_labels, test_labels),
        as_given=as_given,
        notes=(*more, *notes),
    )


class _DamageNamed:
    """A block that reads a file; on damaged bytes zipfile, zlib, tokenize and ast raise what they like."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            raise ValueError(
                f"{self.path} cannot be read as a .npz file with the arrays {', '.join(KEYS)}: "
                f"{error or type(error).__name__}."
            ) from error


def _open(path: Path) -> list[StoredArray]:
    check_npz(path, KEYS)
    found = stored_arrays(path, KEYS)
    missing = [key for key in KEYS if key not in found]
    if missing:
        raise ValueError(f"it lacks {', '.join(missing)}; found {', '.join(names_in(path))}")
    return [found[key] for key in KEYS]


def _kept_as(
    path: Path, arrays: tuple[StoredArray, StoredArray], ranges: tuple[Range, Range]
) -> tuple[type, bool, tuple[str, ...]]:
    """(the type that images are kept as, whether their values are used as they are, notes)."""
    for key, found in zip(("x_train", "x_test"), ranges, strict=True):
        if not found.finite:
            raise ValueError(f"{path}: {key} holds NaN, infinity, or values beyond float32.")
    train, test = ranges
    stored = [x.dtype for x in arrays]
    of_bytes = [dtype == np.uint8 for dtype in stored]
    if len(arrays[0].shape) == 2 or all(of_bytes):
        kept = np.uint8 if of_bytes[0] else np.float32
        if of_bytes[0] != of_bytes[1]:
            raise ValueError(
                f"{path}: the examples of x_train and x_test must have one type. "
                f"Received: {stored[0]} and {stored[1]}"
            )
        return kept, False, ()
    if in_two_units(train, test, stored[0], stored[1]):
        raise ValueError(
            f"{path}: x_train holds {train} ({stored[0]}), but x_test {test} ({stored[1]}). Save both in one "
            "unit and type."
        )
    if train.are_bytes and test.whole and test.lowest >= 0 and test.highest <= 255:
        return np.uint8, False, (f"images: {train} as {stored[0]}, taken for bytes",)
    notes = (f"images: {train}, standardised by channel",) if train.are_raw else ()
    return np.float32, not train.are_raw, notes


def _images(x: StoredArray, dtype: type, first: bool) -> np.ndarray:
    if first:
        images = aligned_empty((x.shape[0], *x.shape[2:], x.shape[1]), dtype)
        start = 0
        for piece in x.pieces():
            images[start : start + len(piece)] = np.moveaxis(piece, 1, -1)
            start += len(piece)
        return images
    images = x.read(dtype)
    return images[..., None] if images.ndim == 3 else images


def _check_labels(path: Path, key: str, y: np.ndarray, count: int) -> None:
    if len(y) != count:
        raise ValueError(f"{path}: {key} holds {len(y)} labels for {count} examples.")
    if y.min() < 0 or y.max() > HIGHEST_LABEL:
        raise ValueError(
            f"{path}: labels must be 0 or more, and fit into 31 bits. "
            f"Received in {key}: {y.min()} to {y.max()}"
        )
