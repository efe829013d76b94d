"""Directories of a sweep that cannot be used: each is told in the plan, and the rest goes on."""

import json

import pytest

from tests.reporting import synthetic
from tests.sweeps.folders import times
from tests.sweeps.here import stay_here
from tests.sweeps.plans import plan_of, shown
from tf_tickets import results
from tf_tickets.storage.directories import RunDirectory
from tf_tickets.support.console import Console
from tf_tickets.sweeps.overview import show_plan
from tf_tickets.sweeps.running import run_plan

SMALL = ("--model=mlp_24_16", "--epochs=1", "--batch_size=720", "--sparsity=0.8", "--jobs=1")


class Sweep:
    """Of three seeds."""

    def __init__(self, folder, method):
        self.arguments = (*SMALL, f"--method={method}", "--seed=0-2", f"--runs_dir={folder}")

    def plan(self):
        return plan_of(*self.arguments)

    @property
    def first(self):
        return self.plan().runs[0]


@pytest.fixture
def sweep(tmp_path):
    return Sweep(tmp_path / "runs", "lt")


def write(run, **result):
    """A result of a planned run, with the hash of what it is."""
    synthetic.write(run.directory.path, settings=run.config)
    synthetic.edit(run.directory.path, **result)
    return run.directory


def told(plan):
    """What a person sees of it, wherever lines end."""
    return " ".join(shown(show_plan, plan).split())


