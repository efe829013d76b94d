"""scikit-learn's 8x8 digits: 1,797 real scans that ship with the library, for runs in a minute."""

from __future__ import annotations

import functools
import gzip
import importlib.util
import math
import pathlib

import numpy as np

from tf_tickets.data.examples import Examples
from tf_tickets.data.splits import Splits

CLASSES, TEST_PART = 10, 0.2
_FILE = pathlib.PurePath("datasets", "data", "digits.csv.gz")


def read(name: str, data_dir: str | None, image_size: tuple[int, int] | None) -> Splits:
    """uint8 images `(n, 8, 8, 1)` of 0 to 16; the same 1,437 for training whatever the seed.

    The file is read, and split, as scikit-learn does it, but without it: it takes longer to load than the
    digits.
    """
    rows = _rows()
    images, labels = rows[:, :-1].reshape(-1, 8, 8, 1), rows[:, -1].astype(np.int64)
    train, test = _stratified_split(labels)
    return Splits(Examples(images[train], labels[train]), Examples(images[test], labels[test]), CLASSES)


@functools.cache
def _rows() -> np.ndarray:
    """uint8 `(n, 65)`: 64 pixels and the label; read once a process, as the text takes the longest here."""
    found = importlib.util.find_spec("sklearn")
    for folder in (found.submodule_search_locations if found else None) or ():
        path = pathlib.Path(folder, _FILE)
        if path.is_file():
            with gzip.open(path, "rt", encoding="ascii") as file:
                return np.array([line.split(",") for line in file], dtype=np.float64).astype(np.uint8)
    from sklearn.datasets import load_digits  # of a release that keeps them elsewhere

    digits = load_digits()
    return np.column_stack([digits.data, digits.target]).astype(np.uint8)


def _stratified_split(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train and to test on, of `train_test_split(random_state=0, stratify=labels)`, in its order."""
    rng = np.random.RandomState(0)
    sizes = np.bincount(labels, minlength=CLASSES)
    for_testing = math.ceil(TEST_PART * len(labels))
    of_train = _shares(sizes, len(labels) - for_testing, rng)
    of_test = _shares(sizes - of_train, for_testing, rng)
    train: list[int] = []
    test: list[int] = []
    for digit, (first, second) in enumerate(zip(of_train, of_test, strict=True)):
        drawn = np.flatnonzero(labels == digit)[rng.permutation(sizes[digit])]
        train.extend(drawn[:first])
        test.extend(drawn[first : first + second])
    return rng.permutation(train), rng.permutation(test)


def _shares(sizes: np.ndarray, count: int, rng: np.random.RandomState) -> np.ndarray:
    """How many of each class, in proportion, `count` in all; the largest remainders are rounded up."""
    exact = sizes / sizes.sum() * count
    shares = np.floor(exact)
    missing = int(count - shares.sum())
    for remainder in np.unique(exact - shares)[::-1]:
        if missing == 0:
            break
        (equal,) = np.where(exact - np.floor(exact) == remainder)
        drawn = rng.choice(equal, size=min(len(equal), missing), replace=False)
        shares[drawn] += 1
        missing -= len(drawn)
    return shares.astype(int)
