"""The data of a sweep's runs."""

from tests.sweeps.plans import plan_of
from tf_tickets.sweeps.data_cache import load_data


def test_data_are_read_once_for_all_runs_that_share_them(monkeypatch):
    (first,) = plan_of("--method=snip").runs
    loaded = load_data(first.cell.values)
    (other,) = plan_of("--method=lt", "--sparsity=0.5", "--seed=3").runs
    assert load_data(other.cell.values) is loaded
    held_out = plan_of("--method=lt", "--validation_fraction=0.1", "--seed=0-1").runs
    parted = [load_data(run.cell.values) for run in held_out]
    assert len({id(dataset) for dataset in (loaded, *parted)}) == 3, "the seed parts off the validation set"
