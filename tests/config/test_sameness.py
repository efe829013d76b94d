"""A run is its data and its settings: the same one wherever its files are, and one of before is known."""

import dataclasses
import json
import os
import pathlib
import shutil

import numpy as np
import pytest

from tests.own_code import TEXT
from tests.runs import configure
from tests.sweeps.here import stay_here
from tests.sweeps.plans import plan_of
from tf_tickets import results
from tf_tickets.config import digest, essence, run_name
from tf_tickets.data.sources import dataset_kind, named_dataset
from tf_tickets.reporting.commands import command
from tf_tickets.support.console import Console
from tf_tickets.sweeps.running import run_plan

pytestmark = pytest.mark.usefixtures("untraced")
TINY = ("--model=mlp_8_4", "--epochs=1", "--sparsity=0.5", "--threads=1", "--export=")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A small file of arrays, to be copied to wherever a user has it."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 5)).astype(np.float32), np.arange(60) % 3
    path = tmp_path_factory.mktemp("data") / "mine.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x[:30], y_test=y[:30])
    return path


@pytest.fixture
def machine(data, tmp_path, monkeypatch):
    """The folder of a user, who is in it, and whose data are at two places."""
    for place in ("mine.npz", "data/mine.npz", "data/other.npz"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        shutil.copy(data, tmp_path / place)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "own.py").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    stay_here(monkeypatch)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "named", "kind"),
    [
        ("npz:mine.npz", "npz:mine.npz", "npz"),
        ("npz:data/mine.npz", "npz:mine.npz", "npz"),
        ("npz:/a/b/mine.npz", "npz:mine.npz", "npz"),
        ("idx:../fashion/", "idx:fashion", "idx"),
        ("code/own.py:rings", "own.py:rings", "function"),
        ("module:rings", "module:rings", "function"),
        ("digits", "digits", "digits"),
        ("tfds:a/b:1.0.0", "tfds:a/b:1.0.0", "tfds:a/b:1.0.0"),
        ("of a later version", "of a later version", "of a later version"),
    ],
)
def test_what_of_a_dataset_names_a_run_and_what_it_is_known_by(name, named, kind):
    assert (named_dataset(name), dataset_kind(name)) == (named, kind)


@pytest.mark.parametrize("place", ["./mine.npz", "data/mine.npz", "{}/data/mine.npz"])
def test_the_path_of_the_data_names_no_run(machine, place):
    here, _ = configure(*TINY, "--dataset=npz:mine.npz")
    there, _ = configure(*TINY, f"--dataset=npz:{place.format(machine)}")
    assert (run_name(there), there.identity) == (run_name(here), here.identity)
    assert digest(there.dense_identity) == digest(here.dense_identity)


def test_the_path_of_code_names_no_run(machine):
    (machine / "own.py").write_text(TEXT)
    names = [
        run_name(configure("--epochs=1", "--sparsity=0.5", "--method=snip", *flags)[0])
        for folder in ("", "code/", f"{machine}/code/")
        for flags in [
            [f"--{flag}={folder}own.py:{name}" for flag, name in (("model", "net"), ("score", "large"))]
        ]
    ]
    assert len(set(names)) == 1


def test_other_data_are_another_run(machine):
    here, _ = configure(*TINY, "--dataset=npz:mine.npz")
    arrays = dict(np.load(machine / "mine.npz"))
    np.savez(machine / "mine.npz", **{**arrays, "x_train": arrays["x_train"] + 1})
    assert essence(configure(*TINY, "--dataset=npz:mine.npz")[0].identity) != essence(here.identity)


def test_a_run_is_found_whatever_its_data_are_called_now(machine):
    here, _ = configure(*TINY, "--dataset=npz:mine.npz")
    place = pathlib.Path(here.run_dir)
    place.mkdir(parents=True)
    (place / "config.json").write_text(json.dumps(here.identity))
    other, _ = configure(*TINY, "--dataset=npz:data/other.npz")
    assert run_name(other) != run_name(here)
    assert other.run_dir == here.run_dir


