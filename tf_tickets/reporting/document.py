"""What a report says, before it is a page or a text: sections of tables, figures, and folded lists."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Iterable
from typing import Any

from tf_tickets.reporting.interval_scale import IntervalScale

NONE = "–"  # what is not known, or not there


@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval, to be drawn on the scale of its table.

    Attributes:
        label: the three in words, for whoever does not see it.
        low, middle, high: as they are shown: of shares in points.
    """

    label: str
    low: float
    middle: float
    high: float


@dataclasses.dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: what it says.
        detail: said smaller, beside it.
        strong: set bold.
        badge: the text is an answer of the statistics: its name.
        sign: stands before an answer, so that it is told by more than its colour.
        heat: in [0, 1], how strongly the cell is coloured.
        interval: drawn instead of a text.
        span: columns that it takes.
    """

    text: str = NONE
    detail: str = ""
    strong: bool = False
    badge: str | None = None
    sign: str = ""
    heat: float | None = None
    interval: Interval | None = None
    span: int = 1


@dataclasses.dataclass(frozen=True)
class Row:
    """Cells of a table.

    Attributes:
        cells: from the left.
        kind: `"row"`, `"more"` (goes on with the row above, whose name it repeats), `"sub"` (belongs to the
            row above), `"group"` (a heading within the table) or `"note"`.
    """

    cells: tuple[Cell, ...]
    kind: str = "row"


@dataclasses.dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        caption: a sentence or more.
        head: names of the columns.
        rows: from the top.
        align: one letter a column: `l` for texts, `w` for texts of several lines, `r` for numbers. Default:
            one text, then numbers.
        compact: set small, where there are many columns.
        scale: of the intervals that are drawn.
        on_page: what is said of colours and drawings, which only the page has.
        name: of the file that it is written to, and of the place on the page.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]
    align: str = ""
    compact: bool = False
    scale: IntervalScale | None = None
    on_page: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        if not self.align:
            object.__setattr__(self, "align", "l" + "r" * (len(self.head) - 1))


@dataclasses.dataclass(frozen=True)
class Panel:
    """A small SVG picture with a title over it."""

    title: str
    svg: str


@dataclasses.dataclass(frozen=True)
class Figure:
    """Panels that flow into as many columns as there is room for.

    Attributes:
        name: of the file.
        caption: a sentence or more.
        panels: for the page.
        legend: label and SVG of a sample.
        width: of a panel in pixels.
        whole: everything in one SVG file, for texts.
        pdf: the same as PDF.
    """

    name: str
    caption: str
    panels: tuple[Panel, ...]
    legend: tuple[tuple[str, str], ...]
    width: int
    whole: str
    pdf: bytes = b""


@dataclasses.dataclass(frozen=True)
class Lines:
    """A list of things to look up: what it is, a command where there is one, and facts in small print."""

    entries: tuple[tuple[str, str, str], ...]


@dataclasses.dataclass(frozen=True)
class Folded:
    """What is shown when asked for."""

    summary: str
    items: tuple[Table | Lines, ...]


@dataclasses.dataclass(frozen=True)
class Part:
    """A heading, what is said below it (texts, then names with their meaning), and what is shown."""

    heading: str
    texts: tuple[str, ...] = ()
    terms: tuple[tuple[str, str], ...] = ()
    items: tuple[Table | Figure | Lines | Folded, ...] = ()


@dataclasses.dataclass(frozen=True)
class Section:
    """One setting.

    Attributes:
        title: what tells it apart.
        facts: name and text.
        warnings: what a reader must know first.
        parts: from the top.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    parts: tuple[Part, ...]


@dataclasses.dataclass(frozen=True)
class Document:
    """A whole report.

    Attributes:
        title: on top.
        date: of the newest run.
        scale: the sentence on what the numbers can be compared with.
        facts: name and text.
        warnings: what a reader must know first.
        sections: one a setting.
        others: runs that are not counted: directory, status, why.
    """

    title: str
    date: str
    scale: str
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    sections: tuple[Section, ...]
    others: Table | None

    @property
    def figures(self) -> list[Figure]:
        """Of all sections."""
        return [item for item in self._items if isinstance(item, Figure)]

    @property
    def tables(self) -> list[Table]:
        """Of all sections, those that are folded too, and the one of what is not counted."""
        found = [item for item in self._items if isinstance(item, Table)]
        return [*found, *([self.others] if self.others else [])]

    @property
    def _items(self) -> list[Table | Figure | Lines | Folded]:
        items = [item for section in self.sections for part in section.parts for item in part.items]
        return [x for item in items for x in (item.items if isinstance(item, Folded) else (item,))]


def named(parts: Iterable[Part], prefix: str) -> tuple[Part, ...]:
    """The parts with names for their tables: the prefix, the heading, and from the second on a number."""
    return tuple(_named(part, f"{prefix}-{slug(part.heading)}") for part in parts)


def _named(part: Part, name: str) -> Part:
    numbers = itertools.count(1)

    def name_of(item: Any) -> Any:
        if isinstance(item, Folded):
            return dataclasses.replace(item, items=tuple(map(name_of, item.items)))
        if not isinstance(item, Table):
            return item
        number = next(numbers)
        return dataclasses.replace(item, name=name if number == 1 else f"{name}-{number}")

    return dataclasses.replace(part, items=tuple(map(name_of, part.items)))


def drawn_columns(table: Table) -> set[int]:
    """Columns whose cells are drawings, which a text leaves out."""
    found = set()
    for row in table.rows:
        place = 0
        for cell in row.cells:
            if cell.interval is not None:
                found.add(place)
            place += cell.span
    return found


def slug(text: str) -> str:
    """A text as part of an id, or of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def note(text: str, columns: int) -> Row:
    """A row of small print."""
    return Row((Cell(text, span=columns),), "note")


def group(text: str, columns: int, detail: str = "") -> Row:
    """A heading within a table."""
    return Row((Cell(text, detail, span=columns),), "group")


def printable(text: str) -> str:
    """A text of one line, without what would steer a terminal or is not allowed in XML."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def percent(fraction: float | None, decimals: int = 2) -> str:
    """A fraction in per cent, without the sign."""
    return NONE if fraction is None else f"{100 * fraction:.{decimals}f}"


def sparsity_text(fraction: float | None) -> str:
    """A sparsity as it was asked for: `98 %`, `99.5 %`."""
    return "no target" if fraction is None else f"{100 * fraction:.6g} %"


def significant(fraction: float) -> str:
    """A fraction in per cent with three digits, of very small ones fewer: `30.1`, `2.05`, `0.0012`."""
    value = 100 * fraction
    if value <= 0:
        return "0"
    digits = 2 - math.floor(math.log10(value))
    return f"{value:.{min(max(digits, 0), 4)}f}" if value >= 5e-5 else f"{value:.1g}"
