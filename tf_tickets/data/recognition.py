"""What arrays of the user's own evidently hold: pixels in another type, channels first, labels by name.

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


def recognised_labels(
    source: str, train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Labels as whole numbers, from names, one-hot rows, floats or truth values.

    Args:
        source: for errors.
        train: labels of the training examples.
        test: those of the test examples.

    Returns:
        (train labels, test labels, notes).

    Raises:
        ValueError: they are none of these, or not of one kind.
    """
    train, test = (
        labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels for labels in (train, test)
    )
    kinds = [_kind(source, *pair) for pair in (("y_train", train), ("y_test", test))]
    if kinds[0] != kinds[1]:
        raise ValueError(f"{source}: y_train holds {kinds[0]}, but y_test {kinds[1]}.")
    return _TAKEN[kinds[0]](source, train, test)


def _kind(source: str, key: str, labels: np.ndarray) -> str:
    """What kind of labels an array holds: a key of `_TAKEN`."""
    if labels.ndim == 2 and labels.dtype.kind in "biuf" and labels.shape[1] > 1 and labels.size:
        if ((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all():
            return "one-hot rows"
    elif labels.ndim == 1 and labels.dtype.kind in "US":
        return "names"
    elif labels.ndim == 1 and (labels.dtype.kind in "biu" or _are_whole(labels)):
        return "whole numbers"
    raise ValueError(
        f"{source}: {key} must be labels: whole numbers or names, (n,) or (n, 1), or one-hot rows, "
        f"(n, classes). Received: {labels.dtype} of shape {labels.shape}{_example(labels)}"
    )


def _are_whole(labels: np.ndarray) -> bool:
    if labels.dtype.kind != "f" or not np.isfinite(labels).all():
        return False
    return bool(
        (labels == np.floor(labels)).all() and np.abs(labels.astype(np.float64)).max(initial=0) < 2**53
    )


def _example(labels: np.ndarray) -> str:
    """The first label for a message, if it is short."""
    return f", the first one {labels.reshape(-1)[0]!s:.40}" if labels.ndim == 1 and labels.size else ""


def _from_numbers(
    source: str, train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    found = [labels.astype(np.int64) if labels.dtype.kind in "bf" else labels for labels in (train, test)]
    return found[0], found[1], ()


def _from_rows(
    source: str, train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    if train.shape[1] != test.shape[1]:
        raise ValueError(
            f"{source}: y_train has {train.shape[1]} columns of classes, but y_test {test.shape[1]}."
        )
    note = f"labels: one-hot rows of {train.shape[1]} classes"
    return train.argmax(axis=1), test.argmax(axis=1), (note,)


def _from_names(
    source: str, train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    names, found = np.unique(train, return_inverse=True)
    unknown = np.setdiff1d(test, names)
    if unknown.size:
        raise ValueError(
            f"{source}: y_test names classes that y_train lacks: {', '.join(map(str, unknown[:3]))}."
        )
    shown = ", ".join(_shown(name) for name in names[:3]) + (", ..." if len(names) > 3 else "")
    note = f"labels: {len(names)} names in the order of the alphabet, {shown}"
    return found.reshape(-1), np.searchsorted(names, test), (note,)


def _shown(name: np.ndarray) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


_TAKEN = {"whole numbers": _from_numbers, "one-hot rows": _from_rows, "names": _from_names}
