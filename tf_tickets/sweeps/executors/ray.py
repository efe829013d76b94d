"""Tasks on a Ray cluster: each is a Ray task, and is tried again where its node or its process died."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.metadata
import logging
import os
import pathlib
import socket
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tf_tickets.config import config as configuration
from tf_tickets.storage import holders
from tf_tickets.storage.urls import is_url
from tf_tickets.sweeps import worker
from tf_tickets.sweeps.executors import Workplace, node
from tf_tickets.sweeps.executors.agenda import Agenda
from tf_tickets.sweeps.worker import Outcome, Task

if TYPE_CHECKING:
    from tf_tickets.support.console import SweepProgress
    from tf_tickets.sweeps.executors import Found

# Deaths of its process that a cell is given up after, and deaths of the node that it was on. The first may be
# its own doing; the second, on machines that can be taken away at any time, hardly ever are.
MOST_DEATHS = 2
MOST_LOST_NODES = 20
KILLED = "process was killed, twice (out of memory?)"
PACKAGES = ("tf_tickets", "tensorflow", "keras")
SECONDS_TO_CONNECT = 5.0
SECONDS_TO_ANSWER = 60.0
SECONDS_TO_END = 10.0


class Crew:
    """Ray tasks.

    Args:
        tasks, after, progress: see `Agenda`.
        place: the cluster, and what each task has of it.
        found: see `make_crew`.
    """

    def __init__(
        self,
        tasks: Mapping[str, Task],
        after: Mapping[str, str],
        place: Workplace,
        progress: SweepProgress,
        found: Found,
    ):
        self.agenda, self.place, self.found = Agenda(tasks, after, progress), place, found
        self.sweep = uuid.uuid4().hex
        self.running: dict[Any, str] = {}
        self.killed: dict[str, int] = {}
        self.lost: dict[str, int] = {}

    def work(self) -> dict[str, Outcome]:
        """Does all tasks; key -> how it ended."""
        with _connected(self.place) as ray, _visible_file(self.place.runs_dir) as shared:
            visit = self._visiting(ray)
            versions = {name: importlib.metadata.version(name) for name in PACKAGES}
            look = functools.partial(visit.remote, versions, shared)
            _check_nodes(ray, visit, versions, shared, self.place)
            try:
                while self.agenda.waiting or self.running:
                    self._submit(look)
                    self._collect(ray)
                return self.agenda.outcomes
            except BaseException:
                self._cancel(ray)
                raise

    def _visiting(self, ray) -> Any:
        """`node.visit` as a Ray function. Ray itself tries nothing again: it cannot know who is to blame."""
        ray.cloudpickle.register_pickle_by_value(node)
        return ray.remote(num_cpus=self.place.cores, num_gpus=self.place.gpus, max_retries=0)(node.visit)

    def _submit(self, look) -> None:
        while self.place.jobs is None or len(self.running) < self.place.jobs:
            key = self.agenda.next()
            if key is None:
                return
            work = {
                "task": dataclasses.asdict(self.agenda.tasks[key]),
                "threads": self.place.threads,
                "gpus": self.place.gpus,
                "folder": os.getcwd(),
                "sweep": self.sweep,
            }
            self.running[look(work)] = key

    def _collect(self, ray) -> None:
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
                outcome = self._bury(key, self.lost, MOST_LOST_NODES, "node died, {} times")
            except (errors.WorkerCrashedError, errors.OutOfMemoryError):
                outcome = self._bury(key, self.killed, MOST_DEATHS, KILLED)
            except errors.RayTaskError as error:  # whatever is a cell's own fault is told, not raised
                raise RuntimeError(f"A node of the Ray cluster cannot work: {_cause(error)}") from error
            except errors.RayError as error:
                raise RuntimeError(f"The Ray cluster is lost: {_line(error)}") from error
            else:
                if problem is not None:
                    raise ValueError(problem)
            if outcome is not None:
                self.agenda.finish(key, outcome)

    def _bury(self, key: str, deaths: dict[str, int], most: int, words: str) -> Outcome | None:
        """How a task ended whose node or process died; None where it is tried again."""
        deaths[key] = deaths.get(key, 0) + 1
        outcome = self.found(key)
        if outcome is not None:  # it was at its very end
            return outcome
        if deaths[key] >= most:
            return Outcome(0.0, None, f"its {words.format(most)}")
        self.agenda.put_back(key)
        what = "node" if deaths is self.lost else "process"
        title = self.agenda.tasks[key].title
        self.agenda.progress.out.print(f"  {title}: its {what} died; tried again", markup=False)
        return None

    def _cancel(self, ray) -> None:
        """Ends the tasks; none is left that could still be at work in a directory."""
        references = list(self.running)
        with contextlib.suppress(ray.exceptions.RayError, ConnectionError):
            for reference in references:
                ray.cancel(reference, force=True)
            ray.wait(references, num_returns=len(references), timeout=SECONDS_TO_END)
        for key in self.running.values():
            for place in self.agenda.tasks[key].places:
                holders.release(place, self.sweep)


def perform(task: Mapping[str, Any], threads: int, gpus: int, folder: str, sweep: str) -> Outcome:
    """Does a task, in a process of a node.

    Args:
        task: fields of the Task.
        threads, gpus: of the task.
        folder: where the driver is at work; names of files are meant from there.
        sweep: whose marks in run directories are those of earlier tries, which are dead.
    """
    _start(threads, gpus, folder, sweep)
    return worker.perform(Task(**task))


@functools.cache
def _start(threads: int, gpus: int, folder: str, sweep: str) -> None:
    """Prepares the process, once."""
    environment = {"TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3")}
    if not gpus:
        environment["CUDA_VISIBLE_DEVICES"] = ""
    with contextlib.suppress(OSError):  # a node need not have it, as long as nothing is looked for there
        os.chdir(folder)
    # The process outlives its node's Ray, and would go on in a directory that is another's by then.
    worker.start(os.getppid(), threads, environment)
    holders.work_for(sweep)


@contextlib.contextmanager
def _connected(place: Workplace) -> Iterator[Any]:
    """Ray, connected to the cluster."""
    # Of a cluster of others these change nothing; what is started here reports to nobody, and says little.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise ValueError(
            f"--executor=ray needs Ray, which cannot be imported ({error}): pip install tf_tickets[ray]"
        ) from error
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if place.address is None:
        options |= {"num_cpus": configuration.default_threads(), "include_dashboard": False}
    else:
        _check_reachable(place.address)
    with _silent(ray):
        try:
            with _without_remarks():
                ray.init(address=place.address or "local", **options)
        except (OSError, RuntimeError, ValueError, SystemExit) as error:  # Ray exits where it finds no peer
            reason = "it does not answer as Ray does" if isinstance(error, SystemExit) else _line(error)
            hint = (
                "" if place.address is None else " (Where the cluster asks for a token: RAY_AUTH_MODE=token.)"
            )
            raise ValueError(f"--ray_address={place.address} cannot be used: {reason}{hint}") from error
        try:
            yield ray
        finally:
            ray.shutdown()


def _check_reachable(address: str) -> None:
    """An address where nobody listens is an error at once; Ray alone would try for minutes."""
    named = os.environ.get("RAY_ADDRESS", address) if address == "auto" else address
    host, colon, port = named.removeprefix("ray://").rpartition(":")
    if named == "auto":
        return
    if not (host and colon and port.isdigit()):
        raise ValueError(
            f"--ray_address={named} is no address. Give auto, HOST:PORT or ray://HOST:PORT; without the flag "
            "a cluster is started on this machine."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS_TO_CONNECT).close()
    except (OSError, OverflowError) as error:
        raise ValueError(
            f"--ray_address={named} cannot be reached: {error}. Is the cluster running (ray start --head)?"
        ) from error


@contextlib.contextmanager
def _without_remarks() -> Iterator[None]:
    """Holds back what Ray's own code writes to standard error; the error that it raises says enough."""
    sys.stderr.flush()
    screen = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(screen, 2)
            os.close(screen)


