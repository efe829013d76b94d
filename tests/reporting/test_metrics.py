"""Reports of what is not judged by accuracy speak its words, in its unit, and know which way is better."""

import itertools
import re
from xml.etree import ElementTree

import pytest

from tests.reporting.synthetic import ACCURACY, ERROR, write
from tf_tickets.reporting import figures, tables
from tf_tickets.reporting.figures import composition
from tf_tickets.reporting.latex import latex
from tf_tickets.reporting.report_directory import make
from tf_tickets.results import Margin, experiments, load, verdicts
from tf_tickets.support.scale import Scale

R2 = Scale("r2", unit="", margin=None)


def runs(folder, scale, *, base, worse, spread, chance):
    """A method with a check that hurts and one that does not, and a worse method; three seeds."""
    for seed, sparsity in itertools.product(range(3), (0.9, 0.98)):
        jitter = spread * (seed - 1)
        for check, number in ((None, base), ("invert", worse), ("rearrange", base)):
            value = number + jitter * (1 + 0.1 * (check is not None))
            choices = {"check": check, "seed": seed, "sparsity": sparsity, "scale": scale}
            choices["result"] = {f"chance_{scale.metric}": chance}
            write(folder / f"{check}{seed}{sparsity}", value, curve=(worse, value), **choices)
        write(folder / f"random{seed}{sparsity}", worse + jitter, method="random", seed=seed,
              sparsity=sparsity, scale=scale)  # fmt: skip
        write(folder / f"synflow{seed}{sparsity}", worse + jitter, method="synflow", seed=seed,
              sparsity=sparsity, scale=scale)  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def errors(tmp_path_factory):
    return runs(tmp_path_factory.mktemp("errors"), ERROR, base=55.0, worse=75.0, spread=0.5, chance=77.0)


@pytest.mark.slow
def test_less_error_is_better_in_every_table(errors):
    (found,) = experiments(load([errors]))
    table = tables.accuracies(found, alpha=0.05)
    bold = {row.cells[0].text: row.cells[1].strong for row in table.rows}
    assert bold == {"random": False, "snip": True, "synflow": False}
    assert "root mean squared error of the final epoch in mmHg" in table.caption
    assert "(less is better)" in table.caption
    table = tables.verdicts(found, verdicts(found, margin=1.0), margin=Margin(1.0))
    assert table.head[2:4] == ("difference, mmHg", "interval, mmHg")
    assert table.scale.unit == "mmHg" and table.scale.margin == 1.0 and table.scale.high == 30.0
    row = next(row for row in table.rows if row.cells[0].text == "invert")
    assert (row.cells[1].badge, row.cells[1].sign) == ("sensitive", "↑")  # the error went up
    assert row.cells[2].text == "+20"
    assert row.cells[3].interval.middle == pytest.approx(20.0)
    assert row.cells[3].interval.label.endswith("mmHg")
    text = latex(table)
    assert r"$\uparrow$ sensitive & +20" in text and "mmHg" in text and "points" not in text


@pytest.mark.slow
def test_signs_follow_the_metric(tmp_path):
    (found,) = experiments(load([runs(tmp_path, ACCURACY, base=0.9, worse=0.4, spread=0.01, chance=0.1)]))
    table = tables.answers(found, verdicts(found, margin=0.05))
    signs = {cell.badge: cell.sign for row in table.rows for cell in row.cells if cell.badge}
    assert signs == {"sensitive": "↓", "insensitive": "="}


@pytest.mark.slow
def test_figures_have_the_metric_at_their_axes(errors, monkeypatch):
    monkeypatch.setattr(composition, "svg_of", lambda figure, prefix: ElementTree.Element("svg"))
    monkeypatch.setattr(composition.paper, "_pdf", lambda figure: b"")
    (found,) = experiments(load([errors]))
    bars = figures.bars(found, "name")
    assert "Axes start at 50 mmHg, not at 0." in bars.caption
    assert "↓" not in bars.whole
    lines = figures.curves(found, "name")
    assert lines.panels[0].title.startswith("root mean squared error against sparsity")
    for figure in (bars, lines):
        assert "error (mmHg)" in figure.whole and "accuracy" not in figure.whole + figure.caption


@pytest.mark.slow
def test_a_whole_report_speaks_of_its_metric_only(tmp_path, monkeypatch):
    scale, numbers, margin = R2, {"base": 0.4, "worse": -0.2, "spread": 0.01, "chance": 0.0}, 0.05
    monkeypatch.setattr(composition, "svg_of", lambda figure, prefix: ElementTree.Element("svg"))
    monkeypatch.setattr(composition.paper, "_pdf", lambda figure: b"")
    folder = runs(tmp_path / "runs", scale, **numbers)
    page, _ = make(folder, tmp_path / "report", "title", margin, 0.05)
    texts = [
        file.read_text() for kind in ("md", "tex", "svg", "html") for file in page.parent.rglob(f"*.{kind}")
    ]
    for text in texts:
        words = re.sub(r"base64,[^)\"]*", "", text).lower()
        assert "accuracy" not in words and " points" not in words
    svgs = [file.read_text() for file in page.parent.glob("figures/*.svg") if "ratios" not in file.name]
    assert svgs and all("test r2" in svg for svg in svgs)
    assert "learning" in " ".join(file.name for file in page.parent.glob("figures/*.pdf"))