def spoil(path, how):
    """Makes a directory one that cannot be used."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if how == "a loop":
        path.symlink_to(path)
        return
    path.mkdir()
    if how == "somebody else's":
        (path / "thesis.tex").write_text("years of work")
    else:
        (path / "stages.json").write_text("{}" if how == "no config" else "[]")
    if how == "damaged":
        (path / "config.json").write_text("{")


SPOILT = {
    "a loop": "cannot be read: Too many levels of symbolic links",
    "somebody else's": "is not empty and not a",
    "no config": "config.json is missing",
    "damaged": "config.json is damaged",
}


class TestADirectory:
    @pytest.mark.parametrize("how", SPOILT)
    @pytest.mark.parametrize("whose", ["directory", "dense"])
    def test_that_cannot_be_used_is_a_row_of_the_plan(self, whose, how, sweep, tmp_path):
        path = getattr(sweep.first, whose).path
        spoil(path, how)
        before = times(tmp_path)
        plan = sweep.plan()
        assert len(plan.waiting) == 2 and len(plan.dense) == 2
        text = told(plan)
        assert "runs 3, of which 0 are done" in text and "broken 1 directory" in text
        (line,) = (x for x in text.split("warning: ") if x.startswith("broken: "))
        assert f"lt seed 0: {path}" in line and SPOILT[how] in line
        assert "--run_dir" not in line and "--dense_dir" not in line
        assert times(tmp_path) == before

    def test_that_several_runs_share_is_told_once(self, tmp_path):
        sweep = Sweep(tmp_path / "runs", "lt,hybrid")
        spoil(sweep.first.dense.path, "no config")
        plan = sweep.plan()
        assert len(plan.waiting) == 4
        assert "broken: lt seed 0 and 1 other: " in told(plan)

    def test_whose_files_were_exchanged_is_a_row_of_the_plan(self, sweep):
        dense = sweep.first.dense.claim()
        dense.final_weights.write_text("weights")
        facts = {"seconds": 1.0, "compressed_bytes": 1, "history": []}
        dense.finish("train", facts, [dense.final_weights])
        assert len(sweep.plan().dense) == 2
        dense.final_weights.write_text("others")
        plan = sweep.plan()
        assert len(plan.waiting) == len(plan.dense) == 2
        assert "is not what stage train left there" in next(iter(plan.broken))

    def test_at_a_url_is_told_by_what_lies_there_of_json(self, tmp_path):
        local, far = Sweep(tmp_path / "runs", "lt"), Sweep(f"file://{tmp_path}/runs", "lt")
        dense = local.first.dense.claim()
        dense.final_weights.write_text("weights")
        dense.finish("train", {"seconds": 1.0, "compressed_bytes": 1, "history": []}, [dense.final_weights])
        plan = far.plan()
        assert len(plan.dense) == 2 and not plan.broken  # contents are looked at where the run is done
        dense.config.unlink()
        (problem,) = far.plan().broken
        assert f"file://{dense.path}/config.json is missing" in problem

    def test_of_a_dense_training_is_not_asked_of_runs_that_are_done(self, sweep):
        write(sweep.first)
        spoil(sweep.first.dense.path, "no config")
        plan = sweep.plan()
        assert len(plan.done) == 1 and not plan.broken

    @pytest.mark.slow
    def test_that_cannot_be_used_is_a_failure_and_the_rest_is_done(self, tmp_path, monkeypatch, untraced):
        stay_here(monkeypatch)
        sweep = Sweep(tmp_path / "runs", "snip")
        spoil(sweep.first.directory.path, "a loop")
        failures = run_plan(sweep.plan(), Console.silent())
        assert [*failures] == ["snip seed 0"] and "Too many levels" in failures["snip seed 0"].problem
        assert len(sweep.plan().done) == 2
        assert "snip seed 0: " in (tmp_path / "runs" / "failures.log").read_text()


class TestAResult:
    """Numbers that cannot be are told by a sweep as by a report."""

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"test_accuracy": 2.0}, "test_accuracy is 2.0, not a number in [0, 1]"),
            ({"test_accuracy": 0.98}, "test_accuracy is more than best_test_accuracy"),
            ({"test_accuracy": "high"}, "test_accuracy is 'high'"),
            ({"dense_test_accuracy": -0.1}, "dense_test_accuracy is -0.1"),
            ({"achieved_sparsity": 0.5}, "achieved_sparsity is 0.5, but"),
            ({"effective_sparsity": 0.5}, "effective_sparsity is 0.5, but"),
            ({"kept": 10**9}, "their kept is"),
            ({"total": 5}, "their total is"),
            ({"layers": [{"name": "a", "kept": 3, "total": 2}]}, "more is kept than there is"),
            ({"layers": [{"name": "a", "kept": 1, "total": 2, "shape": [3, 1]}]}, "not that of shape [3, 1]"),
            (
                {"layers": [{"name": "a", "kept": 1, "total": 2, "on_path": 2}]},
                "more is on a path than is kept",
            ),
            ({"nonzero": 10**9}, "more is nonzero than is kept"),
            ({"macs": 1}, "macs_kept is more than macs"),
            ({"compressed_bytes": -1}, "compressed_bytes is -1"),
            ({"seconds": {"retrain": -5.0}}, "not a mapping of seconds"),
            ({"training_cost": -1.0}, "training_cost is -1.0"),
            ({"seed": 7}, "seed is not its config's"),
            ({"config": None}, "config is missing"),
        ],
    )
    def test_with_such_a_number_is_refused_by_both(self, change, problem, sweep):
        run = sweep.first
        write(run, **change)
        (read,) = results.load(run.directory.path)
        assert read.status == results.BROKEN and problem in read.problem
        assert run.result is None and problem in run.doubt and "\n" not in run.doubt

    def test_of_another_seed_is_refused_by_both(self, sweep):
        one, two = sweep.plan().runs[:2]
        write(two)
        write(one).result.write_bytes(two.directory.result.read_bytes())
        (read,) = results.load(one.directory.path)
        assert "are of different runs" in read.problem and "are of different runs" in one.doubt

    def test_that_was_edited_is_told_and_made_again(self, sweep):
        run = sweep.first
        directory = write(run)
        whole = json.loads(directory.result.read_text())
        RunDirectory(directory.path, directory.identity, "run").write_result(whole)
        assert sweep.first.result == whole
        synthetic.edit(directory.path, test_accuracy=0.5)
        plan = sweep.plan()
        assert len(plan.waiting) == 3
        text = told(plan)
        assert "result.json is not what the run wrote" in text and "It is made again" in text
