"""Having a model traced again: Keras and TensorFlow would go on running the graphs of before."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

# Where a Keras model keeps what it has traced; `make_...` renews it.
TRACED = ("train_function", "test_function", "predict_function")


def forget_traces(model: keras.Model) -> None:
    """Renews the train, test and predict functions that Keras has traced for the model.

    Keras would go on running the old graph. They are renewed rather than set to None, since a running
    `fit` calls them again after each callback; tracing itself happens at the next call. So do calls of
    layers that the user made a `tf.function`.
    """
    renew_functions(model)
    for part in models_in(model):
        for name in TRACED:
            if getattr(part, name, None) is not None:
                getattr(part, f"make_{name}")(force=True)


def renew_functions(model: keras.Model) -> None:
    """Drops what has been traced of calls that the user made a `tf.function`."""
    for holder, key in _own_functions(model):
        holder[key] = holder[key]._clone(None)


@contextlib.contextmanager
def fresh_functions(model: keras.Model) -> Iterator[None]:
    """For the duration, calls that the user made a `tf.function` are traced afresh, and for that only.

    A trace from before would read variables past a StatelessScope, and one made inside the scope would keep
    its values.
    """
    places = _own_functions(model)
    before = [holder[key] for holder, key in places]
    renew_functions(model)
    try:
        yield
    finally:
        for (holder, key), function in zip(places, before, strict=True):
            holder[key] = function


def models_in(model: keras.Model) -> list[keras.Model]:
    """The model and the models inside it."""
    return [layer for layer in model._flatten_layers() if isinstance(layer, keras.Model)]


def _own_functions(model: keras.Model) -> list[tuple[Any, Any]]:
    """(holder, key) of each layer's `call` that is a `tf.function`: its attribute, or bound by its class."""
    places: list[tuple[Any, Any]] = []
    for layer in model._flatten_layers():
        if isinstance(layer.__dict__.get("call"), tf.types.experimental.PolymorphicFunction):
            places.append((layer.__dict__, "call"))
        cls: Any = type(layer)
        call = getattr(cls, "stock", cls).call
        if isinstance(call, tf.types.experimental.PolymorphicFunction):
            call.__get__(layer, cls)
            places.append((call._descriptor_cache, layer))
    return places
