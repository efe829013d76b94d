"""Sweeps: shared dense trainings, several processes, going on after every kind of interruption."""

import concurrent.futures
import functools
import io
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from typing import ClassVar

import pytest
import rich.console
from absl import flags

from tf_tickets import Ticket
from tf_tickets.storage.errors import NotOurs
from tf_tickets.support.console import Console, SweepProgress
from tf_tickets.sweeps import sweep, worker
from tf_tickets.sweeps.executors import Workplace, local
from tf_tickets.sweeps.worker import DENSE, WHOLE, Outcome, Task

ROOT = pathlib.Path(__file__).parents[2]
SMALL = ("--model=mlp_24_16", "--epochs=2", "--sparsity=0.8")
# 8 runs, of which 6 share 4 dense networks: 2 seeds, clean data and corrupted.
GRID = (*SMALL, "--method=lt,hybrid,snip", "--sanity_check=none,lt:corrupted", "--seed=0-1", "--jobs=2")
RUNS, NETWORKS = 8, 4


# Where pytest runs in the background, Ctrl-C is ignored, also by what it starts.
LISTENING = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


class Program:
    """A program of tf_tickets in a process group of its own."""

    started: ClassVar[list] = []

    def __init__(self, name, *arguments, folder):
        self.started.append(self)
        self.process = subprocess.Popen(
            [sys.executable, "-c", LISTENING, "-m", f"tf_tickets.{name}", *arguments],
            cwd=folder,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ended(self):
        """Exit code, standard output, standard error."""
        out, err = self.process.communicate(timeout=300)
        return self.process.returncode, out, err

    def group(self):
        """Command lines of the processes of the group that are alive."""
        columns = ("-o", "pgid=", "-o", "stat=", "-o", "args=")
        listed = subprocess.run(["ps", "-A", "-ww", *columns], capture_output=True, text=True, check=True)
        rows = (line.split(None, 2) for line in listed.stdout.splitlines())
        return [args for pgid, stat, args in rows if int(pgid) == self.process.pid and "Z" not in stat]

    def wait_for_workers(self):
        wait_until(lambda: any("spawn_main" in args for args in self.group()))

    def wait_for_line(self, start):
        for line in self.process.stdout:
            if line.strip().startswith(start):
                return line
        raise AssertionError(self.ended())

    def seconds_until_all_are_gone(self):
        began = time.monotonic()
        wait_until(lambda: not self.group())
        return time.monotonic() - began


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left_at_work():
    """Whatever fails."""
    yield
    for program in Program.started:
        if program.group():
            os.killpg(program.process.pid, signal.SIGKILL)


def wait_until(condition, seconds=120):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.1)


def plan_of(*arguments, controls=False):
    """What a sweep would do."""
    values = flags.FlagValues()
    sweep.define_flags(values)
    values(["sweep", *arguments])
    return sweep.make_plan(values, controls)


def shown(*showing):
    """What a person sees of functions that show something."""
    screen = io.StringIO()
    for show in showing:
        show(Console(rich.console.Console(file=screen, width=150)))
    return screen.getvalue()


def results(folder):
    """The results of a folder, by method, check and seed."""
    found = [json.loads(path.read_text()) for path in folder.glob("*/result.json")]
    return {(x["method"], x["sanity_check"], x["seed"]): x for x in found}


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


class Story:
    """A sweep that Ctrl-C ends, then the same that is killed, then the same to its end.

    Three of its runs are also made one by one, in another order, by processes of their own.
    """

    SINGLES = (("hybrid", None, 1), ("lt", "corrupted", 1), ("snip", None, 0))

    def __init__(self, folder):
        self.runs = folder / "runs"

        interrupted = Program("sweep", *GRID, folder=folder)
        interrupted.wait_for_workers()
        time.sleep(0.2)  # while they start
        os.killpg(interrupted.process.pid, signal.SIGINT)
        self.interrupted = interrupted.ended()
        self.seconds_after_interruption = interrupted.seconds_until_all_are_gone()

        killed = Program("sweep", *GRID, folder=folder)
        killed.wait_for_line("[2/")
        killed.process.kill()
        self.seconds_after_kill = killed.seconds_until_all_are_gone()
        killed.ended()
        self.kept = {path: path.stat().st_mtime_ns for path in folder.rglob("final.weights.h5")}

        self.finished = Program("sweep", *GRID, folder=folder).ended()

        singles = []
        for method, check, seed in self.SINGLES:
            place = f"--run_dir=singles/{method}-{check}"
            arguments = [f"--method={method}", f"--seed={seed}", "--threads=1", "--export=", place]
            arguments += [f"--sanity_check={check}"] * (check is not None)
            singles.append(Program("run", *SMALL, *arguments, folder=folder))
        assert [single.ended()[0] for single in singles] == [0, 0, 0]
        self.singles = results(folder / "singles")

    @property
    def lines(self):
        """Progress lines of the process that came to the end."""
        return [line for line in self.finished[1].splitlines() if re.match(r"  \[\d+/\d+\]", line)]


