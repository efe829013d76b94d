"""Widths with which a random source holds a target: published numbers, and what must hold of any."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.smallnet import FIXTURES
from tf_tickets import theory

PUBLISHED = json.loads((FIXTURES / "er_theory.json").read_text())["representation"]
REQUIRED = [row for row in PUBLISHED if row["uses_p_squared_for_layer1"]]

densities = st.floats(0.01, 1.0)
deltas = st.floats(1e-6, 0.5)
archs = st.lists(st.integers(1, 50), min_size=2, max_size=5)


@pytest.mark.parametrize("row", REQUIRED, ids=lambda row: str(row["p"]))
def test_width_factors_are_the_published_ones(row):
    found = theory.er_widths(row["arch"], row["p"], row["delta"])
    assert list(found.factors) == row["q"]
    inputs, *_ = row["arch"]
    assert found.widths == (inputs, *(q * n for q, n in zip(row["q"], row["arch"], strict=True)))


def test_the_factor_of_the_inputs_uses_the_density_of_a_path():
    first = theory.er_widths((5, 8, 6, 3), (0.4, 0.5, 0.5, 0.5), 0.1).factors[0]
    assert first == math.ceil(math.log(3 * 40 * 14 / 0.1) / math.log(1 / (1 - 0.4 * 0.5)))


def test_a_factor_by_hand():
    found = theory.required_width_factor(0.75, connections=8, next_factor=4, delta=0.125, depth=1)
    assert found == pytest.approx(math.log2(256) / 2)


def test_each_layer_uses_the_density_of_its_own_edges():
    even = theory.er_widths((4, 4, 4), 0.5, 0.1).factors
    sparse_end = theory.er_widths((4, 4, 4), (0.5, 0.5, 0.1), 0.1).factors
    assert sparse_end[1] == theory.er_widths((4, 4, 4), 0.1, 0.1).factors[1] > even[1]


@pytest.mark.slow
@given(archs, densities, densities, deltas)
def test_the_required_widths_fall_with_the_density(arch, one, other, delta):
    low, high = sorted((one, other))
    wide, narrow = (theory.er_widths(arch, density, delta) for density in (low, high))
    assert all(a >= b for a, b in zip(wide.widths, narrow.widths, strict=True))


@pytest.mark.slow
@given(archs, densities, deltas, deltas)
def test_a_smaller_chance_of_failure_takes_more_width(arch, density, one, other):
    low, high = sorted((one, other))
    careful, careless = (theory.er_widths(arch, density, delta) for delta in (low, high))
    assert all(a >= b for a, b in zip(careful.factors, careless.factors, strict=True))


@pytest.mark.slow
@given(archs, densities, deltas)
def test_the_union_bound_of_the_proof_holds_for_the_rounded_widths(arch, density, delta):
    factors = theory.er_widths(arch, density, delta).factors
    paths = [density * density, *[density] * (len(arch) - 2)]
    failure = sum(
        before * after * copies * (1 - path) ** sources
        for before, after, copies, sources, path in zip(
            arch, arch[1:], factors[1:], factors, paths, strict=False
        )
    )
    assert failure <= delta * (1 + 1e-9)


@pytest.mark.slow
@given(archs, deltas)
def test_a_dense_source_needs_one_copy(arch, delta):
    assert set(theory.er_widths(arch, 1.0, delta).factors) == {1}


def test_fewer_connections_need_fewer_copies_and_none_needs_one():
    dense = theory.er_widths((20, 20, 20), 0.5, 0.1)
    pruned = theory.er_widths((20, 20, 20), 0.5, 0.1, connections=(20, 0))
    assert pruned.factors[0] < dense.factors[0]
    assert pruned.factors[1] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (((5, 3), 0.0, 0.1), r"density .*\(0, 1\].*Received: 0.0"),
        (((5, 3), 1.5, 0.1), r"Received: 1.5"),
        (((5, 3), math.nan, 0.1), r"Received: nan"),
        (((5, 3), "half", 0.1), r"Received: 'half'"),
        (((5, 3), (0.5,), 0.1), r"1 entries, and the source 2 layers"),
        (((5, 3), (0.5, -1), 0.1), r"density\[1\].*Received: -1"),
        (((5, 3), 0.5, 0.0), r"delta .*\(0, 1\).*Received: 0.0"),
        (((5, 3), 0.5, 1), r"Received: 1"),
        (((5,), 0.5, 0.1), r"arch .*Received: \(5,\)"),
        (((5, 0), 0.5, 0.1), r"arch\[1\].*Received: 0"),
        (((5, 2.5), 0.5, 0.1), r"arch\[1\].*Received: 2.5"),
        (((5, 3), 0.5, 0.1, (15, 15)), r"connections is a list of 1"),
    ],
)
def test_what_cannot_be_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        theory.er_widths(*arguments)
