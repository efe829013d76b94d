"""What the tasks of a sweep have where they are done."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Resources:
    """How many tasks there are at a time, and what each of them has.

    Attributes:
        jobs: tasks at a time; None for as many as there is room for (Ray).
        threads: of each.
        address: of a Ray cluster; None starts one here.
        cores: that Ray keeps for each.
        gpus: that Ray keeps for each.
        runs_dir: folder of the runs, which every node must see; a path or a URL.
    """

    jobs: int | None
    threads: int
    address: str | None = None
    cores: int = 1
    gpus: int = 0
    runs_dir: str = "runs"
