"""What a node of a Ray cluster does first: it makes sure that it can do the work.

Ray gets these functions as code, not by name, since a node may lack tf_tickets: they import nothing of ours
before they know that it is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SECONDS_TO_SEE = 10.0


def check_and_run(
    versions: Mapping[str, str], shared: str | None, work: Mapping[str, Any] | None = None
) -> tuple[str | None, Any]:
    """Does a task, where the node can.

    Args:
        versions: package -> the version that the driver has.
        shared: a file that the driver has made, which the node must see; None if there is none.
        work: arguments for `ray_worker.run_task`; None if there is nothing to do but to check.

    Returns:
        What is wrong with the node, or None; and the Outcome of the work.
    """
    problem = find_problem(versions, shared)
    if problem is not None or work is None:
        return problem, None
    from tf_tickets.sweeps.executors.ray_worker import run_task

    return None, run_task(**work)


def find_problem(versions: Mapping[str, str], shared: str | None) -> str | None:
    """Why this node cannot do the work; None if it can. Arguments as for `check_and_run`."""
    import importlib.metadata
    import os
    import socket
    import time

    host = socket.gethostname()
    for name, wanted in versions.items():
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return f"Node {host} of the Ray cluster lacks {name}: install {name}=={wanted} there."
        if found != wanted:
            return (
                f"Node {host} of the Ray cluster has {name} {found}, and this machine has {wanted}: numbers "
                "could differ. Install the same version on both."
            )
    ends = time.monotonic() + SECONDS_TO_SEE  # network disks can take their time
    while shared is not None and not os.path.exists(shared):
        if time.monotonic() > ends:
            return (
                f"Node {host} of the Ray cluster does not see {os.path.dirname(shared)}: --runs_dir must be "
                "a folder of a disk that all nodes share, under the same path, or a URL (s3://bucket/runs)."
            )
        time.sleep(0.5)
    return None
