"""A ticket: which weights of a network are kept, and how they were found."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from tf_tickets.layers import (
    MaskedWeight,
    check_model,
    mask_layers,
    nothing_to_prune,
    prunable_weights,
    put_masks,
)
from tf_tickets.pruning.choices import MOST_PATHS
from tf_tickets.pruning.overlap import LayerOverlap, Overlap
from tf_tickets.pruning.ticket_file import load_ticket, masks_sha256, save_ticket
from tf_tickets.support.html_table import html_table
from tf_tickets.support.short_reprs import ShortTuple
from tf_tickets.support.text_table import table


@dataclasses.dataclass(frozen=True)
class TicketLayer:
    """One masked weight of a ticket: label, shape in Keras layout, and counts."""

    name: str
    shape: tuple[int, ...]
    kept: int
    total: int

    @property
    def keep_ratio(self) -> float:
        """Fraction of the weights that is kept."""
        return self.kept / self.total


@dataclasses.dataclass(frozen=True, eq=False)
class Ticket:
    """Masks of a network in forward order, with where they come from.

    Attributes:
        masks: bool arrays, one a masked weight, shaped like it; true is kept.
        names: labels of the weights. The position is the key, names are for people.
        origin: JSON-able facts: method, sparsity asked, seed, score, ratios, rounding, ...
        notes: sentences a reader of the numbers should know.
        on_path: kept weights of each layer that lie on a path from an input to an output; None where that is
            not known.

    Example:
        >>> ticket = tt.prune(model, "random", sparsity=0.98)
        >>> print(ticket.summary())
        >>> ticket.save("ticket.npz")
    """

    masks: tuple[np.ndarray, ...]
    names: tuple[str, ...]
    origin: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    on_path: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not self.masks or len(self.masks) != len(self.names):
            raise ValueError(
                f"A ticket has one name a mask, and at least one. Received: {len(self.masks)} masks, "
                f"{len(self.names)} names."
            )
        for name, mask in zip(self.names, self.masks, strict=True):
            if mask.dtype != bool:
                raise ValueError(f"Masks are bool arrays. Received for {name}: {mask.dtype}.")
        if self.on_path is not None and len(self.on_path) != len(self.masks):
            raise ValueError(f"on_path is one number a mask. Received: {self.on_path}")
        if any(
            not 0 <= a <= np.count_nonzero(b) for a, b in zip(self.on_path or (), self.masks, strict=False)
        ):
            raise ValueError(f"on_path counts kept weights. Received: {self.on_path}")
        object.__setattr__(self, "masks", ShortTuple(self.masks))
        object.__setattr__(self, "names", ShortTuple(self.names))

    @property
    def layers(self) -> tuple[TicketLayer, ...]:
        """Name, shape, kept and total of each masked weight, in forward order."""
        return ShortTuple(
            TicketLayer(name, mask.shape, int(np.count_nonzero(mask)), mask.size)
            for name, mask in zip(self.names, self.masks, strict=True)
        )

    @property
    def kept(self) -> int:
        """Number of weights kept."""
        return sum(int(np.count_nonzero(mask)) for mask in self.masks)

    @property
    def total(self) -> int:
        """Number of masked weights, kept or not."""
        return sum(mask.size for mask in self.masks)

    @property
    def sparsity(self) -> float:
        """The sparsity reached: 1 - kept / total (section 2.2)."""
        return 1 - self.kept / self.total

    @property
    def effective_sparsity(self) -> float | None:
        """1 - (kept weights on a path from an input to an output) / total; None where that is not known.

        Weights off every path change nothing: what is really left of the network is no more than this.
        """
        return None if self.on_path is None else 1 - sum(self.on_path) / self.total

    @property
    def collapsed_layers(self) -> tuple[str, ...]:
        """Names of weights of which nothing is left, or nothing on a path where that is known."""
        left = self.on_path or tuple(layer.kept for layer in self.layers)
        return tuple(name for name, count in zip(self.names, left, strict=True) if not count)

    @property
    def collapsed(self) -> str | None:
        """A sentence on layers of which nothing is left, or a network without a path; None if all is well."""
        if self.on_path is not None and not any(self.on_path):
            return "the network has collapsed: no path is left from an input to an output"
        layers = self.collapsed_layers
        return f"collapsed layers, of which nothing is left: {', '.join(layers)}" if layers else None

    @property
    def sha256(self) -> str:
        """Hash of the masks with their shapes and order."""
        return masks_sha256(self.masks)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"Ticket({self.kept:,} of {self.total:,} in {len(self.masks)} layers, {self.sha256[:10]})"

    def _repr_html_(self) -> str:
        return html_table(*self._table(), after="\n".join(self._lines()))

    def summary(self) -> str:
        """A table of the layers, the total, and the notes, as plain text."""
        return "\n".join([table(*self._table()), *self._lines()])

    def _table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        rows: list[tuple[str, ...]] = [
            (x.name, str(x.shape), f"{x.kept:,}", f"{x.total:,}", f"{x.keep_ratio:.2%}") for x in self.layers
        ]
        rows.append(("total", "", f"{self.kept:,}", f"{self.total:,}", f"{self.kept / self.total:.2%}"))
        head: tuple[str, ...] = ("layer", "shape", "kept", "of", "keep-ratio")
        if self.on_path is not None:
            head = (*head, "on a path")
            counts = (*self.on_path, sum(self.on_path))
            rows = [(*row, f"{count:,}") for row, count in zip(rows, counts, strict=True)]
        return head, rows

    def _lines(self) -> list[str]:
        """What stands below the table."""
        known = self.effective_sparsity is not None
        effective = f"{self.effective_sparsity:.4%}" if known else "not known"
        if not known and self.total > MOST_PATHS:
            effective = (
                f"not counted (of more than {MOST_PATHS:,} weights only "
                "tf_tickets.pruning.path_counts(model, ticket.masks) does)"
            )
        lines = [f"sparsity {self.sparsity:.4%}, effective sparsity {effective}"]
        if self.collapsed:
            lines.append(self.collapsed)
        return [*lines, *(f"note: {note}" for note in self.notes)]

    def apply(self, model: keras.Model) -> keras.Model:
        """Masks the model's layers, where they are not masked yet, and sets the masks, in place.

        A weight is zero where its mask hides it from now on, and what the model's optimizer has learned of it
        there is forgotten. The values are kept beside it, for another ticket that shows them again.

        Args:
            model: a model with the same masked shapes in the same forward order.

        Returns:
            The same model.

        Raises:
            TypeError: `model` is no Keras model.
            ValueError: the shapes differ; nothing is changed then.
        """
        entries = self.check(model)
        # A model that has masks keeps its choice of layers.
        if entries[0].mask is None:
            entries = mask_layers(model).masked
        put_masks(model, entries, self.masks)
        return model

    def check(self, model: keras.Model) -> list[MaskedWeight]:
        """The model's prunable weights, if the ticket fits them.

        Raises:
            TypeError: `model` is no Keras model.
            ValueError: the shapes differ.
        """
        check_model(model, "A ticket applies to")
        entries = prunable_weights(model)
        if not entries:
            raise ValueError(nothing_to_prune(model))
        shapes, own = [entry.shape for entry in entries], [mask.shape for mask in self.masks]
        if shapes != own:
            raise ValueError(f"The ticket is for another model: {_first_difference(own, shapes)}")
        return entries

    def compare(self, other: "Ticket") -> Overlap:
        """How this ticket and another of the same shapes agree, layer by layer.

        Raises:
            TypeError: `other` is no Ticket.
            ValueError: the shapes differ.

        Example:
            >>> print(tt.prune(model, "snip", 0.98, data=(x, y)).compare(other))
        """
        if not isinstance(other, Ticket):
            raise TypeError(f"A ticket is compared with a Ticket. Received: {type(other).__name__}")
        shapes, others = [mask.shape for mask in self.masks], [mask.shape for mask in other.masks]
        if shapes != others:
            raise ValueError(
                f"The tickets are for different models: {_first_difference(shapes, others, 'the other')}"
            )
        layers = ShortTuple(
            LayerOverlap(
                name=a.name,
                kept=a.kept,
                other_kept=b.kept,
                shared=int(np.count_nonzero(mask & other_mask)),
                total=a.total,
                shared_by_chance=a.kept * b.kept / a.total,
            )
            for a, b, mask, other_mask in zip(self.layers, other.layers, self.masks, other.masks, strict=True)
        )
        total = LayerOverlap(
            name="total",
            kept=self.kept,
            other_kept=other.kept,
            shared=sum(layer.shared for layer in layers),
            total=self.total,
            shared_by_chance=sum(layer.shared_by_chance for layer in layers),
        )
        return Overlap(layers, total)

    def save(self, path: str | os.PathLike, overwrite: bool = False) -> None:
        """Writes the ticket as a NumPy .npz file (no pickle), whole or not at all.

        Args:
            path: where to; taken as it is, no suffix is added.
            overwrite: replace an existing file.

        Raises:
            FileExistsError: the file exists and `overwrite` is false.
            IsADirectoryError: the path is a directory, which is never replaced.
        """
        save_ticket(
            path,
            masks=self.masks,
            names=self.names,
            origin=self.origin,
            notes=self.notes,
            on_path=self.on_path,
            overwrite=overwrite,
        )

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Ticket":
        """Reads a ticket that `save` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: not a ticket, of a newer format, or damaged.
        """
        return load_ticket(path, cls)


def _first_difference(own: list, other: list, where: str = "the model") -> str:
    for position, (a, b) in enumerate(zip(own, other, strict=False)):
        if a != b:
            return f"weight {position} has shape {a} in the ticket and {b} in {where}."
    return f"{len(own)} masks in the ticket, {len(other)} prunable weights in {where}."
