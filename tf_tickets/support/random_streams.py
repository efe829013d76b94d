"""Named random streams: what one consumer draws never changes what another one gets."""

import zlib

import numpy as np

from tf_tickets.support.numbers import is_whole

STREAMS = ("init", "data", "score", "mask", "check")


def stream(seed: int, name: str, part: str = "") -> np.random.Generator:
    """An independent NumPy generator for one purpose of one run.

    Args:
        seed: the run's seed, a non-negative int.
        name: one of `STREAMS`.
        part: names one of any number of sub-streams, each independent of the others and of the stream itself,
            which has the empty name. Defaults to `""`.

    Raises:
        ValueError: an unknown stream, a part that is no name, or what is no seed.
    """
    if name not in STREAMS:
        raise ValueError(f"Unknown random stream {name!r}. Streams: {', '.join(STREAMS)}.")
    if not isinstance(part, str):
        raise ValueError(f"A part of a random stream is a string. Received: {part!r}")
    if not is_whole(seed, 0):
        raise ValueError(f"A seed is a non-negative integer. Received: {seed!r}")
    # As a spawn key: in line with the seed, a part could meet the stream of another, very long seed.
    parts = (zlib.crc32(part.encode()),) if part else ()
    sequence = np.random.SeedSequence([int(seed), zlib.crc32(name.encode())], spawn_key=parts)
    return np.random.default_rng(sequence)


def stream_seed(seed: int, name: str) -> int:
    """One 31-bit integer drawn from `stream(seed, name)`, for libraries that take integer seeds."""
    return int(stream(seed, name).integers(2**31))
