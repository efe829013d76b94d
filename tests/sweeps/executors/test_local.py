"""The pool of processes: which task is started when, and which again."""

import concurrent.futures
import os
import pathlib
import signal
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool

import pytest

from tests import processes
from tests.sweeps.executors import light_processes
from tests.waiting import wait_until
from tf_tickets.sweeps import worker
from tf_tickets.sweeps.executors import local
from tf_tickets.sweeps.executors.resources import Resources
from tf_tickets.sweeps.task import DENSE, WHOLE, Outcome, Task


class FakeProcesses:
    """Stands for the processes of a sweep: does nothing before it is waited for, and crashes when told."""

    def __init__(self):
        self.open, self.broken = True, False

    def submit(self, function, task):
        assert function is worker.run_task and self.open
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []), "Ctrl-C is not for processes"
        if self.broken:
            raise BrokenProcessPool
        future = concurrent.futures.Future()
        future.task, future.processes = task, self
        return future

    def shutdown(self, **_):
        self.open = False


class Harness:
    """Runs a LocalPool on processes of the above.

    Args:
        script: label of a task -> what each try of it comes to: an Outcome, "crashes", or "crashes later",
            when the process crashes after the task is done.
    """

    def __init__(self, monkeypatch, script):
        self.script, self.started, self.done, self.at_once = script, [], [], []
        monkeypatch.setattr(local, "_start_processes", self.start)
        monkeypatch.setattr(concurrent.futures, "wait", self.wait)

    def start(self, jobs, threads):
        assert not any(before.open for before in self.started), "what crashed is closed first"
        self.started.append(FakeProcesses())
        return self.started[-1]

    def wait(self, running, return_when):
        self.at_once.append([future.task.label for future in running])
        future = next(iter(running))
        tries = self.script.get(future.task.label, [])
        outcome = tries.pop(0) if tries else Outcome(1.0, "0.5")
        if outcome == "crashes":
            future.set_exception(BrokenProcessPool())
            return {future}, set(running) - {future}
        if outcome == "crashes later":
            future.processes.broken = True
            outcome = Outcome(1.0, "0.5")
        future.set_result(outcome)
        self.done.append(future.task.label)
        return {future}, set(running) - {future}

    def finish(self, label, cost, ending, left):
        """What the person sees."""

    def run(self, tasks, after=None, jobs=2):
        tasks = {name: Task(name, (), DENSE if name.startswith("dense") else WHOLE, 1) for name in tasks}
        pool = local.LocalPool(tasks, after or {}, Resources(jobs, 1), self, lambda key: None)
        outcomes = pool.run()
        assert outcomes.keys() == tasks.keys()
        return {name: outcome.problem for name, outcome in outcomes.items()}


