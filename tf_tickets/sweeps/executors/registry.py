"""The executors by name. A new one is a row here, and a module with what the row names."""

from __future__ import annotations

from tf_tickets.support.late import late
from tf_tickets.sweeps.executors.executor import Executor

EXECUTORS: dict[str, Executor] = {
    "local": Executor(
        make_pool=late("tf_tickets.sweeps.executors.local:LocalPool"),
        describe=late("tf_tickets.sweeps.executors.local:describe"),
        default_jobs=late("tf_tickets.sweeps.executors.local:default_jobs"),
        count_replicas=late("tf_tickets.sweeps.executors.local:count_replicas"),
        measure=late("tf_tickets.sweeps.executors.local:measure"),
    ),
    "ray": Executor(
        make_pool=late("tf_tickets.sweeps.executors.ray:RayPool"),
        describe=late("tf_tickets.sweeps.executors.ray:describe"),
        default_jobs=late("tf_tickets.sweeps.executors.ray:default_jobs"),
        count_replicas=late("tf_tickets.sweeps.executors.ray:count_replicas"),
        elsewhere=True,
        flags=("ray_address", "cores_per_run", "gpus_per_run"),
    ),
}