@pytest.fixture(scope="module")
def story(tmp_path_factory, failing_sweep):
    # The failing sweep runs meanwhile.
    return Story(tmp_path_factory.mktemp("story"))


class TestAnInterruptedSweep:
    def test_ends_with_one_line_and_no_process_left(self, story):
        code, _, err = story.interrupted
        assert code == 130
        said = "tf_tickets: interrupted; finished work is kept, the same command goes on\n"
        assert err == said
        assert story.seconds_after_interruption < 10

    def test_killed_leaves_no_process_for_long(self, story):
        assert story.seconds_after_kill < 10

    def test_goes_on_where_it_was_killed(self, story):
        assert story.kept, "it had trained something"
        for path, when in story.kept.items():
            assert path.stat().st_mtime_ns == when, "which was not done again"
        total = re.match(r"  \[1/(\d+)\]", story.lines[0])[1]
        assert int(total) <= RUNS + NETWORKS - 2

    def test_comes_to_its_end(self, story):
        code, _, err = story.finished
        assert (code, err) == (0, "")
        assert len(results(story.runs)) == RUNS


class TestNumbers:
    @pytest.mark.parametrize("key", Story.SINGLES, ids=str)
    def test_are_those_of_runs_started_one_by_one(self, story, key):
        swept, single = results(story.runs)[key], story.singles[key]
        assert swept["weights_sha256"] == single["weights_sha256"]
        assert swept["test_accuracy"] == single["test_accuracy"]
        assert swept["layers"] == single["layers"]
        places = [story.runs.parent / result["config"]["run_dir"] for result in (swept, single)]
        assert len({Ticket.load(place / "ticket.npz").sha256 for place in places}) == 1
        name = "pretraining_test_accuracy" if key[1] == "corrupted" else "dense_test_accuracy"
        if key[0] != "snip":  # which has no dense network of its own
            assert swept[name] == single[name]

    def test_are_named_as_single_runs_would_be(self, story):
        """So that a run in a sweep's folder is found by tf_tickets.run, and the other way round."""
        for key in Story.SINGLES:
            configs = [dict(x["config"]) for x in (results(story.runs)[key], story.singles[key])]
            for config in configs:
                del config["run_dir"], config["dense_dir"]
            assert configs[0] == configs[1]

    def test_of_a_cell_are_their_mean_and_deviation_over_seeds(self, story):
        found = results(story.runs)
        accuracies = [100 * found["lt", "corrupted", seed]["test_accuracy"] for seed in (0, 1)]
        mean, deviation = statistics.mean(accuracies), statistics.stdev(accuracies)
        assert re.search(rf"lt corrupted +{mean:.2f} +{deviation:.2f} +2", story.finished[1])


class TestDenseTrainings:
    def test_are_done_once_for_all_that_share_them(self, story):
        places = {key: x["config"]["dense_dir"] for key, x in results(story.runs).items() if key[0] != "snip"}
        assert sorted(set(places.values())) == sorted(map(str, (story.runs / "dense").iterdir()))
        assert len(set(places.values())) == NETWORKS
        for seed in (0, 1):
            assert places["lt", None, seed] == places["hybrid", None, seed]
            assert places["lt", None, seed] != places["lt", "corrupted", seed]

    def test_take_their_time_once(self, story):
        found = results(story.runs)
        for seed in (0, 1):
            seconds = {found[method, None, seed]["seconds"]["dense"] for method in ("lt", "hybrid")}
            assert len(seconds) == 1
        for folder in (story.runs / "dense").iterdir():
            lines = (folder / "metrics.jsonl").read_text().splitlines()
            assert [json.loads(line)["epoch"] for line in lines] == [0, 1]


