"""What every executor must say of itself."""

import pytest

from tests.sweeps.plans import values_of
from tf_tickets.sweeps.executors.registry import EXECUTORS
from tf_tickets.sweeps.executors.resources import Resources


@pytest.mark.parametrize("name", EXECUTORS)
def test_a_row_names_what_is_there(name):
    row, values = EXECUTORS[name], values_of()
    assert "2 runs at a time" in row.describe(Resources(jobs=2, threads=1))
    assert row.default_jobs(1) is None or row.default_jobs(1) >= 1
    assert row.default_jobs(1000) in (None, 1)
    assert row.count_replicas("none", 4) == 1
    assert all(flag in values for flag in row.flags)


def test_replicas_on_ray_are_the_gpus_that_are_kept_for_a_run():
    counted = [EXECUTORS["ray"].count_replicas("auto", gpus) for gpus in (0, 1, 2)]
    assert counted == [1, 1, 2]


@pytest.mark.parametrize(
    ("name", "resources", "said"),
    [
        ("local", Resources(1, 2), "1 run at a time, 2 threads each"),
        ("ray", Resources(None, 1), "a Ray cluster of this machine alone; 1 core a run, 1 thread"),
        (
            "ray",
            Resources(3, 2, "host:1", cores=4, gpus=2),
            "the Ray cluster host:1; 4 cores and 2 GPUs a run, 2 threads, 3 runs at a time at most",
        ),
    ],
)
def test_resources_are_described(name, resources, said):
    assert EXECUTORS[name].describe(resources) == said
