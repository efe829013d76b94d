"""The lower bound: the formula, the probability behind it, and random masks that agree."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.smallnet import FIXTURES
from tf_tickets import theory

PUBLISHED = json.loads((FIXTURES / "er_theory.json").read_text())["lower_bound"]

densities = st.floats(0.001, 0.999)
inputs_counts = st.integers(1, 1000)
deltas = st.floats(1e-6, 0.999)


def name(row):
    return f"density {row['p']}, {row['d']} inputs"


@pytest.mark.parametrize("row", PUBLISHED, ids=name)
def test_the_formulas_are_the_published_ones(row):
    bound = theory.lower_bound_width(row["p"], row["d"], row["delta"])
    assert bound == pytest.approx(row["n_bound"], rel=1e-12)
    assert math.ceil(bound) == row["n_ceil"]
    for width, key in ((row["n_ceil"], "P_at_ceil"), (row["n_ceil"] - 1, "P_at_ceil_minus_1")):
        assert theory.connected_probability(row["p"], row["d"], width) == pytest.approx(row[key], rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in PUBLISHED if row["p"] >= 0.1], ids=name)
def test_random_masks_agree_with_the_exact_probability(row):
    exact = row["P_at_ceil"]
    found = theory.connected_frequency(row["p"], row["d"], row["n_ceil"], trials=2000)
    assert abs(found.value - exact) <= 4 * math.sqrt(exact * (1 - exact) / 2000)
    assert found.standard_error == pytest.approx(math.sqrt(exact * (1 - exact) / 2000), rel=0.3)


@pytest.mark.slow
@given(densities, inputs_counts, deltas)
def test_below_the_bound_failure_is_likelier_than_delta_and_from_it_on_not(density, inputs, delta):
    bound = theory.lower_bound_width(density, inputs, delta)
    at_the_bound = (1 - (1 - density) ** bound) ** inputs
    assert at_the_bound == pytest.approx(1 - delta, rel=1e-6, abs=1e-9)
    above = theory.connected_probability(density, inputs, math.ceil(bound) + 1)
    below = theory.connected_probability(density, inputs, max(0, math.ceil(bound) - 1))
    assert below <= (1 - delta) * (1 + 1e-9) and above >= (1 - delta) * (1 - 1e-9)


def test_the_bound_is_below_what_the_construction_requires():
    for density in (0.1, 0.5, 0.9):
        required = theory.er_widths((10, 20, 1), density, 0.1).widths[1]
        assert theory.lower_bound_width(density, 10, 0.1) < required


def test_the_edges_of_the_ranges():
    assert theory.lower_bound_width(1.0, 10, 0.1) == 0
    assert theory.connected_probability(1.0, 10, 1) == 1
    assert theory.connected_probability(1.0, 10, 0) == theory.connected_probability(0.5, 10, 0) == 0
    assert theory.connected_frequency(1.0, 3, 1, trials=5).value == 1


def test_the_seed_decides():
    first, again, other = (theory.connected_frequency(0.3, 5, 8, 500, seed).successes for seed in (1, 1, 2))
    assert first == again != other


def test_masks_are_drawn_in_chunks_of_all_trials(monkeypatch):
    monkeypatch.setattr("tf_tickets.theory.lower_bound.CHUNK", 100)
    assert theory.connected_frequency(1.0, 5, 8, trials=7) == theory.Frequency(7, 7)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0, 10, 0.1), "density .*Received: 0"),
        ((0.5, 0, 0.1), "inputs .*Received: 0"),
        ((0.5, True, 0.1), "inputs .*Received: True"),
        ((0.5, 10, 0.0), "delta .*Received: 0.0"),
    ],
)
def test_what_cannot_be_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        theory.lower_bound_width(*arguments)
    with pytest.raises(ValueError, match=r"width .*Received: -1"):
        theory.connected_probability(0.5, 10, -1)
    with pytest.raises(ValueError, match=r"trials .*Received: 0"):
        theory.connected_frequency(0.5, 10, 7, trials=0)
