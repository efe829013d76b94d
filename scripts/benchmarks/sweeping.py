"""Seconds of a sweep of the paper's Table 3 that shares its dense trainings, and of the same runs alone.

Runs in a process of its own, one run after another in both cases, so that nothing but the sharing differs.
"""

import json
import os
import pathlib
import sys
import tempfile
import time

from absl import flags

from tf_tickets.sweeps import worker
from tf_tickets.sweeps.plan import plan_sweep
from tf_tickets.sweeps.sweep_flags import define_flags
from tf_tickets.sweeps.task import DENSE, WHOLE, Task

FLAGFILE = pathlib.Path(__file__).resolve().parents[2] / "flags" / "paper" / "table3.cfg"


def measure(epochs: int, threads: int) -> dict[str, float]:
    """Both ways of running the sweep, at a small scale: digits, a small network, one seed.

    Args:
        epochs: of every training.
        threads: of the process.
    """
    worker.initialize(os.getppid(), threads, {"TF_CPP_MIN_LOG_LEVEL": "3"})
    with tempfile.TemporaryDirectory() as folder:
        values = flags.FlagValues()
        define_flags(values)
        scale = ["--dataset=digits", "--model=resnet8", "--width=0.25", "--noaugment", "--seed=0"]
        places = [f"--runs_dir={folder}/shared", f"--threads={threads}", f"--epochs={epochs}"]
        values(["sweep", f"--flagfile={FLAGFILE}", *scale, *places])
        plan = plan_sweep(values)
        dense = [run.task(DENSE) for run in plan.dense.values()]
        runs = [run.task(WHOLE) for run in plan.runs]
        _run(runs[-1], f"{folder}/warm")  # what a process does once, such as loading Keras
        began = time.perf_counter()
        for task in [*dense, *runs]:
            _run(task)
        shared = time.perf_counter() - began
        began = time.perf_counter()
        for number, task in enumerate(runs):
            _run(task, f"{folder}/alone/{number}")
        alone = time.perf_counter() - began
    return {
        "runs": len(runs),
        "dense": len(dense),
        "shared_s": shared,
        "alone_s": alone,
        "saved": 1 - shared / alone,
    }


def _run(task: Task, folder: str | None = None) -> None:
    """Does a task; in a folder of its own, where it shares nothing."""
    if folder is not None:
        kept = [x for x in task.arguments if not x.startswith(("--run_dir=", "--dense_dir="))]
        task = Task(task.label, (*kept, f"--run_dir={folder}/run"), task.part, task.cost)
    outcome = worker.run_task(task)
    if outcome.problem:
        raise RuntimeError(f"{task.label}: {outcome.problem}\n{outcome.details}")


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")  # libraries may print to 1 as they like
    os.dup2(2, 1)
    print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]))), file=answers, flush=True)
