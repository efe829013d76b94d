"""Which language is this word: `words:FILE`, what `tf_tickets.data.word_lists` has made of word lists."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tf_tickets.data import npz
from tf_tickets.data.splits import Splits
from tf_tickets.storage.npz_archives import check_npz, stored_arrays
from tf_tickets.storage.user_paths import user_path
from tf_tickets.training.learning_tasks import CLASSIFICATION

ALPHABET = "abcdefghijklmnopqrstuvwxyz"
# An array of the file beside those of `npz:FILE`: the languages, in the order of the labels.
LANGUAGES = "languages"


def read(file: str, data_dir: str | None, image_size: tuple[int, int] | None) -> Splits:
    """uint8 words `(n, length * 26)` of 0 and 1, as `one_hot` makes them, and their languages.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds something else.
    """
    path = user_path(f"words:{file}", file)
    if not path.is_file():
        raise FileNotFoundError(
            f"words:{file}: there is no such file. ./scripts/datasets words makes one of lists of words."
        )
    splits = npz.read(file, data_dir, image_size, CLASSIFICATION)
    for part in (splits.train, splits.test):
        letters = part.images
        if letters.ndim != 2 or letters.shape[1] % len(ALPHABET) or letters.dtype != np.uint8:
            raise ValueError(
                f"words:{file}: words are uint8 rows of {len(ALPHABET)} numbers for each letter. Received: "
                f"{letters.dtype} of shape {letters.shape}. Read other arrays as npz:{file}."
            )
        places = letters.reshape(len(letters), -1, len(ALPHABET))
        if letters.max() > 1 or places.sum(axis=2, dtype=np.int64).max() > 1:
            raise ValueError(
                f"words:{file}: each letter of a word is one 1 among {len(ALPHABET)}. Read other arrays as "
                f"npz:{file}."
            )
    return dataclasses.replace(splits, notes=(*_languages(file, path), *splits.notes))


def one_hot(words: Iterable[str], length: int) -> np.ndarray:
    """uint8 `(n, length * 26)`: for each place of a word its letter, a 1 among 26; behind its end zeros.

    Args:
        words: of the letters a to z, none longer than `length`.
        length: places of a row.
    """
    letters = np.array([list(word.ljust(length)) for word in words])
    return (letters[..., None] == np.array(list(ALPHABET))).astype(np.uint8).reshape(len(letters), -1)


def _languages(file: str, path: Path) -> tuple[str, ...]:
    """A note of the languages, where the file names them."""
    try:
        check_npz(path, (LANGUAGES,))
        found = stored_arrays(path, (LANGUAGES,))
        names = found[LANGUAGES].read() if found else np.empty(0, str)
    except Exception as error:  # as of damaged arrays, zipfile and NumPy raise what they like
        raise ValueError(f"words:{file}: {LANGUAGES} cannot be read: {error}.") from error
    if names.ndim != 1 or names.dtype.kind != "U":
        raise ValueError(
            f"words:{file}: {LANGUAGES} is to hold names. Received: {names.dtype} of shape {names.shape}"
        )
    return (f"labels: {', '.join(map(str, names))}",) if len(names) else ()
