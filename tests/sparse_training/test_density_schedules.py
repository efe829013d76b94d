"""How dense a network is as training goes on: the papers' formulas, and their ends met exactly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sparse_training.small import fixture
from tf_tickets.pruning import round_sparsities
from tf_tickets.pruning.sparsity import total_to_keep
from tf_tickets.sparse_training.density_schedules import annealed_densities, cubic_density

GOLDEN = fixture("er_ops")


def test_the_density_of_gradual_pruning_is_the_authors():
    golden = GOLDEN["granet_density_schedule"]
    first, last, updates = golden["init_density"], golden["final_density"], golden["K"]
    for row in golden["rows"]:
        density = cubic_density(first, last, row["k"] / updates)
        assert density == pytest.approx(row["formula_density"], rel=1e-12)
        if row["pruned"]:
            # Their strict comparison loses one weight more than int(N d), and never prunes at the end.
            assert 0 <= total_to_keep(golden["N"], 1 - density) - row["nonzeros"] <= 2
    assert total_to_keep(golden["N"], 1 - cubic_density(first, last, 1.0)) == 750


@pytest.mark.slow
@given(st.integers(1, 10**9), st.floats(0, 1, exclude_max=True), st.floats(0, 1))
def test_gradual_pruning_ends_at_the_count_of_the_target(total, sparsity, first):
    """Whatever was subtracted from what on the way, at the end not a unit is lost by rounding."""
    if round(total * (1 - sparsity)) < 1:
        return
    end = cubic_density(first, 1 - sparsity, 1.0)
    assert total_to_keep(total, 1 - end) == total_to_keep(total, sparsity)


@pytest.mark.parametrize("row", GOLDEN["slt_anneal"], ids=lambda row: f"to {row['target']}")
def test_the_levels_of_a_strong_ticket_are_the_authors(row):
    found = annealed_densities(row["start"], row["target"], row["levels"], row["er_density"])
    np.testing.assert_allclose(found, row["densities"], rtol=1e-12)
    assert found[-1] == row["target"]


@pytest.mark.parametrize("row", GOLDEN["imp_levels"], ids=lambda row: f"to {row['target']}")
def test_iterative_pruning_takes_the_authors_number_of_levels_to_the_target_itself(row):
    """Theirs remove a fifth each time and stop above the target; our geometric series meets it."""
    densities = [1 - s for s in round_sparsities(1 - row["target"], row["levels"], start=1 - row["d0"])]
    steps = np.array(densities) / [row["d0"], *densities[:-1]]
    np.testing.assert_allclose(steps, steps[0], rtol=1e-9)
    assert densities[-1] == pytest.approx(row["target"], rel=1e-12) and row["densities"][-1] > row["target"]
    np.testing.assert_allclose(densities, row["densities"], rtol=0.1)
