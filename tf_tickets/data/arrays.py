"""Arrays of the user's own, wherever they are from, as splits: what they evidently hold is recognised."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from tf_tickets.data.examples import Examples
from tf_tickets.data.recognition import Range, channels_first, in_two_units
from tf_tickets.data.splits import Splits
from tf_tickets.data.target_kinds import recognised_targets
from tf_tickets.support.memory import aligned_empty, check_memory
from tf_tickets.training.learning_tasks import BY_TARGETS

_ROWS = 1024  # of an array in memory that are looked at together


class Stored(Protocol):
    """An array that may not be in memory yet."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""

    @property
    def dtype(self) -> np.dtype:
        """Of its values."""

    def pieces(self) -> Iterator[np.ndarray]:
        """The array, some rows at a time."""

    def read(self, dtype: Any = None) -> np.ndarray:
        """The array in memory that TensorFlow can share, cast to a type."""


@dataclasses.dataclass(frozen=True)
class Held:
    """An array that is in memory, as a `Stored` one."""

    array: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype:
        """Of its values."""
        return self.array.dtype

    def pieces(self) -> Iterator[np.ndarray]:
        """The array, some rows at a time."""
        for start in range(0, len(self.array), _ROWS):
            yield self.array[start : start + _ROWS]

    def read(self, dtype: Any = None) -> np.ndarray:
        """A copy that TensorFlow can share, cast to a type."""
        copy = aligned_empty(self.shape, self.dtype if dtype is None else dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            copy[...] = self.array
        return copy


def splits_of(
    source: str,
    x_train: Stored,
    y_train: Stored,
    x_test: Stored,
    y_test: Stored,
    reading: contextlib.AbstractContextManager[None],
    task: str = BY_TARGETS,
) -> Splits:
    """Training and test examples of arrays; what they may be is said in `tf_tickets.data.npz.read`.

    Args:
        source: of the arrays, for messages.
        x_train, y_train, x_test, y_test: the arrays.
        reading: a context in which their values are read, several times.
        task: what is learned, see `recognised_targets`.

    Raises:
        ValueError: they are no examples and labels, or there is not enough memory for them.
    """
    for key, x in (("x_train", x_train), ("x_test", x_test)):
        if x.dtype.kind not in "uifb" or len(x.shape) not in (2, 3, 4) or 0 in x.shape:
            raise ValueError(
                f"{source}: {key} must hold numbers, (n, features), (n, height, width) or "
                "(n, height, width, channels), and not be empty. "
                f"Received: {x.dtype} of shape {x.shape}"
            )
    if x_train.shape[1:] != x_test.shape[1:]:
        raise ValueError(
            f"{source}: the examples of x_train and x_test must have one shape. "
            f"Received: {x_train.shape[1:]} and {x_test.shape[1:]}"
        )
    with reading:
        train_labels, test_labels = y_train.read(), y_test.read()
        ranges = (Range.of(x_train.pieces()), Range.of(x_test.pieces()))
    targets = recognised_targets(source, train_labels, test_labels, task)
    for key, x, y in (("y_train", x_train, targets.train), ("y_test", x_test, targets.test)):
        if len(y) != x.shape[0]:
            raise ValueError(f"{source}: {key} holds {len(y)} labels for {x.shape[0]} examples.")
    dtype, as_given, more = _kept_as(source, (x_train, x_test), ranges)
    check_memory(
        source,
        sum(math.prod(x.shape) for x in (x_train, x_test)) * np.dtype(dtype).itemsize,
        "Save fewer examples in it, or images of 0 to 255.",
    )
    first = channels_first(x_train.shape)
    if first:
        shown = "x".join(map(str, x_train.shape[2:]))
        more += (f"channels first: {x_train.shape[1]} of {shown}, which are put last",)
    with reading:
        train, test = (_images(x, dtype, first) for x in (x_train, x_test))
    # Which was not so at first: such images are other data than what they were then.
    meaning = "standardised by channel" if dtype == np.float32 and train.ndim > 2 and not as_given else ""
    return Splits(
        Examples(train, targets.train, meaning),
        Examples(test, targets.test, meaning),
        targets.num_classes,
        as_given=as_given,
        notes=(*more, *targets.notes),
        task=targets.task,
    )


def _kept_as(
    source: str, arrays: tuple[Stored, Stored], ranges: tuple[Range, Range]
) -> tuple[type, bool, tuple[str, ...]]:
    """(the type that images are kept as, whether their values are used as they are, notes)."""
    for key, found in zip(("x_train", "x_test"), ranges, strict=True):
        if not found.finite:
            raise ValueError(f"{source}: {key} holds NaN, infinity, or values beyond float32.")
    train, test = ranges
    stored = [x.dtype for x in arrays]
    of_bytes = [dtype == np.uint8 for dtype in stored]
    if len(arrays[0].shape) == 2 or all(of_bytes):
        kept = np.uint8 if of_bytes[0] else np.float32
        if of_bytes[0] != of_bytes[1]:
            raise ValueError(
                f"{source}: the examples of x_train and x_test must have one type. "
                f"Received: {stored[0]} and {stored[1]}"
            )
        return kept, False, ()
    if in_two_units(train, test, stored[0], stored[1]):
        raise ValueError(
            f"{source}: x_train holds {train} ({stored[0]}), but x_test {test} ({stored[1]}). Save both in "
            "one unit and type."
        )
    if train.are_bytes and test.whole and test.lowest >= 0 and test.highest <= 255:
        return np.uint8, False, (f"images: {train} as {stored[0]}, taken for bytes",)
    notes = (f"images: {train}, standardised by channel",) if train.are_raw else ()
    return np.float32, not train.are_raw, notes


def _images(x: Stored, dtype: type, first: bool) -> np.ndarray:
    if first:
        images = aligned_empty((x.shape[0], *x.shape[2:], x.shape[1]), dtype)
        start = 0
        for piece in x.pieces():
            images[start : start + len(piece)] = np.moveaxis(piece, 1, -1)
            start += len(piece)
        return images
    images = x.read(dtype)
    return images[..., None] if images.ndim == 3 else images
