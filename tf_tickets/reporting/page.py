"""A `Document` as one HTML page that needs nothing else, and as Markdown."""

from __future__ import annotations

import html as escaping
import pathlib
import re

from tf_tickets.reporting.document import (
    Cell,
    Document,
    Figure,
    Folded,
    Interval,
    Lines,
    Part,
    Row,
    Table,
    printable,
)
from tf_tickets.reporting.palette import COLOURS, DARK, FONTS

# What stands before an answer, so that it is told by more than its colour.
SIGNS = {
    "insensitive": "=",
    "sensitive": "↓",
    "reversed": "↑",
    "undecided": "?",
    "says nothing": "∅",
}
NO_SIGN = "…"
# Classes of cells, by how their column is aligned.
COLUMNS = {"l": "text", "w": "wide", "r": "number", "c": "middle"}
UNCOUNTED = "Runs that are not counted"


def html(document: Document) -> str:
    """The page: styles and pictures are in it, and all texts are escaped."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
    )
    environment.filters["breakable"] = breakable
    environment.filters["column"] = COLUMNS.__getitem__
    environment.filters["sign"] = lambda answer: SIGNS.get(answer, NO_SIGN)
    environment.filters["slug"] = slug
    environment.filters["drawn"] = interval_svg
    environment.filters["kind"] = lambda item: type(item).__name__
    return environment.get_template("page.html").render(
        document=document, uncounted=UNCOUNTED, light=COLOURS, dark=DARK, fonts=FONTS
    )


def markdown(document: Document, figures: str = "figures") -> str:
    """The same as text; figures are files in the folder `figures`."""
    lines = [f"# {_plain(document.title)}", ""]
    if document.date:
        lines += [f"Newest run: {document.date}.", ""]
    if document.scale:
        lines += [_plain(document.scale), ""]
    lines += [*(f"* {_plain(name)}: {_plain(text)}" for name, text in document.facts), ""]
    lines += [x for text in document.warnings for x in (f"> {_plain(text)}", "")]
    for section in document.sections:
        lines += [f"## {_plain(section.title)}", ""]
        lines += [*(f"* {_plain(name)}: {_plain(text)}" for name, text in section.facts), ""]
        lines += [x for text in section.warnings for x in (f"> {_plain(text)}", "")]
        for part in section.parts:
            lines += _part(part, "###", figures)
    if document.others:
        lines += [f"## {UNCOUNTED}", "", *_table(document.others)]
    return "\n".join(lines).rstrip() + "\n"


def slug(text: str) -> str:
    """A text as part of an id."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def breakable(name: str) -> object:
    """A name that may be broken after `_` and `+`."""
    import markupsafe

    return markupsafe.Markup(re.sub(r"([_+])", r"\1<wbr>", str(markupsafe.escape(printable(name)))))


def interval_svg(interval: Interval) -> object:
    """A confidence interval against zero and the margin; arrows where it leaves the picture."""
    import markupsafe

    width, height, middle = 150.0, 16.0, 8.0

    def at(value: float) -> float:
        inside = max(-interval.limit, min(interval.limit, value))
        return round(width / 2 * (1 + 0.96 * inside / interval.limit), 2)

    def arrow(end: float, back: float) -> str:
        return f"M{end + back} {middle - 4:g}L{end} {middle:g}L{end + back} {middle + 4:g}"

    low, high, margin = at(interval.low), at(interval.high), at(interval.margin) - width / 2
    line = f"M{low} {middle:g}H{high}"
    line += arrow(low, 4) if interval.low < -interval.limit else ""
    line += arrow(high, -4) if interval.high > interval.limit else ""
    is_inside = abs(interval.middle) <= interval.limit
    mean = f'<circle cx="{at(interval.middle)}" cy="{middle:g}" r="3" class="mean"/>' if is_inside else ""
    label = markupsafe.escape(interval.label)
    return markupsafe.Markup(
        f'<svg width="{width:g}" height="{height:g}" role="img" aria-label="{label}">'
        f'<rect x="{width / 2 - margin:.2f}" width="{2 * margin:.2f}" height="{height:g}" class="margin"/>'
        f'<path d="M{width / 2:g} 0V{height:g}" class="zero"/><path d="{line}" class="interval"/>{mean}</svg>'
    )


def _part(part: Part, level: str, figures: str) -> list[str]:
    lines = [f"{level} {_plain(part.heading)}", ""]
    lines += [x for text in part.texts for x in (_plain(text), "")]
    lines += [
        *(f"* {_plain(name)}: {_plain(text)}" for name, text in part.terms),
        *([""] if part.terms else []),
    ]
    for item in part.items:
        lines += _item(item, figures)
    return lines


def _item(item: Table | Figure | Lines | Folded, figures: str) -> list[str]:
    if isinstance(item, Table):
        return _table(item)
    if isinstance(item, Figure):
        return [f"![{_plain(item.caption)}]({figures}/{item.name}.svg)", "", f"*{_plain(item.caption)}*", ""]
    if isinstance(item, Lines):
        return [
            x
            for what, line, facts in item.entries
            for x in (f"* {_plain(what)}: {_plain(facts)}", "", f"      {printable(line)}", "")
        ]
    inside = [x for inner in item.items for x in _item(inner, figures)]
    return ["<details>", f"<summary>{escaping.escape(item.summary)}</summary>", "", *inside, "</details>", ""]


def _table(table: Table) -> list[str]:
    drawn = [i for i in range(len(table.head)) if any(_is_drawn(row, i) for row in table.rows)]
    keep = [i for i in range(len(table.head)) if i not in drawn]
    lines = [_plain(table.caption), ""]
    lines.append("| " + " | ".join(_plain(table.head[i]) for i in keep) + " |")
    lines.append("|" + "|".join("---:" if table.align[i] == "r" else "---" for i in keep) + "|")
    notes, below = [], ""
    for row in table.rows:
        if row.kind == "note":
            notes.append(f"* {below}{_plain(row.cells[0].text)}")
            continue
        if row.kind == "group":
            below = f"{_plain(row.cells[0].text)}, "
        cells = [cell for inner in row.cells for cell in (inner, *[Cell("")] * (inner.span - 1))]
        texts = [_cell(cells[i]) for i in keep]
        if row.kind == "group":
            texts[0] = f"**{_plain(row.cells[0].text)}** {_plain(row.cells[0].detail)}"
        if row.kind == "sub":
            texts[0] = f"&nbsp;&nbsp;{texts[0]}"
        lines.append("| " + " | ".join(texts) + " |")
    return [*lines, "", *notes, *([""] if notes else [])]


def _is_drawn(row: Row, column: int) -> bool:
    place = 0
    for cell in row.cells:
        if place == column and cell.interval is not None:
            return True
        place += cell.span
    return False


def _cell(cell: Cell) -> str:
    text = _plain(cell.text)
    if cell.badge:
        text = f"{SIGNS.get(cell.badge, NO_SIGN)} {text}"
    if cell.strong and text:
        text = f"**{text}**"
    return f"{text} {_plain(cell.detail)}".strip()


def _plain(text: str) -> str:
    """A text that Markdown shows as it is, in one line."""
    return re.sub(r"([\\`*_|<>\[\]$~#&])", r"\\\1", printable(" ".join(text.split())))


def _visible(value: object) -> object:
    """A text without what would steer a terminal or turn its direction; markup as it is."""
    return printable(value) if type(value) is str else value
