"""Figures as files for papers: they stand alone, have a paper's width, and axes with titles and units."""

import base64
import io
import re
import xml.etree.ElementTree as ElementTree

import matplotlib.figure
import pytest

from tests.reporting.synthetic import write
from tf_tickets.reporting import figures
from tf_tickets.reporting.figures import composition, paper
from tf_tickets.reporting.figures.fonts import FAMILY
from tf_tickets.reporting.figures.svg import SVG
from tf_tickets.results import experiments, load


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Two methods at two sparsities, with a check and with epochs."""
    folder = tmp_path_factory.mktemp("paper")
    for method in ("snip", "grasp"):
        for sparsity in (0.9, 0.98):
            for check in (None, "rearrange"):
                name = f"{method}{sparsity}{check}"
                choices = {"method": method, "sparsity": sparsity, "check": check}
                write(folder / name, 0.9, curve=(0.5, 0.8, 0.9), **choices)
    (found,) = experiments(load([folder]))
    return found


@pytest.fixture(scope="module")
def bars(experiment):
    """A figure of them."""
    return figures.bars(experiment, "name")


@pytest.mark.slow
def test_the_pdf_has_its_font_and_the_width_of_a_paper(bars, experiment):
    # As TrueType (Type 42) within the file, none as Type 3, which some publishers refuse.
    assert b"/FontFile2" in bars.pdf and b"/Type3" not in bars.pdf
    assert b"CreationDate" not in bars.pdf
    assert float(re.search(rb"/MediaBox \[ 0 0 (\S+)", bars.pdf)[1]) == 72 * paper.TEXT
    single = figures.densities if experiment.is_about_density else figures.ratios
    assert float(re.search(rb"/MediaBox \[ 0 0 (\S+)", single(experiment, "x").pdf)[1]) in (
        72 * paper.COLUMN,
        72 * paper.TEXT,
    )


@pytest.mark.slow
def test_the_svg_has_the_letters_that_it_uses(bars):
    from fontTools.ttLib import TTFont

    root = ElementTree.fromstring(bars.whole)
    assert root.get("width") == f"{72 * paper.TEXT:g}pt"
    (style,) = root.iter(f"{{{SVG}}}style")
    data = re.fullmatch(
        rf"@font-face{{font-family:'{FAMILY}';src:url\(data:font/woff;base64,([^)]+)\) format\('woff'\)}}",
        style.text,
    )
    letters = set(TTFont(io.BytesIO(base64.b64decode(data[1]))).getBestCmap())
    texts = list(root.iter(f"{{{SVG}}}text"))
    assert texts and {ord(letter) for text in texts for letter in "".join(text.itertext())} <= letters
    assert all(FAMILY in text.get("style") for text in texts)


@pytest.mark.parametrize("make", [figures.bars, figures.curves, figures.ratios, figures.learning])
def test_every_axis_has_a_title_with_its_unit(experiment, make, monkeypatch):
    seen = []

    def add_subplot(self, *place, add=matplotlib.figure.Figure.add_subplot):
        seen.append(add(self, *place))
        return seen[-1]

    monkeypatch.setattr(matplotlib.figure.Figure, "add_subplot", add_subplot)
    monkeypatch.setattr(composition, "svg_of", lambda figure, prefix: ElementTree.Element("svg"))
    for kind, nothing in (("_svg", ""), ("_pdf", b"")):
        monkeypatch.setattr(paper, kind, lambda figure, nothing=nothing: nothing)
    figure = make(experiment, "name")
    assert len(seen) == 2 * len(figure.panels)
    for axes in seen:
        # An epoch and a layer's position are counts; what is a quantity has a unit.
        for title in (axes.get_xlabel(), axes.get_ylabel()):
            assert re.search(r"\((%|per example)\)$|^epoch|^layer", title), title


def test_a_legend_is_as_wide_as_the_figure_at_most():
    assert paper._across([5, 5, 5], 5.5) == 3
    assert paper._across([80, 80], 3.25) == 1
    # Nine in four columns stand as 3, 2, 2, 2.
    lengths = [40, 1, 1, 30, 1, 1, 1, 1, 1]
    width = paper.SAMPLE * 4 + paper.LETTER * (40 + 30 + 1 + 1)
    assert paper._across(lengths, width + 0.01) >= 4
