"""Tasks on a Ray cluster: each is a Ray task, and is tried again where its node or its process was lost."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.metadata
import os
import uuid
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tf_tickets.storage import holders
from tf_tickets.support.words import plural
from tf_tickets.sweeps.executors import ray_cluster, ray_node
from tf_tickets.sweeps.executors.executor import FindOutcome
from tf_tickets.sweeps.executors.resources import Resources
from tf_tickets.sweeps.executors.task_queue import TaskQueue
from tf_tickets.sweeps.task import Outcome, Task
from tf_tickets.training.strategies import STRATEGIES

if TYPE_CHECKING:
    from tf_tickets.support.console import SweepProgress

# Crashes of its process that a task is given up after, and losses of the node that it was on. The first may
# be its own doing; the second, on machines that can be taken away at any time, hardly ever are.
MOST_CRASHES = 2
MOST_LOST_NODES = 20
CRASHED = "process was killed, twice (out of memory?)"
PACKAGES = ("tf_tickets", "tensorflow", "keras")
SECONDS_TO_END = 10.0


class RayPool:
    """Ray tasks.

    Args:
        tasks, after, progress: see `TaskQueue`.
        resources: the cluster, and what each task has of it.
        find_outcome: see `MakePool`.
    """

    def __init__(
        self,
        tasks: Mapping[str, Task],
        after: Mapping[str, str],
        resources: Resources,
        progress: SweepProgress,
        find_outcome: FindOutcome,
    ):
        self.queue = TaskQueue(tasks, after, progress, resources.jobs)
        self.resources, self.find_outcome = resources, find_outcome
        self.sweep = uuid.uuid4().hex
        self.running: dict[Any, str] = {}
        self.crashes: dict[str, int] = {}
        self.lost_nodes: dict[str, int] = {}

    def run(self) -> dict[str, Outcome]:
        """Does all tasks; key -> how it ended."""
        resources = self.resources
        with (
            ray_cluster.connected(resources.address) as ray,
            ray_cluster.visible_file(resources.runs_dir) as shared,
        ):
            function = self._function(ray)
            versions = {name: importlib.metadata.version(name) for name in PACKAGES}
            ray_cluster.check_nodes(ray, function, versions, shared, resources)
            try:
                while self.queue.waiting or self.running:
                    self._submit(functools.partial(function.remote, versions, shared))
                    self._collect(ray)
                return self.queue.outcomes
            except BaseException:
                self._cancel(ray)
                raise

    def _function(self, ray: ModuleType) -> Any:
        """What a node does, as a Ray function, which Ray tries only once: it cannot know who is to blame."""
        ray.cloudpickle.register_pickle_by_value(ray_node)
        options = {"num_cpus": self.resources.cores, "num_gpus": self.resources.gpus, "max_retries": 0}
        return ray.remote(**options)(ray_node.check_and_run)

    def _submit(self, submit: Callable[[Mapping[str, Any]], Any]) -> None:
        while self.resources.jobs is None or len(self.running) < self.resources.jobs:
            key = self.queue.next()
            if key is None:
                return
            work = {
                "task": dataclasses.asdict(self.queue.tasks[key]),
                "threads": self.resources.threads,
                "gpus": self.resources.gpus,
                "folder": os.getcwd(),
                "sweep": self.sweep,
            }
            self.running[submit(work)] = key

    def _collect(self, ray: ModuleType) -> None:
        """Waits until a task has ended."""
        if not self.running:
            return
        errors = ray.exceptions
        done, _ = ray.wait(list(self.running), num_returns=1)
        for reference in done:
            key = self.running.pop(reference)
            try:
                problem, outcome = ray.get(reference)
            except (errors.NodeDiedError, errors.ObjectLostError):
                outcome = self._retry(key, self.lost_nodes, MOST_LOST_NODES, "node died, {} times")
            except (errors.WorkerCrashedError, errors.OutOfMemoryError):
                outcome = self._retry(key, self.crashes, MOST_CRASHES, CRASHED)
            except errors.RayTaskError as error:  # whatever is a cell's own fault is told, not raised
                cause = ray_cluster.cause(error)
                raise RuntimeError(f"A node of the Ray cluster cannot work: {cause}") from error
            except errors.RayError as error:
                raise RuntimeError(f"The Ray cluster is lost: {ray_cluster.one_line(error)}") from error
            else:
                if problem is not None:
                    raise ValueError(problem)
            if outcome is not None:
                self.queue.finish(key, outcome)

    def _retry(self, key: str, losses: dict[str, int], most: int, words: str) -> Outcome | None:
        """How a task ended whose node or process was lost; None where it is tried again."""
        losses[key] = losses.get(key, 0) + 1
        outcome = self.find_outcome(key)
        if outcome is not None:  # it was at its very end
            return outcome
        if losses[key] >= most:
            return Outcome(0.0, None, f"its {words.format(most)}")
        self.queue.put_back(key)
        what = "node" if losses is self.lost_nodes else "process"
        title = self.queue.tasks[key].title
        self.queue.progress.note(f"{title}: its {what} died; tried again")
        return None

    def _cancel(self, ray: ModuleType) -> None:
        """Ends the tasks; none is left that could still be at work in a directory."""
        references = list(self.running)
        with contextlib.suppress(ray.exceptions.RayError, ConnectionError):
            for reference in references:
                ray.cancel(reference, force=True)
            ray.wait(references, num_returns=len(references), timeout=SECONDS_TO_END)
        for key in self.running.values():
            for url in self.queue.tasks[key].urls:
                holders.release(url, self.sweep)


def describe(resources: Resources) -> str:
    """The resources for people."""
    where = "a Ray cluster of this machine alone"
    if resources.address:
        where = f"the Ray cluster {resources.address}"
    gpus = f" and {plural(resources.gpus, 'GPU')}" if resources.gpus else ""
    threads = plural(resources.threads, "thread")
    most = "" if resources.jobs is None else f", {plural(resources.jobs, 'run')} at a time at most"
    return f"{where}; {plural(resources.cores, 'core')}{gpus} a run, {threads}{most}"


def default_jobs(threads: int) -> None:
    """As many as the cluster has room for.

    Args:
        threads: not used.
    """


def count_replicas(strategy: str, gpus: int) -> int:
    """Those of the GPUs that are kept for a run, which sees no others, whatever this machine has.

    Args:
        strategy: its name.
        gpus: of the run.
    """
    return 1 if STRATEGIES[strategy].one_replica else max(gpus, 1)
