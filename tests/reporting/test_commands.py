"""The command of a run gives its config again, to the hash."""

import json
import pathlib
import re
import shlex
import sys

import numpy as np
import pytest

from tests.reporting import synthetic
from tests.runs import TINY, configure, short
from tf_tickets import Ticket
from tf_tickets.reporting.commands import command
from tf_tickets.results import FINISHED, Run, load

# What is run, and what its command must say of it.
FLAGS = {
    "hybrid": [],
    "snip": ["--sparsity=0.9", "--samples_per_class=3", "--seed=2", "--export=litert", "--quantize=int8"],
    "random": ["--ratios=1,0.125,0.3", "--sparsity=0.95", "--sampling=bernoulli"],
    "lt": ["--classifier_keep=ranked", "--rounds=2", "--optimizer=adamw", "--schedule=cosine"],
    "grasp": ["--score_options=temperature=1,halves=false", "--noaugment_scoring", "--min_keep=2"],
    "weight_rewinding": ["--rewind_epoch=1", "--milestones=0.4,2", "--validation_fraction=0.2"],
    "dense": ["--width=0.5", "--label_smoothing=0.1", "--jit_compile", "--mixed_precision=bfloat16"],
    "er": ["--sparsity=0.9", "--source_density=0.3333333333333333"],
    "gmp": ["--sparsity=0.9", "--search_options=frequency=20,until=0.5", "--source_density=0.5"],
    "str": ["--search_options=initial_value=-5.5,decay=null", "--source_density=0.3"],
    "rigl": [
        "--source_density=0.3", "--source_ratios=1,0.3333333333333333,0.5", "--source_sampling=bernoulli",
        "--source_preserve_flow", "--free_growth", "--search_options=drop_schedule=constant,frequency=7",
    ],
    "set": ["--search_options=drop_schedule=cosine,drop_fraction=1e-05", "--ratios=balanced"],
    "granet": ["--source_density=1", "--source_ratios=pyramidal", "--label_smoothing=0.05", "--cycles=3"],
    "edge_popup": ["--search_options=weights=kaiming_normal,start=null,scale_by_density=true"],
}  # fmt: skip


def words(found):
    """The flags of the run's command."""
    split = shlex.split(command(found))
    assert split[:3] == ["python", "-m", "tf_tickets.run"]
    return split[3:]


def configured(*arguments):
    """A run that these flags would make."""
    config, _ = configure("--run_dir=run", *TINY, *arguments)
    layers = [{"name": "last", "shape": [16, 10], "kept": 1, "total": 160}]
    return Run(pathlib.Path("run"), FINISHED, config.to_json(), {"layers": layers})


@pytest.mark.slow
@pytest.mark.parametrize("method", FLAGS)
def test_a_runs_command_parses_to_its_identity(method):
    found = configured(f"--method={method}", *FLAGS[method])
    again, _ = configure(*words(found))
    assert again.identity == found.typed.identity
    assert again.exports == found.typed.exports
    assert not any(word.startswith(("--run_dir", "--dense_dir")) for word in words(found))


@pytest.mark.slow
def test_a_real_runs_command_parses_to_its_identity(tmp_path):
    short(tmp_path / "run", "--method=snip", "--sparsity=0.9", "--samples_per_class=3", "--seed=2")
    (found,) = load([tmp_path / "run"])
    assert configure(*words(found))[0].identity == json.loads((tmp_path / "run" / "config.json").read_text())


@pytest.mark.parametrize("source", [[], ["--source_density=0.3"]])
def test_of_a_method_without_a_target_no_sparsity_is_said(source):
    found = configured("--method=str", "--search_options=decay=0.001", *source)
    assert not any(word.startswith("--sparsity") for word in words(found))
    assert "--search_options=decay=0.001" in words(found)
    assert configure(*words(found))[0].identity == found.typed.identity


def test_a_ticket_and_a_check_are_named(tmp_path):
    ticket = tmp_path / "ticket.npz"
    Ticket((np.ones((64, 24), bool),), ("kernel",)).save(ticket)
    found = configured(f"--ticket={ticket}", "--method=lt", "--sanity_check=reinitialize")
    assert f"--ticket={ticket}" in words(found)
    assert "--sanity_check=reinitialize" in words(found)
    assert configure(*words(found))[0].identity == found.typed.identity


def test_a_score_of_the_users_own_is_named(tmp_path, monkeypatch):
    (tmp_path / "my_score.py").write_text("def mine(model, batches, rng, power=1, layers=()): ...")
    monkeypatch.syspath_prepend(tmp_path)
    found = configured("--method=snip", "--score=my_score:mine", '--score_options=power=2,"layers=[1, 2]"')
    assert configure(*words(found))[0].identity == found.typed.identity
    sys.modules.pop("my_score", None)


def test_only_what_differs_from_the_defaults_is_said(tmp_path):
    synthetic.write(tmp_path / "run", method="snip", seed=3)
    (found,) = load([tmp_path])
    assert words(found) == [
        "--method=snip", "--sparsity=0.98", "--seed=3", "--dataset=digits", "--export=", "--threads=2",
    ]  # fmt: skip


def test_all_of_the_recipe_is_said_where_the_data_choose_it(tmp_path):
    synthetic.write(tmp_path / "run", dataset="npz:file; rm -rf x.npz", recipe={"width": 1.0})
    (found,) = load([tmp_path])
    assert "'--dataset=npz:file; rm -rf x.npz'" in command(found)
    for name in ("model", "epochs", "batch_size", "learning_rate", "milestones", "augment"):
        assert re.search(rf" --{name}=", command(found))
