"""The reference must have every public name. `./scripts/docs`, which CI runs, builds it, without warnings."""

import pathlib
import runpy

import pytest

CONF = pathlib.Path(__file__).parents[1] / "docs" / "api" / "conf.py"


@pytest.fixture(scope="module")
def conf():
    return runpy.run_path(str(CONF))


def test_public_are_the_names_of_the_package_and_of_its_fronts(conf):
    some = {"tf_tickets.prune", "tf_tickets.pruning.SCORES", "tf_tickets.theory.base_set_sizes"}
    assert some <= set(conf["public_names"]())


def test_a_public_name_without_an_entry_is_warned_of(conf):
    *entries, left_out = conf["public_names"]()
    assert conf["warnings_of_missing"](entries) == [f"the reference has no entry of {left_out}"]
    assert conf["warnings_of_missing"]([*entries, left_out]) == []
