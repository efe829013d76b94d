"""The examples that scores look at: read once, in their order, or so many of each class."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.support.numbers import check_whole
from tf_tickets.support.words import in_short

Batch = tuple[Any, ...]


def read_batches(
    data: Any, samples_per_class: int | None = None, num_classes: int | None = None
) -> list[Batch] | None:
    """The batches to score on, as tensors.

    Args:
        data: `(x, y)` or `(x, y, sample_weight)` arrays, which are one batch; a `tf.data.Dataset` of such
            batches, or any other iterable of them; None for none.
        samples_per_class: pick so many examples of each class, the first that come, into one batch sorted by
            class. Labels are integers then, and every class has to have so many.
        num_classes: labels are 0 to num_classes - 1. None takes the largest label that occurs for the last.

    Returns:
        List of tuples of tensors, or None.

    Raises:
        TypeError: data of another form.
        ValueError: no batch, an endless dataset, batches of no labels or of different lengths, or too few
            examples of a class.

    Picking by class is how the sanity-checking paper's code feeds SNIP and GraSP.
    """
    if data is None:
        return None
    batches = [_checked(batch) for batch in _iterate(data)]
    if not batches:
        raise ValueError("data= holds no batch.")
    if samples_per_class is None:
        return batches
    return [
        first_of_each_class(batches, samples_per_class, None if num_classes is None else range(num_classes))
    ]


def num_classes_of(model: keras.Model) -> int | None:
    """How many classes the labels have: the outputs of a model with one output `(batch, classes)`."""
    try:
        shape = model.output_shape
    except (AttributeError, ValueError):  # a subclassed model
        return None
    return shape[-1] if isinstance(shape, tuple) and len(shape) == 2 and (shape[-1] or 0) > 1 else None


def first_of_each_class(
    batches: Iterable[Batch], samples_per_class: int, classes: Iterable[int] | None = None
) -> Batch:
    """One batch: the first so many examples of each class that the batches bring, sorted by class.

    Args:
        batches: `(x, y)` each, y integer labels `(batch,)` or `(batch, 1)`. Read no further than needed where
            the classes are known.
        samples_per_class: 1 or more.
        classes: the labels there are. None means 0 to the largest that occurs, and reads on to the end to
            know it.

    Raises:
        ValueError: a class has too few examples, or labels are no integers.
    """
    wanted = check_whole("samples_per_class", samples_per_class, 1)
    found: dict[int, list[int]] = {} if classes is None else {int(label): [] for label in classes}
    picked: list[Batch] = []  # of each batch its examples that are wanted
    count = 0  # of the examples in these
    for batch in batches:
        labels = np.asarray(batch[1])
        if labels.dtype.kind not in "iu" or labels.size != len(labels):
            raise ValueError(
                "samples_per_class= picks by integer labels, one an example. Received: "
                f"{labels.dtype} of shape {labels.shape}"
            )
        positions: list[int] = []
        for position, label in enumerate(labels.ravel().tolist()):
            rows = found.setdefault(label, [])
            if len(rows) < wanted:
                rows.append(count + len(positions))
                positions.append(position)
        if positions:
            picked.append(_rows(batch, positions))
            count += len(positions)
        if classes is not None and all(len(rows) == wanted for rows in found.values()):
            break
    if classes is None and found:
        for label in range(max(found)):
            found.setdefault(label, [])
    few = sorted(label for label, rows in found.items() if len(rows) < wanted)
    if few:
        raise ValueError(
            f"samples_per_class={wanted}: of class {few[0]} there are only {len(found[few[0]])} examples"
            + (f" (and of {len(few) - 1} other classes too few)." if len(few) > 1 else ".")
        )
    together = tf.nest.map_structure(lambda *parts: tf.concat(parts, 0), *picked)
    return _rows(together, [row for label in sorted(found) for row in found[label]])


def _rows(batch: Batch, positions: list[int]) -> Batch:
    return tf.nest.map_structure(lambda part: tf.gather(part, positions), batch)


def _iterate(data: Any) -> Iterable:
    if isinstance(data, tf.data.Dataset):
        if data.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ValueError("data= is an endless dataset. Say how much of it: dataset.take(batches).")
        return data
    if isinstance(data, tuple):
        return [data]
    no_batches = isinstance(data, (str, bytes, dict, np.ndarray)) or tf.is_tensor(data)
    if isinstance(data, Iterable) and not no_batches:
        return data
    raise TypeError(
        "data= takes (x, y) arrays, a tf.data.Dataset of batches, or an iterable of batches. "
        f"Received: {type(data).__name__}"
    )


def _checked(batch: Any) -> Batch:
    if not isinstance(batch, (tuple, list)) or not 2 <= len(batch) <= 3:
        raise ValueError(
            "data= holds batches (x, y) or (x, y, sample_weight). Received: "
            f"{type(batch).__name__}" + (f" of {len(batch)}" if isinstance(batch, Sequence) else "")
        )
    try:
        batch = tuple(tf.nest.map_structure(tf.convert_to_tensor, part) for part in batch)
    except (ValueError, TypeError) as error:
        raise ValueError(f"data= holds what is no array: {in_short(error)}.") from error
    lengths = {part.shape[0] if part.shape.rank else None for part in tf.nest.flatten(batch)}
    if len(lengths) != 1 or None in lengths or 0 in lengths:
        raise ValueError(
            "Inputs and labels of a batch hold the same number of examples, at least one. Received shapes: "
            f"{[tuple(part.shape) for part in tf.nest.flatten(batch)]}"
        )
    return batch