class TestAFinishedSweep:
    def test_is_not_run_again(self, story):
        plan = plan_of(*GRID, f"--runs_dir={story.runs}")
        before = times(story.runs)
        text = shown(plan.show, functools.partial(sweep.run_plan, plan))
        assert f"{RUNS}, of which {RUNS} are done" in text and "nothing to do" in text
        assert times(story.runs) == before

    def test_shows_its_table_again(self, story):
        table = shown(functools.partial(sweep.show_table, plan_of(*GRID, f"--runs_dir={story.runs}")))
        assert table.count(" 2") >= 4
        known = [line.split() for line in story.finished[1].splitlines()]
        assert all(line.split() in known for line in table.splitlines() if "python -m" not in line)

    def test_counts_for_a_larger_one(self, story):
        larger = [*GRID[:-2], "--seed=0-2", "--controls", f"--runs_dir={story.runs}"]
        plan = plan_of(*larger)
        done = [run for run in plan.runs if run.result is not None]
        assert len(done) == RUNS
        assert {run.cell.values.seed for run in plan.waiting} == {2}
        assert "by the runs that are done" in shown(plan.show)


class TestProgress:
    def test_is_a_line_for_each_task_with_the_time_left(self, story):
        count = len(story.lines)
        for number, line in enumerate(story.lines, 1):
            ending = r"in all" if number == count else r"left"
            assert re.fullmatch(rf"  \[{number}/{count}\] .*; (about )?[\d.]+ (s|min|h) {ending}", line), line

    def test_names_the_cell_and_its_accuracy(self, story):
        result = results(story.runs)["hybrid", None, 1]
        assert any(f"hybrid seed 1: {result['test_accuracy']:.4f} in" in line for line in story.lines)

    def test_estimates_by_the_work_that_is_left(self, monkeypatch):
        screen, now = io.StringIO(), iter([0.0, 10.0, 40.0])
        monkeypatch.setattr(time, "monotonic", lambda: next(now))
        progress = SweepProgress(rich.console.Console(file=screen, width=80), tasks=2, cost=40)
        monkeypatch.setattr(progress.bar, "update", lambda *_, **__: None)
        progress.finish("small", 10, "done")
        progress.finish("large", 30, "0.9 in 30 s")
        assert screen.getvalue().splitlines() == [
            "  [1/2] small: done; about 30 s left",
            "  [2/2] large: 0.9 in 30 s; 40 s in all",
        ]


