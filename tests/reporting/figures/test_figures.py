"""The figures: honest axes, fixed files, no names that are code."""

import re
import xml.etree.ElementTree as ElementTree

import matplotlib
import pytest

from tests.reporting import synthetic
from tests.reporting.synthetic import write
from tf_tickets.reporting import figures
from tf_tickets.reporting.figures import accuracy_lines, composition
from tf_tickets.reporting.figures.svg import SVG
from tf_tickets.results import experiments, load


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Four methods at two sparsities with their checks."""
    folder = tmp_path_factory.mktemp("figures") / "runs"
    methods = ("random", "snip", "hybrid")
    synthetic.paper(folder, seeds=2, methods=methods, sparsities=(0.98, 0.99))
    (found,) = experiments(load([folder]))
    return found


@pytest.fixture(scope="module")
def searches(tmp_path_factory):
    """Searches with and without a target, from the dense network and inside a source, at two sparsities."""
    folder = synthetic.start_sparse(tmp_path_factory.mktemp("searches") / "runs", seeds=2)
    (found,) = experiments(load([folder]))
    return found


@pytest.mark.slow
def test_every_panel_is_a_picture_of_its_own_in_the_pages_colours(experiment, searches, monkeypatch):
    monkeypatch.setattr(composition.paper, "draw", lambda *whole: ("", b""))
    for make, shown in (
        *((make, experiment) for make in (figures.bars, figures.curves, figures.ratios)),
        (figures.densities, searches),
    ):
        figure = make(shown, "name")
        ids = [x for panel in figure.panels for x in re.findall(r' id="([^"]+)"', panel.svg)]
        assert len(ids) == len(set(ids))
        for panel in figure.panels:
            root = ElementTree.fromstring(panel.svg)
            assert root.tag.endswith("svg") and root.get("role") == "img" and root.get("aria-label")
            assert "var(--" in panel.svg and not re.search(r"#[0-9a-f]{6}", panel.svg)
            assert "script" not in panel.svg and "http" not in panel.svg.replace(SVG, "")
            used = {*re.findall(r'href="#([^"]+)"', panel.svg), *re.findall(r"url\(#([^)]+)\)", panel.svg)}
            assert used == set(re.findall(r' id="([^"]+)"', panel.svg))


@pytest.fixture(scope="module")
def of_bars(experiment):
    """The bars, as a figure."""
    return figures.bars(experiment, "name")


@pytest.mark.slow
def test_the_whole_is_a_file_in_fixed_colours_with_its_legend(of_bars):
    ElementTree.fromstring(of_bars.whole)
    assert "var(--" not in of_bars.whole
    for text in ("snip", "hybrid", "the ticket", "rearrange", "dense", "98"):
        assert text in of_bars.whole


@pytest.mark.slow
def test_bars_say_where_their_axis_starts(of_bars, tmp_path, monkeypatch):
    figure = of_bars
    start = float(re.search(r"Axes start at (\d+) %, not at 0", figure.caption)[1])
    assert 60 <= start < 95
    assert [panel.title for panel in figure.panels] == ["snip", "hybrid"]
    # `invert` lies far below: it is a number with an arrow, not a bar.
    assert "with an arrow" in figure.caption
    assert "↓" in figure.panels[0].svg and "↓" not in figure.panels[1].svg
    for number, accuracy in enumerate((0.5, 0.3)):
        write(tmp_path / f"{number}", accuracy, check="rearrange" if number else None)
    monkeypatch.setattr(composition.paper, "draw", lambda *whole: ("", b""))
    (low,) = experiments(load([tmp_path]))
    assert "Axes start at 0." in figures.bars(low, "name").caption


@pytest.mark.slow
def test_an_axis_is_cut_only_where_most_of_the_accuracies_are_near_the_best(tmp_path):
    for number, accuracy in enumerate((0.95, 0.4, 0.3)):
        write(tmp_path / f"{number}", accuracy, check=(None, "rearrange", "invert")[number])
    (found,) = experiments(load([tmp_path]))
    figure = figures.bars(found, "name")
    assert "Axes start at 0." in figure.caption
    assert "↓" not in figure.whole


@pytest.mark.usefixtures("unprinted")
def test_parts_that_have_nothing_to_show_are_left_out(tmp_path):
    write(tmp_path / "one", result={"macs": None, "macs_kept": None})
    (found,) = experiments(load([tmp_path]))
    assert figures.bars(found, "name") is None  # no check
    assert figures.curves(found, "name") is None  # one sparsity, unknown multiply-adds
    assert len(figures.ratios(found, "name").panels) == 1


@pytest.mark.usefixtures("unprinted")
def test_methods_without_a_target_are_points_at_the_density_that_they_reached(searches, monkeypatch):
    drawn = {}

    def draw_line(axes, line):
        drawn[line.sample.label] = (line.sample.line, line.places, len(line.cells), line.across)

    monkeypatch.setattr(accuracy_lines, "draw_line", draw_line)
    figure = figures.densities(searches, "name")
    style, places, points, across = drawn["gmp, source 0.3 balanced"]
    assert style == "-"
    assert (places, across) == (pytest.approx([0.05, 0.02], rel=1e-3), [0, 0])
    for label in ("str", "str, source 0.3 balanced"):
        style, places, points, across = drawn[label]
        assert style is None and points == 1
        assert 0.06 < places[0] < 0.07 and 0 < across[0] < 0.01
    assert "Methods without a target are points." in figure.caption
    assert [label for label, _ in figure.legend] == list(drawn)


def test_reports_of_tickets_at_their_sparsity_get_no_figure_of_true_densities(experiment):
    assert figures.densities(experiment, "name") is None


@pytest.mark.slow
def test_one_density_has_an_axis_with_a_tick(tmp_path, monkeypatch):
    monkeypatch.setattr(composition.paper, "draw", lambda *whole: ("", b""))
    for seed in range(2):
        write(tmp_path / f"{seed}", 0.9 + seed / 50, method="str", density=0.0367, seed=seed)
    (found,) = experiments(load([tmp_path]))
    for panel in figures.densities(found, "name").panels:
        assert re.search(r">[25]<", panel.svg)


@pytest.mark.slow
def test_names_are_texts_in_figures_too(tmp_path, monkeypatch):
    monkeypatch.setattr(composition, "svg_of", lambda figure, prefix: ElementTree.Element("svg"))
    monkeypatch.setattr(composition.paper, "_pdf", lambda figure: b"")
    for sparsity in (0.9, 0.98):
        for check in (None, "rearrange"):
            write(
                tmp_path / f"{sparsity}{check}",
                sparsity=sparsity,
                check=check,
                score="a<b>&$x_1^{2$:mine",
                score_code="1",
            )
    (found,) = experiments(load([tmp_path]))
    for make in (figures.bars, figures.curves, figures.ratios):
        root = ElementTree.fromstring(make(found, "name").whole)
        assert "a<b>&$x_1^{2$:mine" in "".join(root.itertext()).replace("\n", "")


@pytest.mark.slow
def test_a_collapsed_layer_is_a_cross_and_the_users_settings_do_not_matter(tmp_path):
    """The same bytes again, whatever they are."""
    write(tmp_path / "run", collapsed=("classifier/kernel",))
    (found,) = experiments(load([tmp_path]))
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path"}):
        own = figures.ratios(found, "name")
        assert matplotlib.rcParams["font.size"] == 30
    assert own == figures.ratios(found, "name")
    assert "<text" in own.panels[0].svg
