"""Rearranged masks that keep how many weights every input channel has, every output channel, or both.

They lie between `rearranged`, which keeps the counts of layers alone, and the mask itself: what a ticket has
that such a mask lacks is more than how many weights each unit got.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from tf_tickets.pruning.channels import Channels
from tf_tickets.support.random_streams import stream
from tf_tickets.support.short_reprs import ShortList

INPUT, OUTPUT, BOTH = "input", "output", "input_and_output"
KEPT_PER = (INPUT, OUTPUT, BOTH)

# Of global trades, beyond twice what a weight needs to get to any other row. After so many, masks overlap
# with the one that they began with as much as with each other. In a source a weight can go to as few of the
# other rows as that is dense, so that it takes so many times more of them, up to a limit.
TRADES = 24
MOST_TIMES = 25
# Exchanges along a cycle after each trade, where weights of a source are all there is.
CYCLES = 8


def rearranged_per_channel(
    masks: Sequence[np.ndarray],
    seed: int = 0,
    within: Sequence[np.ndarray] | None = None,
    *,
    channels: Sequence[Channels],
    per: str,
) -> list[np.ndarray]:
    """Draws each mask anew among those with as many kept weights of every input, every output, or both.

    An input is an input channel of the layer, an output an output channel, as `channels` tells them: rows and
    columns of a dense kernel; the two channel axes of a convolution, for a grouped one the channels of all
    groups; a channel of a depthwise one is an input, each of its filters an output; of a recurrent kernel
    each gate of a unit is an output; of an embedding each token is an input. Where in space a kept weight
    sits is random in all cases: `"input"` permutes the weights of an input channel over outputs and space,
    `"output"` those of an output channel over inputs and space.

    `"input_and_output"` is a uniform draw among all masks with both counts, as far as a Markov chain has
    mixed: global curveball trades, each of which pairs all channels of one side at random and shares out anew
    what one of a pair has and the other lacks, and within a source exchanges along random alternating cycles
    beside them, without which not every mask may be reached. Both moves are as likely as their reverse, so
    that no mask is preferred.

    Args:
        masks: bool arrays of any shapes, in forward order. They stay as they are.
        seed: of the draw. Defaults to `0`.
        within: bool arrays, a source that the masks lie in and do not leave. None: the whole layers.
        channels: which of their axes number inputs and outputs, see `pruning.channels.channel_axes`.
        per: `"input"`, `"output"` or `"input_and_output"`: whose counts are kept.

    Returns:
        List of new bool arrays of the same shapes.

    Raises:
        ValueError: a mask is no bool array, or lies not within the source; `per` is none of the three.

    References:

    - [Strona et al., 2014](https://www.nature.com/articles/ncomms5114): curveball trades
    - [Carstens et al., 2018](https://arxiv.org/abs/1804.08487): global ones
    """
    if per not in KEPT_PER:
        raise ValueError(f"per={per!r} is unknown. Choose one of: {', '.join(KEPT_PER)}.")
    arrays = [np.asarray(mask) for mask in masks]
    if any(mask.dtype != bool for mask in arrays):
        raise ValueError(f"Masks are bool arrays. Received: {sorted({mask.dtype.name for mask in arrays})}")
    sources = [np.ones_like(mask) for mask in arrays] if within is None else [np.asarray(x) for x in within]
    rng = stream(seed, "check", f"rearrange_per_{per}")
    found = []
    for mask, source, axes in zip(arrays, sources, channels, strict=True):
        if (mask & ~source).any():
            raise ValueError("A mask keeps weights that are not in the source that is given as within=.")
        layout = _Layout.of(mask.shape, axes)
        new = _rearranged(layout.blocks(mask), layout.blocks(source), per, rng)
        found.append(layout.mask(new))
    return ShortList(found)


@dataclasses.dataclass(frozen=True)
class _Layout:
    """How a weight becomes blocks `(block, input, output, place)`, and back.

    An output is connected with the inputs of its block alone: a group of a convolution, a channel of a
    depthwise one. Other weights are one block.

    Attributes:
        shape: of the weight, the outputs of groups apart.
        order: its axes: those of blocks, of inputs, of outputs, all others.
        sizes: of the blocks.
        original: the shape as it was.
    """

    shape: tuple[int, ...]
    order: tuple[int, ...]
    sizes: tuple[int, int, int, int]
    original: tuple[int, ...]

    @classmethod
    def of(cls, original: tuple[int, ...], channels: Channels) -> _Layout:
        rank = len(original)
        inputs, outputs = ({axis % rank for axis in axes} for axes in channels[:2])
        shape, grouping = original, []
        if channels.groups > 1:  # their outputs follow each other, group after group
            (axis,) = outputs
            shape = (
                *original[:axis],
                channels.groups,
                original[axis] // channels.groups,
                *original[axis + 1 :],
            )
            inputs, outputs = ({x + (x >= axis) for x in axes} for axes in (inputs, outputs))
            grouping = [axis]
        shared = [*grouping, *sorted(inputs & outputs)]
        parts = [shared, sorted(inputs - outputs), sorted(outputs - inputs)]
        known = {axis for part in parts for axis in part}
        parts.append([axis for axis in range(len(shape)) if axis not in known])
        blocks, ins, outs, places = (math.prod(shape[axis] for axis in part) for part in parts)
        return cls(
            shape, tuple(axis for part in parts for axis in part), (blocks, ins, outs, places), original
        )

    def blocks(self, mask: np.ndarray) -> np.ndarray:
        """The mask, bool `(block, input, output, place)`."""
        return mask.reshape(self.shape).transpose(self.order).reshape(self.sizes)

    def mask(self, blocks: np.ndarray) -> np.ndarray:
        """The inverse."""
        turned = blocks.reshape([self.shape[axis] for axis in self.order])
        return np.ascontiguousarray(turned.transpose(np.argsort(self.order)).reshape(self.original))


def _rearranged(mask: np.ndarray, source: np.ndarray, per: str, rng: np.random.Generator) -> np.ndarray:
    """Another mask within the source, both `(block, input, output, place)`."""
    blocks, inputs, outputs, _ = mask.shape
    if per == BOTH:
        kept, room = mask.sum(axis=3), source.sum(axis=3)
        counts, owners = _traded(kept, room, rng).ravel(), np.arange(blocks * inputs * outputs)
        owner = np.broadcast_to(owners.reshape(blocks, inputs, outputs, 1), mask.shape)
    elif per == INPUT:
        counts = mask.sum(axis=(2, 3)).ravel()
        owner = np.broadcast_to(np.arange(blocks * inputs).reshape(blocks, inputs, 1, 1), mask.shape)
    else:
        counts = mask.sum(axis=(1, 3)).ravel()
        owner = np.broadcast_to(np.arange(blocks * outputs).reshape(blocks, 1, outputs, 1), mask.shape)
    new = np.zeros_like(mask)
    new[source] = _chosen(owner[source], counts, rng)
    return new


def _chosen(owner: np.ndarray, counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Which items are chosen at random, so many of each owner.

    Args:
        owner: whose each item is, `(items,)`.
        counts: to choose of each owner's.
        rng: of the choice.
    """
    order = np.argsort(owner + rng.random(len(owner)))
    sizes = np.bincount(owner, minlength=len(counts))
    rank = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    chosen = np.zeros(len(owner), bool)
    chosen[order] = rank < np.repeat(counts, sizes)
    return chosen


def _traded(kept: np.ndarray, room: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How many weights each pair of an input and an output keeps after the trades.

    The counts of a chain on masks, whose places are random within each pair; they are drawn afterwards.

    Args:
        kept: ints `(block, input, output)`, of the mask.
        room: likewise, how many the source has.
        rng: of the trades.
    """
    turned = kept.shape[1] > kept.shape[2]  # the fewer there are to pair, the sooner all have met
    if turned:
        kept, room = kept.transpose(0, 2, 1), room.transpose(0, 2, 1)
    inverse = 2 * kept.sum() > room.sum()  # what is left out has fixed counts, too, and is less
    state = np.ascontiguousarray(room - kept if inverse else kept)
    complete = bool((room == room.flat[0]).all()) if room.size else True
    rows = state.shape[1]
    trades = 0 if rows < 2 or not state.any() else TRADES + 2 * math.ceil(math.log2(rows))
    if not complete:
        trades = math.ceil(trades * min(room.size * room.max() / room.sum(), MOST_TIMES))
    for _ in range(trades):
        _trade(state, room, rng)
        if not complete:
            for _ in range(CYCLES):
                _exchange_along_cycle(state, room, rng)
    state = room - state if inverse else state
    return state.transpose(0, 2, 1) if turned else state


def _trade(state: np.ndarray, room: np.ndarray, rng: np.random.Generator) -> None:
    """A global trade, in place: rows are paired at random, and each pair shares out what is not common.

    The places of the two are matched at random, as many as the smaller has; of a match of which one is kept
    and one is not either may be kept afterwards.
    """
    blocks, rows, columns = state.shape
    half = rows // 2
    order = np.argsort(rng.random((blocks, rows)), axis=1)
    block = np.arange(blocks)[:, None]
    first, second = (block, order[:, :half]), (block, order[:, half : 2 * half])
    a, b = state[first].reshape(-1, columns), state[second].reshape(-1, columns)
    rooms = room[first].reshape(-1, columns), room[second].reshape(-1, columns)
    matches = np.minimum(*rooms)
    of_a, of_b = _drawn(rng, a, rooms[0], matches), _drawn(rng, b, rooms[1], matches)
    common = _drawn(rng, of_a, matches, of_b)
    from_a = of_a - common
    pool = from_a + of_b - common
    item = np.repeat(np.arange(pool.size), pool.ravel())
    chosen = _chosen(item // columns, from_a.sum(axis=1), rng)
    to_a = np.bincount(item[chosen], minlength=pool.size).reshape(pool.shape)
    state[first] = (a - from_a + to_a).reshape(blocks, half, columns)
    state[second] = (b + from_a - to_a).reshape(blocks, half, columns)


def _drawn(rng: np.random.Generator, good: np.ndarray, all_of: np.ndarray, sample: np.ndarray) -> np.ndarray:
    """How many good ones there are in samples without replacement, each of its own kind."""
    found = np.minimum(good, sample)
    open_ = (found > 0) & (good < all_of) & (sample < all_of)
    found[open_] = rng.hypergeometric(good[open_], (all_of - good)[open_], sample[open_])
    return found


def _exchange_along_cycle(state: np.ndarray, room: np.ndarray, rng: np.random.Generator) -> None:
    """Exchanges kept weights and others along a random alternating cycle, in place.

    A walk goes from a row by one of its kept weights to a column, from there by a weight that is not kept to
    a row, and so on until it comes to a row for the second time. How many ways lead on is the same before and
    after, since all counts stay: the reverse exchange is as likely. A walk that closes in the column that it
    came to that row by is given up, as its way in would be gone.
    """
    blocks, rows, _ = state.shape
    block, row = int(rng.integers(blocks)), int(rng.integers(rows))
    kept, others = state[block], room[block] - state[block]
    seen: dict[int, int] = {}
    walk: list[tuple[int, int]] = []  # rows, and the columns that they are left by
    while row not in seen:
        seen[row] = len(walk)
        column = _weighted(kept[row], rng)
        if column is None:
            return
        walk.append((row, column))
        row_after = _weighted(others[:, column], rng)
        if row_after is None:
            return
        row = row_after
    start = seen[row]
    # Where all walks are forced, exchanges without exception would only alternate between two masks.
    if rng.random() < 0.5 or (start and walk[start - 1][1] == walk[-1][1]):
        return
    cycle = walk[start:]
    for position, (from_row, column) in enumerate(cycle):
        kept[from_row, column] -= 1
        kept[cycle[(position + 1) % len(cycle)][0], column] += 1


def _weighted(weights: np.ndarray, rng: np.random.Generator) -> int | None:
    """A position, as likely as its weight; None where all are zero."""
    ends = np.cumsum(weights)
    return int(np.searchsorted(ends, rng.integers(ends[-1]), side="right")) if ends[-1] else None
