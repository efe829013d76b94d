"""Layouts: what a layer's weights are counted and kept in, under a pattern.

A layout turns arrays of a weight's shape into arrays of its units, one value each, and back. Budgets count
units, scores rank them, and what is kept of them is a mask again. Without a pattern every weight is a unit.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from tf_tickets.pruning.channels import Channels


@dataclasses.dataclass(frozen=True)
class Layout:
    """Each weight is a unit by itself: the layout of a layer that has no pattern.

    Attributes:
        shape: of the weight.
        channels: which of its axes number inputs, and which outputs.
    """

    shape: tuple[int, ...]
    channels: Channels

    @property
    def size(self) -> int:
        """Number of units."""
        return math.prod(self.shape)

    @property
    def of_one_size(self) -> bool:
        """Whether every unit has as many weights as any other."""
        return True

    @property
    def unit_channels(self) -> Channels:
        """Which axes of an array of units number inputs, and which outputs."""
        return self.channels

    def units_of(self, weights: int) -> int:
        """The least number of units that hold so many weights, or all units."""
        return min(self.size, math.ceil(weights * self.size / math.prod(self.shape)))

    def room(self, within: np.ndarray | None) -> int:
        """How many units can be kept, of all or of those that are inside a mask."""
        return self.size if within is None else int(np.count_nonzero(self.inside(within)))

    def scores(self, scores: np.ndarray, drawn: bool) -> np.ndarray:
        """One score a unit.

        Args:
            scores: of the weights.
            drawn: whether they are random and independent.
        """
        return scores

    def inside(self, mask: np.ndarray) -> np.ndarray:
        """Bool, one a unit: which are kept as a whole."""
        return mask

    def candidates(
        self, scores: np.ndarray, inside: np.ndarray | None, count: int | None
    ) -> np.ndarray | None:
        """Bool, one a unit: which may be kept of `count` in the layer; None where all may that are inside.

        Args:
            scores: of the units.
            inside: which of them may be kept at all; None: all.
            count: how many will be kept, where that is known before the ranking.
        """
        return inside

    def mask(self, kept: np.ndarray) -> np.ndarray:
        """The mask of the weights, of what is kept of the units."""
        return kept

    def as_matrices(self, array: np.ndarray) -> np.ndarray:
        """A view or copy of shape [taps, inputs, outputs]: a matrix for each position of a kernel."""
        return np.moveaxis(array, self._order, range(array.ndim)).reshape(self.matrices)

    def from_matrices(self, array: np.ndarray) -> np.ndarray:
        """The inverse of `as_matrices`."""
        moved = array.reshape([self.shape[axis] for axis in self._order])
        return np.ascontiguousarray(np.moveaxis(moved, range(moved.ndim), self._order))

    @property
    def matrices(self) -> tuple[int, int, int]:
        """Taps, inputs and outputs."""
        taps, inputs, outputs = self._sides
        return self._along(taps), self._along(inputs), self._along(outputs)

    def _along(self, axes: Sequence[int]) -> int:
        return math.prod(self.shape[axis] for axis in axes)

    @property
    def _sides(self) -> tuple[list[int], list[int], list[int]]:
        """Axes of taps, inputs and outputs; one that numbers both is an output's."""
        rank = len(self.shape)
        outputs = sorted(axis % rank for axis in self.channels.outputs)
        inputs = sorted({axis % rank for axis in self.channels.inputs} - set(outputs))
        return [axis for axis in range(rank) if axis not in (*inputs, *outputs)], inputs, outputs

    @property
    def _order(self) -> list[int]:
        return [axis for side in self._sides for axis in side]


