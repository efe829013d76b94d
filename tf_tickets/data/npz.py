"""The user's own arrays: `npz:FILE`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tf_tickets.data.examples import Examples
from tf_tickets.data.labels import HIGHEST_LABEL, count_classes
from tf_tickets.data.splits import Splits
from tf_tickets.data.user_paths import user_path
from tf_tickets.storage.npz_archives import check_npz

KEYS = ("x_train", "y_train", "x_test", "y_test")


def read(file: str, data_dir: str | None, image_size: tuple[int, int] | None) -> Splits:
    """Reads `x_train`, `y_train`, `x_test` and `y_test` of one `.npz` file.

    x is `(n, features)`, `(n, height, width)` or `(n, height, width, channels)`; uint8 stays as it
    is, every other type becomes float32. y is `(n,)` or `(n, 1)`, whole numbers 0 to K-1. Vectors
    of uint8 are taken for pixels, which share their scale; save a table of such as another type.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the arrays are not what is described above, or the file is damaged.
    """
    path = user_path(f"npz:{file}", file)
    if not path.is_file():
        raise FileNotFoundError(
            f"npz:{file}: there is no such file. Expected npz:FILE with the arrays "
            f"{', '.join(KEYS)}, as numpy.savez writes them."
        )
    x_train, y_train, x_test, y_test = _arrays(path)
    train = Examples(_images(path, "x_train", x_train), _labels(path, "y_train", y_train, x_train))
    test = Examples(_images(path, "x_test", x_test), _labels(path, "y_test", y_test, x_test))
    for what, one, other in (
        ("shape", train.images.shape[1:], test.images.shape[1:]),
        ("type", train.images.dtype, test.images.dtype),
    ):
        if one != other:
            raise ValueError(
                f"{path}: the examples of x_train and x_test must have one {what}. "
                f"Received: {one} and {other}"
            )
    return Splits(train, test, count_classes(str(path), train.labels, test.labels))


def _arrays(path: Path) -> list[np.ndarray]:
    try:
        check_npz(path, KEYS)
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in KEYS if key not in archive]
            if missing:
                raise ValueError(f"it lacks {', '.join(missing)}; found {', '.join(archive)}")
            arrays = [archive[key] for key in KEYS]
        for key, array in zip(KEYS, arrays, strict=True):
            if not isinstance(array, np.ndarray):  # numpy hands out the bytes of what is no .npy file
                raise ValueError(f"{key} in it is no array")
        return arrays
    except Exception as error:  # on damaged bytes zipfile, zlib, tokenize and ast raise what they like
        raise ValueError(
            f"{path} cannot be read as a .npz file with the arrays {', '.join(KEYS)}: "
            f"{error or type(error).__name__}."
        ) from error


def _images(path: Path, key: str, x: np.ndarray) -> np.ndarray:
    if x.dtype.kind not in "uifb" or x.ndim not in (2, 3, 4) or x.size == 0:
        raise ValueError(
            f"{path}: {key} must hold numbers, (n, features), (n, height, width) or "
            "(n, height, width, channels), and not be empty. "
            f"Received: {x.dtype} of shape {x.shape}"
        )
    if x.dtype != np.uint8:
        with np.errstate(over="ignore"):  # what float32 cannot hold is reported just below
            x = x.astype(np.float32)
        if not np.isfinite(x).all():
            raise ValueError(f"{path}: {key} holds NaN, infinity, or values beyond float32.")
    return x[..., None] if x.ndim == 3 else x


def _labels(path: Path, key: str, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise ValueError(
            f"{path}: {key} must be whole-number labels, (n,) or (n, 1). "
            f"Received: {y.dtype} of shape {y.shape}"
        )
    if len(y) != len(x):
        raise ValueError(f"{path}: {key} holds {len(y)} labels for {len(x)} examples.")
    if y.min() < 0 or y.max() > HIGHEST_LABEL:
        raise ValueError(
            f"{path}: labels must be 0 or more, and fit into 31 bits. "
            f"Received in {key}: {y.min()} to {y.max()}"
        )
    return y
