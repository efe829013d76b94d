"""The scale of intervals: one a table, large effects in their place, the margin always seen."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from tf_tickets.reporting.document import Interval
from tf_tickets.reporting.interval_drawing import axis_svg, interval_svg
from tf_tickets.reporting.interval_scale import IntervalScale, scale_of


@pytest.mark.parametrize(
    ("values", "margin", "low", "high"),
    [
        ([-0.4, 0.8], 1.0, -3.0, 3.0),
        ([-0.4, 3.1], 1.0, -3.0, 10.0),
        ([-86.0, 2.0], 1.0, -100.0, 3.0),
        ([-86.0, 30.0], 0.5, -150.0, 50.0),
        ([float("nan"), float("-inf"), 0.1], 2.0, -6.0, 6.0),
        ([], 1.0, -3.0, 3.0),
    ],
)
def test_a_scale_ends_at_the_tick_beyond_the_largest_effect(values, margin, low, high):
    scale = scale_of(values, margin, "points")
    assert (scale.low, scale.high) == (low, high)
    assert {low, -margin, 0.0, margin, high} <= set(scale.ticks)


def test_small_effects_are_in_proportion_and_large_ones_leave_the_margin_its_width():
    near, far = scale_of([1.0], 1.0, "points"), scale_of([-90.0], 1.0, "points")
    assert near.is_linear and not far.is_linear
    assert near.place(1.5) == pytest.approx(0.75)
    assert "logarithmic beyond ±1" in far.said and "logarithmic" not in near.said
    assert "from −100 to +3 points" in far.said
    for scale in (near, far):
        assert scale.place(scale.margin) - scale.place(-scale.margin) > 0.15
        # Farther from 0 is farther in the drawing, also among large effects.
        places = [scale.place(value) for value in (-100, -90, -60, -3, -1, 0, 1, 3)]
        assert places == sorted(places) and places[-3] == scale.place(0)
    assert far.place(-90) < far.place(-60) - 0.04


def test_an_interval_is_drawn_where_the_axis_says():
    scale = IntervalScale(-100.0, 3.0, 1.0, "points")
    axis, row = (
        ElementTree.fromstring(text)
        for text in (axis_svg(scale), interval_svg(Interval("−60 <points>", -100, -60, 1), scale))
    )
    labels = {text.text: float(text.get("x")) for text in axis.iter("text")}
    assert {"−100", "−1", "0", "+1", "+3"} <= set(labels)
    assert row.get("aria-label") == "−60 <points>"
    start, end = (
        float(x)
        for x in re.match(r"M(\S+) \S+H([\d.]+)", row.find("path[@class='interval']").get("d")).groups()
    )
    assert (start, end) == (labels["−100"], labels["+1"])
    assert labels["−100"] < float(row.find("circle").get("cx")) < labels["0"]
    assert axis.find("rect").get("width") == row.find("rect").get("width")


def test_numbers_of_ticks_do_not_run_into_each_other():
    for low, high, margin in ((-100, 100, 1), (-150, 50, 0.5), (-3, 3, 1), (-0.75, 75, 0.25)):
        texts = list(
            ElementTree.fromstring(axis_svg(IntervalScale(low, high, margin, "points"))).iter("text")
        )
        places = [float(text.get("x")) for text in texts]
        widths = [6 * len(text.text) for text in texts]
        assert "0" in {text.text for text in texts}
        for i in range(len(texts) - 1):
            assert places[i + 1] - places[i] >= (widths[i] + widths[i + 1]) / 2


def test_the_unit_is_that_of_the_metric():
    assert "from −5 to +1.5 mmHg, logarithmic" in scale_of([-2.0], 0.5, "mmHg").said
    assert "from −1.5 to +1.5; the band" in scale_of([-1.0], 0.5, "").said
    axis = ElementTree.fromstring(axis_svg(scale_of([1.0], 0.5, '<"°C">')))
    assert '<"°C">' in axis.get("aria-label")
