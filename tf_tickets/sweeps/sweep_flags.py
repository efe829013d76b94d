"""The flags of a sweep: those of a run, of which the axes take lists, and its own."""

from __future__ import annotations

from typing import Any

from absl import flags

from tf_tickets import config
from tf_tickets.sweeps.axes import AXES
from tf_tickets.sweeps.executors.registry import EXECUTORS

SWEEP = "The sweep"
GROUPS = (SWEEP, *config.GROUPS)


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags of a sweep, once."""
    if "runs_dir" in values:
        return
    config.define_flags(values, lists=AXES)
    group: dict[str, Any] = {"module_name": SWEEP, "flag_values": values}
    flags.DEFINE_string(
        "runs_dir",
        "runs",
        "Folder of the runs, a path or a URL (s3://...); finished ones are not run again.",
        **group,
    )
    flags.DEFINE_integer(
        "jobs",
        None,
        "Runs at a time. Default: as many as fill the cores with their --threads (here 1); one where there "
        "is a GPU; on Ray, as many as the cluster has room for.",
        lower_bound=1,
        **group,
    )
    flags.DEFINE_enum(
        "executor",
        "local",
        list(EXECUTORS),
        "Where runs are done: in processes of this machine, or on a Ray cluster.",
        **group,
    )
    flags.DEFINE_string(
        "ray_address",
        None,
        "The Ray cluster: auto, HOST:PORT or ray://HOST:PORT. Default: one that is started on this machine.",
        **group,
    )
    flags.DEFINE_integer(
        "cores_per_run",
        None,
        "Cores that Ray keeps for a run. Default: its --threads.",
        lower_bound=1,
        **group,
    )
    flags.DEFINE_integer(
        "gpus_per_run", 0, "GPUs that Ray keeps for a run, and shows it.", lower_bound=0, **group
    )
    flags.DEFINE_bool(
        "controls",
        False,
        "Also dense, dense with each method's whole training budget, uniform and random tickets.",
        **group,
    )
    flags.DEFINE_bool("dry_run", False, "Print what would run, and what it costs; run nothing.", **group)
