"""Accuracy of what was written, beside the model's: the part of labelled examples whose class is found."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from tf_tickets.exporting.runtimes import Run
from tf_tickets.exporting.samples import batches_of, named_inputs


def accuracies(model: keras.Model, run: Run, data: Any) -> tuple[float, float] | None:
    """Of what was written, and of the model; None where the data have no labels that are classes.

    Args:
        model: that was exported.
        run: computes what was written.
        data: as `export` takes them.
    """
    right: list[tuple[np.ndarray, np.ndarray]] = []
    for x, labels in batches_of(model, data):
        if labels is None:
            return None
        outputs = keras.tree.flatten(model(x, training=False))
        found = run(named_inputs(model, x))
        if len(outputs) != 1 or not are_classes(np.asarray(outputs[0]), labels):
            return None
        right.append((hits(found[0], labels), hits(np.asarray(outputs[0]), labels)))
    if not right:
        raise ValueError("data= holds no example.")
    own, models = (np.concatenate(parts) for parts in zip(*right, strict=True))
    return float(own.mean()), float(models.mean())


def are_classes(outputs: np.ndarray, labels: np.ndarray) -> bool:
    """Whether labels are one class for each row of outputs `(..., classes)`: a number, or one-hot."""
    if outputs.ndim < 2 or outputs.shape[-1] < 2:
        return False
    if labels.shape == outputs.shape:
        return bool(np.all(labels.sum(-1) == 1) and np.all((labels == 0) | (labels == 1)))
    return labels.dtype.kind in "iu" and labels.size == outputs[..., 0].size


def hits(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """For each label whether its class has the largest output.

    Args:
        outputs: `(..., classes)`.
        labels: classes, or one-hot, as `are_classes` has them.
    """
    classes = labels.argmax(-1) if labels.shape == outputs.shape else labels
    return outputs.argmax(-1).reshape(-1) == classes.reshape(-1)
