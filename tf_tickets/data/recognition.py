"""What images of the user's own evidently hold: pixels in another type, channels first.

What is recognised is said; what may be this or that is refused, or left as it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np

# What `standardize` may be: whether images other than bytes are brought to mean 0 and deviation 1 by channel.
STANDARDIZE = AUTO, ALWAYS, NEVER = ("auto", "always", "never")
# Images with values beyond it are no network's input as they are: neither in [0, 1] nor standardised.
FAR = 32.0
# The end of [-1, 1], with what rounding and resizing add.
ONE = 1.001
_CHANNELS = (1, 3, 4)


@dataclasses.dataclass
class Range:
    """What the values of an array are, of which some are seen after others.

    Attributes:
        lowest: of all values; infinite where there are none.
        highest: likewise.
        whole: whether all of them are whole numbers.
        finite: whether all of them are finite as float32.
    """

    lowest: float = np.inf
    highest: float = -np.inf
    whole: bool = True
    finite: bool = True

    @classmethod
    def of(cls, pieces: Iterable[np.ndarray]) -> Range:
        """The range of an array that comes in pieces, none of them empty."""
        found = cls()
        for piece in pieces:
            if piece.dtype.kind == "f":
                with np.errstate(over="ignore", invalid="ignore"):
                    found.finite = found.finite and bool(np.isfinite(piece.astype(np.float32)).all())
                    found.whole = found.whole and found.finite and bool((piece == np.floor(piece)).all())
            found.lowest = min(found.lowest, float(piece.min()))
            found.highest = max(found.highest, float(piece.max()))
        return found

    @property
    def are_bytes(self) -> bool:
        """Whether they are evidently pixels of 0 to 255, whatever their type."""
        return self.whole and self.lowest >= 0 and 1 < self.highest <= 255

    @property
    def are_raw(self) -> bool:
        """Whether they are evidently no network's input as they are."""
        within = self.lowest >= -ONE and self.highest <= ONE
        if self.whole or self.lowest >= 0:
            return not within
        return max(-self.lowest, self.highest) > FAR

    @property
    def counts(self) -> bool:
        """Whether they are evidently counted from 0 on, to 255 or 65535, and no fractions."""
        return (self.whole or self.lowest >= 0) and self.highest > FAR

    def __str__(self) -> str:
        return f"{'whole numbers ' if self.whole else ''}{self.lowest:.6g} to {self.highest:.6g}"


def in_two_units(train: Range, test: Range, train_type: np.dtype, test_type: np.dtype) -> bool:
    """Whether the pixels of training and test images evidently have different units.

    Args:
        train: of the training images.
        test: of the test images.
        train_type: as which those are stored.
        test_type: as which these are stored.
    """
    for bytes_of, other in ((train_type, test), (test_type, train)):
        if bytes_of == np.uint8 and not (other.whole and other.lowest >= 0 and other.highest <= 255):
            return True
    if test.counts and not train.are_raw:
        return True
    if train.counts and not test.are_raw and not test.whole:  # whole ones may be dark images
        return True
    if train_type == test_type and train.whole and test.whole:
        return False
    return min(train.lowest, test.lowest) >= 0 and (train.highest <= ONE) != (test.highest <= ONE)


def channels_first(shape: tuple[int, ...]) -> bool:
    """Whether images of a shape `(n, channels, height, width)` evidently have their channels first."""
    return (
        len(shape) == 4
        and shape[1] in _CHANNELS
        and shape[3] not in _CHANNELS
        and min(shape[2:]) > max(_CHANNELS)
    )
