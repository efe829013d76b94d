"""Sweeps: shared dense trainings, several processes, going on after every kind of interruption."""

import io
import json
import os
import re
import signal
import statistics
import sys
import time

import pytest
import rich.console

from tests import processes
from tests.programs import here
from tests.runs import eagerly
from tests.sweeps.folders import results, times
from tests.sweeps.plans import plan_of, shown
from tf_tickets import Ticket
from tf_tickets.support.console import Console, SweepProgress
from tf_tickets.sweeps.forecast import make_forecast
from tf_tickets.sweeps.overview import show_plan, show_table
from tf_tickets.sweeps.running import run_plan

pytestmark = pytest.mark.slow  # its trainings

SMALL = ("--model=mlp_24_16", "--epochs=2", "--batch_size=720", "--sparsity=0.8")
# 4 runs that share 2 dense networks, one a seed.
GRID = (*SMALL, "--method=lt", "--sanity_check=none,rearrange", "--seed=0-1", "--jobs=2")
RUNS, NETWORKS = 4, 2
INTERRUPTED = (*SMALL, "--method=random", "--seed=0-1", "--jobs=1", "--runs_dir=interrupted")


class Story:
    """A sweep that Ctrl-C ends after a task, in a process of its own; then the same to its end, in this one.

    And another, one of whose runs is also made by `tf_tickets.run`.
    """

    SINGLE = ("lt", "rearrange", 1)

    def __init__(self, folder):
        self.runs, self.cut = folder / "runs", folder / "interrupted"

        program = processes.start("-m", "tf_tickets.sweep", *INTERRUPTED, folder=folder)
        try:
            processes.read_until(program, "[1/")
            os.killpg(program.pid, signal.SIGINT)
            self.interrupted = processes.ended(program)
        finally:
            processes.kill(program)
        self.kept = {path: path.stat().st_mtime_ns for path in self.cut.rglob("result.json")}

        with pytest.MonkeyPatch.context() as patch, eagerly():
            patch.chdir(folder)
            self.continued = here.call(patch, "sweep", *INTERRUPTED)
            self.finished = here.call(patch, "sweep", *GRID)
            code, _, said = here.call(patch, "run", *self.single(*self.SINGLE))
            assert code == 0, said
        self.singles = results(folder / "singles")

    @staticmethod
    def single(method, check, seed):
        """The flags of one of its runs."""
        place = f"--run_dir=singles/{method}-{check}"
        flags = [f"--method={method}", f"--seed={seed}", "--threads=1", "--export=", place]
        return [*SMALL, *flags, f"--sanity_check={check}"]

    @property
    def lines(self):
        """Progress lines of the process that came to the end."""
        return [line for line in self.finished[1].splitlines() if re.match(r"  \[\d+/\d+\]", line)]


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    return Story(tmp_path_factory.mktemp("story"))


class TestAnInterruptedSweep:
    def test_ends_with_one_line_and_no_process_left(self, story):
        code, _, err = story.interrupted
        assert code == 130
        said = "tf_tickets: interrupted; finished work is kept, the same command goes on\n"
        assert err == said

    def test_ends_before_its_work_is_done(self, story):
        """No task was waited for; what had ended before is kept."""
        assert len(story.kept) == 1

    def test_goes_on_where_it_was_interrupted(self, story):
        code, said, err = story.continued
        assert (code, err) == (0, "")
        for path, when in story.kept.items():
            assert path.stat().st_mtime_ns == when, "which was not done again"
        assert "[1/1]" in said
        assert len(results(story.cut)) == 2

    def test_comes_to_its_end(self, story):
        code, _, err = story.finished
        assert (code, err) == (0, "")
        assert len(results(story.runs)) == RUNS


class TestNumbers:
    def test_are_those_of_a_run_started_by_itself(self, story):
        swept, single = results(story.runs)[story.SINGLE], story.singles[story.SINGLE]
        assert swept["weights_sha256"] == single["weights_sha256"]
        assert swept["test_accuracy"] == single["test_accuracy"]
        assert swept["layers"] == single["layers"]
        places = [story.runs.parent / result["config"]["run_dir"] for result in (swept, single)]
        assert len({Ticket.load(place / "ticket.npz").sha256 for place in places}) == 1
        assert swept["dense_test_accuracy"] == single["dense_test_accuracy"]

    def test_are_named_as_a_single_run_would_be(self, story):
        """So that a run in a sweep's folder is found by tf_tickets.run, and the other way round."""
        configs = [dict(x[story.SINGLE]["config"]) for x in (results(story.runs), story.singles)]
        for config in configs:
            del config["run_dir"], config["dense_dir"]
        assert configs[0] == configs[1]

    def test_of_a_cell_are_their_mean_and_deviation_over_seeds(self, story):
        found = results(story.runs)
        accuracies = [100 * found["lt", "rearrange", seed]["test_accuracy"] for seed in (0, 1)]
        mean, deviation = statistics.mean(accuracies), statistics.stdev(accuracies)
        assert re.search(rf"lt rearrange +{mean:.2f} +{deviation:.2f} +2", story.finished[1])


