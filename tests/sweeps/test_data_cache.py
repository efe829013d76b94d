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


def test_data_of_another_split_or_of_fewer_examples_are_others():
    values = [
        plan_of("--method=snip", flag).runs[0].cell.values for flag in ("--split_seed=0", "--split_seed=1")
    ]
    values.append(plan_of("--method=snip", "--train_examples=500").runs[0].cell.values)
    loaded = [load_data(asked) for asked in values]
    assert len({dataset.fingerprint for dataset in loaded}) == 3
    assert [len(dataset.splits["train"]) for dataset in loaded] == [1437, 1437, 500]
