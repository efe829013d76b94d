"""NumPy's .npz archives: sizes are checked before memory is taken for them; arrays are read in pieces."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import pathlib
import zipfile
from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np

from tf_tickets.support.memory import aligned_empty

# What deflate can at most make of a byte.
DEFLATE_LIMIT = 1032
# What NumPy writes. The other methods of zip inflate a block at once, up to a million times its size.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_PIECE = 1 << 20  # bytes that are read at once


def check_npz(path: str | os.PathLike, keys: Iterable[str] | None = None) -> None:
    """Refuses an .npz file in which an array claims another size than it has: NumPy would allocate it.

    Args:
        path: of the file.
        keys: of the arrays that will be read; others are not looked at. Default: all.

    Raises:
        ValueError: an array claims too much, or the file is none that NumPy wrote.
        OSError: the file cannot be read. What is damaged can raise anything that zipfile and NumPy do.
    """
    if not zipfile.is_zipfile(path):
        with open(path, "rb"):  # what cannot be read says so
            pass
        raise ValueError(
            "it is no archive of arrays (numpy.save writes one bare array, numpy.savez an archive)"
        )
    # NumPy reads a member by its name as well as by its name without the suffix.
    names = None if keys is None else {name for key in keys for name in (key, f"{key}.npy")}
    limit = DEFLATE_LIMIT * os.path.getsize(path)
    with zipfile.ZipFile(path) as archive:
        seen = set()
        for member in archive.infolist():
            if names is not None and member.filename not in names:
                continue
            key = member.filename.removesuffix(".npy")
            if key in seen:
                raise ValueError(f"it holds {key} twice")
            seen.add(key)
            if member.compress_type not in METHODS:
                raise ValueError(f"{member.filename} is compressed in another way than NumPy's")
            limit -= member.file_size
            if limit < 0:
                raise ValueError(f"{member.filename} claims {member.file_size:,} bytes")
            with archive.open(member) as file:
                _read_header(file, member)


@dataclasses.dataclass(frozen=True)
class StoredArray:
    """An array of an archive that `check_npz` has passed, not read yet.

    Attributes:
        path: of the archive.
        member: name of its file in the archive.
        shape: of the array.
        dtype: of its values.
        in_columns: whether the last axis is stored first, as Fortran does.
    """

    path: pathlib.Path
    member: str
    shape: tuple[int, ...]
    dtype: np.dtype
    in_columns: bool

    def pieces(self) -> Iterator[np.ndarray]:
        """The array, some rows at a time; all at once where it is stored by columns."""
        if self.in_columns or not self.shape or 0 in self.shape or self.dtype.itemsize == 0:
            with np.load(self.path, allow_pickle=False) as archive:
                yield archive[self.member]
            return
        row = math.prod(self.shape[1:])
        rows = max(1, _PIECE // (row * self.dtype.itemsize))
        with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as file:
            _read_header(file, archive.getinfo(self.member))
            for start in range(0, self.shape[0], rows):
                count = min(rows, self.shape[0] - start)
                wanted = count * row * self.dtype.itemsize
                content = file.read(wanted)
                if len(content) != wanted:
                    raise ValueError(f"{self.member} ends early")
                yield np.frombuffer(content, self.dtype).reshape(count, *self.shape[1:])

    def read(self, dtype: np.dtype | type | None = None) -> np.ndarray:
        """The array, read once, in memory that TensorFlow can share.

        Args:
            dtype: its values are cast to it. Default: they stay what they are.
        """
        whole = aligned_empty(self.shape, self.dtype.newbyteorder("=") if dtype is None else dtype)
        start = 0
        # What float32 cannot hold becomes infinite, which whoever asks for it must look for.
        with np.errstate(over="ignore", invalid="ignore"):
            for piece in self.pieces():
                if not self.shape:
                    whole[...] = piece
                    break
                whole[start : start + len(piece)] = piece
                start += len(piece)
        return whole


def stored_arrays(path: str | os.PathLike, keys: Iterable[str]) -> dict[str, StoredArray]:
    """The arrays of a checked archive, not read yet; without those that it lacks.

    Raises:
        ValueError: one of them would need pickle.
    """
    found = {}
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        for key in keys:
            member = next((name for name in (key, f"{key}.npy") if name in names), None)
            if member is None:
                continue
            with archive.open(member) as file:
                shape, in_columns, dtype = _read_header(file, archive.getinfo(member))
            if dtype.hasobject:
                raise ValueError(f"{key} holds Python objects, which only pickle reads: allow_pickle is off")
            found[key] = StoredArray(pathlib.Path(path), member, shape, dtype, in_columns)
    return found


def names_in(path: str | os.PathLike) -> list[str]:
    """Names of the arrays in an archive."""
    with zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def _read_header(file: IO[bytes], member: zipfile.ZipInfo) -> tuple[tuple[int, ...], bool, np.dtype]:
    """(shape, in columns, dtype) of an array; the file stands at its first value then."""
    version = None
    with contextlib.suppress(ValueError):  # of what is no array
        version = np.lib.format.read_magic(file)
    if version is None:
        raise ValueError(f"{member.filename.removesuffix('.npy')} in it is no array")
    if version != (1, 0):
        raise ValueError(f"{member.filename} is an array of another format")
    shape, in_columns, dtype = np.lib.format.read_array_header_1_0(file)
    held = member.file_size - file.tell()
    if not dtype.hasobject and (  # which NumPy refuses, since pickle is not allowed
        min(shape, default=1) < 0 or math.prod(shape) * dtype.itemsize != held
    ):
        raise ValueError(f"{member.filename} claims shape {shape} and holds another size")
    return shape, in_columns, dtype
