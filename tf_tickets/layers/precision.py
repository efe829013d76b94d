"""Computing with a model in another precision than its own, for a while."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from tf_tickets.layers.symbolic_call import wrapped_calls


@contextlib.contextmanager
def computing_in(model: keras.Layer, dtype: str | None, stored: str | None = None) -> Iterator[None]:
    """For the duration, every layer of the model computes in `dtype`; variables stay as they are.

    Layers cast what they read, inputs and variables alike. Layers of integers go on as they are, and so do
    functions that were traced before.

    Args:
        model: any Keras model, or a layer.
        dtype: `"float64"`, for example; None means the dtype of each layer's own variables, so that a model
            of mixed precision computes without it.
        stored: dtype of what is read instead of the variables, if it is not that of the variables.
    """
    with contextlib.ExitStack() as stack:
        for layer in model._flatten_layers():
            if _is_float(layer.compute_dtype) and _is_float(layer.variable_dtype):
                policy = _Computing(dtype or layer.variable_dtype, stored or layer.variable_dtype)
                # Past the setter, which would ask how to quantize.
                stack.callback(object.__setattr__, layer, "_dtype_policy", layer._dtype_policy)
                object.__setattr__(layer, "_dtype_policy", policy)
            if isinstance(layer, keras.Model) and dtype is not None:
                # A functional model converts what it is called with, also inside another model.
                for tensor in getattr(layer, "inputs", None) or ():
                    if _is_float(tensor.dtype):
                        stack.callback(object.__setattr__, tensor, "_dtype", tensor.dtype)
                        object.__setattr__(tensor, "_dtype", dtype)
        yield


@contextlib.contextmanager
def own_precision_where_needed(model: keras.Model) -> Iterator[None]:
    """For the duration of a `computing_in`, a user's call that insists on float32 gets and gives that.

    Such as one with a constant of TensorFlow in it: it is called in the precision of the model first, and
    where that fails in float32, with all layers inside, between casts.
    """
    with wrapped_calls(filter(_of_the_user, model._flatten_layers()), _in_float32_where_needed):
        yield


def _of_the_user(layer: keras.Layer) -> bool:
    cls: Any = type(layer)
    ours = getattr(cls, "stock", cls).__module__.startswith(("keras.", "tf_tickets."))
    # A `tf.function` is to be found as such, and traced afresh.
    traced = isinstance(layer.call, tf.types.experimental.PolymorphicFunction)
    return (not ours or isinstance(layer, keras.layers.Lambda)) and not traced


def _in_float32_where_needed(layer: keras.Layer, call: Callable) -> Callable:
    def attempt(*args: Any, **kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        except Exception as error:  # whatever operations of TensorFlow raise
            given = tf.nest.flatten((args, kwargs))
            wide = {x.dtype.name for x in given if tf.is_tensor(x) and x.dtype.is_floating} - {"float32"}
            if not wide:
                raise
            try:
                with computing_in(layer, "float32", stored=wide.pop()):
                    outputs = call(*_cast(args, "float32"), **_cast(kwargs, "float32"))
            except Exception:
                raise error from None
            return _cast(outputs, layer.compute_dtype)

    return attempt


def _cast(structure: Any, dtype: str) -> Any:
    return tf.nest.map_structure(
        lambda x: tf.cast(x, dtype) if tf.is_tensor(x) and x.dtype.is_floating else x, structure
    )


class _Computing(keras.DTypePolicy):
    """A policy of any two dtypes. Where they differ, Keras casts variables as they are read."""

    def __init__(self, compute: str, variable: str):
        super().__init__(variable)
        self.compute = compute

    @property
    def compute_dtype(self) -> str:
        return self.compute


def _is_float(dtype: str | None) -> bool:
    return dtype is not None and "float" in dtype
