"""A model's summary: how sparse it is, layer by layer, what of it works, and what it computes and takes."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np

from tf_tickets.layers import (
    MaskedWeight,
    UnprunedWeight,
    check_built,
    check_model,
    effective_value,
    macs_per_weight,
    nothing_to_prune,
    prunable_weights,
    unpruned_weights,
    value_of,
)
from tf_tickets.pruning.paths import on_path
from tf_tickets.support.compression import compressed_bytes
from tf_tickets.support.html_table import html_table
from tf_tickets.support.short_reprs import ShortTuple
from tf_tickets.support.text_table import table
from tf_tickets.support.words import plural

# Layers that a line names.
MOST_NAMES = 3
HEAD = ("weight", "shape", "weights", "of all", "nonzero", "sparsity", "on a path")
HEAD_OF_COSTS = ("multiply-adds", "kept", "bytes", "compressed")


@dataclasses.dataclass(frozen=True)
class SummaryRow:
    """One prunable weight of a model, as the model computes with it.

    Attributes:
        name: label, the variable's path.
        shape: in Keras layout.
        weights: number of its elements.
        share: `weights` over all parameters of the model.
        nonzero: elements that are not zero.
        kept: elements that its mask keeps, zero or not; None without a mask.
        on_path: nonzero elements on a path from an input to an output; None where that is not known.
        macs: multiply-adds of one example if it were dense; None where they are not known.
        macs_kept: those of its nonzero elements.
        dense_bytes: what it takes as it is stored in memory.
        compressed_bytes: the same compressed by zlib, in which zeros cost next to nothing.
    """

    name: str
    shape: tuple[int, ...]
    weights: int
    share: float
    nonzero: int
    kept: int | None
    on_path: int | None
    macs: int | None
    macs_kept: int | None
    dense_bytes: int
    compressed_bytes: int

    @property
    def sparsity(self) -> float:
        """1 - nonzero / weights."""
        return 1 - self.nonzero / self.weights

    @property
    def effective_sparsity(self) -> float | None:
        """1 - on_path / weights; None where that is not known."""
        return None if self.on_path is None else 1 - self.on_path / self.weights

    def __repr__(self) -> str:
        return f"SummaryRow({self.name}: {self.nonzero:,} of {self.weights:,}, sparsity {self.sparsity:.4%})"


@dataclasses.dataclass(frozen=True)
class Unpruned:
    """Parameters of a model that pruning leaves alone for one reason.

    Attributes:
        reason: why.
        layers: paths of the layers that hold them.
        parameters: their number.
        share: `parameters` over all parameters of the model.
        zeros: how many elements of matrices and larger kernels among them are zero. Vectors, such as biases,
            count as dense whatever they hold.
        dense_bytes: what they take as they are stored in memory.
        compressed_bytes: the same compressed by zlib.
    """

    reason: str
    layers: tuple[str, ...]
    parameters: int
    share: float
    zeros: int
    dense_bytes: int
    compressed_bytes: int

    def __str__(self) -> str:
        zeros = f", {self.zeros:,} of them zero" if self.zeros else ""
        more = len(self.layers) - MOST_NAMES
        names = ", ".join(name or "the model itself" for name in self.layers[:MOST_NAMES])
        names += f" and {more} more" if more > 0 else ""
        return f"{plural(self.parameters, 'parameter')} ({self.share:.2%}{zeros}): {self.reason}: {names}"

    def __repr__(self) -> str:
        return f"Unpruned({self.parameters:,} in {plural(len(self.layers), 'layer')}: {self.reason})"


@dataclasses.dataclass(frozen=True)
class Summary:
    """How sparse a model is. `print` it for the whole table; a notebook shows it as one.

    Two sparsities go by the same name elsewhere: `sparsity_of_prunable_weights` is what `prune` is asked for,
    `sparsity_of_all_parameters` has biases, normalisation and all that is left alone in its denominator.

    Attributes:
        model: the model's name.
        rows: one a prunable weight, in forward order.
        unpruned: what else the model has, by reason.
        notes: sentences a reader of the numbers should know, as on what is not known.
    """

    model: str
    rows: ShortTuple[SummaryRow]
    unpruned: ShortTuple[Unpruned]
    notes: tuple[str, ...] = ()

    @property
    def weights(self) -> int:
        """Number of prunable weights, zero or not."""
        return sum(row.weights for row in self.rows)

    @property
    def nonzero(self) -> int:
        """Number of prunable weights that are not zero."""
        return sum(row.nonzero for row in self.rows)

    @property
    def parameters(self) -> int:
        """Number of all parameters of the model: no masks, no state of an optimizer."""
        return self.weights + sum(part.parameters for part in self.unpruned)

    @property
    def sparsity_of_prunable_weights(self) -> float:
        """Zeros among the prunable weights, over their number; 0 where there are none."""
        return 1 - self.nonzero / self.weights if self.weights else 0.0

    @property
    def sparsity_of_all_parameters(self) -> float:
        """Zeros in kernels, prunable or not, over all parameters; vectors such as biases count as dense."""
        zeros = self.weights - self.nonzero + sum(part.zeros for part in self.unpruned)
        return zeros / self.parameters if self.parameters else 0.0

    @property
    def on_path(self) -> int | None:
        """Prunable weights on a path from an input to an output; None where that is not known."""
        return _sum(row.on_path for row in self.rows)

    @property
    def effective_sparsity(self) -> float | None:
        """1 - on_path / weights: that of the prunable weights, where what is on no path counts as zero."""
        return None if self.on_path is None or not self.weights else 1 - self.on_path / self.weights

    @property
    def macs(self) -> int | None:
        """Multiply-adds of the prunable weights for one example, if all were there; None if not known."""
        return _sum(row.macs for row in self.rows)

    @property
    def macs_kept(self) -> int | None:
        """Those of the weights that are not zero."""
        return _sum(row.macs_kept for row in self.rows)

    @property
    def dense_bytes(self) -> int:
        """What all parameters take as they are stored in memory."""
        return sum(row.dense_bytes for row in self.rows) + sum(part.dense_bytes for part in self.unpruned)

    @property
    def compressed_bytes(self) -> int:
        """The same, each variable compressed by zlib."""
        rows = sum(row.compressed_bytes for row in self.rows)
        return rows + sum(part.compressed_bytes for part in self.unpruned)

    def __repr__(self) -> str:
        return (
            f"Summary({self.model}: sparsity {self.sparsity_of_prunable_weights:.4%} of "
            f"{self.weights:,} prunable weights, {self.sparsity_of_all_parameters:.4%} of all "
            f"{self.parameters:,} parameters; print it for the layers)"
        )

    def __str__(self) -> str:
        return "\n".join([*([table(*self._table())] if self.rows else []), *self._lines()])

    def _repr_html_(self) -> str:
        return html_table(*self._table(), title=self.model, after="\n".join(self._lines()))

    def _table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Head and rows; columns of which nothing is known are left out."""
        columns = [*HEAD, *HEAD_OF_COSTS]
        total = SummaryRow(
            name="total",
            shape=(),
            weights=self.weights,
            share=self.weights / max(self.parameters, 1),
            nonzero=self.nonzero,
            kept=None,
            on_path=self.on_path,
            macs=self.macs,
            macs_kept=self.macs_kept,
            dense_bytes=sum(row.dense_bytes for row in self.rows),
            compressed_bytes=sum(row.compressed_bytes for row in self.rows),
        )
        rows = [_cells(row) for row in self.rows] + ([_cells(total, shape="")] if self.rows else [])
        shown = [i for i in range(len(columns)) if any(row[i] != "?" for row in rows) or not rows]
        return tuple(columns[i] for i in shown), [tuple(row[i] for i in shown) for row in rows]

    def _lines(self) -> list[str]:
        """What stands below the table."""
        lines = [
            f"prunable weights: {self.nonzero:,} of {self.weights:,} are not zero, sparsity "
            f"{self.sparsity_of_prunable_weights:.4%}"
            + (f", effective {self.effective_sparsity:.4%}" if self.effective_sparsity is not None else ""),
            f"all parameters: {self.parameters:,}, sparsity {self.sparsity_of_all_parameters:.4%}; "
            f"{self.dense_bytes:,} bytes, {self.compressed_bytes:,} compressed",
        ]
        if self.macs and self.macs_kept is not None:
            lines.append(
                f"multiply-adds of the prunable weights, for one example: {self.macs_kept:,} of "
                f"{self.macs:,}, {self.macs_kept / self.macs:.2%}"
            )
        lines += [f"left alone: {part}" for part in self.unpruned]
        return [*lines, *(f"note: {note}" for note in self.notes)]


