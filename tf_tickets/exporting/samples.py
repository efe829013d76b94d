"""Sample inputs, one example at a time, by the names that a SavedModel's signature has for them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

MOST = 500


def sample_inputs(model: keras.Model, saved_model: Any, data: Any) -> list[dict[str, np.ndarray]]:
    """At most `MOST` examples, each with a batch axis of one.

    Args:
        model: that was exported.
        saved_model: as `tf.saved_model.load` gives it.
        data: arrays in the model's own structure, or a `tf.data.Dataset` of batches `x` or `(x, y)`.

    Raises:
        ValueError: there are no examples, or they are of another structure than the model's inputs.
    """
    specs = saved_model.signatures["serving_default"].structured_input_signature[1]
    batches = (
        (batch[0] if isinstance(batch, tuple) else batch for batch in data) if _is_dataset(data) else [data]
    )
    found: list[dict[str, np.ndarray]] = []
    for batch in batches:
        arrays = _by_name(model, specs, batch)
        for i in range(min(len(array) for array in arrays.values())):
            found.append({name: array[i : i + 1] for name, array in arrays.items()})
            if len(found) == MOST:
                return found
    if not found:
        raise ValueError("data= holds no example.")
    return found


def _is_dataset(data: Any) -> bool:
    return isinstance(data, tf.data.Dataset)


def _by_name(model: keras.Model, specs: dict[str, tf.TensorSpec], batch: Any) -> dict[str, np.ndarray]:
    flat = tf.nest.flatten(batch)
    names = list(specs)
    if isinstance(batch, dict) and batch.keys() == specs.keys():
        names, flat = list(batch), list(batch.values())
    elif len(names) > 1:
        names = [tensor.name for tensor in getattr(model, "inputs", None) or ()]
    if len(flat) != len(specs) or set(names) != set(specs):
        raise ValueError(f"data= holds {len(flat)} inputs; the model takes {len(specs)}: {', '.join(specs)}.")
    return {
        name: np.asarray(array).astype(specs[name].dtype.as_numpy_dtype)
        for name, array in zip(names, flat, strict=True)
    }
