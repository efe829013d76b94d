"""Datasets of the user's own: what a function of theirs returns."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_tickets.data.arrays import Held, splits_of
from tf_tickets.data.splits import Splits
from tf_tickets.support.own_code import failures_told, own_function
from tf_tickets.training.learning_tasks import BY_TARGETS

KEYS = ("x_train", "y_train", "x_test", "y_test")
_BATCH = 1024
RETURNS = (
    "((x_train, y_train), (x_test, y_test)), a mapping with these four names, or two tf.data.Datasets of "
    "examples (x, y), the training's first"
)


def read(
    name: str, data_dir: str | None, image_size: tuple[int, int] | None, task: str = BY_TARGETS
) -> Splits:
    """Calls a function of no arguments, and takes what it returns as arrays of `npz:FILE` are taken.

    Args:
        name: `"module:function"` or `"file.py:function"`.
        data_dir: not used.
        image_size: not used.
        task: what is learned; by default what the targets evidently are.

    Raises:
        ValueError: there is no such function, it fails, or it returns no dataset.
    """
    source = f"dataset={name}"
    function = own_function("dataset", name)
    with failures_told(source):
        found = function()
    x_train, y_train, x_test, y_test = map(Held, _arrays(source, found))
    return splits_of(source, x_train, y_train, x_test, y_test, contextlib.nullcontext(), task)


def _arrays(source: str, found: Any) -> list[np.ndarray]:
    """x_train, y_train, x_test, y_test."""
    if isinstance(found, Mapping):
        parts = [found.get(key) for key in KEYS]
    elif _are_pairs(found):
        parts = [part for pair in found for part in pair]
    elif isinstance(found, (tuple, list)) and len(found) == 2 and all(map(_is_tf_dataset, found)):
        parts = [part for dataset in found for part in _drained(source, dataset)]
    else:
        parts = [None]
    if any(part is None for part in parts):
        raise ValueError(f"{source} is to return {RETURNS}. Received: {type(found).__name__}")
    arrays = [np.asarray(part) for part in parts]
    if any(array.dtype == object and array.size and isinstance(array.flat[0], str) for array in arrays):
        arrays = [array.astype(str) if array.dtype == object else array for array in arrays]  # of pandas
    return arrays


def _are_pairs(found: Any) -> bool:
    def pair(value: Any) -> bool:
        return isinstance(value, (tuple, list)) and len(value) == 2

    return pair(found) and all(map(pair, found))


def _is_tf_dataset(value: Any) -> bool:
    import tensorflow as tf

    return isinstance(value, tf.data.Dataset)


def _are_single(x: Any, y: Any) -> bool:
    """Whether elements are single examples: they are no batches, which begin with one number of examples."""
    if y.shape.rank == 0:
        return True
    sizes = [part.shape[0] if part.shape.rank else None for part in (x, y)]
    return y.shape.rank == 1 and None not in sizes and sizes[0] != sizes[1]


def _drained(source: str, dataset: Any) -> tuple[np.ndarray, np.ndarray]:
    """All examples of a tf.data.Dataset, batched or not."""
    import tensorflow as tf

    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2:
        raise ValueError(f"{source}: a tf.data.Dataset is to hold pairs (x, y). Received: {spec}")
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError(f"{source}: a tf.data.Dataset has no end. Say by take() how much of it is meant.")
    if _are_single(*spec):
        dataset = dataset.batch(_BATCH)
    pairs = list(dataset.as_numpy_iterator())
    if not pairs:
        raise ValueError(f"{source}: a tf.data.Dataset is empty.")
    return np.concatenate([x for x, _ in pairs]), np.concatenate([y for _, y in pairs])