class TestLocalPool:
    """Which task is started when, and which again."""

    def test_does_everything_so_many_at_a_time(self, monkeypatch):
        for jobs in (1, 2, 5):
            harness = Harness(monkeypatch, {})
            assert harness.run("abcdefg", jobs=jobs) == dict.fromkeys("abcdefg")
            assert max(map(len, harness.at_once)) == jobs
            assert harness.done == list("abcdefg") and len(harness.started) == 1

    def test_waits_for_the_dense_training_and_does_others_meanwhile(self, monkeypatch):
        harness = Harness(monkeypatch, {})
        harness.run(["dense", "a", "b", "c"], after={"a": "dense", "b": "dense"})
        assert harness.at_once[0] == ["dense", "c"]
        assert harness.done.index("dense") < min(harness.done.index("a"), harness.done.index("b"))

    def test_tells_why_what_needs_a_failed_dense_training_is_not_done(self, monkeypatch):
        harness = Harness(monkeypatch, {"dense": [Outcome(1.0, None, "diverged")]})
        found = harness.run(["dense", "a", "b", "c"], after={"a": "dense", "b": "dense"})
        failed = "its dense training failed: diverged"
        assert found == {"dense": "diverged", "a": failed, "b": failed, "c": None}
        assert harness.done == ["dense", "c"]

    def test_tries_again_alone_what_was_running_when_a_process_crashed(self, monkeypatch):
        harness = Harness(monkeypatch, {"a": ["crashes"]})
        assert harness.run("abcd") == dict.fromkeys("abcd")
        assert harness.at_once[0] == ["a", "b"], "either may be to blame"
        assert harness.at_once[1:3] == [["a"], ["b"]]
        assert harness.at_once[3] == ["c", "d"]

    def test_gives_up_on_what_crashes_its_process_twice(self, monkeypatch):
        harness = Harness(monkeypatch, {"b": ["crashes", "crashes", "crashes"]})
        found = harness.run("abcd")
        assert found.pop("b") == "its process was killed, twice (out of memory?)"
        assert found == dict.fromkeys("acd")

    def test_goes_on_when_everything_crashes(self, monkeypatch):
        harness = Harness(monkeypatch, {name: ["crashes"] * 3 for name in "abc"})
        assert set(harness.run("abc").values()) == {"its process was killed, twice (out of memory?)"}

    def test_blames_nobody_for_the_crash_of_an_idle_process(self, monkeypatch):
        harness = Harness(monkeypatch, {"a": ["crashes later"]})
        assert harness.run("abcd") == dict.fromkeys("abcd")
        assert sorted(harness.done) == list("abcd") and len(harness.started) == 2

    def test_ends_its_processes(self, monkeypatch):
        harness = Harness(monkeypatch, {})
        monkeypatch.setattr(concurrent.futures, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            harness.run("ab")
        assert not any(processes.open for processes in harness.started)

    def test_does_in_another_process_what_a_killed_one_was_at(self, monkeypatch, tmp_path):
        """Real processes, each of which knows its parent and how many threads it has."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(worker, "initialize", light_processes.initialize)
        monkeypatch.setattr(worker, "run_task", light_processes.run_task)
        harness = Harness.__new__(Harness)
        tasks = {name: Task(name, (), WHOLE, 1) for name in ("before", "killed", "after")}
        outcomes = local.LocalPool(tasks, {}, Resources(2, 3), harness, lambda key: None).run()
        assert (tmp_path / "killed").exists()
        told = {name: (outcome.problem, outcome.reached) for name, outcome in outcomes.items()}
        assert told == dict.fromkeys(tasks, (None, f"{os.getpid()} 3"))

    def test_starts_processes_that_never_hear_of_ctrl_c(self):
        program = (
            "import os, signal\n"
            "signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
            "os.kill(os.getpid(), signal.SIGINT)\n"
            "print('at work')"
        )
        with local._interrupts_blocked():
            child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert (child.returncode, child.stdout) == (0, "at work\n")
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def interrupted(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize("started", ["script.py", "-"])
def test_processes_do_not_run_the_script_again_that_starts_them(started, tmp_path):
    """One without a guard would start its sweep in each; that of a notebook cannot be found."""
    text = """
import multiprocessing, sys
from tf_tickets.sweeps.executors import local

print("the script")
process = multiprocessing.get_context("spawn").Process(target=print, args=("a process",))
with local._main_module_hidden():
    process.start()
process.join()
print(process.exitcode, sys.modules["__main__"].local is local)
"""
    (tmp_path / "script.py").write_text(text)
    place = started if started == "-" else str(tmp_path / started)
    ours = {**os.environ, "PYTHONPATH": str(pathlib.Path(local.__file__).parents[3])}
    done = subprocess.run([sys.executable, place], input=text, capture_output=True, text=True, env=ours)
    assert not done.stderr
    assert sorted(done.stdout.splitlines()) == ["0 True", "a process", "the script"]


def test_a_process_ends_with_the_one_that_started_it(tmp_path):
    """However that ends: what is killed leaves no process at work."""
    (tmp_path / "light.py").write_text(
        "import signal\n"
        "from tf_tickets.sweeps import worker\n"
        "def load(threads):\n"
        "    print('at work', flush=True)\n"
        "    while True:\n"
        "        signal.pause()\n"
        "worker.load_tensorflow = load\n"
        "def work(parent):\n"
        "    worker.initialize(parent, 1, {})\n"
    )
    program = (
        "import multiprocessing, os, light\n"
        "process = multiprocessing.get_context('spawn').Process(target=light.work, args=(os.getpid(),))\n"
        "process.start()\n"
        "process.join()\n"
    )
    started = processes.start("-c", program, folder=tmp_path)
    try:
        processes.read_until(started, "at work")
        assert any("spawn_main" in args for _, args in processes.group(started))
        started.kill()
        started.wait()
        wait_until(lambda: not processes.group(started), "the end of its process")
    finally:
        processes.kill_group(started)