class TestDenseTrainings:
    def test_are_done_once_for_all_that_share_them(self, story):
        places = {key: x["config"]["dense_dir"] for key, x in results(story.runs).items()}
        assert sorted(set(places.values())) == sorted(map(str, (story.runs / "dense").iterdir()))
        assert len(set(places.values())) == NETWORKS
        for seed in (0, 1):
            assert places["lt", None, seed] == places["lt", "rearrange", seed]

    def test_take_their_time_once(self, story):
        found = results(story.runs)
        for seed in (0, 1):
            seconds = {found["lt", check, seed]["seconds"]["dense"] for check in (None, "rearrange")}
            assert len(seconds) == 1
        for folder in (story.runs / "dense").iterdir():
            lines = (folder / "metrics.jsonl").read_text().splitlines()
            assert [json.loads(line)["epoch"] for line in lines] == [0, 1]


class TestAFinishedSweep:
    def test_is_not_run_again(self, story):
        plan = plan_of(*GRID, f"--runs_dir={story.runs}")
        before = times(story.runs)
        text = shown(show_plan, plan) + shown(run_plan, plan)
        assert f"{RUNS}, of which {RUNS} are done" in text and "nothing to do" in text
        assert times(story.runs) == before

    def test_shows_its_table_again(self, story):
        table = shown(show_table, plan_of(*GRID, f"--runs_dir={story.runs}"))
        assert table.count(" 2") >= 2
        known = [line.split() for line in story.finished[1].splitlines()]
        assert all(line.split() in known for line in table.splitlines() if "python -m" not in line)

    def test_counts_for_a_larger_one(self, story):
        larger = [*GRID[:-2], "--seed=0-2", "--controls", f"--runs_dir={story.runs}"]
        plan = plan_of(*larger)
        done = [run for run in plan.runs if run.result is not None]
        assert len(done) == RUNS
        assert {run.cell.values.seed for run in plan.waiting} == {2}
        screen = io.StringIO()
        show_plan(plan, Console(rich.console.Console(file=screen, width=150)), make_forecast(plan))
        assert "by the runs that are done" in screen.getvalue()


class TestProgress:
    def test_is_a_line_for_each_task_with_the_time_left(self, story):
        count = len(story.lines)
        for number, line in enumerate(story.lines, 1):
            ending = r"in all" if number == count else r"left"
            assert re.fullmatch(rf"  \[{number}/{count}\] .*; (about )?[\d.]+ (s|min|h) {ending}", line), line

    def test_names_the_cell_and_its_accuracy(self, story):
        result = results(story.runs)["lt", None, 1]
        assert any(f"seed 1: {result['test_accuracy']:.4f} in" in line for line in story.lines)

    def test_tells_the_time_left_and_in_the_end_that_of_all(self, monkeypatch):
        screen, now = io.StringIO(), iter([0.0, 10.0, 40.0])
        monkeypatch.setattr(time, "monotonic", lambda: next(now))
        progress = SweepProgress(rich.console.Console(file=screen, width=80), tasks=2, cost=40)
        monkeypatch.setattr(progress.bar, "update", lambda *_, **__: None)
        progress.finish("small", 10, "done", 30.0)
        progress.finish("large", 30, "0.9 in 30 s", 0.0)
        assert screen.getvalue().splitlines() == [
            "  [1/2] small: done; about 30 s left",
            "  [2/2] large: 0.9 in 30 s; 40 s in all",
        ]


OWN_SCORE = '''
"""A score that fails at seed 0."""

from tf_tickets.layers import prunable_weights
from tf_tickets.support.random_streams import stream


def score(model, batches, rng):
    if rng.bit_generator.state == stream(0, "score").bit_generator.state:
        raise KeyError("no luck")
    return [abs(entry.weight.numpy()) for entry in prunable_weights(model)]
'''


@pytest.fixture(scope="module")
def failing(tmp_path_factory):
    """Its folder, and how it ended."""
    folder = tmp_path_factory.mktemp("failing")
    (folder / "own.py").write_text(OWN_SCORE)
    arguments = (*SMALL, "--method=snip", "--score=own:score", "--seed=0-1", "--jobs=1")
    with pytest.MonkeyPatch.context() as patch, eagerly():
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        ended = here.call(patch, "sweep", *arguments)
    del sys.modules["own"]
    return folder, ended


class TestFailures:
    def test_do_not_keep_other_cells_from_being_done(self, failing):
        folder, (code, out, err) = failing
        assert (code, err) == (1, "")
        assert sorted(seed for _, _, seed in results(folder / "runs")) == [1]
        assert "[2/2]" in out

    def test_are_listed_with_their_message(self, failing):
        _, (_, out, _) = failing
        progress, _, ending = out.partition("test accuracy of the final epoch")
        said = "--score=own:score failed: KeyError: 'no luck'"
        assert re.search(rf"\] seed 0: failed: {said}|snip seed 0: failed: {said}", progress)
        assert "warning: 1 task failed; the same command tries them again:" in ending
        (line,) = [line for line in ending.splitlines() if said in line]
        assert line.startswith("  snip seed 0: ")
        assert "details: runs/failures.log" in ending

    def test_are_kept_with_where_they_were(self, failing):
        folder, _ = failing
        log = (folder / "runs" / "failures.log").read_text()
        assert (
            "snip seed 0: " in log and "KeyError: 'no luck'" in log and "Traceback" in log and "own.py" in log
        )
        assert "seed 1" not in log
