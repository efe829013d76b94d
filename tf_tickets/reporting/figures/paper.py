"""A figure as a paper takes it: panels and a legend in one drawing of a column's width, as SVG and as PDF.

Both files stand alone: they carry the letters that they use, and need no font of the reader's.
"""

from __future__ import annotations

import io
import itertools
import math
import textwrap
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tf_tickets.reporting.figures.fonts import with_fonts
from tf_tickets.reporting.figures.svg import SVG, svg_of, text_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Inches: a column of a page with two, and the width of the text where there is one (NeurIPS, ICLR).
COLUMN, TEXT = 3.25, 5.5
LETTER, SAMPLE = 0.062, 0.46  # inches, of the legend
PAGE, LOWEST = 8.5, 0.9  # inches: the height of a page, and of panels that are too many for one
TITLE = 0.17  # inches, a line over a panel
LINE = 0.165  # inches, a line of the legend


def draw(
    panels: Sequence[tuple[str, Callable[[Axes], None]]],
    handles: Sequence[Any],
    size: tuple[int, int],
) -> tuple[str, bytes]:
    """A figure as SVG and as PDF, within `figures.style.style(paper=True)`.

    Args:
        panels: title of each, and a function that draws it into axes.
        handles: of the legend, as matplotlib takes them.
        size: of a panel on the page, width and height in pixels: what says its shape, and how many fit
            beside each other.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    most = 3 if size[0] <= 300 else 2
    columns = min(len(panels), most if len(panels) != 4 else 2)
    rows = math.ceil(len(panels) / columns)
    width = TEXT if columns > 1 else COLUMN
    titles = [_wrapped(title, width / columns - 0.4) for title, _ in panels]
    across = _across([len(handle.get_label()) for handle in handles], width)
    panel = width / columns * max(size[1] / size[0], 0.74)
    legend, over = LINE * math.ceil(len(handles) / across), TITLE * max(map(len, titles))
    panel = min(panel, max((PAGE - legend) / rows - over, LOWEST))
    height = rows * (panel + over) + legend
    layout = ConstrainedLayoutEngine(w_pad=0.04, h_pad=0.04)
    figure = Figure(figsize=(width, height), layout=layout)
    for number, ((_, draw_panel), title) in enumerate(zip(panels, titles, strict=True), start=1):
        axes = figure.add_subplot(rows, columns, number)
        draw_panel(axes)
        axes.set_title("\n".join(title), pad=4)
    figure.legend(handles=handles, loc="outside lower center", ncols=across)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # what is laid out once is the same in both files
    return _svg(figure), _pdf(figure)


def _wrapped(title: str, width: float) -> list[str]:
    """Lines of a title; a number is not parted from its sign of per cent."""
    return textwrap.wrap(title.replace(" %", "\N{NO-BREAK SPACE}%"), int(width / LETTER)) or [""]


def _across(lengths: Sequence[int], width: float) -> int:
    """Columns of a legend that fit beside each other; entries run down the columns."""
    for columns in range(len(lengths), 1, -1):
        rows, longer = divmod(len(lengths), columns)  # the first columns have one more, as matplotlib does it
        starts = [rows * column + min(column, longer) for column in range(columns + 1)]
        widest = [max(lengths[start:end]) for start, end in itertools.pairwise(starts)]
        if SAMPLE * columns + LETTER * sum(widest) <= width:
            return columns
    return 1


def _svg(figure: Any) -> str:
    root = svg_of(figure, "all")
    root.insert(
        0, ElementTree.Element(f"{{{SVG}}}rect", {"width": "100%", "height": "100%", "fill": "#ffffff"})
    )
    for side in ("width", "height"):
        root.set(side, f"{root.get(side)}pt")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + text_of(with_fonts(root)) + "\n"


def _pdf(figure: Any) -> bytes:
    file = io.BytesIO()
    # What would differ from day to day, and from release to release, is left out.
    figure.savefig(file, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return file.getvalue()
