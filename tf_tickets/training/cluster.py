"""The strategy of several machines: the cluster that the environment describes."""

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tf_tickets.support.streams import visible

_ADDRESS = re.compile(r"\S+:[0-9]{1,5}")
MINUTES_TO_MEET = 10.0  # for the workers of a cluster


@functools.cache  # a process can join a cluster once
def multi_worker() -> tf.distribute.Strategy:
    """One replica on every GPU, or CPU, of every machine of TF_CONFIG, or of the Slurm step."""
    resolver = cluster_resolver()
    try:
        with _waiting_for(resolver):
            return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except tf.errors.OpError as error:
        raise ValueError(
            f"{_own_host(resolver)} cannot join its cluster (is an earlier process still there, or the port "
            f"taken?{_of_unknown(resolver)}): {error}"
        ) from error


def cluster_resolver() -> tf.distribute.cluster_resolver.ClusterResolver:
    """The cluster that the environment describes.

    Raises:
        ValueError: it describes none, or not well.
    """
    if "TF_CONFIG" in os.environ:
        _check_tf_config(os.environ["TF_CONFIG"])
        return tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if "SLURM_STEP_NUM_TASKS" in os.environ:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "all") not in ("", "-1")
        options: dict[str, Any] = {}
        if not (visible and shutil.which("nvidia-smi")):
            # The resolver cannot do without GPUs: it shares out as many as there are tasks, but sets none.
            tasks = int(os.environ["SLURM_STEP_NUM_TASKS"])
            options = {"gpus_per_node": tasks, "gpus_per_task": 1, "auto_set_gpu": False}
        try:
            return tf.distribute.cluster_resolver.SlurmClusterResolver(**options)
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"The Slurm step does not describe a cluster: {error}") from error
    raise ValueError(
        "strategy='multi_worker' needs the cluster in the environment: TF_CONFIG, or a Slurm step (srun). "
        "For the GPUs of one machine choose 'mirrored'."
    )


def _hosts(resolver: tf.distribute.cluster_resolver.ClusterResolver) -> list[str]:
    return [host for group in resolver.cluster_spec().as_dict().values() for host in group]


def _unknown_hosts(resolver: tf.distribute.cluster_resolver.ClusterResolver) -> list[str]:
    """Names of machines of the cluster that this one cannot look up; those of some come late."""
    names = dict.fromkeys(host.rpartition(":")[0].strip("[]") for host in _hosts(resolver))
    return [name for name in names if not _is_known(name)]


def _is_known(name: str) -> bool:
    try:
        socket.getaddrinfo(name, None)
    except (OSError, UnicodeError):
        return False
    return True


def _of_unknown(resolver: tf.distribute.cluster_resolver.ClusterResolver) -> str:
    """What to say of machines that cannot be found; nothing where all can."""
    names = _unknown_hosts(resolver)
    return f"; {visible(', '.join(names))} cannot be looked up from here: is that the name?" if names else ""


def _own_host(resolver: tf.distribute.cluster_resolver.ClusterResolver) -> str:
    return resolver.cluster_spec().as_dict()[resolver.task_type][resolver.task_id]


@contextlib.contextmanager
def _waiting_for(resolver: tf.distribute.cluster_resolver.ClusterResolver) -> Iterator[None]:
    """For the duration, Ctrl-C and a time limit end the process, though TensorFlow lets no Python run."""
    hosts = _hosts(resolver)
    print(
        f"waiting for the {len(hosts)} workers of the cluster, {MINUTES_TO_MEET:g} minutes at most: "
        f"{visible(', '.join(hosts))}{_of_unknown(resolver)}",
        flush=True,
    )
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # SIGTERM only because TensorFlow takes it for itself, and would keep it.
    deadly = (signal.SIGINT, signal.SIGALRM, signal.SIGTERM)
    before = {number: signal.signal(number, signal.SIG_DFL) for number in deadly}
    signal.setitimer(signal.ITIMER_REAL, 60 * MINUTES_TO_MEET)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_tf_config(text: str) -> None:
    example = (
        '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, "task": {"type": "worker", "index": 0}}'
    )
    try:
        value = json.loads(text)
        hosts, task = value["cluster"], value["task"]
        fits = (
            set(hosts) <= {"chief", "worker"}
            and all(isinstance(x, list) and all(isinstance(host, str) for host in x) for x in hosts.values())
            and isinstance(task["index"], int)
            and 0 <= task["index"] < len(hosts[task["type"]])
        )
        addresses = [host for group in hosts.values() for host in group] if fits else []
    except (ValueError, TypeError, KeyError):
        fits = False
    if not fits:
        raise ValueError(f"TF_CONFIG should look like {example}. Received: {text}")
    for address in addresses:
        if _ADDRESS.fullmatch(address) is None:
            raise ValueError(f"TF_CONFIG: an address is HOST:PORT, as in {example}. Received: {address!r}")
        if addresses.count(address) > 1:
            raise ValueError(
                f"TF_CONFIG names {address} {addresses.count(address)} times: every process has an address "
                "of its own, on one machine another port."
            )
