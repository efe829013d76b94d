"""NumPy's .npz archives: what one says of its arrays' sizes is checked before memory is taken for them."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Iterable

import numpy as np

# What deflate can at most make of a byte.
DEFLATE_LIMIT = 1032
# What NumPy writes. The other methods of zip inflate a block at once, up to a million times its size.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


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
    names = None if keys is None else {f"{key}.npy" for key in keys}
    limit = DEFLATE_LIMIT * os.path.getsize(path)
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if names is not None and member.filename not in names:
                continue
            if member.compress_type not in METHODS:
                raise ValueError(f"{member.filename} is compressed in another way than NumPy's")
            limit -= member.file_size
            if limit < 0:
                raise ValueError(f"{member.filename} claims {member.file_size:,} bytes")
            _check_array(archive, member)


def _check_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    with archive.open(member) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{member.filename} is an array of another format")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype.hasobject:
            return  # NumPy refuses it, since pickle is not allowed
        if min(shape, default=1) < 0 or math.prod(shape) * dtype.itemsize != member.file_size - file.tell():
            raise ValueError(f"{member.filename} claims shape {shape} and holds another size")
