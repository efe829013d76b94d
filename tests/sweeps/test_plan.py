"""What a sweep would do: tells it before work, and finds what is done."""

import numpy as np
import pytest

from tests.sweeps.here import stay_here
from tests.sweeps.plans import plan_of, shown
from tf_tickets.support.console import Console
from tf_tickets.support.startup import default_threads
from tf_tickets.support.words import plural
from tf_tickets.sweeps.forecast import tasks_of
from tf_tickets.sweeps.overview import show_plan
from tf_tickets.sweeps.running import run_plan

SMALL = ("--model=mlp_24_16", "--epochs=2", "--sparsity=0.8")
# 8 runs, of which 6 share 4 dense networks: 2 seeds, clean data and corrupted.
GRID = (*SMALL, "--method=lt,hybrid,snip", "--sanity_check=none,lt:corrupted", "--seed=0-1", "--jobs=2")
RUNS, NETWORKS = 8, 4


class TestPlan:
    @pytest.mark.parametrize(("executor", "absolute"), [("local", False), ("ray", True)])
    def test_names_the_folder_of_the_runs_for_tasks(self, executor, absolute, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        plan = plan_of("--method=snip", f"--executor={executor}", "--dry_run")
        assert plan.resources.runs_dir == (str(tmp_path / "runs") if absolute else "runs")
        assert plan.resources.jobs == (None if executor == "ray" else default_threads())

    def test_finds_runs_in_the_users_own_folder(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        plan = plan_of("--method=snip", "--runs_dir=~/runs", "--dry_run")
        assert plan.resources.runs_dir == str(tmp_path / "runs")

    def test_that_needed_no_data_is_not_run(self, tmp_path):
        plan = plan_of("--method=snip", "--dry_run", f"--runs_dir={tmp_path / 'runs'}")
        with pytest.raises(ValueError, match="made for --dry_run cannot be run"):
            run_plan(plan, Console.silent())

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--strategy=multi_worker"], "A sweep uses several machines with --executor=ray"),
            (["--ray_address=auto"], "--ray_address=auto is only for --executor=ray, not local"),
            (["--gpus_per_run=1"], "--gpus_per_run=1 is only for --executor=ray, not local"),
            (["--runs_dir=memory://runs"], "--runs_dir=memory://runs is in the memory of this process"),
            (["--runs_dir=s3:/bucket"], "--runs_dir=s3:/bucket: a URL has two slashes, s3://bucket"),
            (["--runs_dir=reference://x"], "--runs_dir=reference://x cannot be opened"),
        ],
    )
    def test_is_refused_where_flags_mean_nothing(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            plan_of("--method=snip", *arguments)

    def test_tells_runs_networks_and_cost_and_writes_nothing(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        text = shown(show_plan, plan_of(*GRID, "--dry_run"))
        assert f"{RUNS}, of which 0 are done" in text
        assert f"{NETWORKS} networks, shared by 6 runs; {NETWORKS} to train" in text
        assert "24 epochs of training, 8 of them dense (28 without sharing)" in text
        assert "not known before the first run" in text
        assert "2 runs at a time, 1 thread each" in text
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("more", [(), ("--dry_run",)])
    def test_tells_what_was_recognised_in_the_users_own_data(self, more, tmp_path):
        rng = np.random.default_rng(0)
        x, y = rng.integers(0, 256, (20, 4, 4)), np.arange(20) % 2
        np.savez(tmp_path / "mine.npz", x_train=x, y_train=y, x_test=x, y_test=y)
        data = f"--dataset=npz:{tmp_path / 'mine.npz'}"
        text = shown(
            show_plan, plan_of(*SMALL, "--method=snip", data, f"--runs_dir={tmp_path / 'runs'}", *more)
        )
        assert "mine.npz: images: whole numbers 0 to 255 as int64, taken for bytes" in " ".join(text.split())

    def test_is_the_same_before_and_after_the_data_are_read(self, tmp_path):
        place = f"--runs_dir={tmp_path / 'runs'}"
        assert shown(show_plan, plan_of(*GRID, place, "--dry_run")) == shown(show_plan, plan_of(*GRID, place))

    def test_tells_which_checks_say_nothing(self, tmp_path):
        arguments = ("--method=random,snip", "--sparsity=0.8", "--sanity_check=none,rearrange", "--seed=0-4")
        text = shown(show_plan, plan_of(*arguments, f"--runs_dir={tmp_path}"))
        assert "1 cell (times seeds) whose check says nothing" in text
        assert "random 0.8 rearrange: masks and weights are random and independent" in text

    def test_gives_each_run_one_thread_and_exports_nothing_unless_told(self, tmp_path):
        (run,) = plan_of("--method=snip", f"--runs_dir={tmp_path}").runs
        assert (run.config.threads, run.config.export) == (1, ())
        (run,) = plan_of("--method=snip", f"--runs_dir={tmp_path}", "--threads=2", "--export=keras").runs
        assert (run.config.threads, run.config.export) == (2, ("keras",))

    def test_a_dense_network_is_trained_by_a_run_that_rewinds_into_it(self, tmp_path):
        plan = plan_of("--method=lt,weight_rewinding,hybrid", "--seed=0", f"--runs_dir={tmp_path}")
        assert [run.config.method for run in plan.dense.values()] == ["weight_rewinding"]

    def test_counts_the_dense_networks_of_donors_too(self, tmp_path):
        """Ratios of a ticket of corrupted data at positions of clean data, and the reverse, look at both."""
        arguments = (*SMALL, "--method=lt,snip", "--seed=0", f"--runs_dir={tmp_path}", "--sanity_check=")
        for checks, tasks in (
            ("corrupted_ratios", ["dense", "donors_dense"]),
            ("corrupted_ratios,corrupted_positions", ["dense", "dense"]),
            ("none,corrupted,corrupted_ratios,corrupted_positions,corrupted+rearrange", ["dense", "dense"]),
        ):
            plan = plan_of(*arguments[:-1], arguments[-1] + checks)
            found, after = tasks_of(plan)
            assert [task.part for _, task in found.values() if task.part != "whole"] == tasks
            number = len(checks.split(","))
            text = shown(show_plan, plan)
            assert f"2 networks, shared by {plural(number, 'run')}; 2 to train" in text
            assert f"{2 * 2 * number + 4} epochs of training, 4 of them dense" in text
            assert len(after) == number and {found[key][0].config.method for key in after} == {"lt"}

    @pytest.mark.slow
    def test_counts_no_dense_network_of_a_donor_that_is_there(self, tmp_path, monkeypatch, untraced):
        stay_here(monkeypatch)
        arguments = (*SMALL, "--batch_size=256", "--method=lt", "--seed=0", f"--runs_dir={tmp_path}")
        run_plan(plan_of(*arguments, "--sanity_check=corrupted", "--jobs=1"), Console.silent())
        plan = plan_of(*arguments, "--sanity_check=corrupted_ratios", "--jobs=1")
        assert [part for _, part in plan.parts_of_dense.values()] == ["dense"]
        assert not run_plan(plan, Console.silent())
        assert not plan_of(*arguments, "--sanity_check=corrupted_ratios").waiting

    def test_a_file_in_the_way_is_an_error_before_work(self, tmp_path):
        (tmp_path / "runs").write_text("")
        with pytest.raises(ValueError, match=r"--runs_dir=.*runs is no directory"):
            plan_of("--method=lt", f"--runs_dir={tmp_path / 'runs'}")

    def test_another_writing_of_the_same_sparsity_is_the_same_run(self, tmp_path):
        assert len(plan_of("--method=lt", "--sparsity=0.9,0.90", f"--runs_dir={tmp_path}").runs) == 1

    def test_a_broken_result_is_a_run_to_be_done(self, tmp_path):
        arguments = ("--method=lt", *SMALL, f"--runs_dir={tmp_path}")
        (run,) = plan_of(*arguments).runs
        run.directory.claim()
        for content in ("{", "[]", "null", "{}", '{"test_accuracy": "high"}', '{"test_accuracy": 0.9}'):
            run.directory.result.write_text(content)
            assert len(plan_of(*arguments).waiting) == 1