def sweep(*arguments):
    """Does what a sweep would do; (runs done before, names of those to do, dense trainings to do)."""
    plan = plan_of(*TINY, *arguments)
    before = len(plan.done), [pathlib.Path(run.config.run_dir).name for run in plan.waiting], len(plan.dense)
    assert not run_plan(plan, Console.silent())
    return before


def as_before(folder, dataset):
    """Makes of a folder of runs what an earlier version left: named by the path of their data."""
    renamed = {}
    for config in sorted(folder.glob("**/config.json")):
        identity = json.loads(config.read_text())
        was = {**identity, "dataset": dataset}
        _reseal(config.parent, was)
        renamed[config.parent] = digest(identity), digest(was)
    for place, (new, old) in renamed.items():
        place.rename(place.with_name(place.name.replace(new, old).replace("npz_mine", "mine")))


def _reseal(place, identity):
    from tf_tickets.storage.stages import sealed

    (place / "config.json").write_text(json.dumps(identity))
    stages = json.loads((place / "stages.json").read_text())
    stages = {stage: sealed(facts, stage, identity) for stage, facts in stages.items()}
    (place / "stages.json").write_text(json.dumps(stages))


def numbers(folder):
    """Directory -> its accuracy and weights."""
    found = results.load(folder)
    assert {run.status for run in found} == {"finished"}
    return {run.path.name: (run.endpoint, run.result["weights_sha256"]) for run in found}


@pytest.mark.slow
def test_a_colleague_extends_the_seeds_of_a_copied_folder_of_before(machine, tmp_path_factory, monkeypatch):
    grid = ("--method=hybrid", "--seed=0")
    sweep("--dataset=npz:data/mine.npz", *grid)
    as_before(machine / "runs", "npz:data/mine.npz")
    before = numbers(machine / "runs")
    assert all(name.startswith("mine_npz-") for name in before)

    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(machine / "runs", elsewhere / "copied")
    shutil.copy(machine / "mine.npz", elsewhere / "renamed.npz")
    os.makedirs(elsewhere / "work")
    monkeypatch.chdir(elsewhere / "work")
    told = ("--dataset=npz:../renamed.npz", "--method=hybrid", "--runs_dir=../copied")
    done, waiting, dense = sweep(*told, "--seed=0-1")
    assert (done, len(waiting), dense) == (1, 1, 1)
    after = numbers(elsewhere / "copied")
    assert before.items() <= after.items() and len(after) == 2
    (experiment,) = results.experiments(results.load(elsewhere / "copied"))
    assert {len(runs) for runs in experiment.arms.values()} == {2}

    # What is half done goes on, from the dense training of before.
    (half,) = (path for path in (elsewhere / "copied").glob("mine_npz-*hybrid*"))
    stages = json.loads((half / "stages.json").read_text())
    (half / "stages.json").write_text(json.dumps({"ticket": stages["ticket"]}))
    (half / "result.json").unlink()
    assert sweep(*told, "--seed=0-1") == (1, [half.name], 0)
    assert numbers(elsewhere / "copied") == after


@pytest.mark.slow
def test_a_run_at_a_url_is_found_too(machine):
    told = ("--method=random", f"--runs_dir={(machine / 'runs').as_uri()}")
    assert sweep("--dataset=npz:mine.npz", *told)[0] == 0
    assert sweep("--dataset=npz:data/other.npz", *told) == (1, [], 0)


@pytest.mark.slow
def test_a_run_of_code_in_a_folder_is_finished_and_made_again_by_its_command(machine):
    own = [f"--{flag}=code/own.py:{name}" for flag, name in (("model", "net"), ("score", "large"))]
    told = ("--dataset=code/own.py:rings", "--method=snip", "--seed=0", *own)
    first = plan_of(*TINY[1:], *told)
    assert not run_plan(first, Console.silent())
    again = plan_of(*TINY[1:], *told)
    assert (len(again.done), len(again.waiting)) == (1, 0)
    (run,) = results.load("runs")
    assert run.status == "finished"
    flags = command(run).split()[3:]
    assert "--dataset=code/own.py:rings" in flags
    assert run_name(configure(*flags)[0]) == run.path.name
    elsewhere = dataclasses.replace(run.typed, dataset="x/own.py:rings")
    assert results.setting.Setting.of(elsewhere.to_json()) == run.setting
