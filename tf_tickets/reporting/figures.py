"""The figures of a report, as SVG: each function makes one from an experiment, or None.

Every panel is a picture of its own, so that a page can let them flow; `Figure.whole` is all of them in one
file. On the page colours are CSS variables, set for light and dark; in the file they are fixed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import itertools
import math
import re
import statistics
import textwrap
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tf_tickets.reporting.document import Figure, Panel, printable, sparsity
from tf_tickets.reporting.palette import COLOURS, FONTS, check_colour, method_style, shades
from tf_tickets.reporting.tables import layer_ratios
from tf_tickets.results import DENSE, Arm, Contender, Experiment, Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PIXELS_PER_INCH = 72  # of an SVG file of matplotlib's
INK, MUTED, RULE, ERROR = (COLOURS[name] for name in ("ink", "muted", "rule", "error"))
TICKET = "the ticket"

STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": RULE,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": MUTED,
    "axes.labelsize": 11,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11.5,
    "figure.facecolor": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 11,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "tf_tickets",
    "text.color": INK,
    "text.parse_math": False,  # names are data, also those with a dollar in them
    "xtick.color": RULE,
    "xtick.labelcolor": MUTED,
    "xtick.labelsize": 11,
    "ytick.color": RULE,
    "ytick.labelcolor": MUTED,
    "ytick.labelsize": 11,
}


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


# How it is drawn, places across, accuracies of the seeds at each, and standard deviations across.
Line = tuple[Sample, Sequence[float], Sequence[Sequence[float]], "Sequence[float] | None"]


def bars(experiment: Experiment, name: str) -> Figure | None:
    """Tickets and their checks by sparsity, one panel a method, as the paper's Figure 3."""
    contenders = [x for x in experiment.contenders if experiment.checks(x)]
    if not contenders:
        return None
    series: list[tuple[str | None, str]] = [
        (None, INK),
        *((check, check_colour(check)) for check in experiment.checks()),
    ]
    cells = [
        values
        for contender in contenders
        for share in experiment.sparsities
        for check, _ in series
        if (values := list(experiment.accuracies(contender, share, check).values()))
    ]
    dense = _mean(experiment.dense.values())
    limits = _limits(_near_the_best(cells), dense)

    def draw(contender: Contender) -> Callable[[Axes], None]:
        own = [entry for entry in series if entry[0] in (None, *experiment.checks(contender))]
        shares = [
            share
            for share in experiment.sparsities
            if any(experiment.accuracies(contender, share, check) for check, _ in own)
        ]
        return lambda axes: _draw_bars(axes, experiment, contender, shares, own, limits, dense)

    samples = [Sample(check or TICKET, colour) for check, colour in series]
    if dense is not None:
        samples.append(Sample(DENSE, MUTED, line=":"))
    start = "Axes start at 0." if limits[0] == 0 else f"Axes start at {limits[0]:g} %, not at 0."
    if any((_mean(values) or 0.0) < limits[0] for values in cells):
        start += " A number with an arrow is an accuracy that lies below them."
    crowded = len(experiment.sparsities) * len(series) > 16
    return compose(
        name,
        "Tickets and their checks: test accuracy in per cent, mean and standard deviation over seeds. "
        + start,
        [(experiment.names[contender], draw(contender)) for contender in contenders],
        samples,
        size=(450, 230) if crowded else (300, 210),
    )


