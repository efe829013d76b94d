"""Reading a maskable weight of a layer: inside its call the effective weight, outside the variable."""

import collections
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import keras

from tf_tickets.layers.maskable import mask_name
from tf_tickets.layers.parametrization import effective_value


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
        return effective_value(layer, self.name) if mask_name(self.name) in layer.__dict__ else weight

    def __set__(self, layer: keras.Layer, value: Any) -> None:
        layer.__dict__[self.name] = value

    def __delete__(self, layer: keras.Layer) -> None:
        del layer.__dict__[self.name]


@contextlib.contextmanager
def computing(layer: keras.Layer) -> Iterator[None]:
    """For the duration, in this thread, reading the layer's weights gives the effective ones."""
    active = _active()
    active[id(layer)] += 1
    try:
        yield
    finally:
        active[id(layer)] -= 1
        if not active[id(layer)]:
            del active[id(layer)]


# One counter for each thread: under tf.distribute every replica calls the layer in a thread of its own.
_threads = threading.local()


def _active() -> collections.Counter[int]:
    if not hasattr(_threads, "active"):
        _threads.active = collections.Counter()
    return _threads.active
