"""The axes of a sweep: the flags that take several values, and how these are written."""

from __future__ import annotations

import re
from collections.abc import Sequence

from absl.flags import FlagValues

from tf_tickets.support.numbers import is_written_number

# The first varies slowest.
AXES = (
    "dataset",
    "model",
    "method",
    "ratios",
    "rounds",
    "sparsity",
    "source_density",
    "source_ratios",
    "sanity_check",
    "seed",
)
NONE = "none"  # of an axis: a cell without the flag
MOST_SEEDS = 100_000


def values_along(axis: str, values: FlagValues) -> list[str | None]:
    """The values of one axis, each once; [None] where the flag is not given.

    Args:
        axis: one of `AXES`.
        values: parsed flags of a sweep.

    Raises:
        ValueError: the flag has no value, or one that no cell can have.
    """
    given = values[axis].value
    if given is None:
        return [None]
    texts = [text.strip() for text in given]
    if axis == "seed":
        texts = seeds_of(texts)
    if axis in ("ratios", "source_ratios") and any(is_written_number(text) for text in texts):
        raise ValueError(
            f"--{axis}={','.join(texts)}: a sweep takes names of ratios, or ticket:FILE; numbers are for "
            "tf_tickets.run."
        )
    if not texts or not all(texts):
        raise ValueError(f"--{axis} is empty.")
    return list(dict.fromkeys(texts))


def seeds_of(texts: Sequence[str]) -> list[str]:
    """Seeds written one by one or as ranges: `["0-2", "7"]` are 0, 1, 2 and 7.

    Raises:
        ValueError: a text is neither, or they are more than `MOST_SEEDS`.
    """
    seeds: list[str] = []
    for text in texts:
        found = re.fullmatch(r"([0-9]{1,18})(?:-([0-9]{1,18}))?", text)
        if found is None:
            raise ValueError(
                f"--seed takes whole numbers, 0 or more, and ranges such as 0-9. Received: {text!r:.80}"
            )
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first:
            raise ValueError(f"--seed={text} is an empty range.")
        if len(seeds) + last - first >= MOST_SEEDS:
            raise ValueError(f"--seed={text} makes more than {MOST_SEEDS:,} seeds.")
        seeds += map(str, range(first, last + 1))
    return seeds
