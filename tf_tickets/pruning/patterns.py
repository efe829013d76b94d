"""What the weights of a model are counted and kept in, under a pattern."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from tf_tickets.compaction import removable_outputs
from tf_tickets.layers import MaskedWeight
from tf_tickets.pruning.channels import channel_axes
from tf_tickets.pruning.pattern_names import pattern_of
from tf_tickets.pruning.unit_layouts import Blocks, EvenOutputs, Layout, Whole, Windows

LAYOUTS: Mapping[str, Callable[..., Layout]] = {
    "blocks": lambda shape, channels, inputs, outputs: Blocks(shape, channels, outputs, inputs),
    "windows": lambda shape, channels, most, of: Windows(shape, channels, most, of),
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
