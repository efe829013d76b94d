"""The strategies of one machine: none, or all of its devices."""

import functools

import tensorflow as tf


def default() -> tf.distribute.Strategy:
    """No distribution: TensorFlow's default strategy, of one replica."""
    return tf.distribute.get_strategy()


@functools.cache  # two MirroredStrategies of one process mix up their collective operations
def mirrored() -> tf.distribute.Strategy:
    """One replica on every GPU, or on every logical CPU where there is no GPU."""
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def auto() -> tf.distribute.Strategy:
    """Mirrored over several GPUs, otherwise none."""
    return mirrored() if len(tf.config.list_logical_devices("GPU")) > 1 else default()