@contextlib.contextmanager
def _silent(ray) -> Iterator[None]:
    """Keeps Ray from printing the last words of nodes and processes between ours, whatever it is told."""
    inside = ray._private.worker
    printing = getattr(inside, "print_to_stdstream", None)
    if printing is None:
        yield
        return
    inside.print_to_stdstream = lambda *_, **__: None
    try:
        yield
    finally:
        inside.print_to_stdstream = printing


@contextlib.contextmanager
def _visible_file(runs_dir: str) -> Iterator[str | None]:
    """A file in the folder of the runs, for the duration, by which nodes tell whether they share it."""
    if is_url(runs_dir):
        yield None
        return
    folder = pathlib.Path(runs_dir).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".sweep-{uuid.uuid4().hex}"
    path.touch()
    try:
        yield str(path)
    finally:
        path.unlink(missing_ok=True)


def _check_nodes(ray, visit, versions: Mapping[str, str], shared: str | None, place: Workplace) -> None:
    """Raises ValueError unless there is a node that has room for a task, and all that have can do it."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    alive = [found for found in ray.nodes() if found["Alive"]]
    roomy = [found for found in alive if _has_room(found["Resources"], place)]
    if not roomy:
        largest = ", ".join(
            f"{found['NodeManagerHostname']} has {found['Resources'].get('CPU', 0):g} cores and "
            f"{found['Resources'].get('GPU', 0):g} GPUs"
            for found in alive
        )
        raise ValueError(
            f"No node of the Ray cluster has --cores_per_run={place.cores} and --gpus_per_run={place.gpus}: "
            f"{largest}."
        )
    asked = {}
    for found in roomy:
        there = NodeAffinitySchedulingStrategy(found["NodeID"], soft=False)
        looking = visit.options(num_cpus=0, num_gpus=0, scheduling_strategy=there)
        asked[looking.remote(versions, shared)] = found["NodeManagerHostname"]
    _, silent = ray.wait(list(asked), num_returns=len(asked), timeout=SECONDS_TO_ANSWER)
    if silent:
        raise ValueError(
            f"Node {asked[silent[0]]} of the Ray cluster did not answer in {SECONDS_TO_ANSWER:.0f} s."
        )
    answers = 0
    for reference, host in asked.items():
        try:
            problem, _ = ray.get(reference)
            answers += 1
        except ray.exceptions.RayTaskError as error:
            problem = f"Node {host} of the Ray cluster cannot work: {_cause(error)}"
        except ray.exceptions.RayError:  # Ray takes a while to notice that a node is gone
            continue
        if problem is not None:
            raise ValueError(problem)
    if not answers:
        raise ValueError(f"No node of the Ray cluster is alive; those it had: {', '.join(asked.values())}.")


def _has_room(resources: Mapping[str, float], place: Workplace) -> bool:
    return resources.get("CPU", 0) >= place.cores and resources.get("GPU", 0) >= place.gpus


def _cause(error: Any) -> str:
    """What a task raised."""
    return f"{type(error.cause).__name__}: {_line(error.cause)}"


def _line(error: BaseException) -> str:
    """The message of an error of Ray's, which can have many lines, in one."""
    lines: Sequence[str] = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines)[:500] or type(error).__name__
