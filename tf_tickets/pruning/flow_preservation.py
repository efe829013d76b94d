"""Flow preservation: every input and every output channel of a layer keeps at least one weight."""

import math
from collections.abc import Sequence

import numpy as np

from tf_tickets.layers import MaskedWeight
from tf_tickets.pruning.channels import Axes, Channels, channel_axes


def preserve_flow(
    masks: Sequence[np.ndarray],
    scores: Sequence[np.ndarray],
    axes: Sequence[Channels | tuple[Axes, Axes]],
    keep: Sequence[int] | int | None = None,
    least: Sequence[int] | None = None,
) -> list[np.ndarray]:
    """Masks in which every input and every output channel of every layer keeps a weight.

    Each channel without one gets its best-scored weight: first the output channels, then the inputs that are
    still without. Random scores mean a random weight, as in the code of "Why Random Pruning Is All We Need to
    Start Sparse" (which loses part of the repair).

    Args:
        masks: bool arrays, one a layer; they are not changed.
        scores: arrays shaped like the masks; the largest is the best.
        axes: `channel_axes` of each layer.
        keep: how many weights to keep of each layer, or in all layers together (an int). The lowest-scored
            weights that are not the last of a channel go, until the count is met; of equal ones the later
            first. None keeps all that the masks have, and what was added.
        least: how many weights to leave in each layer at least.

    Returns:
        New masks. Those in which no channel is dead, and whose counts are met, are as they were.

    Raises:
        ValueError: the arguments do not fit each other, or a count cannot be met.
    """
    if not len(masks) == len(scores) == len(axes):
        raise ValueError(
            "preserve_flow takes one mask, one array of scores and one pair of axes a layer. Received: "
            f"{len(masks)}, {len(scores)} and {len(axes)}."
        )
    for layer, (mask, score) in enumerate(zip(masks, scores, strict=True)):
        if mask.shape != score.shape:
            raise ValueError(
                f"Layer {layer} has a mask of shape {mask.shape} and scores of shape {score.shape}."
            )
    channels = [Channels(*pair) for pair in axes]
    alive = [_revived(*layer) for layer in zip(masks, scores, channels, strict=True)]
    if keep is None:
        return alive
    least = [0] * len(masks) if least is None else least
    if isinstance(keep, (int, np.integer)):
        return _cut(alive, scores, channels, int(keep), "all layers", least)
    if len(keep) != len(masks):
        raise ValueError(
            f"keep= is one count a layer, or one for all. Received {len(keep)} for {len(masks)} layers."
        )
    layers = zip(alive, scores, channels, keep, least, strict=True)
    return [
        _cut([mask], [score], [channel], int(count), f"layer {layer}", [floor])[0]
        for layer, (mask, score, channel, count, floor) in enumerate(layers)
    ]


def least_to_flow(entry: MaskedWeight) -> int:
    """The count down to which `preserve_flow` can always thin out a layer, whichever weights it has."""
    shape, sides = _layout(entry.shape, channel_axes(entry))
    inputs, outputs = (math.prod(shape[a] for a in side) for side in sides)
    return min(entry.size, inputs + outputs - 1)


def _revived(mask: np.ndarray, scores: np.ndarray, channels: Channels) -> np.ndarray:
    """A copy of the mask in which each dead channel has its best-scored weight."""
    shape, (inputs, outputs) = _layout(mask.shape, channels)
    alive = np.array(mask, order="C")
    view, ranked = alive.reshape(shape), np.reshape(scores, shape)
    for side in (outputs, inputs):
        # Channels first: a dead one is then a row.
        rows = np.moveaxis(view, side, range(len(side)))
        dead = np.nonzero(~rows.any(axis=tuple(range(len(side), rows.ndim))))
        candidates = np.moveaxis(ranked, side, range(len(side)))[dead]
        best = candidates.reshape(len(dead[0]), -1).argmax(axis=1) if len(dead[0]) else np.zeros(0, int)
        rows[(*dead, *np.unravel_index(best, rows.shape[len(side) :]))] = True
    return alive