class TestPlan:
    def test_tells_runs_networks_and_cost_and_writes_nothing(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        text = shown(plan_of(*GRID, "--dry_run").show)
        assert f"{RUNS}, of which 0 are done" in text
        assert f"{NETWORKS} networks, shared by 6 runs; {NETWORKS} to train" in text
        assert "24 epochs of training, 8 of them dense (28 without sharing)" in text
        assert "not known before the first run" in text
        assert "2 runs at a time, 1 thread each" in text
        assert list(tmp_path.iterdir()) == []

    def test_is_the_same_before_and_after_the_data_are_read(self, tmp_path):
        place = f"--runs_dir={tmp_path / 'runs'}"
        assert shown(plan_of(*GRID, place, "--dry_run").show) == shown(plan_of(*GRID, place).show)

    def test_tells_which_checks_say_nothing(self, tmp_path):
        arguments = ("--method=random,snip", "--sparsity=0.8", "--sanity_check=none,rearrange", "--seed=0-4")
        text = shown(plan_of(*arguments, f"--runs_dir={tmp_path}").show)
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

    @pytest.mark.parametrize("whose", ["directory", "dense"])
    def test_somebody_elses_directory_in_the_way_is_an_error_before_work(self, whose, tmp_path):
        arguments = ("--method=lt", *SMALL, "--seed=0-1", f"--runs_dir={tmp_path / 'runs'}")
        path = getattr(plan_of(*arguments).runs[1], whose).path
        path.mkdir(parents=True)
        (path / "thesis.tex").write_text("years of work")
        before = times(tmp_path)
        with pytest.raises(NotOurs, match="not empty and not a"):
            plan_of(*arguments)
        assert times(tmp_path) == before

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
        for content in ("{", "[]", "null", "{}", '{"test_accuracy": "high"}'):
            run.directory.result.write_text(content)
            assert len(plan_of(*arguments).waiting) == 1
        run.directory.result.write_text('{"test_accuracy": 0.9, "seconds": {}}')
        assert not plan_of(*arguments).waiting


OWN_SCORE = '''
"""A score that fails at seed 1, and whose process is killed the first time at seed 2."""

import os
import pathlib
import signal

import tensorflow as tf

from tf_tickets.layers import prunable_weights
from tf_tickets.support.random_streams import stream

FIRST = pathlib.Path("killed")


def score(model, batches, rng):
    if tf.config.threading.get_intra_op_parallelism_threads() != 1:
        raise RuntimeError("a sweep's runs have one thread each, if it is not told otherwise")
    if rng.bit_generator.state == stream(1, "score").bit_generator.state:
        raise KeyError("no luck")
    if rng.bit_generator.state == stream(2, "score").bit_generator.state and not FIRST.exists():
        FIRST.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return [abs(entry.weight.numpy()) for entry in prunable_weights(model)]
'''


@pytest.fixture(scope="module")
def failing_sweep(tmp_path_factory):
    """Its folder, and the program at work in it."""
    folder = tmp_path_factory.mktemp("failing")
    (folder / "own.py").write_text(OWN_SCORE)
    arguments = (*SMALL, "--method=snip", "--score=own:score", "--seed=0-3", "--jobs=1")
    return folder, Program("sweep", *arguments, folder=folder)


@pytest.fixture(scope="module")
def failing(failing_sweep):
    """Its folder, and how it ended."""
    folder, program = failing_sweep
    return folder, program.ended()


class TestFailures:
    def test_do_not_keep_other_cells_from_being_done(self, failing):
        folder, (code, out, err) = failing
        assert (code, err) == (1, "")
        assert sorted(seed for _, _, seed in results(folder / "runs")) == [0, 2, 3]
        assert "[4/4]" in out

    def test_are_listed_with_their_message(self, failing):
        _, (_, out, _) = failing
        progress, _, ending = out.partition("test accuracy of the final epoch")
        said = "--score=own:score failed: KeyError: 'no luck'"
        assert re.search(rf"\] seed 1: failed: {said}|snip seed 1: failed: {said}", progress)
        assert "warning: 1 task failed; the same command tries them again:" in ending
        (line,) = [line for line in ending.splitlines() if said in line]
        assert line.startswith("  snip seed 1: ")
        assert "details: runs/failures.log" in ending

    def test_are_kept_with_where_they_were(self, failing):
        folder, _ = failing
        log = (folder / "runs" / "failures.log").read_text()
        assert (
            "snip seed 1: " in log and "KeyError: 'no luck'" in log and "Traceback" in log and "own.py" in log
        )
        assert "seed 2" not in log

    def test_of_a_process_are_no_failures_of_its_cell(self, failing):
        folder, (_, out, _) = failing
        assert (folder / "killed").exists()
        assert re.search(r"snip seed 2: 0\.\d{4} in", out)


class Pool:
    """Stands for the processes of a sweep: does nothing before it is waited for, and dies when told."""

    def __init__(self, world):
        self.world, self.open, self.broken = world, True, False

    def submit(self, function, task):
        assert function is worker.perform and self.open
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []), "Ctrl-C is not for processes"
        if self.broken:
            raise BrokenProcessPool
        future = concurrent.futures.Future()
        future.task, future.pool = task, self
        return future

    def shutdown(self, **_):
        self.open = False


class World:
    """Runs a crew on pools of the above.

    Args:
        script: label of a task -> what each try of it comes to: an Outcome, "dies", or "dies later", when the
            process dies after the task is done.
    """

    def __init__(self, monkeypatch, script):
        self.script, self.pools, self.done, self.at_once = script, [], [], []
        monkeypatch.setattr(local, "_pool", self.pool)
        monkeypatch.setattr(concurrent.futures, "wait", self.wait)

    def pool(self, jobs, threads):
        assert all(not pool.open for pool in self.pools), "one that died is closed first"
        self.pools.append(Pool(self))
        return self.pools[-1]

    def wait(self, running, return_when):
        self.at_once.append([future.task.label for future in running])
        future = next(iter(running))
        tries = self.script.get(future.task.label, [])
        outcome = tries.pop(0) if tries else Outcome(1.0, 0.5)
        if outcome == "dies":
            future.set_exception(BrokenProcessPool())
            return {future}, set(running) - {future}
        if outcome == "dies later":
            future.pool.broken = True
            outcome = Outcome(1.0, 0.5)
        future.set_result(outcome)
        self.done.append(future.task.label)
        return {future}, set(running) - {future}

    def finish(self, label, cost, ending):
        """What the person sees."""

    def work(self, tasks, after=None, jobs=2):
        tasks = {name: Task(name, (), DENSE if name.startswith("dense") else WHOLE, 1) for name in tasks}
        outcomes = local.Crew(tasks, after or {}, Workplace("local", jobs, 1), self, lambda key: None).work()
        assert outcomes.keys() == tasks.keys()
        return {name: outcome.problem for name, outcome in outcomes.items()}


