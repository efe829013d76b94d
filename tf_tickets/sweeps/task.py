"""What a process of a sweep is asked to do, and how it ended."""

from __future__ import annotations

import dataclasses

DENSE, DONORS_DENSE, WHOLE = "dense", "donors_dense", "whole"


@dataclasses.dataclass(frozen=True)
class Task:
    """What a process is asked to do.

    Attributes:
        label: for people.
        arguments: flags of `python -m tf_tickets.run`, its directories among them.
        part: WHOLE for a run; DENSE for no more than its dense training, which other runs share; DONORS_DENSE
            for that of the ticket which gives the run its counts.
        cost: epochs of training.
        urls: its directories, where they are URLs: those that it may leave marked when it is killed.
        name: that the run has by its plan; where a process finds another one, data or devices differ there.
        seconds: that it is expected to take; None where nothing is known.
    """

    label: str
    arguments: tuple[str, ...]
    part: str
    cost: int
    urls: tuple[str, ...] = ()
    name: str | None = None
    seconds: float | None = None

    @property
    def title(self) -> str:
        """The task for people."""
        ends = {DENSE: ", its dense training", DONORS_DENSE: ", the dense training behind its counts"}
        return f"{self.label}{ends.get(self.part, '')}"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a task ended.

    Attributes:
        seconds: of wall time.
        reached: what it is judged by, for people, where it was a whole run.
        problem: one line; None if all went well.
        details: traceback, and what the person would have seen, where something went wrong.
    """

    seconds: float
    reached: str | None = None
    problem: str | None = None
    details: str = ""
