"""Two replicas on one CPU, for tests of what happens under `tf.distribute`.

Import it at the top of a test module: TensorFlow splits a device only before it has run anything.
"""

import functools

import tensorflow as tf

_CPU = tf.config.list_physical_devices("CPU")[0]
if not tf.config.get_logical_device_configuration(_CPU):
    tf.config.set_logical_device_configuration(_CPU, [tf.config.LogicalDeviceConfiguration()] * 2)


@functools.cache
def two_replicas() -> tf.distribute.Strategy:
    """A MirroredStrategy over the two halves of the CPU.

    One for all tests: two of them number their collective operations alike, and TensorFlow mixes them up.
    """
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
