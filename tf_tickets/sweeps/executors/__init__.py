"""Where the tasks of a sweep are done. Each executor is a module with a `Crew`, whose `work()` does them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from tf_tickets.support.late import late
from tf_tickets.support.words import plural

if TYPE_CHECKING:
    from tf_tickets.support.console import SweepProgress
    from tf_tickets.sweeps.worker import Outcome, Task

    Found = Callable[[str], Outcome | None]


@dataclasses.dataclass(frozen=True)
class Workplace:
    """Where the tasks of a sweep are done, and what each of them has there.

    Attributes:
        executor: one of `EXECUTORS`.
        jobs: tasks at a time; None for as many as there is room for (Ray).
        threads: of each.
        address: of a Ray cluster; None starts one here.
        cores: that Ray keeps for each.
        gpus: that Ray keeps for each.
        runs_dir: folder of the runs, which every node must see; a path or a URL.
    """

    executor: str
    jobs: int | None
    threads: int
    address: str | None = None
    cores: int = 1
    gpus: int = 0
    runs_dir: str = "runs"

    @property
    def about(self) -> str:
        """The place for people."""
        return EXECUTORS[self.executor].about(self)


class Crew(Protocol):
    """Who does tasks."""

    def work(self) -> dict[str, Outcome]:
        """Does all tasks; key -> how it ended."""


@dataclasses.dataclass(frozen=True)
class Executor:
    """A row of `EXECUTORS`.

    Attributes:
        about: a workplace of this kind for people.
        crew: arguments of `make_crew` -> Crew.
        flags: of a sweep, that mean something here only.
    """

    about: Callable[[Workplace], str]
    crew: Callable[[Mapping[str, Task], Mapping[str, str], Workplace, SweepProgress, Found], Crew]
    flags: tuple[str, ...] = ()


def make_crew(
    tasks: Mapping[str, Task],
    after: Mapping[str, str],
    place: Workplace,
    progress: SweepProgress,
    found: Found,
) -> Crew:
    """Who will do the tasks at the workplace.

    Args:
        tasks, after, progress: see `Agenda`.
        place: where.
        found: key of a task -> how it ended, by what lies in its directory; None if it did not end there.
    """
    return EXECUTORS[place.executor].crew(tasks, after, place, progress, found)


def _about_local(place: Workplace) -> str:
    return f"{plural(place.jobs or 1, 'run')} at a time, {plural(place.threads, 'thread')} each"


def _about_ray(place: Workplace) -> str:
    where = f"the Ray cluster {place.address}" if place.address else "a Ray cluster of this machine alone"
    gpus = f" and {plural(place.gpus, 'GPU')}" if place.gpus else ""
    most = "" if place.jobs is None else f", {plural(place.jobs, 'run')} at a time at most"
    return f"{where}; {plural(place.cores, 'core')}{gpus} a run, {plural(place.threads, 'thread')}{most}"


EXECUTORS: dict[str, Executor] = {
    "local": Executor(_about_local, late("tf_tickets.sweeps.executors.local:Crew")),
    "ray": Executor(
        _about_ray,
        late("tf_tickets.sweeps.executors.ray:Crew"),
        ("ray_address", "cores_per_run", "gpus_per_run"),
    ),
}
