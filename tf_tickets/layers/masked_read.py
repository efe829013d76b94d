"""Reading a maskable weight of a layer: inside its call the effective weight, outside the variable."""

import collections
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from tf_tickets.layers.maskable import mask_name
from tf_tickets.layers.parametrization import effective_value

# Of a `tf.function`; bodies of loops and branches of conditions are subclasses.
FuncGraph = tf.__internal__.FuncGraph


class MaskedRead:
    """The attribute of a maskable weight: the variable, or inside `call` its masked value."""

    def __init__(self, name: str):
        self.name = name

    def __get__(self, layer: keras.Layer | None, owner: type | None = None) -> Any:
        if layer is None:
            return self
        try:
            weight = layer.__dict__[self.name]
        except KeyError:
            raise AttributeError(f"{type(layer).__name__!r} object has no attribute {self.name!r}") from None
        if not _active()[id(layer)]:
            return weight
        if mask_name(self.name) not in layer.__dict__:
            return weight
        with _outside_of_loops():
            return effective_value(layer, self.name)

    def __set__(self, layer: keras.Layer, value: Any) -> None:
        layer.__dict__[self.name] = value

    def __delete__(self, layer: keras.Layer) -> None:
        del layer.__dict__[self.name]


@contextlib.contextmanager
def computing(*layers: keras.Layer) -> Iterator[None]:
    """For the duration, in this thread, reading the layers' weights gives the effective ones."""
    active = _active()
    keys = [id(layer) for layer in layers]
    active.update(keys)
    try:
        yield
    finally:
        active.subtract(keys)
        for key in keys:
            if not active[key]:
                del active[key]


def _outside_of_loops() -> contextlib.AbstractContextManager:
    """For the duration, what is computed belongs to the function being traced, not to a loop or branch in it.

    So a weight is masked once for all steps of a loop, and its gradient, which a tap adds up, passes by once:
    in the gradient of a loop's body nothing could be added to a variable.
    """
    if tf.executing_eagerly():
        return contextlib.nullcontext()
    inner: Any = tf.compat.v1.get_default_graph()
    graph = inner
    while type(graph) is not FuncGraph and isinstance(getattr(graph, "outer_graph", None), FuncGraph):
        graph = graph.outer_graph
    return contextlib.nullcontext() if graph is inner else graph.as_default()


# One counter for each thread: under tf.distribute every replica calls the layer in a thread of its own.
_threads = threading.local()


def _active() -> collections.Counter[int]:
    if not hasattr(_threads, "active"):
        _threads.active = collections.Counter()
    return _threads.active
