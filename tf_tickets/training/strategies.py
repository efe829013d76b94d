"""Where computation runs: `tf.distribute` strategies by name, a table. Reading it loads no TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from tf_tickets.support.late import late
from tf_tickets.support.short_reprs import Rows

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Strategy:
    """One row of the table.

    Attributes:
        make: () -> the `tf.distribute` strategy.
        one_replica: whether there is one replica, whatever the devices.
        multi_worker: whether processes join, of several machines.
    """

    make: Callable[[], tf.distribute.Strategy]
    one_replica: bool = False
    multi_worker: bool = False


STRATEGIES: dict[str, Strategy] = {
    "auto": Strategy(late("tf_tickets.training.devices:auto")),
    "none": Strategy(late("tf_tickets.training.devices:default"), one_replica=True),
    "mirrored": Strategy(late("tf_tickets.training.devices:mirrored")),
    "multi_worker": Strategy(late("tf_tickets.training.cluster:multi_worker"), multi_worker=True),
}
STRATEGIES = Rows(STRATEGIES)


def make_strategy(name: str) -> tf.distribute.Strategy:
    """The strategy of a name, one of `STRATEGIES`."""
    if name not in STRATEGIES:
        raise ValueError(f"strategy={name!r} is unknown. Choose one of: {', '.join(STRATEGIES)}.")
    return STRATEGIES[name].make()


def count_replicas(name: str) -> int:
    """Replicas that `make_strategy(name)` would have, without making it: no GPU is touched."""
    import tensorflow as tf

    return 1 if STRATEGIES[name].one_replica else max(len(tf.config.list_physical_devices("GPU")), 1)