def summary(model: keras.Model, data: Any = None, *, paths: bool = True) -> Summary:
    """How sparse a model is, layer by layer: of any built Keras model, masked, folded or dense.

    What counts is what the model computes with: a weight behind a mask is zero, and so is one that a learned
    threshold or score leaves out. A folded model and its masked twin have the same summary. A weight that
    several layers share, or a layer that is called more than once, is counted once; its multiply-adds are
    those of all calls. Nothing of the model is changed.

    Args:
        model: any built Keras model.
        data: one batch of inputs, for a subclassed model that does not know its input shapes.
        paths: whether to find out which weights lie on a path from an input to an output. That evaluates the
            model a few times in double precision, which takes long for a large one.

    Returns:
        A `Summary`.

    Raises:
        TypeError: `model` is no Keras model.
        ValueError: it is not built, or cannot be traced.

    Example:
        >>> print(tt.summary(model))
        >>> tt.summary(model).sparsity_of_all_parameters
    """
    check_model(model, "summary takes")
    check_built(model)
    entries = prunable_weights(model, data)
    rest = unpruned_weights(model, entries, data)
    values = [_value(entry) for entry in entries]
    parameters = sum(value.size for value in values) + sum(part.weight.shape.num_elements() for part in rest)
    nonzero = [value != 0 for value in values]
    notes: list[str] = []
    uses = _uses(model, entries, data, notes)
    counts = _path_counts(model, entries, nonzero, notes) if paths else [None] * len(entries)
    rows = ShortTuple(
        SummaryRow(
            name=entry.name,
            shape=entry.shape,
            weights=value.size,
            share=value.size / parameters,
            nonzero=int(np.count_nonzero(there)),
            kept=None if entry.mask is None else int(np.count_nonzero(value_of(entry.mask))),
            on_path=count,
            macs=None if use is None else use * value.size,
            macs_kept=None if use is None else use * int(np.count_nonzero(there)),
            dense_bytes=value.nbytes,
            compressed_bytes=compressed_bytes([value]),
        )
        for entry, value, there, count, use in zip(entries, values, nonzero, counts, uses, strict=True)
    )
    surplus = sum(row.kept - row.nonzero for row in rows if row.kept is not None)
    if surplus:
        notes.append(f"{surplus:,} of the weights that masks keep are zero all the same")
    if not rows:
        notes.append(nothing_to_prune(model))
    return Summary(model.name, rows, _by_reason(rest, parameters), tuple(notes))


