"""Computing with a model in another precision than its own, for a while."""

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def computing_in(model: keras.Model, dtype: str | None) -> Iterator[None]:
    """For the duration, every layer of the model computes in `dtype`; variables stay as they are.

    Layers cast what they read, inputs and variables alike. Layers of integers go on as they are, and so do
    functions that were traced before.

    Args:
        model: any Keras model.
        dtype: `"float64"`, for example; None means the dtype of each layer's own variables, so that a model
            of mixed precision computes without it.
    """
    with contextlib.ExitStack() as stack:
        for layer in model._flatten_layers():
            if _is_float(layer.compute_dtype) and _is_float(layer.variable_dtype):
                policy = _Computing(dtype or layer.variable_dtype, layer.variable_dtype)
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