def curves(experiment: Experiment, name: str) -> Figure | None:
    """Accuracy against sparsity, and against the multiply-adds that are left."""
    samples, lines, by_macs = [], [], []
    every: list[Sequence[float]] = []
    for contender, sample in _styles(experiment).items():
        found = _arms(experiment, contender)
        if not found:
            continue
        samples.append(sample)
        cells = [_accuracies(runs) for _, runs in found]
        every += cells
        if contender.aims:
            lines.append((sample, [1 - share for share, _ in found if share is not None], cells))
        macs = [_macs_left(runs) for _, runs in found]
        known = [(x, cell) for x, cell in zip(macs, cells, strict=True) if x]
        by_macs.append((sample, [x for x, _ in known], [cell for _, cell in known]))
    dense = _mean(experiment.dense.values())
    if not every:
        return None
    whole, near = _limits(every, dense), _limits(_near_the_best(every), dense)
    kept = sorted({x for _, places, _ in lines for x in places}, reverse=True)

    def by_sparsity(limits: tuple[float, float]) -> Callable[[Axes], None]:
        return lambda axes: _draw_by_sparsity(axes, lines, kept, dense, limits)

    panels = [
        (f"accuracy against sparsity{_from(limits)}", by_sparsity(limits))
        for limits in dict.fromkeys((whole, near))
        if len(kept) > 1
    ]
    # The zoomed view leaves out what the first panel shows; where there is no such panel, nothing.
    of_macs = near if len(kept) > 1 else whole
    if len({round(x, 4) for _, places, _ in by_macs for x in places}) > 1:
        panels.append(
            (
                f"accuracy against multiply-adds kept{_from(of_macs)}",
                lambda axes: _draw_by_share(axes, [(*line, None) for line in by_macs], dense, of_macs),
            )
        )
    if not panels:
        return None
    if dense is not None:
        samples.append(Sample(DENSE, MUTED, line=":"))
    return compose(
        name,
        "Test accuracy in per cent, mean and standard deviation over seeds; horizontal axes are logarithmic. "
        "Lines over sparsity are drawn a little beside each other, so that none hides another."
        + ("" if of_macs == whole else f" Means below {near[0]:g} % are in the first panel only."),
        panels,
        samples,
        size=(440, 310) if len(panels) != 3 else (300, 260),
    )


def densities(experiment: Experiment, name: str) -> Figure | None:
    """Accuracy against the density that was reached; methods without a target are points."""
    if not experiment.is_about_density:
        return None
    samples: list[Sample] = []
    lines: list[Line] = []
    for contender, sample in _styles(experiment).items():
        found = [runs for _, runs in _arms(experiment, contender) if _density(runs) > 0]
        if not found:
            continue
        samples.append(sample)
        spreads = [statistics.stdev(x) if len(x) > 1 else 0.0 for x in map(_densities, found)]
        lines.append((sample, [_density(runs) for runs in found], list(map(_accuracies, found)), spreads))
    if not lines:
        return None
    dense = _mean(experiment.dense.values())
    every = [cell for _, _, cells, _ in lines for cell in cells]
    limits = list(dict.fromkeys((_limits(every, dense), _limits(_near_the_best(every), dense))))

    def draw(limits: tuple[float, float]) -> Callable[[Axes], None]:
        return lambda axes: _draw_by_share(axes, lines, dense, limits)

    if dense is not None:
        samples.append(Sample(DENSE, MUTED, line=":"))
    return compose(
        name,
        "Test accuracy in per cent against the density of the final ticket (logarithmic), means and standard "
        "deviations over seeds of both."
        + (" Methods without a target are points." if None in experiment.targets else "")
        + ("" if len(limits) == 1 else f" Means below {limits[1][0]:g} % are in the first panel only."),
        [(f"accuracy against true density{_from(ends)}", draw(ends)) for ends in limits],
        samples,
        size=(440, 310),
    )


def ratios(experiment: Experiment, name: str) -> Figure | None:
    """Keep-ratios of each layer, one panel a method, one line a sparsity."""
    shares = experiment.targets
    found = {
        contender: {share: list(layer_ratios(runs).values()) for share, runs in _arms(experiment, contender)}
        for contender in experiment.contenders
    }
    found = {contender: by_share for contender, by_share in found.items() if by_share}
    if not found:
        return None
    positive = [x for by_share in found.values() for y in by_share.values() for x in y if x > 0]
    floor = 10.0 ** math.floor(math.log10(min(positive, default=0.1)) - 1e-9)
    samples = [
        Sample(sparsity(share), colour, "o", "-")
        for share, colour in zip(shares, shades(len(shares)), strict=True)
    ]
    styles = dict(zip(shares, samples, strict=True))

    def draw(by_share: Mapping[float | None, list[float]]) -> Callable[[Axes], None]:
        return lambda axes: _draw_ratios(axes, by_share, styles, floor)

    return compose(
        name,
        "Keep-ratio of each layer in per cent (logarithmic), layers in the order in which data meets them, "
        "means over seeds. A cross at the bottom: nothing of the layer is kept.",
        [(experiment.names[contender], draw(by_share)) for contender, by_share in found.items()],
        samples,
        size=(300, 190),
    )


