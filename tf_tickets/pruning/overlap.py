"""The overlap of two tickets, layer by layer."""

import dataclasses

from tf_tickets.support.html_table import html_table
from tf_tickets.support.text_table import table


@dataclasses.dataclass(frozen=True)
class LayerOverlap:
    """How two tickets agree on one weight.

    Attributes:
        name: label, the first ticket's.
        kept: kept by the first.
        other_kept: kept by the other.
        shared: kept by both.
        total: number of weights.
        shared_by_chance: what random masks of the same counts in every layer would share on average.
    """

    name: str
    kept: int
    other_kept: int
    shared: int
    total: int
    shared_by_chance: float

    @property
    def overlap(self) -> float:
        """shared / the smaller count: 1 where one mask contains the other, 0 where one is empty."""
        return self.shared / min(self.kept, self.other_kept) if self.shared else 0.0

    @property
    def jaccard(self) -> float:
        """shared / kept by either; 1 where both are empty."""
        either = self.kept + self.other_kept - self.shared
        return self.shared / either if either else 1.0

    @property
    def by_chance(self) -> float:
        """The overlap of random masks of the same counts, on average."""
        return self.shared_by_chance / max(min(self.kept, self.other_kept), 1)


@dataclasses.dataclass(frozen=True)
class Overlap:
    """How two tickets agree, layer by layer.

    Attributes:
        layers: one `LayerOverlap` a weight, in forward order.
        total: the same for all weights together.
    """

    layers: tuple[LayerOverlap, ...]
    total: LayerOverlap

    def __repr__(self) -> str:
        return (
            f"Overlap({self.total.overlap:.2%} over {len(self.layers)} layers, {self.total.by_chance:.2%} by "
            "chance; print it for the layers)"
        )

    def __str__(self) -> str:
        return table(*self._table(), left=1)

    def _repr_html_(self) -> str:
        return html_table(*self._table(), left=1)

    def _table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        rows: list[tuple[str, ...]] = [
            (
                x.name,
                f"{x.kept:,}",
                f"{x.other_kept:,}",
                f"{x.shared:,}",
                f"{x.overlap:.2%}",
                f"{x.by_chance:.2%}",
                f"{x.jaccard:.2%}",
            )
            for x in (*self.layers, self.total)
        ]
        return ("layer", "kept", "other", "shared", "overlap", "by chance", "jaccard"), rows
