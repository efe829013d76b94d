"""Named random streams: what one consumer draws never changes what another one gets."""

import zlib

import numpy as np

STREAMS = ("init", "data", "score", "mask", "check")


def stream(seed: int, name: str) -> np.random.Generator:
    """An independent NumPy generator for one purpose of one run.

    Args:
        seed: the run's seed, a non-negative int.
        name: one of `STREAMS`.
    """
    if name not in STREAMS:
        raise ValueError(f"Unknown random stream {name!r}. Streams: {', '.join(STREAMS)}.")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"A seed is a non-negative integer. Received: {seed!r}")
    return np.random.default_rng([int(seed), zlib.crc32(name.encode())])


def stream_seed(seed: int, name: str) -> int:
    """One 31-bit integer drawn from `stream(seed, name)`, for libraries that take integer seeds."""
    return int(stream(seed, name).integers(2**31))