def _draw_bars(axes, experiment, contender, shares, series, limits, dense) -> None:
    width = 0.84 / len(series)
    for place, (check, colour) in enumerate(series):
        for group, share in enumerate(shares):
            values = list(experiment.accuracies(contender, share, check).values())
            if not values:
                continue
            mean, spread = _mean(values) or 0.0, _spread(values)
            x = group + (place - (len(series) - 1) / 2) * width
            if mean < limits[0]:
                height = limits[0] + 0.02 * (limits[1] - limits[0])
                axes.text(x, height, f"↓ {mean:.0f}", color=MUTED, rotation=90, ha="center", fontsize=10)
                continue
            axes.bar(x, mean - limits[0], 0.88 * width, bottom=limits[0], color=colour)
            if spread is not None:
                axes.errorbar(x, mean, spread, color=ERROR, elinewidth=1.0, capsize=min(20 * width, 3))
    if dense is not None:
        axes.axhline(dense, color=MUTED, linestyle=":", linewidth=1.2)
    axes.set_xticks(range(len(shares)), [sparsity(share) for share in shares])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.55, len(shares) - 0.45)
    axes.set_ylim(*limits)
    if limits[0] > 0:
        _cut(axes)


def _draw_by_sparsity(axes, lines, kept, dense, limits) -> None:
    axes.set_xscale("log")
    for offset, (sample, places, cells) in zip(_offsets(len(lines), 0.06, kept), lines, strict=True):
        _line(axes, sample, [x * offset for x in places], cells)
    axes.set_xticks(kept, [sparsity(1 - x) for x in kept])
    axes.minorticks_off()
    axes.set_xlim(max(kept) * 1.25, min(kept) / 1.25)
    _finish(axes, dense, limits)


