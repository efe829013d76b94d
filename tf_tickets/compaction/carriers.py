"""Constant channels that stand for others, where padding makes what they add depend on the position.

A convolution that pads with zeros sees a constant channel end at the border. Another constant channel of the
same tensor ends there too, so that its kernel can take over what the others' kernels do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from tf_tickets.compaction.site import Facts

# A carrier's value, as a part of the largest constant beside it: less would make large weights.
LEAST = 0.1


@dataclasses.dataclass(frozen=True)
class Carried:
    """Channels of a tensor, some of which need another to stand for them.

    Attributes:
        tensor: its number.
        part: which of its channels.
        classes: of each of these, the class of channels that stay or go together.
        facts: of each of these.
    """

    tensor: int
    part: slice
    classes: np.ndarray
    facts: Facts

    @property
    def able(self) -> np.ndarray:
        """Which of the channels can stand for the other constants."""
        size = np.abs(self.facts.value)
        return self.facts.nonzero & (size >= LEAST * size.max(initial=0))

    def usable(self, stays_of: np.ndarray) -> int:
        """The able channel with the largest constant, of those that stay; -1 where there is none."""
        able = self.able & stays_of[self.classes]
        return int(np.argmax(np.abs(self.facts.value) * able)) if able.any() else -1


def parts(channels: int, groups: int) -> Iterator[slice]:
    """The channels in as many equal parts."""
    size = channels // groups
    return (slice(start, start + size) for start in range(0, size * groups, size)) if size else iter(())


def chosen_carriers(lacking: Sequence[Carried], stays_of: np.ndarray) -> list[int]:
    """Classes of channels to keep, so that all have a carrier: few, and large in value.

    Args:
        lacking: parts of tensors that need one.
        stays_of: of each class, whether it stays already.
    """
    left = [carried for carried in lacking if carried.usable(stays_of) < 0]
    chosen: list[int] = []
    while left:
        serves: dict[int, list[float]] = {}
        for carried in left:
            size = np.abs(carried.facts.value)
            for position in np.flatnonzero(carried.able):
                of = int(carried.classes[position])
                serves.setdefault(of, []).append(float(size[position] / size.max()))
        best = max(serves, key=lambda of: (len(serves[of]), min(serves[of]), -of))
        chosen.append(best)
        left = [carried for carried in left if not (carried.able & (carried.classes == best)).any()]
    return chosen
