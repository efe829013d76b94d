"""What a compaction did: layer by layer, and why layers kept all their channels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from tf_tickets.support.short_reprs import short_fields
from tf_tickets.support.text_table import table
from tf_tickets.support.words import plural


@dataclasses.dataclass(frozen=True)
class LayerChange:
    """A layer's outputs.

    Attributes:
        name: of the layer in the new model; behind a colon, what is inside it.
        kind: its class.
        channels: before.
        stay: after.
    """

    name: str
    kind: str
    channels: int
    stay: int

    __repr__ = short_fields


@dataclasses.dataclass(frozen=True)
class Compaction:
    """What `compact` did to a model; `print` shows it as a table.

    Attributes:
        layers: of each layer with weights, its output channels before and after.
        folded: names of the batch normalisations that are part of kernels now.
        pinned: name of a layer around which all channels stayed -> why.
        carriers: constant channels that stayed, to stand for others behind zero padding.
        parameters: number of all weights before and after.
        macs: multiply-adds of the prunable kernels for one example, as dense layers, before and after; None
            where they are not known.
        largest_difference: of the outputs, as a part of the largest.
    """

    layers: tuple[LayerChange, ...]
    folded: tuple[str, ...]
    pinned: Mapping[str, str]
    carriers: int
    parameters: tuple[int, int]
    macs: tuple[int | None, int | None]
    largest_difference: float

    @property
    def removed(self) -> int:
        """How many channels and units are gone."""
        return sum(layer.channels - layer.stay for layer in self.layers)

    @property
    def channels(self) -> int:
        """How many there were."""
        return sum(layer.channels for layer in self.layers)

    def __repr__(self) -> str:
        before, after = self.parameters
        return (
            f"Compaction({self.removed:,} of {self.channels:,} channels removed, parameters {before:,} -> "
            f"{after:,}, multiply-adds {_part(*self.macs)})"
        )

    def __str__(self) -> str:
        rows = [(layer.name, layer.kind, f"{layer.channels:,}", f"{layer.stay:,}") for layer in self.layers]
        lines = [table(("layer", "class", "channels", "stay"), rows), "", repr(self)]
        if self.folded:
            lines.append(f"{plural(len(self.folded), 'batch normalisation')} folded into kernels")
        if self.carriers:
            lines.append(f"{plural(self.carriers, 'constant channel')} kept for others, behind zero padding")
        for name, why in self.pinned.items():
            lines.append(f"all channels stay around {name}: {why}")
        lines.append(f"largest difference of outputs: {self.largest_difference:.2g} of the largest")
        return "\n".join(lines)


def _part(before: int | None, after: int | None) -> str:
    return "not known" if not before or after is None else f"{after / before:.1%}"
