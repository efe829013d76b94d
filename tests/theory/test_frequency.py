"""A measured probability, and between which values it lies."""

import pytest
from scipy.stats import binom

from tf_tickets.theory import Frequency


@pytest.mark.parametrize("successes, trials", [(398, 400), (9257, 10_000), (1, 3)])
def test_an_end_of_the_interval_is_where_so_extreme_a_count_has_half_of_the_rest(successes, trials):
    low, high = Frequency(successes, trials).interval(0.9)
    assert binom.sf(successes - 1, trials, low) == pytest.approx(0.05)
    assert binom.cdf(successes, trials, high) == pytest.approx(0.05)


def test_what_always_happened_may_have_been_luck():
    assert Frequency(400, 400).interval() == (pytest.approx(0.025 ** (1 / 400)), 1.0)
    assert Frequency(0, 400).interval() == (0.0, pytest.approx(1 - 0.025 ** (1 / 400)))


def test_398_of_400_are_no_proof_of_more_than_0_982():
    found = Frequency(398, 400)
    assert found.interval()[0] == pytest.approx(0.9821, abs=1e-4)
    assert str(found) == "0.9950 [0.9821, 0.9994] (400 trials)"


def test_a_confidence_is_a_fraction():
    with pytest.raises(ValueError, match=r"confidence= is in \(0, 1\). Received: 95"):
        Frequency(1, 2).interval(95)
