"""Where computation runs: tf.distribute strategies by name."""

import functools
from collections.abc import Callable

import tensorflow as tf


def _default() -> tf.distribute.Strategy:
    return tf.distribute.get_strategy()


@functools.cache  # two MirroredStrategies of one process mix up their collective operations
def _mirrored() -> tf.distribute.Strategy:
    """One replica on every GPU, or on every logical CPU where there is no GPU."""
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _auto() -> tf.distribute.Strategy:
    """Mirrored over several GPUs, otherwise none."""
    return _mirrored() if len(tf.config.list_logical_devices("GPU")) > 1 else _default()


STRATEGIES: dict[str, Callable[[], tf.distribute.Strategy]] = {
    "auto": _auto,
    "none": _default,
    "mirrored": _mirrored,
}


def make_strategy(name: str) -> tf.distribute.Strategy:
    """The strategy of a name, one of `STRATEGIES`."""
    if name not in STRATEGIES:
        raise ValueError(f"strategy={name!r} is unknown. Choose one of: {', '.join(STRATEGIES)}.")
    return STRATEGIES[name]()


def count_replicas(name: str) -> int:
    """Replicas that `make_strategy(name)` would have, without making it: no GPU is touched."""
    gpus = len(tf.config.list_physical_devices("GPU"))
    return 1 if name == "none" else max(gpus, 1)
