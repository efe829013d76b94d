"""Variables: read as arrays, created beside others, and taken in by layers that are built."""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf


def value_of(variable: keras.Variable | tf.Variable | tf.Tensor) -> np.ndarray:
    """The value of a variable, or of a tensor, as an array of its own that later assignments leave alone.

    It has the variable's dtype and shape, bfloat16 and scalars included. Of a variable that tf.distribute has
    put on several devices it is the one value that a reader outside of the replicas sees.
    """
    # np.array(variable) is the same with a warning: `__array__` of Keras and TensorFlow knows no `copy` yet.
    return np.asarray(tf.convert_to_tensor(variable).numpy())


def parts_of(variable: keras.Variable) -> tuple[tf.Variable, ...]:
    """The variables of TensorFlow behind one of Keras: one for each replica."""
    return tuple(getattr(variable._value, "values", (variable._value,)))


def scope_of(variable: keras.Variable) -> contextlib.AbstractContextManager:
    """The tf.distribute scope that a variable was created in, where those that go with it belong too."""
    strategy = getattr(variable._value, "distribute_strategy", None)
    return contextlib.nullcontext() if strategy is None else strategy.scope()


@contextlib.contextmanager
def unlocked(layer: keras.Layer) -> Iterator[None]:
    """Lets a built layer take in another variable."""
    locked = layer._tracker.locked
    layer._tracker.unlock()
    try:
        yield
    finally:
        if locked:
            layer._tracker.lock()
