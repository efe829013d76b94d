"""What the weights of a model are counted and kept in, under a pattern."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tf_tickets.compaction import removable_outputs
from tf_tickets.layers import MaskedWeight
from tf_tickets.pruning.channels import channel_axes
from tf_tickets.pruning.pattern_names import pattern_of
from tf_tickets.pruning.unit_layouts import Blocks, EvenOutputs, Layout, Whole, Windows

LAYOUTS: Mapping[str, Callable[..., Layout]] = {
    "blocks": lambda shape, channels, inputs, outputs: Blocks(shape, channels, outputs, inputs),
    "windows": Windows,
    "channel": lambda shape, channels: Blocks(shape, channels, 1, None),
    "constant_fan_in": EvenOutputs,
    "unstructured": Layout,
}


def layouts_of(
    model: keras.Model, entries: Sequence[MaskedWeight], pattern: str | None
) -> tuple[list[Layout], tuple[str, ...]]:
    """What each weight of a model is counted and kept in, and notes on what the pattern leaves alone.

    Args:
        model: a built Keras model.
        entries: all its prunable weights, in forward order.
        pattern: see `pattern_of`; None: every weight is kept or not by itself.

    Raises:
        ValueError: there is no such pattern; or it removes outputs, and none of the model can be removed.
    """
    shapes = [(entry.shape, channel_axes(entry)) for entry in entries]
    if pattern is None:
        return [Layout(*shape) for shape in shapes], ()
    chosen = pattern_of(pattern)
    found = [LAYOUTS[chosen.form](*shape, *chosen.numbers) for shape in shapes]
    if not chosen.row.removes_outputs:
        return found, ()
    reasons = removable_outputs(model, [entry.layer for entry in entries])
    stay = [f"{entry.name} ({reason})" for entry, reason in zip(entries, reasons, strict=True) if reason]
    if len(stay) == len(entries):
        raise ValueError(
            f"pattern={pattern!r} removes outputs of layers, and none of '{model.name}' can be: "
            f"{', '.join(stay)}."
        )
    whole = [
        Whole(*shape) if reason else layout
        for shape, reason, layout in zip(shapes, reasons, found, strict=True)
    ]
    return whole, (f"pattern {chosen} leaves alone {', '.join(stay)}",) if stay else ()


def units_inside(layouts: Sequence[Layout], masks: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Bool arrays, one value a unit: which are kept as a whole by masks."""
    return [layout.inside(mask) for layout, mask in zip(layouts, masks, strict=True)]


def masks_of_units(
    layouts: Sequence[Layout], units: Sequence[np.ndarray], within: Sequence[np.ndarray] | None
) -> list[np.ndarray]:
    """The masks of what is kept of the units, inside other masks: of layers without units, too."""
    masks = [layout.mask(unit) for layout, unit in zip(layouts, units, strict=True)]
    return masks if within is None else [mask & a for mask, a in zip(masks, within, strict=True)]


def unit_ratios(layouts: Sequence[Layout], masks: Sequence[np.ndarray]) -> tuple[list[float], float]:
    """Which part of each layer's units is kept as a whole by masks, and the sparsity of all units."""
    kept = [int(np.count_nonzero(unit)) for unit in units_inside(layouts, masks)]
    sizes = [layout.size for layout in layouts]
    ratios = [count / size if size else 1.0 for count, size in zip(kept, sizes, strict=True)]
    return ratios, 1 - sum(kept) / sum(sizes)


def moved_within_sizes(
    move: Callable[..., Sequence[np.ndarray]],
    layouts: Sequence[Layout],
    masks: Sequence[np.ndarray],
    seed: int,
    within: Sequence[np.ndarray] | None,
) -> list[np.ndarray]:
    """Masks whose groups have been moved, each to the place of one of its size: so weights stay as many.

    Args:
        move: (bool arrays, seed, bool arrays that they stay inside or None) -> others of the same shapes.
        layouts: what weights are kept in.
        masks: bool arrays that these fit.
        seed: of the moves.
        within: masks that these lie in; None: all weights.
    """
    units = units_inside(layouts, masks)
    inside = None if within is None else units_inside(layouts, within)
    parts = [part for number, layout in enumerate(layouts) for part in _of_one_size(layout, number)]
    taken = [units[number][where] for number, where in parts]
    room = None if inside is None else [inside[number][where] for number, where in parts]
    for (number, where), new in zip(parts, move(taken, seed, room), strict=True):
        units[number] = units[number].copy()
        units[number][where] = new
    return masks_of_units(layouts, units, within)


def _of_one_size(layout: Layout, number: int) -> list[tuple[int, Any]]:
    """(number of the layer, what takes those units that have as many weights), for each such number."""
    if layout.of_one_size:
        return [(number, ...)]
    sizes = layout.scores(np.ones(layout.shape, np.float32), False)
    return [(number, sizes == size) for size in np.unique(sizes)]
