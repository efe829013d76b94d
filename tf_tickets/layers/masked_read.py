"""Reading a maskable weight of a layer: inside its call the effective weight, outside the variable."""

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
        began = _active().get(id(layer))
        if began is None or mask_name(self.name) not in layer.__dict__:
            return weight
        with _computing_in(began[0]):
            return effective_value(layer, self.name)

    def __set__(self, layer: keras.Layer, value: Any) -> None:
        layer.__dict__[self.name] = value

    def __delete__(self, layer: keras.Layer) -> None:
        del layer.__dict__[self.name]


@contextlib.contextmanager
def computing(*layers: keras.Layer) -> Iterator[None]:
    """For the duration, in this thread, reading the layers' weights gives the effective ones.

    In loops and branches that begin in between, they are computed outside: a recurrent kernel once for all
    steps of the sequence, so that its gradient, which a tap adds up, passes by once.
    """
    active = _active()
    graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
    for layer in layers:
        active.setdefault(id(layer), []).append(graph)
    try:
        yield
    finally:
        for layer in layers:
            active[id(layer)].pop()
            if not active[id(layer)]:
                del active[id(layer)]


def _computing_in(home: Any) -> contextlib.AbstractContextManager:
    """For the duration, what is computed belongs to graph `home`, if only loops and branches began since."""
    if home is None or tf.executing_eagerly():
        return contextlib.nullcontext()
    graph: Any = tf.compat.v1.get_default_graph()
    while graph is not home:
        if type(graph) is FuncGraph or not isinstance(graph, FuncGraph):
            return contextlib.nullcontext()
        graph = graph.outer_graph
    return home.as_default()


# One for each thread: under tf.distribute every replica calls the layer in a thread of its own.
_threads = threading.local()


def _active() -> dict[int, list[Any]]:
    """The graphs in which computing with a layer began, by the layer's id; None where nothing is traced."""
    if not hasattr(_threads, "active"):
        _threads.active = {}
    return _threads.active
