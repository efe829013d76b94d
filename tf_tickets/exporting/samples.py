"""Samples that an export is given: inputs in the model's own structure, by name, and perhaps their labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.compaction.output_difference import random_array
from tf_tickets.layers.symbolic_call import OPEN_LENGTH, structure_of

MOST = 500
_AT_A_TIME = 100


def batches_of(model: keras.Model, data: Any) -> Iterator[tuple[Any, np.ndarray | None]]:
    """Batches of inputs in the model's own structure, each with its labels, or None.

    Args:
        model: that is exported.
        data: arrays in the model's own structure, a tuple `(x, y)` of such and their labels, or a
            `tf.data.Dataset` of batches `x` or `(x, y)`.

    Raises:
        ValueError: the dataset has no end.
    """
    if isinstance(data, tf.data.Dataset):
        if data.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ValueError("data= has no end. Take a part of it: dataset.take(10).")
        for batch in data:
            labelled = isinstance(batch, tuple) and len(batch) > 1
            x = batch[0] if isinstance(batch, tuple) else batch
            yield x, np.asarray(batch[1]) if labelled else None
        return
    x, y = data if _is_labelled(model, data) else (data, None)
    arrays = [np.asarray(array) for array in keras.tree.flatten(x)]
    for start in range(0, min(map(len, arrays), default=0), _AT_A_TIME):
        part = slice(start, start + _AT_A_TIME)
        yield (
            keras.tree.pack_sequence_as(x, [array[part] for array in arrays]),
            None if y is None else np.asarray(y)[part],
        )


def sample_inputs(model: keras.Model, saved_model: Any, data: Any) -> list[dict[str, np.ndarray]]:
    """At most `MOST` examples, each with a batch axis of one.

    Args:
        model: that was exported.
        saved_model: as `tf.saved_model.load` gives it.
        data: as for `batches_of`.

    Raises:
        ValueError: there are no examples, or they are of another structure than the model's inputs.
    """
    specs = saved_model.signatures["serving_default"].structured_input_signature[1]
    found: list[dict[str, np.ndarray]] = []
    for batch, _ in batches_of(model, data):
        arrays = _by_name(model, specs, batch)
        for i in range(min(len(array) for array in arrays.values())):
            found.append({name: array[i : i + 1] for name, array in arrays.items()})
            if len(found) == MOST:
                return found
    if not found:
        raise ValueError("data= holds no example.")
    return found


def named_inputs(model: keras.Model, batch: Any) -> dict[str, np.ndarray]:
    """A batch's arrays by the names that exports have for the model's inputs, in the model's order.

    Raises:
        ValueError: they are of another number.
    """
    flat = keras.tree.flatten(batch)
    tensors = getattr(model, "inputs", None) or [None] * len(flat)
    if len(flat) != len(tensors):
        raise ValueError(f"data= holds {len(flat)} inputs; the model takes {len(tensors)}.")
    names = _names_of(model) or [f"input_{i}" for i in range(len(flat))]
    return {
        name: _of_type(np.asarray(x), None if tensor is None else tensor.dtype)
        for name, x, tensor in zip(names, flat, tensors, strict=True)
    }


def first_inputs(model: keras.Model, data: Any) -> Any:
    """The first batch of sample inputs in the model's own structure; without any, random ones.

    Raises:
        ValueError: there is no example, or none was given and the model does not know its inputs.
    """
    if data is None:
        return random_inputs(model)
    for x, _ in batches_of(model, data):
        return x
    raise ValueError("data= holds no example.")


def random_inputs(model: keras.Model, count: int = 3, seed: int = 0) -> Any:
    """Normal inputs in the model's own structure; 0 and 1 where they are of integers, which may be ids.

    Raises:
        ValueError: the model does not know its inputs.
    """
    if not getattr(model, "inputs", None):
        raise ValueError(
            f"Model '{model.name}' does not know its inputs. Call it on a keras.Input, and export "
            "keras.Model(inputs, outputs); or pass data=, sample inputs."
        )
    rng = np.random.default_rng(seed)
    return keras.tree.map_structure(
        lambda x: random_sample(rng, (count, *x.shape[1:]), x.dtype), structure_of(model)
    )


def random_sample(rng: np.random.Generator, shape: Sequence[int | None], dtype: str) -> np.ndarray:
    """Random numbers of a type; sizes that are not known are 32."""
    return random_array(rng, [OPEN_LENGTH if size is None else size for size in shape], dtype)


def _of_type(array: np.ndarray, dtype: str | None) -> np.ndarray:
    """An array of the type that a model takes; of floats Keras's own, where the model does not say."""
    if dtype is None:
        dtype = keras.config.floatx() if array.dtype.kind == "f" else array.dtype.name
    return array.astype(tf.as_dtype(dtype).as_numpy_dtype)


def _is_labelled(model: keras.Model, data: Any) -> bool:
    """Whether a pair is of inputs and labels, and not of two inputs."""
    count = len(getattr(model, "inputs", None) or [None])
    return isinstance(data, tuple) and len(data) == 2 and len(keras.tree.flatten(data[0])) == count


def _names_of(model: keras.Model) -> list[str]:
    """Names of a model's inputs, in order; none where it does not know them."""
    if not getattr(model, "inputs", None):
        return []
    if isinstance(structure_of(model), dict):
        return sorted(structure_of(model))
    return [tensor.name for tensor in model.inputs]


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
