"""Panels and a legend put together into one figure.

Every panel is a picture of its own, so that a page can let them flow; `Figure.whole` is all of them in one
file. On the page colours are CSS variables, set for light and dark; in the file they are fixed.
"""

from __future__ import annotations

import dataclasses
import math
import textwrap
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tf_tickets.reporting.document import Figure, Panel, printable
from tf_tickets.reporting.figures.style import style
from tf_tickets.reporting.figures.svg import SVG, svg_of, text_of, themed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PIXELS_PER_INCH = 72  # of an SVG file of matplotlib's

Draw = Callable[["Axes"], None]


@dataclasses.dataclass(frozen=True)
class Sample:
    """A line of a legend: a bar where there is no marker and no line."""

    label: str
    colour: str
    marker: str | None = None
    line: str | None = None
    filled: bool = True

    @property
    def options(self) -> dict[str, Any]:
        """How matplotlib draws it."""
        return {
            "color": self.colour,
            "marker": self.marker or "none",
            "linestyle": self.line or "none",
            "markerfacecolor": self.colour if self.filled else "none",
        }


def compose(
    name: str,
    caption: str,
    panels: Sequence[tuple[str, Draw]],
    samples: Sequence[Sample],
    size: tuple[int, int],
) -> Figure:
    """A figure of panels in the report's style.

    Args:
        name: of the file.
        caption: a sentence or more.
        panels: title of each, and a function that draws it into axes.
        samples: of the legend.
        size: of a panel, width and height in pixels.
    """
    panels = [(printable(title), draw) for title, draw in panels]
    samples = [dataclasses.replace(sample, label=printable(sample.label)) for sample in samples]
    with style():
        return Figure(
            name=name,
            caption=caption,
            panels=tuple(
                Panel(title, _panel(draw, size, f"{name}-{number}", title))
                for number, (title, draw) in enumerate(panels)
            ),
            legend=tuple(
                (sample.label, _sample_svg(sample, f"{name}-sample-{number}"))
                for number, sample in enumerate(samples)
            ),
            width=size[0],
            whole=_whole(panels, samples, size),
        )


def _panel(draw: Draw, size: tuple[int, int], prefix: str, title: str) -> str:
    figure = _canvas(size)
    draw(figure.add_subplot())
    root = svg_of(figure, prefix)
    root.set("role", "img")
    root.set("aria-label", title)
    root.set("class", "plot")
    return text_of(themed(root))


def _whole(panels: Sequence[tuple[str, Draw]], samples: Sequence[Sample], size: tuple[int, int]) -> str:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    columns = max(1, min(len(panels), 920 // size[0]))
    rows = math.ceil(len(panels) / columns)
    entry = 50 + 7 * max(len(sample.label) for sample in samples)  # pixels
    width = max(columns * size[0], entry + 20)
    across = max(1, min(len(samples), width // entry))
    height = rows * (size[1] + 20) + 20 * math.ceil(len(samples) / across)
    figure = _canvas((width, height))
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.09)
    for number, (title, draw) in enumerate(panels, start=1):
        axes = figure.add_subplot(rows, columns, number)
        draw(axes)
        axes.set_title(textwrap.fill(title, size[0] // 8))
    handles = [
        Line2D([], [], label=sample.label, **sample.options)
        if sample.marker or sample.line
        else Patch(color=sample.colour, label=sample.label)
        for sample in samples
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=across)
    root = svg_of(figure, "all")
    root.insert(
        0, ElementTree.Element(f"{{{SVG}}}rect", {"width": "100%", "height": "100%", "fill": "#ffffff"})
    )
    return '<?xml version="1.0" encoding="utf-8"?>\n' + text_of(root) + "\n"


def _sample_svg(sample: Sample, prefix: str) -> str:
    """What stands before a label in the page's legend."""
    if sample.marker or sample.line:
        from matplotlib.lines import Line2D

        canvas = _canvas((26, 12))
        canvas.set_layout_engine("none")
        canvas.add_artist(Line2D([0.06, 0.5, 0.94], [0.5] * 3, markevery=[1], **sample.options))
        root = svg_of(canvas, prefix)
    else:
        root = ElementTree.Element(f"{{{SVG}}}svg", {"width": "12", "height": "12"})
        ElementTree.SubElement(
            root, f"{{{SVG}}}rect", {"width": "12", "height": "12", "style": f"fill: {sample.colour}"}
        )
    root.set("aria-hidden", "true")
    return text_of(themed(root))


def _canvas(size: tuple[int, int]) -> Any:
    from matplotlib.figure import Figure as Canvas

    return Canvas(figsize=(size[0] / PIXELS_PER_INCH, size[1] / PIXELS_PER_INCH), layout="constrained")
