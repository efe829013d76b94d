"""The table of a deployment: what a model gains in each way to ship it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from tf_tickets.deployments.timing import Spread
from tf_tickets.deployments.ways import WAYS
from tf_tickets.support.html_table import html_table
from tf_tickets.support.memory import in_words
from tf_tickets.support.text_table import table
from tf_tickets.support.words import plural

T = TypeVar("T")
_HEAD = ("way", "size", "CPU ms", "wall", "x Keras", "x folded", "error")


@dataclasses.dataclass(frozen=True)
class Deployed:
    """One row: the model, shipped in one way.

    Attributes:
        name: in `WAYS`.
        bytes: on disk, all files together.
        cpu: milliseconds of the processor that a batch takes.
        wall: milliseconds on the clock.
        faster: how many times as fast as Keras's export of the model, by CPU time.
        faster_than_folded: likewise, than the dense model with its normalisation folded; None where the model
            is no graph, so that there is no such.
        error: the largest difference of the outputs from the model's, as a part of the largest output; None
            where the model's are not finite.
        accuracy: on labelled data, or the metric of a run; None where there is none.
        notes: what there is to say, a sentence each.
    """

    name: str
    bytes: int
    cpu: Spread
    wall: Spread
    faster: float
    faster_than_folded: float | None
    error: float | None
    accuracy: float | None = None
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, repr=False)
class Deployment:
    """What a model gains in each way to ship it, measured on one machine; `print` shows it as a table.

    Attributes:
        model: its name.
        batch: examples in a batch.
        threads: that computed.
        machine: name of the processor.
        versions: of the packages that computed.
        sparsity: the part of the prunable weights that is zero.
        channels: how many can be removed, and of how many; None where the model is no graph of layers.
        macs: multiply-adds of an example by dense kernels, before and after that; None where not known.
        accuracy: of the model itself on the data, or the metric of a run.
        metric: the name of what `accuracy` is.
        rows: of each way that was measured, Keras's export first.
        left_out: way -> why it was not measured.
        notes: what there is to say, a sentence each.
    """

    model: str
    batch: int
    threads: int
    machine: str
    versions: Mapping[str, str]
    sparsity: float
    channels: tuple[int, int] | None
    macs: tuple[int | None, int | None] | None
    accuracy: float | None
    metric: str
    rows: tuple[Deployed, ...]
    left_out: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Deployed:
        """The row of a way.

        Raises:
            KeyError: it was not measured; says why.
        """
        for row in self.rows:
            if row.name == name:
                return row
        why = self.left_out.get(name, f"it is none of {', '.join(WAYS)}")
        raise KeyError(f"{name}: {why}")

    def __repr__(self) -> str:
        best = max(self.rows, key=lambda row: row.faster)
        return (
            f"Deployment({self.model}, batch {self.batch}: {len(self.rows)} ways; fastest {best.name}, "
            f"{best.faster:.3g} times Keras's export, {in_words(best.bytes)})"
        )

    def __str__(self) -> str:
        head, rows = self.cells()
        return "\n".join([self.title, "", table(head, rows, left=1), "", *self.lines()])

    def _repr_html_(self) -> str:
        head, rows = self.cells()
        return html_table(head, rows, left=1, title=self.title, after="\n".join(self.lines()))

    def to_markdown(self) -> str:
        """The table, and what there is to say, as Markdown."""
        head, rows = self.cells()
        lines = [self.title, "", f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
        lines += [f"| {' | '.join(row)} |" for row in rows]
        return "\n".join([*lines, "", *(f"* {line}" for line in self.lines())]) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; `from_dict` is its inverse."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Deployment:
        """The inverse of `to_dict`, also of what was JSON meanwhile, or has more names than there are now."""
        rows = tuple(
            _made(Deployed, row, cpu=_made(Spread, row["cpu"]), wall=_made(Spread, row["wall"]))
            for row in value["rows"]
        )
        return _made(cls, value, rows=rows)

    @property
    def title(self) -> str:
        """Of what, on what."""
        return (
            f"{self.model}, {self.sparsity:.2%} of the weights zero: batches of {self.batch}, "
            f"{plural(self.threads, 'thread')}, {self.machine}"
        )

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Head and rows of the table, as texts."""
        measured = any(row.accuracy is not None for row in self.rows)
        rows = [
            [
                row.name,
                in_words(row.bytes),
                _shown(row.cpu),
                f"{row.wall.median:.3g}",
                f"{row.faster:.2f}",
                "" if row.faster_than_folded is None else f"{row.faster_than_folded:.2f}",
                "" if row.error is None else f"{row.error:.1e}",
                *([] if not measured else ["" if row.accuracy is None else f"{row.accuracy:.4f}"]),
            ]
            for row in self.rows
        ]
        return [*_HEAD, *([self.metric] if measured else [])], rows

    def lines(self) -> list[str]:
        """What there is to say beside the table, a sentence each."""
        lines = []
        if self.channels is not None:
            removed, total = self.channels
            lines.append(f"{removed:,} of {total:,} channels can be removed{_macs_shown(self.macs)}.")
        if self.accuracy is not None:
            lines.append(f"{self.metric} of the model: {self.accuracy:.4f}.")
        lines += self.notes
        lines += [f"{name}: left out, {why}" for name, why in self.left_out.items()]
        lines += [f"{row.name}: {note}" for row in self.rows for note in row.notes]
        lines.append(
            "Milliseconds of a batch are medians, ± half of what is between the quarters; x: how many times "
            "as fast, by CPU time, round by round. The gain of sparsity is that over folded dense."
        )
        return lines


def _made(cls: type[T], value: Mapping[str, Any], **others: Any) -> T:
    """A dataclass of ours from JSON: lists are tuples."""
    names = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    found = {name: tuple(x) if isinstance(x, list) else x for name, x in value.items() if name in names}
    return cls(**{**found, **others})


def _shown(spread: Spread) -> str:
    return f"{spread.median:.3g} ±{(spread.high - spread.low) / 2 / max(spread.median, 1e-9):.0%}"


def _macs_shown(macs: tuple[int | None, int | None] | None) -> str:
    before, after = macs or (None, None)
    if not before or after is None:
        return ""
    return f", which leaves {after / before:.1%} of the multiply-adds ({before:,} to {after:,})"