class TestCrew:
    """Who is sent to work when, and again."""

    def test_does_everything_so_many_at_a_time(self, monkeypatch):
        for jobs in (1, 2, 5):
            world = World(monkeypatch, {})
            assert world.work("abcdefg", jobs=jobs) == dict.fromkeys("abcdefg")
            assert max(map(len, world.at_once)) == jobs
            assert world.done == list("abcdefg") and len(world.pools) == 1

    def test_waits_for_the_dense_training_and_does_others_meanwhile(self, monkeypatch):
        world = World(monkeypatch, {})
        world.work(["dense", "a", "b", "c"], after={"a": "dense", "b": "dense"})
        assert world.at_once[0] == ["dense", "c"]
        assert world.done.index("dense") < min(world.done.index("a"), world.done.index("b"))

    def test_tells_why_what_needs_a_failed_dense_training_is_not_done(self, monkeypatch):
        world = World(monkeypatch, {"dense": [Outcome(1.0, None, "diverged")]})
        found = world.work(["dense", "a", "b", "c"], after={"a": "dense", "b": "dense"})
        failed = "its dense training failed: diverged"
        assert found == {"dense": "diverged", "a": failed, "b": failed, "c": None}
        assert world.done == ["dense", "c"]

    def test_tries_again_alone_what_was_at_work_when_a_process_died(self, monkeypatch):
        world = World(monkeypatch, {"a": ["dies"]})
        assert world.work("abcd") == dict.fromkeys("abcd")
        assert world.at_once[0] == ["a", "b"], "either may be to blame"
        assert world.at_once[1:3] == [["a"], ["b"]]
        assert world.at_once[3] == ["c", "d"]

    def test_gives_up_on_what_kills_its_process_twice(self, monkeypatch):
        world = World(monkeypatch, {"b": ["dies", "dies", "dies"]})
        found = world.work("abcd")
        assert found.pop("b") == "its process was killed, twice (out of memory?)"
        assert found == dict.fromkeys("acd")

    def test_goes_on_when_everything_dies(self, monkeypatch):
        world = World(monkeypatch, {name: ["dies"] * 3 for name in "abc"})
        assert set(world.work("abc").values()) == {"its process was killed, twice (out of memory?)"}

    def test_blames_nobody_for_the_death_of_an_idle_process(self, monkeypatch):
        world = World(monkeypatch, {"a": ["dies later"]})
        assert world.work("abcd") == dict.fromkeys("abcd")
        assert sorted(world.done) == list("abcd") and len(world.pools) == 2

    def test_ends_its_processes(self, monkeypatch):
        world = World(monkeypatch, {})
        monkeypatch.setattr(concurrent.futures, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            world.work("ab")
        assert not any(pool.open for pool in world.pools)

    def test_starts_processes_that_never_hear_of_ctrl_c(self):
        program = "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('at work')"
        with local._deaf_children():
            deaf = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert (deaf.returncode, deaf.stdout) == (0, "at work\n")
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def interrupted(*_, **__):
    raise KeyboardInterrupt


def test_data_are_read_once_for_all_runs_that_share_them(monkeypatch):
    (first,) = plan_of("--method=snip").runs
    loaded = worker.load_data(first.cell.values)
    (other,) = plan_of("--method=lt", "--sparsity=0.5", "--seed=3").runs
    assert worker.load_data(other.cell.values) is loaded
    held_out = plan_of("--method=lt", "--validation_fraction=0.1", "--seed=0-1").runs
    parted = [worker.load_data(run.cell.values) for run in held_out]
    assert len({id(dataset) for dataset in (loaded, *parted)}) == 3, "the seed parts off the validation set"
