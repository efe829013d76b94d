"""Memory: how much of it there is, arrays that TensorFlow shares, and sizes in words."""

from __future__ import annotations

import contextlib
import math
import pathlib
import sys
from typing import Any

import numpy as np

_ALIGNMENT = 64  # of TensorFlow's buffers, in bytes
_CGROUP = pathlib.Path("/sys/fs/cgroup")


def available_bytes() -> float:
    """What this process may still take; infinite where the machine does not say it.

    The least of what is free, of what its container leaves, and of its own limit (`ulimit -v`).
    """
    return min(_free(), _left_by_container(), _left_by_limit())


def used_bytes() -> float | None:
    """The most memory that this process has held so far; None where the machine does not say it."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else 1024 * peak)


def check_memory(what: str, needed: float, remedy: str) -> None:
    """Refuses work for which there is not enough memory.

    Args:
        what: needs it, for the message.
        needed: bytes.
        remedy: what to do about it, a sentence.

    Raises:
        ValueError: there is less.
    """
    left = available_bytes()
    if needed > left:
        raise ValueError(
            f"{what} needs {in_words(needed)} of memory, and {in_words(left)} can be had here. {remedy}"
        )


def in_words(count: float) -> str:
    """A number of bytes for people, with three digits: 2.15 GB."""
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= factor:
            return f"{count / factor:.3g} {unit}" if count < 1e15 else f"{count / factor:.3e} {unit}"
    return f"{count:.0f} bytes"


def aligned_empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array that TensorFlow can share; not initialised."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    raw = np.empty(size + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)


def shared_tensor(array: np.ndarray) -> Any:
    """An eager tensor on the CPU of an array's values; of one made by `aligned_empty` without a copy."""
    import tensorflow as tf

    shareable = (
        array.flags.c_contiguous
        and array.flags.writeable
        and array.size
        and array.dtype.kind in "uif"
        and array.dtype.isnative
        and array.ctypes.data % _ALIGNMENT == 0
    )
    with tf.device("CPU:0"):
        return tf.experimental.dlpack.from_dlpack(array.__dlpack__()) if shareable else tf.constant(array)


def _free() -> float:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in pathlib.Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * int(line.split()[1])
    return math.inf


def _left_by_container() -> float:
    with contextlib.suppress(OSError, ValueError):
        limit = (_CGROUP / "memory.max").read_text(encoding="ascii").strip()
        if limit != "max":
            used = int((_CGROUP / "memory.current").read_text(encoding="ascii"))
            # What the kernel keeps of files is given back when it is needed.
            stat = (_CGROUP / "memory.stat").read_text(encoding="ascii").split()
            return float(int(limit) - used + int(stat[stat.index("inactive_file") + 1]))
    return math.inf


def _left_by_limit() -> float:
    if sys.platform == "win32":
        return math.inf
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return math.inf
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = int(pathlib.Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        return float(limit - pages * resource.getpagesize())
    return float(limit)
