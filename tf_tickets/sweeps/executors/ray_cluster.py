"""A Ray cluster: connecting to it, and telling whether its nodes can do the work of a sweep."""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import socket
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

from tf_tickets.storage.urls import is_url
from tf_tickets.support.startup import default_threads
from tf_tickets.sweeps.executors.resources import Resources

SECONDS_TO_CONNECT = 5.0
SECONDS_TO_ANSWER = 60.0


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[ModuleType]:
    """Ray, connected to a cluster.

    Args:
        address: of the cluster; None starts one here.

    Raises:
        ValueError: Ray is not installed, or the cluster does not answer.
    """
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
    if address is None:
        options |= {"num_cpus": default_threads(), "include_dashboard": False}
    else:
        check_reachable(address)
    with _silent(ray):
        try:
            with _without_remarks():
                ray.init(address=address or "local", **options)
        except (OSError, RuntimeError, ValueError, SystemExit) as error:  # Ray exits where it finds no peer
            reason = "it does not answer as Ray does" if isinstance(error, SystemExit) else one_line(error)
            hint = "" if address is None else " (Where the cluster asks for a token: RAY_AUTH_MODE=token.)"
            raise ValueError(f"--ray_address={address} cannot be used: {reason}{hint}") from error
        try:
            yield ray
        finally:
            ray.shutdown()


@contextlib.contextmanager
def visible_file(runs_dir: str) -> Iterator[str | None]:
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


def check_nodes(
    ray: ModuleType, function: Any, versions: Mapping[str, str], shared: str | None, resources: Resources
) -> None:
    """Makes sure that there is a node that has room for a task, and that all that have can do it.

    Args:
        ray: connected to the cluster.
        function: `ray_node.check_and_run` as a Ray function.
        versions, shared: for that.
        resources: of a task.

    Raises:
        ValueError: there is none, or one that cannot.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    alive = [found for found in ray.nodes() if found["Alive"]]
    roomy = [found for found in alive if _has_room(found["Resources"], resources)]
    if not roomy:
        largest = ", ".join(
            f"{found['NodeManagerHostname']} has {found['Resources'].get('CPU', 0):g} cores and "
            f"{found['Resources'].get('GPU', 0):g} GPUs"
            for found in alive
        )
        raise ValueError(
            f"No node of the Ray cluster has --cores_per_run={resources.cores} and "
            f"--gpus_per_run={resources.gpus}: {largest}."
        )
    asked = {}
    for found in roomy:
        here = NodeAffinitySchedulingStrategy(found["NodeID"], soft=False)
        check = function.options(num_cpus=0, num_gpus=0, scheduling_strategy=here)
        asked[check.remote(versions, shared)] = found["NodeManagerHostname"]
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
            problem = f"Node {host} of the Ray cluster cannot work: {cause(error)}"
        except ray.exceptions.RayError:  # Ray takes a while to notice that a node is gone
            continue
        if problem is not None:
            raise ValueError(problem)
    if not answers:
        raise ValueError(f"No node of the Ray cluster is alive; those it had: {', '.join(asked.values())}.")


def cause(error: Any) -> str:
    """What a task raised."""
    return f"{type(error.cause).__name__}: {one_line(error.cause)}"


def one_line(error: BaseException) -> str:
    """The message of an error of Ray's, which can have many lines, in one."""
    lines: Sequence[str] = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines)[:500] or type(error).__name__


def check_reachable(address: str) -> None:
    """An address where nobody listens is an error at once; Ray alone would try for minutes.

    Raises:
        ValueError: it is no address, or nobody listens there.
    """
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
def _silent(ray: ModuleType) -> Iterator[None]:
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


def _has_room(there: Mapping[str, float], resources: Resources) -> bool:
    return there.get("CPU", 0) >= resources.cores and there.get("GPU", 0) >= resources.gpus
