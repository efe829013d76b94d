"""What did not run looks unlike what learnt nothing, and error bars are seen on bars of any colour."""

import itertools
import math

import pytest

from tests.reporting.synthetic import write
from tf_tickets.reporting import figures, palette
from tf_tickets.reporting.arm_states import COLLAPSED, FEWER, MARKS, NOT_RUN, state_of
from tf_tickets.reporting.figures import accuracy_lines, check_bars, sparsity_lines
from tf_tickets.results import experiments, load

pytestmark = pytest.mark.usefixtures("unprinted")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """SNIP with a check at three sparsities: one arm is missing, one lacks a seed, one collapsed."""
    folder = tmp_path_factory.mktemp("marks")
    for sparsity, check, seed in itertools.product((0.5, 0.9, 0.98), (None, "rearrange"), range(2)):
        if (sparsity, check) == (0.9, "rearrange") or (sparsity, check, seed) == (0.98, None, 1):
            continue
        collapsed = ("classifier/kernel",) if (sparsity, check) == (0.98, "rearrange") else ()
        choices = {"sparsity": sparsity, "check": check, "seed": seed}
        write(
            folder / f"snip{sparsity}{check}{seed}", 0.1 if collapsed else 0.9, collapsed=collapsed, **choices
        )
    for sparsity in (0.5, 0.98):
        write(folder / f"grasp{sparsity}", 0.8, method="grasp", sparsity=sparsity)
    (found,) = experiments(load([folder]))
    return found


def test_what_is_there_of_an_arm(experiment):
    snip = next(variant for variant in experiment.variants if variant.method == "snip")
    marks = {
        (sparsity, check): state_of(experiment, snip, sparsity, check).marks
        for sparsity in experiment.sparsities
        for check in (None, "rearrange")
    }
    assert {arm: said for arm, said in marks.items() if said} == {
        (0.9, "rearrange"): NOT_RUN,
        (0.98, None): FEWER,
        (0.98, "rearrange"): COLLAPSED,
    }


def test_bars_have_the_marks_and_a_legend_of_them(experiment, monkeypatch):
    drawn = []
    draw = check_bars.draw_at_bottom
    monkeypatch.setattr(
        check_bars, "draw_at_bottom", lambda axes, x, marks: drawn.append(marks) or draw(axes, x, marks)
    )
    figure = figures.bars(experiment, "name")
    labels = [label for label, _ in figure.legend]
    assert labels[-3:] == [MARKS[NOT_RUN], MARKS[FEWER], MARKS[COLLAPSED]]
    assert {mark for mark in drawn if mark} == {NOT_RUN, FEWER, COLLAPSED}


def test_a_line_has_a_gap_where_nothing_ran(experiment, monkeypatch):
    drawn, missing = {}, []
    draw, mark = accuracy_lines.draw_line, sparsity_lines.draw_at_bottom
    for module in (accuracy_lines, sparsity_lines):
        monkeypatch.setattr(
            module,
            "draw_line",
            lambda axes, line: drawn.setdefault(line.sample.label, line) and draw(axes, line),
        )
    monkeypatch.setattr(
        sparsity_lines, "draw_at_bottom", lambda axes, *place: missing.append(place[2]) or mark(axes, *place)
    )
    figure = figures.curves(experiment, "name")
    assert [len(cell) for cell in drawn["grasp"].cells] == [1, 0, 1]
    assert [len(cell) for cell in drawn["snip"].cells] == [2, 2, 1]
    assert set(missing) == {drawn["grasp"].sample.colour}
    assert MARKS[NOT_RUN] in dict(figure.legend) and "open circle" in figure.caption


def test_no_marks_where_all_has_run(tmp_path):
    for check in (None, "rearrange"):
        write(tmp_path / str(check), 0.9, check=check)
    (found,) = experiments(load([tmp_path]))
    assert not set(MARKS.values()) & set(dict(figures.bars(found, "name").legend))


@pytest.mark.parametrize("colours", [palette.COLOURS, palette.DARK])
def test_an_error_bar_or_its_edge_stands_out_from_every_bar(colours):
    for name, bar in colours.items():
        if name != "paper":
            best = max(contrast(colours[part], bar) for part in ("error", "paper"))
            assert best > 3, name
    assert contrast(colours["error"], colours["paper"]) > 7


def contrast(one, other):
    """The contrast of two colours, as WCAG defines it."""
    lighter, darker = sorted(map(luminance, (one, other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else math.pow((x + 0.055) / 1.055, 2.4) for x in parts]
    return sum(weight * x for weight, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