def _cut(
    masks: Sequence[np.ndarray],
    scores: Sequence[np.ndarray],
    channels: Sequence[Channels],
    keep: int,
    what: str,
    least: Sequence[int],
) -> list[np.ndarray]:
    """The masks without their lowest-scored weights, down to `keep`.

    The last weight of each channel is spared, and the last `least` of each layer.
    """
    kept = [np.flatnonzero(mask) for mask in masks]
    sizes = [len(positions) for positions in kept]
    excess = sum(sizes) - keep
    if excess < 0:
        raise ValueError(f"Cannot keep {keep:,} weights of {what}: the masks have {sum(sizes):,}.")
    if not excess:
        return list(masks)
    inputs, outputs = (_numbers(masks, kept, channels, side) for side in (0, 1))
    left_inputs, left_outputs = (np.bincount(numbers).tolist() for numbers in (inputs, outputs))
    values = np.concatenate(
        [np.ravel(score)[positions] for score, positions in zip(scores, kept, strict=True)]
    )
    layers = np.repeat(np.arange(len(sizes)), sizes)
    left = list(sizes)
    order = _lowest(values, excess + len(left_inputs) + len(left_outputs) + sum(least))
    gone: list[int] = []
    for candidate, i, o, layer in zip(
        order.tolist(), inputs[order].tolist(), outputs[order].tolist(), layers[order].tolist(), strict=True
    ):
        if len(gone) == excess:
            break
        if left_inputs[i] > 1 and left_outputs[o] > 1 and left[layer] > least[layer]:
            left_inputs[i] -= 1
            left_outputs[o] -= 1
            left[layer] -= 1
            gone.append(candidate)
    if len(gone) < excess:
        raise ValueError(
            f"Cannot keep {keep:,} weights of {what} without a dead channel: {sum(sizes) - len(gone):,} are "
            "each the last of one, or of the least that a layer keeps. Keep more (inputs + outputs - 1 of a "
            "layer will do) or preserve no flow."
        )
    goes = np.zeros(len(values), bool)
    goes[gone] = True
    thinner = [mask.copy() for mask in masks]
    for mask, positions, part in zip(thinner, kept, np.split(goes, np.cumsum(sizes)[:-1]), strict=True):
        mask.reshape(-1)[positions[part]] = False
    return thinner


def _lowest(values: np.ndarray, count: int) -> np.ndarray:
    """Positions of at least the `count` lowest values, in ascending order; of equal ones the later first."""
    positions = np.arange(len(values))
    if count < len(values):
        positions = np.flatnonzero(values <= np.partition(values, count)[count])
    # From the end, because the sort leaves equal ones in order.
    positions = positions[::-1]
    return positions[np.argsort(values[positions], kind="stable")]


def _layout(shape: Axes, channels: Channels) -> tuple[Axes, tuple[Axes, Axes]]:
    """The shape with groups as an axis of their own, and the axes of inputs and outputs in it.

    An axis of size 1 comes first, so that a channel is never without an axis to choose from.
    """
    if channels.groups == 1:
        rank = len(shape)
        inputs, outputs = (tuple(a % rank + 1 for a in side) for side in (channels.inputs, channels.outputs))
        return (1, *shape), (inputs, outputs)
    *rest, last = shape
    rank = len(shape) + 2
    return (1, *rest, channels.groups, last // channels.groups), ((rank - 3, rank - 2), (rank - 2, rank - 1))


def _numbers(
    masks: Sequence[np.ndarray], positions: Sequence[np.ndarray], channels: Sequence[Channels], side: int
) -> np.ndarray:
    """The channels that flat positions belong to; every channel of every layer has a number of its own."""
    numbers, first = [], 0
    for mask, where, layer in zip(masks, positions, channels, strict=True):
        shape, sides = _layout(mask.shape, layer)
        axes, sizes = sides[side], [shape[a] for a in sides[side]]
        coordinates = np.unravel_index(where, shape)
        numbers.append(first + np.ravel_multi_index([coordinates[a] for a in axes], sizes))
        first += math.prod(sizes)
    return np.concatenate(numbers)
