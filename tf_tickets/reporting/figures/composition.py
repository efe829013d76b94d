"""Panels and a legend put together into one figure.

Every panel is a picture of its own, so that a page can let them flow; `Figure.whole` and `Figure.pdf` are
all of them in one file, as `paper` draws it. On the page colours are CSS variables, set for light and dark;
in the files they are fixed.
"""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tf_tickets.reporting.document import Figure, Panel, printable
from tf_tickets.reporting.figures import paper
from tf_tickets.reporting.figures.style import style
from tf_tickets.reporting.figures.svg import SVG, svg_of, text_of, themed
from tf_tickets.reporting.palette import PAPER

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PIXELS_PER_INCH = 72  # of an SVG file of matplotlib's

Draw = Callable[["Axes"], None]


@dataclasses.dataclass(frozen=True)
class Sample:
    """A line of a legend: a bar where there is no marker and no line.

    Attributes:
        label, colour: of what it stands for.
        marker, line: as matplotlib names them.
        filled: whether the marker is.
        half: whether only the left half of it is.
    """

    label: str
    colour: str
    marker: str | None = None
    line: str | None = None
    filled: bool = True
    half: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """How matplotlib draws it."""
        return {
            "color": self.colour,
            "marker": self.marker or "none",
            "linestyle": self.line or "none",
            "markerfacecolor": self.colour if self.filled else "none",
            **({"fillstyle": "left", "markerfacecoloralt": PAPER} if self.half else {}),
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
        pictures = tuple(
            Panel(title, _panel(draw, size, f"{name}-{number}", title))
            for number, (title, draw) in enumerate(panels)
        )
        legend = tuple(
            (sample.label, _sample_svg(sample, f"{name}-sample-{number}"))
            for number, sample in enumerate(samples)
        )
    with style(paper=True):
        whole, pdf = paper.draw(panels, _handles(samples), size)
    return Figure(name, caption, pictures, legend, size[0], whole, pdf)


def _panel(draw: Draw, size: tuple[int, int], prefix: str, title: str) -> str:
    figure = _canvas(size)
    draw(figure.add_subplot())
    root = svg_of(figure, prefix)
    root.set("role", "img")
    root.set("aria-label", title)
    root.set("class", "plot")
    return text_of(themed(root))


def _handles(samples: Sequence[Sample]) -> list[Any]:
    """The samples as matplotlib's legends take them."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    return [
        Line2D([], [], label=sample.label, **sample.options)
        if sample.marker or sample.line
        else Patch(color=sample.colour, label=sample.label)
        for sample in samples
    ]


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
