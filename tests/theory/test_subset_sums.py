"""Subset sums: exact against brute force, and how many values random masks need."""

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.smallnet import FIXTURES
from tf_tickets import theory
from tf_tickets.theory.subset_sums import MOST_VALUES

PUBLISHED = json.loads((FIXTURES / "er_theory.json").read_text())

numbers = st.floats(-1, 1)
masked_values = st.lists(st.tuples(numbers, st.booleans()), max_size=9)


def brute_force(target, values):
    """The least error of all subsets."""
    subsets = itertools.chain.from_iterable(
        itertools.combinations(values, size) for size in range(len(values) + 1)
    )
    return min(abs(target - math.fsum(subset)) for subset in subsets)


@pytest.mark.slow
@given(st.floats(-3, 3), masked_values)
def test_the_best_subset_is_found(target, pairs):
    values, mask = [value for value, _ in pairs], [kept for _, kept in pairs]
    found = theory.subset_sum(target, np.array(values), np.array(mask, bool))
    assert found.error == pytest.approx(
        brute_force(target, list(itertools.compress(values, mask))), abs=1e-12
    )
    assert found.total == math.fsum(itertools.compress(values, found.chosen))
    assert found.error == abs(target - found.total)
    assert not (found.chosen & ~np.array(mask, bool)).any()


def test_a_subset_of_many_values():
    rng = np.random.default_rng(0)
    values = rng.uniform(-1, 1, 25)
    wanted = rng.random(25) < 0.5
    found = theory.subset_sum(values[wanted].sum(), values)
    assert found.error < 1e-12 and found.within
    np.testing.assert_array_equal(found.chosen, wanted)


def test_eps_decides_what_is_within():
    assert theory.subset_sum(0.5, [0.4], eps=0.11).within
    assert not theory.subset_sum(0.5, [0.4], eps=0.09).within


def test_nothing_available_leaves_the_empty_sum():
    found = theory.subset_sum(0.3, [0.3, 0.1], [False, False])
    assert (found.total, found.error, found.chosen.any()) == (0.0, 0.3, False)


@pytest.mark.slow
def test_success_by_size_in_a_dense_set_is_the_published_one():
    sizes = theory.base_set_sizes(1.0, eps=0.01, trials=2000)
    for size, published in PUBLISHED["subset_sum_dense_curve"]:
        # Both are measured: with 2000 trials here, at least as many there.
        error = math.sqrt(2 * published * (1 - published) / 2000)
        assert abs((sizes <= size).mean() - published) <= 4 * error + 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("row", PUBLISHED["subset_sum"]["rows"], ids=lambda row: str(row["p"]))
def test_the_smallest_base_set_is_about_the_published_one(row):
    found = theory.smallest_base_set(row["p"], eps=0.01, delta=0.05, trials=1000)
    assert found == pytest.approx(row["n_min"], rel=0.15)


@pytest.mark.slow
def test_the_smallest_base_set_times_log_of_the_inverse_sparsity_is_about_constant():
    products = [
        theory.smallest_base_set(density, trials=1000) * -math.log1p(-density)
        for density in (0.05, 0.1, 0.2, 0.3)
    ]
    assert max(products) < 1.25 * min(products)


@pytest.mark.slow
def test_sizes_are_those_at_which_subset_sum_first_succeeds():
    # The trial as it is defined: one value after the other, each removed or not.
    rng = np.random.default_rng(3)
    first = []
    for _ in range(300):
        target, *values = rng.uniform(-1, 1, 41)
        mask = rng.random(40) < 0.5
        sizes = range(mask.size + 1)
        ok = (n for n in sizes if theory.subset_sum(target, values[:n], mask[:n], eps=0.1).within)
        first.append(next(ok, math.inf))
    other = theory.base_set_sizes(0.5, eps=0.1, trials=3000)
    for size in (3, 6, 10):
        share = (other <= size).mean()
        error = math.sqrt(share * (1 - share) * (1 / 300 + 1 / 3000))
        assert abs((np.array(first) <= size).mean() - share) <= 4 * error


def test_sizes_are_whole_and_the_seed_decides():
    first, again, other = (theory.base_set_sizes(0.5, trials=50, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_array_equal(first, np.round(first))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((math.nan, [0.5]), "target .*Received: nan"),
        ((0.5, [[0.5]]), "1-D"),
        ((0.5, [math.inf]), "finite"),
        ((0.5, ["a"]), "finite numbers"),
        ((0.5, [0.5], [1]), "bool array of 1"),
        ((0.5, [0.5], [True, False]), "bool array of 1"),
        ((0.5, [0.5], None, 0.0), "eps .*Received: 0.0"),
        (
            (0.5, np.ones(MOST_VALUES + 1)),
            f"{MOST_VALUES} available .*Received: {MOST_VALUES + 1}",
        ),
    ],
)
def test_what_cannot_be_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        theory.subset_sum(*arguments)


def test_an_error_that_cannot_be_searched_for_is_refused(monkeypatch):
    monkeypatch.setattr("tf_tickets.theory.subset_sums.MOST_IN_TRIAL", 6)
    with pytest.raises(ValueError, match=r"eps=0\.0001 .* over 6 available values"):
        theory.smallest_base_set(1.0, eps=1e-4, trials=20)
    with pytest.raises(ValueError, match=r"density .*Received: 2"):
        theory.smallest_base_set(2)