def _value(entry: MaskedWeight) -> np.ndarray:
    """What the layer computes with, in the dtype that is stored."""
    if entry.mask is None:
        return value_of(entry.weight)
    return value_of(effective_value(entry.layer, entry.attribute))


def _uses(
    model: keras.Model, entries: Sequence[MaskedWeight], data: Any, notes: list[str]
) -> list[int | None]:
    """See `macs_per_weight`; what is not known goes into the notes."""
    if not entries:
        return []
    try:
        uses = macs_per_weight(model, entries, data)
    except ValueError as error:
        notes.append(f"multiply-adds are not known: {error}")
        return [None] * len(entries)
    unknown = [entry.name for entry, use in zip(entries, uses, strict=True) if use is None]
    if unknown:
        more = f" and {len(unknown) - MOST_NAMES} more" if len(unknown) > MOST_NAMES else ""
        notes.append(
            f"multiply-adds are not known of {', '.join(unknown[:MOST_NAMES])}{more}: inputs of unknown "
            "size, or a loop, leave open how often an example uses them"
        )
    return uses


def _path_counts(
    model: keras.Model, entries: Sequence[MaskedWeight], nonzero: Sequence[np.ndarray], notes: list[str]
) -> Sequence[int | None]:
    if not entries:
        return []
    found = on_path(model, entries, nonzero)
    if found is None:
        notes.append(
            "which weights are on a path from an input to an output is not known: the model could not be "
            "evaluated on inputs made for it"
        )
        return [None] * len(entries)
    return [int(np.count_nonzero(mask)) for mask in found]


def _by_reason(rest: Sequence[UnprunedWeight], parameters: int) -> ShortTuple[Unpruned]:
    groups: dict[str, list[UnprunedWeight]] = {}
    for part in rest:
        groups.setdefault(part.reason, []).append(part)
    found = []
    for reason, parts in groups.items():
        values = [value_of(part.weight) for part in parts]
        count = sum(value.size for value in values)
        found.append(
            Unpruned(
                reason=reason,
                layers=tuple(dict.fromkeys(part.layer for part in parts)),
                parameters=count,
                share=count / parameters,
                zeros=sum(
                    int(np.count_nonzero(value == 0))
                    for part, value in zip(parts, values, strict=True)
                    if part.is_kernel
                ),
                dense_bytes=sum(value.nbytes for value in values),
                compressed_bytes=compressed_bytes(values),
            )
        )
    return ShortTuple(sorted(found, key=lambda part: -part.parameters))


def _cells(row: SummaryRow, shape: str | None = None) -> tuple[str, ...]:
    return (
        row.name,
        str(row.shape) if shape is None else shape,
        f"{row.weights:,}",
        f"{row.share:.2%}",
        f"{row.nonzero:,}",
        f"{row.sparsity:.2%}",
        _number(row.on_path),
        _number(row.macs),
        _number(row.macs_kept),
        f"{row.dense_bytes:,}",
        f"{row.compressed_bytes:,}",
    )


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def _sum(values: Iterable[int | None]) -> int | None:
    found = list(values)
    known = [value for value in found if value is not None]
    return sum(known) if len(known) == len(found) else None