@dataclasses.dataclass(frozen=True)
class Blocks(Layout):
    """Blocks of a kernel's matrices are units: so many consecutive outputs by so many consecutive inputs.

    Where the channels are no multiple, the last block of a row or column is a smaller one.

    Attributes:
        outputs: of a block; None: all of the layer's.
        inputs: of a block; None: all of them, at every tap.
    """

    outputs: int = 1
    inputs: int | None = 1

    @property
    def size(self) -> int:
        return math.prod(self._counts)

    @property
    def of_one_size(self) -> bool:
        (high, inputs), (wide, outputs) = self._steps
        return self._folded[1:] == (high * inputs, wide * outputs)

    @property
    def unit_channels(self) -> Channels:
        return Channels((-2,), (-1,))

    def scores(self, scores: np.ndarray, drawn: bool) -> np.ndarray:
        # The sum of random scores would favour large blocks, and one of them is as random.
        if drawn:
            return self._split(scores)[:, :, 0, :, 0].copy()
        return self._split(scores).sum(axis=(2, 4), dtype=np.result_type(scores.dtype, np.float32))

    def inside(self, mask: np.ndarray) -> np.ndarray:
        return np.asarray(self._split(mask, filling=True).all(axis=(2, 4)))

    def mask(self, kept: np.ndarray) -> np.ndarray:
        (_, inputs), (_, outputs) = self._steps
        whole = kept.repeat(inputs, axis=1).repeat(outputs, axis=2)
        taps, rows, columns = self._folded
        return self.from_matrices(whole[:taps, :rows, :columns].reshape(self.matrices))

    @property
    def _folded(self) -> tuple[int, int, int]:
        """The matrices; one, with an input for each tap, where a block has all inputs."""
        taps, inputs, outputs = self.matrices
        return (taps, inputs, outputs) if self.inputs is not None else (1, taps * inputs, outputs)

    @property
    def _steps(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Of the inputs and of the outputs: how many blocks, and how long one is."""
        _, rows, columns = self._folded
        inputs = rows if self.inputs is None else self.inputs
        return (math.ceil(rows / inputs), inputs), (math.ceil(columns / self.outputs), self.outputs)

    @property
    def _counts(self) -> tuple[int, int, int]:
        (rows, _), (columns, _) = self._steps
        return self._folded[0], rows, columns

    def _split(self, array: np.ndarray, filling: float | bool = 0) -> np.ndarray:
        """The array as [taps, rows of blocks, inputs, columns of blocks, outputs], filled up at the ends."""
        taps, rows, columns = self._folded
        (high, inputs), (wide, outputs) = self._steps
        matrices = self.as_matrices(array).reshape(self._folded)
        missing = (0, high * inputs - rows), (0, wide * outputs - columns)
        if missing != ((0, 0), (0, 0)):
            matrices = np.pad(matrices, ((0, 0), *missing), constant_values=filling)
        return matrices.reshape(taps, high, inputs, wide, outputs)


@dataclasses.dataclass(frozen=True)
class Whole(Layout):
    """Nothing of the layer can be removed: it has no units, and keeps all its weights."""

    @property
    def size(self) -> int:
        return 0

    def scores(self, scores: np.ndarray, drawn: bool) -> np.ndarray:
        return np.zeros(0, scores.dtype)

    def inside(self, mask: np.ndarray) -> np.ndarray:
        return np.zeros(0, bool)

    def mask(self, kept: np.ndarray) -> np.ndarray:
        return np.ones(self.shape, bool)


@dataclasses.dataclass(frozen=True)
class Windows(Layout):
    """Each weight is a unit, and of so many consecutive inputs of an output at most `most` are kept.

    Attributes:
        most: that are kept of a window.
        of: inputs of a window; the last may have fewer.
    """

    most: int = 1
    of: int = 1

    def room(self, within: np.ndarray | None) -> int:
        there = np.ones(self.shape, bool) if within is None else within
        return int(np.minimum(self._split(there, False).sum(axis=2), self.most).sum())

    def candidates(
        self, scores: np.ndarray, inside: np.ndarray | None, count: int | None
    ) -> np.ndarray | None:
        ranked = _finite(scores)
        if inside is not None:
            ranked[~inside] = -np.inf
        windows = self._split(ranked, -np.inf)
        # Stable: of equal scores the earlier positions are kept.
        best = np.argsort(-windows, axis=2, kind="stable")[:, :, : self.most]
        kept = np.zeros(windows.shape, bool)
        np.put_along_axis(kept, best, True, axis=2)
        kept &= windows > -np.inf
        taps, inputs, outputs = self.matrices
        return self.from_matrices(kept.reshape(taps, -1, outputs)[:, :inputs])

    def _split(self, array: np.ndarray, filling: float | bool) -> np.ndarray:
        """The array as [taps, windows, inputs of a window, outputs], filled up at the end."""
        taps, inputs, outputs = self.matrices
        missing = -inputs % self.of
        matrices = self.as_matrices(array)
        if missing:
            matrices = np.pad(matrices, ((0, 0), (0, missing), (0, 0)), constant_values=filling)
        return matrices.reshape(taps, -1, self.of, outputs)


@dataclasses.dataclass(frozen=True)
class EvenOutputs(Layout):
    """Each weight is a unit, and every output keeps as many of its own as any other, or one more."""

    def candidates(
        self, scores: np.ndarray, inside: np.ndarray | None, count: int | None
    ) -> np.ndarray | None:
        assert count is not None  # Who ranks layers together is refused before.
        taps, inputs, outputs = self.matrices
        columns = self.as_matrices(scores).reshape(taps * inputs, outputs)
        ranked = _finite(columns)
        if inside is not None:
            ranked[~self.as_matrices(inside).reshape(ranked.shape)] = -np.inf
        order = np.argsort(-ranked, axis=0, kind="stable")
        sorted_scores = np.take_along_axis(ranked, order, axis=0)
        there = sorted_scores > -np.inf
        # Row r of what is sorted has the (r + 1)-th of each output: whole rows, then the best of the next.
        ends = np.cumsum(there.sum(axis=1))
        full = int(np.searchsorted(ends, count, side="right"))
        kept = there.copy()
        kept[full:] = False
        left = count - (int(ends[full - 1]) if full else 0)
        if left:
            best = np.argsort(-sorted_scores[full], kind="stable")[:left]
            kept[full, best] = True
        found = np.zeros(ranked.shape, bool)
        np.put_along_axis(found, order, kept, axis=0)
        return self.from_matrices(found.reshape(taps, inputs, outputs))


def _finite(scores: np.ndarray) -> np.ndarray:
    """A copy as floating point numbers, none of them minus infinity, which stands for what cannot be kept."""
    kind = np.result_type(scores.dtype, np.float32)
    return np.maximum(scores.astype(kind, copy=True), np.finfo(kind).min)
