"""A process of a sweep: whatever its task does is told, and ends no other."""

import signal
import sys

import keras
import pytest

from tests.sweeps.plans import plan_of
from tf_tickets.support.console import Console
from tf_tickets.sweeps import worker
from tf_tickets.sweeps.executors import local
from tf_tickets.sweeps.running import run_plan
from tf_tickets.sweeps.task import WHOLE, Task


@pytest.mark.parametrize("code", [None, 0, 3])
def test_code_that_ends_the_program_is_a_failure_of_its_task(code, monkeypatch):
    monkeypatch.setattr(worker, "load_data", lambda values: sys.exit(code))
    monkeypatch.setattr(keras.utils, "clear_session", lambda free_memory: None)
    outcome = worker.run_task(Task("snip", ("--method=snip",), WHOLE, 1))
    assert outcome.reached is None
    assert outcome.problem == f"{__file__}, line 19, ends the program (SystemExit: {code})"
    assert "Traceback" in outcome.details


def test_sigterm_ends_a_sweep_as_ctrl_c_does(monkeypatch, tmp_path):
    """Its processes are told, and save; see tests/training/test_interruption.py."""
    told = []

    class Busy:
        def submit(self, function, task):
            signal.raise_signal(signal.SIGTERM)

        def terminate(self):
            told.append("to end")

        def shutdown(self, **_):
            told.append("and waited for")

    processes = Busy()
    monkeypatch.setattr(local, "_start_processes", lambda jobs, threads: processes)
    monkeypatch.setattr(local.multiprocessing, "active_children", lambda: [processes])
    plan = plan_of("--method=snip", "--model=mlp_8", f"--runs_dir={tmp_path / 'runs'}")
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with pytest.raises(KeyboardInterrupt) as ended:
            run_plan(plan, Console.silent())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.signal == signal.SIGTERM
    assert told == ["to end", "and waited for"]
