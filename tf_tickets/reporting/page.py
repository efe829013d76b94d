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
    Lines,
    Part,
    Table,
    drawn_columns,
    printable,
    slug,
)
from tf_tickets.reporting.interval_drawing import axis_svg, interval_svg
from tf_tickets.reporting.palette import COLOURS, DARK, FONTS

# Classes of cells, by how their column is aligned.
COLUMNS = {"l": "text", "w": "wide", "r": "number", "c": "middle"}
FIGURES, TABLES = "figures", "tables"  # folders beside the page
UNCOUNTED = "Runs that are not counted"


def html(document: Document) -> str:
    """The page: styles and pictures are in it, and all texts are escaped."""
    import jinja2
    import markupsafe

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
    environment.filters["slug"] = slug
    environment.filters["drawn"] = lambda interval, scale: markupsafe.Markup(interval_svg(interval, scale))
    environment.filters["axis"] = lambda scale: markupsafe.Markup(axis_svg(scale))
    environment.filters["drawn_columns"] = drawn_columns
    environment.filters["kind"] = lambda item: type(item).__name__
    return environment.get_template("page.html").render(
        document=document,
        uncounted=UNCOUNTED,
        light=COLOURS,
        dark=DARK,
        fonts=FONTS,
        figures=FIGURES,
        tables=TABLES,
    )


def markdown(document: Document, figures: str = FIGURES) -> str:
    """The same as text; figures are files in the folder `figures`, tables for papers in `TABLES`."""
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


def breakable(name: str) -> object:
    """A name that may be broken after `_` and `+`."""
    import markupsafe

    return markupsafe.Markup(re.sub(r"([_+])", r"\1<wbr>", str(markupsafe.escape(printable(name)))))


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
        picture = f"{figures}/{item.name}"
        caption = _plain(item.caption)
        return [f"![{caption}]({picture}.svg)", "", f"*{caption}* ([PDF]({picture}.pdf))", ""]
    if isinstance(item, Lines):
        return [
            x
            for what, line, facts in item.entries
            for x in (f"* {_plain(what)}: {_plain(facts)}", "", f"      {printable(line)}", "")
        ]
    inside = [x for inner in item.items for x in _item(inner, figures)]
    return ["<details>", f"<summary>{escaping.escape(item.summary)}</summary>", "", *inside, "</details>", ""]


def _table(table: Table) -> list[str]:
    keep = [i for i in range(len(table.head)) if i not in drawn_columns(table)]
    latex = f" ([LaTeX]({TABLES}/{table.name}.tex))" if table.name else ""
    lines = [f"{_plain(table.caption)}{latex}", ""]
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


def _cell(cell: Cell) -> str:
    text = _plain(cell.text)
    if cell.badge:
        text = f"{cell.sign} {text}"
    if cell.strong and text:
        text = f"**{text}**"
    return f"{text} {_plain(cell.detail)}".strip()


def _plain(text: str) -> str:
    """A text that Markdown shows as it is, in one line."""
    return re.sub(r"([\\`*_|<>\[\]$~#&])", r"\\\1", printable(" ".join(text.split())))


def _visible(value: object) -> object:
    """A text without what would steer a terminal or turn its direction; markup as it is."""
    return printable(value) if type(value) is str else value
