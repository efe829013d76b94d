"""Where each example of TFRecord files begins, so that they are read in any order: `RecordIndex`."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tf_tickets.storage.npz_archives import check_npz

# A record is its length in 8 bytes and a checksum of 4, the payload, and another checksum of 4.
_BEFORE, _AFTER = 12, 4
_FILES_AT_ONCE, _CHUNK = 16, 1024
_ARRAYS = ("counts", "lengths", "labels", "hashes")


@dataclasses.dataclass(frozen=True, eq=False)
class RecordIndex:
    """The records of some files, file after file.

    Args:
        files: their paths.
        counts: int64 `(files,)`, the records in each.
        lengths: int64 `(n,)`, bytes of each record's payload.
        labels: int64 `(n,)`.
        hashes: int64 `(n,)`, of each payload.

    Raises:
        ValueError: the sizes of the files are not what the records add up to.
        OSError: a file is missing.
    """

    files: tuple[str, ...]
    counts: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray
    hashes: np.ndarray

    def __post_init__(self) -> None:
        if self.counts.shape != (len(self.files),) or self.counts.min(initial=0) < 0:
            raise ValueError("the index is of other files")
        shape = (int(self.counts.sum()),)
        if any(array.shape != shape for array in (self.lengths, self.labels, self.hashes)):
            raise ValueError("the index is of other files")
        sizes = np.zeros(len(self.files), np.int64)
        np.add.at(sizes, self.file_of, self.lengths + _BEFORE + _AFTER)
        for file, size in zip(self.files, sizes, strict=True):
            if os.path.getsize(file) != size:
                raise ValueError(f"{file} has not the size of its records, {size:,} bytes")

    @property
    def file_of(self) -> np.ndarray:
        """int64 `(n,)`, the position in `files` of each record's file."""
        return np.repeat(np.arange(len(self.files)), self.counts)

    @property
    def offsets(self) -> np.ndarray:
        """int64 `(n,)`, where in its file each record's payload begins."""
        sizes = self.lengths + _BEFORE + _AFTER
        starts = np.cumsum(sizes) - sizes  # as if all files were one
        firsts = np.minimum(np.cumsum(self.counts) - self.counts, max(len(sizes) - 1, 0))
        return starts - starts[firsts][self.file_of] + _BEFORE


def load_or_make(path: Path, files: Sequence[str], label_key: str) -> RecordIndex:
    """The index that is kept at `path`, if it fits the files; otherwise one pass over them makes it.

    Raises:
        ValueError: the files are not what they should be.
    """
    index = _kept(path, files) or _make(files, label_key)
    with contextlib.suppress(OSError):  # of a folder that is read only every run makes its own
        _save(index, path)
    return index


def _kept(path: Path, files: Sequence[str]) -> RecordIndex | None:
    """None where there is none, or it is older than the files, of others, or damaged."""
    try:
        if any(os.path.getmtime(file) > os.path.getmtime(path) for file in files):
            return None
        check_npz(path, _ARRAYS)
        with np.load(path, allow_pickle=False) as archive:
            return RecordIndex(tuple(files), *(archive[name].astype(np.int64) for name in _ARRAYS))
    except Exception:  # on damaged bytes zipfile, zlib, tokenize and ast raise what they like
        return None


def _make(files: Sequence[str], label_key: str) -> RecordIndex:
    import tensorflow as tf

    def entry(record: Any) -> tuple[Any, Any, Any]:
        example = tf.io.parse_single_example(record, {label_key: tf.io.FixedLenFeature([], tf.int64)})
        length = tf.cast(tf.strings.length(record), tf.int64)
        return length, example[label_key], tf.strings.to_hash_bucket_fast(record, 2**63 - 1)

    def entries(position: Any, file: Any) -> Any:
        records = tf.data.TFRecordDataset(file).map(entry)
        return records.map(lambda *values: (position, *values)).batch(_CHUNK)

    dataset = tf.data.Dataset.from_tensor_slices((np.arange(len(files)), list(files)))
    dataset = dataset.interleave(
        entries, cycle_length=_FILES_AT_ONCE, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    try:
        chunks = list(dataset.as_numpy_iterator())
    except tf.errors.OpError as error:
        raise ValueError(str(error).partition("\n")[0]) from error
    if not chunks:
        raise ValueError("there is no example in its files")
    file_of, *arrays = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    order = np.argsort(file_of, kind="stable")
    counts = np.bincount(file_of, minlength=len(files))
    return RecordIndex(tuple(files), counts, *(array[order] for array in arrays))


def _save(index: RecordIndex, path: Path) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".npz")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **{array: getattr(index, array) for array in _ARRAYS})
        os.replace(name, path)
    except OSError:
        os.unlink(name)
        raise