def _draw_by_share(axes, lines: Sequence[Line], dense, limits) -> None:
    """Over a fraction of the network: of its weights, or of its multiply-adds."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    for sample, places, cells, spreads in lines:
        _line(axes, sample, places, cells, spreads)
    every = [x for _, xs, _, _ in lines for x in xs]
    decades = math.log10(max(every) / min(every))
    beside = max(1.25, math.sqrt(3 / 10**decades))  # so that some tick is in sight
    axes.set_xlim(min(every) / beside, max(every) * beside)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2.5 else (1,)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    _finish(axes, dense, limits)


def _draw_ratios(axes, by_share, styles, floor) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    axes.set_yscale("log")
    for share, values in by_share.items():
        style, layers = styles[share], range(1, len(values) + 1)
        left = [value if value > 0 else math.nan for value in values]
        axes.plot(layers, left, **{**style.options, "markersize": 2.6, "linewidth": 1.2})
        gone = [layer for layer, value in zip(layers, values, strict=True) if value == 0]
        if gone:  # an empty line that is not clipped would count as lying in the figure's corner
            bottom = [floor] * len(gone)
            axes.plot(gone, bottom, "x", color=style.colour, clip_on=False)
    axes.set_ylim(floor, 1.25)
    axes.yaxis.set_major_locator(LogLocator(numticks=8))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))


def _line(
    axes,
    sample: Sample,
    places: Sequence[float],
    cells: Sequence[Sequence[float]],
    across: Sequence[float] | None = None,
) -> None:
    means = [_mean(cell) for cell in cells]
    spreads = [_spread(cell) or 0.0 for cell in cells]
    axes.errorbar(places, means, spreads, across, elinewidth=0.9, capsize=0, **sample.options)


def _styles(experiment: Experiment) -> dict[Contender, Sample]:
    """How each contender is drawn in every figure: those without a target as points."""
    samples = {
        contender: Sample(experiment.names[contender], *method_style(position))
        for position, contender in enumerate(experiment.contenders)
    }
    return {
        contender: sample if contender.aims else dataclasses.replace(sample, line=None)
        for contender, sample in samples.items()
    }


def _arms(experiment: Experiment, contender: Contender) -> list[tuple[float | None, list[Run]]]:
    """Sparsity asked for, ascending, and the runs without a check."""
    return [
        (share, list(runs.values()))
        for share in experiment.targets
        if (runs := experiment.arms.get(Arm(contender, share, None)))
    ]


def _accuracies(runs: Sequence[Run]) -> list[float]:
    return [run.accuracy for run in runs]


def _densities(runs: Sequence[Run]) -> list[float]:
    return [run.density for run in runs]


def _density(runs: Sequence[Run]) -> float:
    return statistics.fmean(_densities(runs))


def _finish(axes, dense: float | None, limits: tuple[float, float]) -> None:
    axes.set_ylim(*limits)
    if dense is not None:
        axes.axhline(dense, color=MUTED, linestyle=":", linewidth=1.2)


def _cut(axes) -> None:
    """Marks a vertical axis that does not start at 0."""
    slanted = [(-1, -0.6), (1, 0.6)]
    axes.plot(
        [0, 0],
        [0.035, 0.065],
        transform=axes.transAxes,
        marker=slanted,
        markersize=9,
        markeredgewidth=1.1,
        linestyle="none",
        color=MUTED,
        clip_on=False,
    )


def _offsets(number: int, most: float, kept: Sequence[float]) -> list[float]:
    """Factors that set lines of the same places side by side, closer where the places are close."""
    closest = min((math.log(a / b) for a, b in itertools.pairwise(kept)), default=1.0)
    step = min(most, 0.5 * closest) / max(number, 1)
    return [math.exp(step * (place - (number - 1) / 2)) for place in range(number)]


def _near_the_best(cells: Sequence[Sequence[float]]) -> list[Sequence[float]]:
    """Those whose mean is within 25 points of the best one's, if they are most of all: few that lie far below
    would hide their differences."""
    best = max(_mean(cell) or 0.0 for cell in cells)
    near = [cell for cell in cells if (_mean(cell) or 0.0) > best - 25]
    return near if len(near) >= 0.6 * len(cells) else list(cells)


def _limits(cells: Sequence[Sequence[float]], dense: float | None) -> tuple[float, float]:
    """A range in per cent for means and spreads: from 0 where they are far apart, otherwise from below."""
    ends = [(_mean(cell) or 0.0, _spread(cell) or 0.0) for cell in cells]
    ends += [] if dense is None else [(dense, 0.0)]
    low, high = min(mean - spread for mean, spread in ends), max(mean + spread for mean, spread in ends)
    span = max(high - low, 0.5)
    step = next(step for step in (0.5, 1, 2, 5, 10, 20, 50, 100, 200) if span <= 10 * step)
    bottom = math.floor((low - 0.15 * span) / step) * step
    return (0.0 if bottom < 40 else float(bottom)), min(high + 0.06 * span, 104.0)


def _from(limits: tuple[float, float]) -> str:
    return "" if limits[0] == 0 else f", from {limits[0]:g} %"


def _mean(values) -> float | None:
    values = list(values)
    return 100 * statistics.fmean(values) if values else None


def _spread(values: Sequence[float]) -> float | None:
    return 100 * statistics.stdev(values) if len(values) > 1 else None


def _macs_left(runs) -> float | None:
    shares = [
        run.result["macs_kept"] / run.result["macs"]
        for run in runs
        if run.result.get("macs") and run.result.get("macs_kept") is not None
    ]
    return statistics.fmean(shares) if shares else None


def compose(
    name: str,
    caption: str,
    panels: Sequence[tuple[str, Callable[[Axes], None]]],
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
    with _style():
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


@contextlib.contextmanager
def _style() -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the reader's fonts draw the text
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def _panel(draw: Callable[[Axes], None], size: tuple[int, int], prefix: str, title: str) -> str:
    figure = _canvas(size)
    draw(figure.add_subplot())
    root = _svg(figure, prefix)
    root.set("role", "img")
    root.set("aria-label", title)
    root.set("class", "plot")
    return _text(_themed(root))


def _whole(panels, samples: Sequence[Sample], size: tuple[int, int]) -> str:
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
    root = _svg(figure, "all")
    root.insert(
        0, ElementTree.Element(f"{{{SVG}}}rect", {"width": "100%", "height": "100%", "fill": "#ffffff"})
    )
    return '<?xml version="1.0" encoding="utf-8"?>\n' + _text(root) + "\n"


def _canvas(size: tuple[int, int]) -> Any:
    from matplotlib.figure import Figure as Canvas

    return Canvas(figsize=(size[0] / PIXELS_PER_INCH, size[1] / PIXELS_PER_INCH), layout="constrained")


SVG = "http://www.w3.org/2000/svg"
XLINK = "{http://www.w3.org/1999/xlink}href"


def _svg(figure: Any, prefix: str) -> ElementTree.Element:
    """A figure's SVG: only what is drawn, with ids of its own, in any size."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    ElementTree.register_namespace("", SVG)
    root = ElementTree.fromstring(file.getvalue())
    _, _, width, height = root.get("viewBox", "").split()
    root.set("width", width)
    root.set("height", height)
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt")
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    text = ElementTree.tostring(root, encoding="unicode")
    used = {*re.findall(r'href="#([^"]+)"', text), *re.findall(r"url\(#([^)]+)\)", text)}
    short = {name: f"{prefix}-{number}" for number, name in enumerate(sorted(used))}
    for element in root.iter():
        _tidy(element, short)
    return root


