"""How numbers are written."""

import pytest

from tf_tickets.reporting.document import percent, significant, sparsity_text
from tf_tickets.reporting.tables.cells import mean_and_spread, points
from tf_tickets.support.scale import Scale
from tf_tickets.support.words import listed


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (1, "100"),
        (0.30123, "30.1"),
        (0.02, "2.00"),
        (0.005, "0.500"),
        (0.000012, "0.0012"),
        (1e-8, "1e-06"),
        (0, "0"),
    ],
)
def test_keep_ratios_have_three_digits(fraction, text):
    assert significant(fraction) == text


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([], ""), ([3], "3"), ([0, 1], "0, 1"), ([2, 0, 1, 1], "0–2"), ([0, 1, 2, 5, 7, 8, 9], "0–2, 5, 7–9")],
)
def test_seeds_are_listed_as_ranges(numbers, text):
    assert listed(numbers) == text


def test_accuracies_are_in_per_cent_and_one_seed_has_no_spread():
    assert mean_and_spread([0.9, 0.92], Scale()) == "91.00 ± 1.41"
    assert mean_and_spread([0.9], Scale()) == "90.00"
    assert percent(None) == "–"


def test_sparsities_are_written_as_they_were_asked_for():
    assert [sparsity_text(x) for x in (0.98, 0.995, 0.9, 0.0)] == ["98 %", "99.5 %", "90 %", "0 %"]


def test_differences_have_a_sign_and_zero_is_no_loss():
    assert [points(x, Scale()) for x in (0.0123, -0.0123, -1e-9)] == ["+1.23", "−1.23", "+0.00"]