def _tidy(element: ElementTree.Element, short: Mapping[str, str]) -> None:
    """Renames the ids that are used and drops the others; shortens numbers and fonts."""
    name = element.attrib.pop("id", "")
    if name in short:
        element.set("id", short[name])
    target = element.attrib.pop(XLINK, None)
    if target is not None:
        element.set("href", f"#{short[target[1:]]}")
    if "clip-path" in element.attrib:
        element.set("clip-path", f"url(#{short[element.attrib['clip-path'][5:-1]]})")
    for attribute in ("d", "x", "y", "transform"):
        if attribute in element.attrib:
            value = " ".join(element.attrib[attribute].split())
            element.set(attribute, re.sub(r"\d+\.\d+", lambda number: f"{float(number[0]):.2f}", value))
    style = element.get("style")
    if style:
        element.set("style", re.sub(r"font-family: [^;]*", f"font-family: {FONTS}", style))
    element.text = element.text if (element.text or "").strip() else None
    element.tail = None


def _text(root: ElementTree.Element) -> str:
    return ElementTree.tostring(root, encoding="unicode")


_VARIABLES = {colour: f"var(--{name})" for name, colour in COLOURS.items()}


def _themed(root: ElementTree.Element) -> ElementTree.Element:
    """Puts the page's variables in the place of colours."""
    for element in root.iter():
        style = element.get("style")
        if style:
            element.set(
                "style", re.sub(r"#[0-9a-f]{6}", lambda colour: _VARIABLES.get(colour[0], colour[0]), style)
            )
    return root


def _sample_svg(sample: Sample, prefix: str) -> str:
    """What stands before a label in the page's legend."""
    if sample.marker or sample.line:
        from matplotlib.lines import Line2D

        canvas = _canvas((26, 12))
        canvas.set_layout_engine("none")
        canvas.add_artist(Line2D([0.06, 0.5, 0.94], [0.5] * 3, markevery=[1], **sample.options))
        root = _svg(canvas, prefix)
    else:
        root = ElementTree.Element(f"{{{SVG}}}svg", {"width": "12", "height": "12"})
        ElementTree.SubElement(
            root, f"{{{SVG}}}rect", {"width": "12", "height": "12", "style": f"fill: {sample.colour}"}
        )
    root.set("aria-hidden", "true")
    return _text(_themed(root))
